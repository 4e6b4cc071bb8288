import { describe, expect, test } from 'vitest'
import { searchFaults, searchOperators } from './contract/search.ts'
import type { AttributeType } from './custom-data.ts'
import { readFilterTree } from './filter.ts'
import { limits } from './limits.ts'
import { blank, Findings } from './untrusted.ts'

const now = 1_700_000_000
const attributes = new Map<string, AttributeType>([['plan', 'text'], ['seats', 'number'], ['paying', 'boolean']])

/** What comes of a group: the tree, or the faults, and the paths that meant nothing. */
function read(body: Record<string, unknown>): { group: object; faults: readonly object[]; ignored: readonly string[] } {
  const findings = new Findings()
  const group = readFilterTree(body, { findings, attributes, now })
  return { group, faults: findings.faults, ignored: findings.ignored }
}

const group = (filters: unknown[], given: object = {}): object => ({ type: 'group', isNegated: false, comparison: 'AND', filters, ...given })
const faultsOf = (...filter: unknown[]): readonly object[] => read({ filter }).faults
/** The one filter that comes of an item without a fault. */
function filterOf(item: object): unknown {
  const { group: read1, ...rest } = read({ filter: [item] })
  expect(rest).toEqual({ faults: [], ignored: [] })
  return (read1 as { filters: unknown[] }).filters[0]
}

describe('each operator of each type becomes a test, its negation aside', () => {
  const number = (field: object, test: object, isNegated = false): object => ({ type: 'number', isNegated, field, test })
  const text = (field: object, test: object, isNegated = false): object => ({ type: 'text', isNegated, field, test })
  const events = (test: object, isNegated = false): object =>
    ({ type: 'events', isNegated, name: 'Invoice paid', since: 0, until: limits.dateSecondsMax, test })
  const tags = (operator: string, names: string[], isNegated = false): object => ({ type: 'tags', isNegated, operator, names })

  const id = { name: 'id' }
  const seats = { attribute: 'seats' }
  const lastSeen = { name: 'lastSeen' }
  const blocked = { name: 'blocked' }
  const name = { name: 'name' }
  const numbers = (field: string, of: object, [one, two, three]: [unknown, unknown, unknown], [first, second, third]: [number, number, number]): [string, string, unknown, object][] => [
    [field, '=', one, number(of, { operator: '=', value: first })],
    [field, '!=', one, number(of, { operator: '=', value: first }, true)],
    [field, '>', two, number(of, { operator: '>', value: second })],
    [field, '<', two, number(of, { operator: '<', value: second })],
    [field, '>=', three, number(of, { operator: '>=', value: third })],
    [field, '<=', three, number(of, { operator: '<=', value: third })],
    [field, 'between', [one, two], number(of, { operator: 'between', from: first, to: second })],
    [field, 'in', [one, two, three], number(of, { operator: 'in', values: [first, second, third] })],
    [field, '!in', [one], number(of, { operator: 'in', values: [first] }, true)],
    [field, 'empty', undefined, number(of, { operator: 'empty' })],
    [field, '!empty', undefined, number(of, { operator: 'empty' }, true)]
  ]
  const cases: [field: string, operator: string, value: unknown, filter: object][] = [
    ...numbers('id', id, [12, '-3', '0'], [12, -3, 0]),
    ...numbers('customData.seats', seats, [1.5, '-2.25', 0], [1.5, -2.25, 0]),
    ...numbers('lastSeen', lastSeen, [0, '1700000000.9', 5.5], [0, 1_700_000_000, 5]),

    ['blocked', '=', true, number(blocked, { operator: '=', value: 1 })],
    ['blocked', '!=', false, number(blocked, { operator: '=', value: 0 }, true)],
    ['customData.paying', '=', false, number({ attribute: 'paying' }, { operator: '=', value: 0 })],
    ['blocked', 'empty', undefined, number(blocked, { operator: 'empty' })],
    ['blocked', '!empty', undefined, number(blocked, { operator: 'empty' }, true)],

    ['name', '=', 'STRAẞE', text(name, { operator: '=', value: 'straße' })],
    ['name', '!=', '', text(name, { operator: '=', value: '' }, true)],
    ['name', '~', 'Σς', text(name, { operator: '~', value: 'σσ' })],
    ['name', '!~', '', text(name, { operator: '~', value: '' }, true)],
    ['name', '^', 'A', text(name, { operator: '^', value: 'a' })],
    ['name', '$', 'É', text(name, { operator: '$', value: 'é' })],
    ['name', 'in', ['A', '', 'a'], text(name, { operator: 'in', values: ['a', '', 'a'] })],
    ['name', '!in', ['A'], text(name, { operator: 'in', values: ['a'] }, true)],
    ['name', 'empty', undefined, text(name, { operator: 'empty' })],
    ['name', '!empty', undefined, text(name, { operator: 'empty' }, true)],
    ['name', '~', '^(a+)+$ .* [a-z] \\d %_', text(name, { operator: '~', value: '^(a+)+$ .* [a-z] \\d %_' })],
    ['customData.plan', '=', 'PRO', text({ attribute: 'plan' }, { operator: '=', value: 'pro' })],
    ['createdFrom', '=', 'Telegram', text({ name: 'createdFrom' }, { operator: '=', value: 'telegram' })],
    ['userId', '=', 'ABC', text({ name: 'userId' }, { operator: '=', value: 'ABC' })],
    ['userId', 'in', [42, '0042'], text({ name: 'userId' }, { operator: 'in', values: ['42', '0042'] })],
    ['telegramId', '^', 'É', text({ name: 'telegramId' }, { operator: '^', value: 'É' })],

    ['tags', '=', [{ name: 'Lead', color: 'red' }, 'VIP', 'Lead'], tags('all', ['Lead', 'VIP'])],
    ['tags', 'all', ['Lead'], tags('all', ['Lead'])],
    ['tagsData', '=', ['Lead'], tags('all', ['Lead'])],
    ['tags', 'any', ['Lead', { name: 'VIP' }], tags('any', ['Lead', 'VIP'])],
    ['tags', 'none', ['Lead'], tags('any', ['Lead'], true)],
    ['tags', 'empty', undefined, tags('empty', [])],
    ['tags', '!empty', undefined, tags('empty', [], true)],

    ['events.Invoice paid', '=', 0, events({ operator: '=', value: 0 })],
    ['events.Invoice paid', '!=', '1', events({ operator: '=', value: 1 }, true)],
    ['events.Invoice paid', '>', 2, events({ operator: '>', value: 2 })],
    ['events.Invoice paid', '<', -1, events({ operator: '<', value: -1 })],
    ['events.Invoice paid', '>=', 3, events({ operator: '>=', value: 3 })],
    ['events.Invoice paid', '<=', 4, events({ operator: '<=', value: 4 })],
    ['events.Invoice paid', 'between', [1, 2], events({ operator: 'between', from: 1, to: 2 })],
    ['events.Invoice paid', 'in', [1, 2], events({ operator: 'in', values: [1, 2] })],
    ['events.Invoice paid', '!in', [0], events({ operator: 'in', values: [0] }, true)],

    ['text', '~', 'ANN', { type: 'anyText', isNegated: false, needle: 'ann', digits: null }],
    ['text', '!~', '', { type: 'anyText', isNegated: true, needle: '', digits: null }]
  ]

  test.each(cases)('%s %s %j', (field, operator, value, filter) => {
    expect(filterOf({ field, operator, value })).toEqual(filter)
  })

  test('and no operator of the table is left out', () => {
    const types: Record<string, keyof typeof searchOperators> = {
      'id': 'integer', 'customData.seats': 'number', 'lastSeen': 'date', 'blocked': 'boolean', 'name': 'text', 'tags': 'tags', 'events.Invoice paid': 'events', 'text': 'any text'
    }
    for (const [field, type] of Object.entries(types)) {
      expect([field, new Set(cases.filter(([given]) => given === field).map(([, operator]) => operator))]).toEqual([field, new Set(searchOperators[type])])
    }
    expect(new Set(Object.values(types))).toEqual(new Set(Object.keys(searchOperators)))
  })
})

test('the ends of between need no order', () => {
  expect(filterOf({ field: 'id', operator: 'between', value: [5, 1] }))
    .toEqual({ type: 'number', isNegated: false, field: { name: 'id' }, test: { operator: 'between', from: 5, to: 1 } })
})

test('a value beside empty means nothing, and is named', () => {
  expect(read({ filter: [
    { field: 'name', operator: 'empty', value: { no: 'matter' } }, { field: 'tags', operator: '!empty', value: [] }, { field: 'id', operator: 'empty', value: null }
  ] })).toEqual({
    group: group([
      { type: 'text', isNegated: false, field: { name: 'name' }, test: { operator: 'empty' } },
      { type: 'tags', isNegated: true, operator: 'empty', names: [] },
      { type: 'number', isNegated: false, field: { name: 'id' }, test: { operator: 'empty' } }
    ]),
    faults: [],
    ignored: ['filter[0].value', 'filter[1].value']
  })
})

describe('dates count from now', () => {
  test.each<[string, number]>([
    ['now', now], ['-0s', now], ['-90s', now - 90], ['-30m', now - 1_800], ['-12h', now - 43_200], ['-7d', now - 604_800], ['-2w', now - 1_209_600],
    ['-999999999w', 0], ['-20000d', 0], ['1700000000', 1_700_000_000]
  ])('%s', (value, seconds) => {
    expect([
      filterOf({ field: 'createdAt', operator: '>', value }),
      filterOf({ field: 'createdAt', operator: 'between', value: [value, 'now'] }),
      filterOf({ field: 'createdAt', operator: 'in', value: [value] }),
      filterOf({ field: 'events.a', operator: '=', value: 1, since: value, until: value })
    ]).toEqual([
      { type: 'number', isNegated: false, field: { name: 'createdAt' }, test: { operator: '>', value: seconds } },
      { type: 'number', isNegated: false, field: { name: 'createdAt' }, test: { operator: 'between', from: seconds, to: now } },
      { type: 'number', isNegated: false, field: { name: 'createdAt' }, test: { operator: 'in', values: [seconds] } },
      { type: 'events', isNegated: false, name: 'a', since: seconds, until: seconds, test: { operator: '=', value: 1 } }
    ])
  })

  test.each(['', 'Now', ' now', '7d', '+7d', '-7 d', '-7D', '-7y', '-1.5d', '--7d', '-1234567890d', '-d', 'yesterday', '2024-01-01', '1e3', 'NaN'])('and not from "%s"', (value) => {
    const message = searchFaults.relativeDate

    expect(faultsOf({ field: 'createdAt', operator: '>', value }, { field: 'events.a', operator: '>', value: 1, since: value, until: value })).toEqual([
      { path: 'filter[0].value', message }, { path: 'filter[1].since', message }, { path: 'filter[1].until', message }
    ])
  })
})

test.each<[given: object, since: number, until: number]>([
  [{}, 0, limits.dateSecondsMax],
  [{ since: null, until: null }, 0, limits.dateSecondsMax],
  [{ since: 100 }, 100, limits.dateSecondsMax],
  [{ until: '200.9' }, 0, 200],
  [{ since: 300, until: 200 }, 300, 200]
])('events count in the window %j, both ends included', (window, since, until) => {
  expect(filterOf({ field: 'events.a', operator: '>', value: 1, ...window }))
    .toEqual({ type: 'events', isNegated: false, name: 'a', since, until, test: { operator: '>', value: 1 } })
})

test.each<[needle: string, digits: string | null]>([
  ['030', '030'], ['+49 (0)30-1234.5/6', '49030123456'], ['030\u201012\u201134\u201256\u201378\u20149\u2212', '030123456789'], ['030\u00a012\u202f34', '0301234'],
  ['\u202a+49\u00ad30\u200b1\u202c\ufeff', '49301'], ['٣\u2011٤\u2011٥', null], ['1_2_3', null], ['1 2 3', '123'], ['12', null], ['1-2', null], ['', null], ['+-() ./', null], ['030x', null], ['123@', null],
  // Other scripts' digits are letters here: a phone is compared by 0 to 9.
  ['٣٤٥', null], ['１２３', null]
])('"%s" may be a part of a phone number: %s', (value, digits) => {
  expect(filterOf({ field: 'text', operator: '~', value })).toEqual({ type: 'anyText', isNegated: false, needle: value, digits })
})

describe('groups', () => {
  const byId = { field: 'id', operator: '=', value: 1 }
  const idFilter = { type: 'number', isNegated: false, field: { name: 'id' }, test: { operator: '=', value: 1 } }

  test.each<[body: Record<string, unknown>, expected: object]>([
    [{}, group([])],
    [{ filter: [], comparison: null, not: null }, group([])],
    [{ filter: [], comparison: '', not: false }, group([])],
    [{ filter: [byId], comparison: 'or', not: true }, group([idFilter], { comparison: 'OR', isNegated: true })],
    [{ filter: [{ filter: [] }] }, group([group([])])],
    [{ filter: [{ comparison: 'OR', filter: [] }] }, group([group([], { comparison: 'OR' })])],
    [{ filter: [{ filter: [], not: true }] }, group([group([], { isNegated: true })])],
    [{ filter: [byId, { comparison: 'Or', not: true, filter: [byId, { filter: [byId] }] }, byId] },
      group([idFilter, group([idFilter, group([idFilter])], { comparison: 'OR', isNegated: true }), idFilter])]
  ])('%j', (body, expected) => {
    expect(read(body)).toEqual({ group: expected, faults: [], ignored: [] })
  })

  /** A group in a group in a group. */
  const nested = (levels: number): object => (levels === 0 ? byId : { filter: [nested(levels - 1)] })

  test('nest five levels deep, and no deeper', () => {
    expect(read({ filter: [nested(limits.searchGroupLevelsMax)] }))
      .toEqual({ group: group([group([group([group([group([group([idFilter])])])])])]), faults: [], ignored: [] })
    expect(faultsOf(nested(limits.searchGroupLevelsMax + 1), nested(30))).toEqual([
      { path: 'filter[0].filter[0].filter[0].filter[0].filter[0].filter[0]', message: searchFaults.tooDeep },
      { path: 'filter[1].filter[0].filter[0].filter[0].filter[0].filter[0]', message: searchFaults.tooDeep }
    ])
  })

  test('hold 50 filters and 50 groups in all, and no more', () => {
    const { searchFiltersMax: max } = limits
    const filters = (count: number): object[] => Array.from({ length: count }, () => byId)
    const groups = (count: number): object[] => Array.from({ length: count }, () => ({ filter: [] }))
    const message = searchFaults.tooManyFilters

    expect(faultsOf(...filters(max), ...groups(max))).toEqual([])
    expect(faultsOf({ filter: filters(max / 2) }, ...filters(max / 2))).toEqual([])
    expect(faultsOf(...filters(max + 1))).toEqual([{ path: 'filter', message }])
    expect(faultsOf(...groups(max + 1))).toEqual([{ path: 'filter', message }])
    expect(faultsOf(...filters(10_000), ...groups(10_000))).toEqual([{ path: 'filter', message }])
    expect(faultsOf(...filters(max), { filter: [byId] })).toEqual([{ path: `filter[${max}].filter`, message }])
    expect(faultsOf({ filter: filters(max + 1) }, byId, { filter: filters(2) })).toEqual([{ path: 'filter[0].filter', message }])
  })
})

describe('every bad part is named', () => {
  const range = `This value should be between -${limits.integerMax} and ${limits.integerMax}.`
  const { list, pair, notOnFilter, bothKinds, notOfEvents, relativeDate } = searchFaults
  const nearly = (meant: string): string => `This key is not known. Did you mean "${meant}"?`
  const [array, object, numeric, string, bool] = ['array', 'object', 'numeric', 'string', 'bool'].map((type) => `This value should be of type ${type}.`)
  const whole = 'This value should be a whole number.'
  const tooLong = (characters: number): string => `This value is too long. It should have ${characters} characters or less.`
  const f = (field: unknown, operator: unknown, value?: unknown, more: object = {}): object => ({ field, operator, value, ...more })
  type Faults = (readonly [path: string, message: string | undefined])[]

  test.each<[title: string, body: Record<string, unknown>, faults: Faults]>([
    ['a filter that is no list', { filter: f('id', '=', 1) }, [['filter', array]]],
    ['null for a list', { filter: null }, [['filter', array]]],
    ['null for the list of a group', { filter: [{ comparison: 'OR', filter: null }] }, [['filter[0].filter', array]]],
    ['an item that is none', { filter: [null, 'id = 1', 1, []] }, [0, 1, 2, 3].map((index) => [`filter[${index}]`, object])],
    ['nothing', { filter: [{}] }, [['filter[0].field', blank], ['filter[0].value', blank], ['filter[0].operator', blank]]],
    ['blanks', { filter: [f('', '', '')] }, [['filter[0].field', blank], ['filter[0].operator', blank]]],
    ['a value that is missing', { filter: [f('name', '='), f('id', 'in', null), f('tags', 'any'), f('events.a', '>'), f('text', '~')] },
      [0, 1, 2, 3, 4].map((index) => [`filter[${index}].value`, blank])],
    ['comparison and not of the wrong kind', { comparison: 'XOR', not: 1, filter: [{ comparison: 2, not: 'yes', filter: [f('x', '=', 1)] }] }, [
      ['comparison', 'This value should be one of "AND", "OR".'], ['not', bool],
      ['filter[0].comparison', 'This value should be one of "AND", "OR".'], ['filter[0].not', bool], ['filter[0].filter[0].field', '"x" is not a searchable field']
    ]],
    ['not on a filter', { filter: [f('id', '=', 1, { not: true }), f('id', '=', 1, { not: false }), { not: true }] }, [
      ['filter[0].not', notOnFilter], ['filter[1].not', notOnFilter],
      ['filter[2].field', blank], ['filter[2].not', notOnFilter], ['filter[2].value', blank], ['filter[2].operator', blank]
    ]],
    ['what is a filter and a group', { filter: [
      f('id', '=', 1, { filter: [] }), f('id', '=', 1, { comparison: 'OR' }), f('x', 'y', {}, { filter: 5, not: true }), { filter: [f('', '', 1, { comparison: '' })] }
    ] }, [['filter[0]', bothKinds], ['filter[1]', bothKinds], ['filter[2]', bothKinds], ['filter[3].filter[0]', bothKinds]]],
    ['a window on what does not happen', { filter: [f('id', '=', 1, { since: 5 }), f('tags', 'empty', undefined, { since: 'x', until: 0 }), f('x', '=', 1, { since: 5 })] }, [
      ['filter[0].since', notOfEvents], ['filter[1].since', notOfEvents], ['filter[1].until', notOfEvents], ['filter[2].field', '"x" is not a searchable field']
    ]],
    ['a key that is nearly one of a filter', { filter: [
      f('events.a', '>', 1, { sinse: 5, untill: 6 }), f('id', '=', 1, { values: 1, Operator: '=', nott: true, comparision: 'OR', filters: [], sicne: 5 }), { feild: 'id', operator: '=', value: 1 }
    ] }, [
      ['filter[0].sinse', nearly('since')], ['filter[0].untill', nearly('until')],
      ['filter[1].values', nearly('value')], ['filter[1].Operator', nearly('operator')], ['filter[1].nott', nearly('not')], ['filter[1].comparision', nearly('comparison')],
      ['filter[1].filters', nearly('filter')], ['filter[1].sicne', nearly('since')],
      ['filter[2].field', blank], ['filter[2].feild', nearly('field')]
    ]],
    ['a key that is nearly one of a group', { filter: [{ filter: [], comparisn: 'OR', nto: true, fields: 'id' }, { comparison: 'OR', fitler: [] }] }, [
      ['filter[0].comparisn', nearly('comparison')], ['filter[0].nto', nearly('not')], ['filter[0].fields', nearly('field')], ['filter[1].filter', blank], ['filter[1].fitler', nearly('filter')]
    ]],
    ['an unknown field, in a group as well', { filter: [f('emial', '=', 'a'), { filter: [f('customData.paln', '=', 'a'), f('__proto__', 'constructor', 'a')] }] }, [
      ['filter[0].field', '"emial" is not a searchable field; did you mean "customers.email"?'],
      ['filter[1].filter[0].field', '"customData.paln" is not a searchable field; did you mean "customData.plan"?'],
      ['filter[1].filter[1].field', '"__proto__" is not a searchable field']
    ]],
    ['an event without a name, or with one too long', { filter: [f('events.', '=', 1), f(`events.${'x'.repeat(256)}`, '=', 1), f('events.a\u0000', '=', 1)] }, [
      ['filter[0].field', '"events." is not a searchable field'], ['filter[1].field', tooLong(255)],
      ['filter[2].field', 'This value should not contain the character U+0000.']
    ]],
    ['an operator that does not fit', { filter: [
      f('id', '~', 1), f('lastSeen', '^', 1), f('name', '>', 'a'), f('name', 'between', ['a', 'b']), f('blocked', 'in', [true]), f('tags', '!=', ['a']), f('tags', 'in', ['a']),
      f('events.a', 'empty'), f('text', '=', 'a'), f('customData.plan', '<', 'a'), f('customData.seats', '~', 1), f('id', 'IN', [1]), f('id', 5, 1), f('id', 'toString', 1)
    ] }, [
      ['filter[0].operator', '~ cannot be used on customers.id'], ['filter[1].operator', '^ cannot be used on customers.lastSeen'],
      ['filter[2].operator', '> cannot be used on customers.name'], ['filter[3].operator', 'between cannot be used on customers.name'],
      ['filter[4].operator', 'in cannot be used on customers.blocked'], ['filter[5].operator', '!= cannot be used on customers.tags'],
      ['filter[6].operator', 'in cannot be used on customers.tags'], ['filter[7].operator', 'empty cannot be used on events.a'],
      ['filter[8].operator', '= cannot be used on text'], ['filter[9].operator', '< cannot be used on customData.plan'],
      ['filter[10].operator', '~ cannot be used on customData.seats'], ['filter[11].operator', 'IN cannot be used on customers.id'],
      ['filter[12].operator', '5 cannot be used on customers.id'], ['filter[13].operator', 'toString cannot be used on customers.id']
    ]],
    ['an operator that does not fit, and a value that does not either', { filter: [f('id', '~', 'x'), f('name', '>', 5), f('tags', '!=', []), f('events.a', '~', 'x'), f('blocked', '>', 1)] }, [
      ['filter[0].operator', '~ cannot be used on customers.id'], ['filter[0].value', numeric],
      ['filter[1].operator', '> cannot be used on customers.name'], ['filter[1].value', string],
      ['filter[2].operator', '!= cannot be used on customers.tags'], ['filter[2].value', blank],
      ['filter[3].operator', '~ cannot be used on events.a'], ['filter[3].value', numeric],
      ['filter[4].operator', '> cannot be used on customers.blocked'], ['filter[4].value', bool]
    ]],
    ['a long operator', { filter: [f('id', 'x'.repeat(100_000), 1)] }, [['filter[0].operator', `${'x'.repeat(100)} cannot be used on customers.id`]]],
    ['a value that is no integer', { filter: ['', 'a', '1e3', ' 1', '0x1', true, [1], {}, 1.5, 2 ** 53, '-9007199254740993', '1'.repeat(21), '1.5', '-0.0', '1.', '.5', '1.2.3'].map((value) => f('id', '=', value)) },
      [numeric, numeric, numeric, numeric, numeric, numeric, numeric, numeric, whole, range, range, numeric, whole, whole, numeric, numeric, numeric]
        .map((message, index) => [`filter[${index}].value`, message])],
    ['a value that is no number', { filter: ['', '1e3', '1.', true, 1e16].map((value) => f('customData.seats', '>', value)) },
      [numeric, numeric, numeric, numeric, `${range} Send larger numbers as text.`].map((message, index) => [`filter[${index}].value`, message])],
    ['a value that is no date', { filter: [true, [], {}, -1, '-7', limits.dateSecondsMax + 1, '253402300800', '1.2.3', '.5', '-', '1'.repeat(21)].map((value) => f('createdAt', '>', value)) },
      [numeric, numeric, numeric, ...Array.from({ length: 4 }, () => `This value should be between 0 and ${limits.dateSecondsMax}.`), relativeDate, relativeDate, relativeDate, relativeDate]
        .map((message, index) => [`filter[${index}].value`, message])],
    ['a value that is no boolean', { filter: [1, 0, 'true', '', []].map((value) => f('blocked', '=', value)) }, [0, 1, 2, 3, 4].map((index) => [`filter[${index}].value`, bool])],
    ['a value that is no text', { filter: [5, true, ['a'], {}, 'a\u0000', '\ud83d', 'x'.repeat(100_000)].map((value) => f('name', '~', value)) },
      [string, string, string, string, 'This value should not contain the character U+0000.', 'This value should be well-formed Unicode, without lone surrogates.', tooLong(65_535)]
        .map((message, index) => [`filter[${index}].value`, message])],
    ['an integer where it stands for no text', { filter: [f('telegramId', '=', 5), f('userId', '=', 1.5), f('userId', '=', 2 ** 53), f('customData.plan', '=', 5)] },
      [0, 1, 2, 3].map((index) => [`filter[${index}].value`, string])],
    ['a needle that is no text, or too long', { filter: [f('text', '~', 5), f('text', '!~', 'x'.repeat(100_000))] }, [['filter[0].value', string], ['filter[1].value', tooLong(65_535)]]],
    ['a list that is none, has nothing or too much', { filter: [5, 'a', {}, [], Array.from({ length: 1_001 }, () => 1), Array.from({ length: 10_000 }, () => 'x')]
      .flatMap((value) => [f('id', 'in', value), f('name', '!in', value)]) }, Array.from({ length: 12 }, (_, index) => [`filter[${index}].value`, list])],
    ['values of a list', { filter: [f('id', 'in', [1, 'a', null, 1.5]), f('name', 'in', ['a', 5, null]), f('createdAt', '!in', ['now', 'then']), f('events.a', 'in', [[]])] }, [
      ['filter[0].value[1]', numeric], ['filter[0].value[2]', numeric], ['filter[0].value[3]', whole],
      ['filter[1].value[1]', string], ['filter[1].value[2]', string], ['filter[2].value[1]', relativeDate], ['filter[3].value[0]', numeric]
    ]],
    ['a pair that is none', { filter: [5, [], [1], [1, 2, 3], { 0: 1, 1: 2 }].map((value) => f('id', 'between', value)) }, [0, 1, 2, 3, 4].map((index) => [`filter[${index}].value`, pair])],
    ['the ends of a pair', { filter: [f('id', 'between', [null, 'x']), f('createdAt', 'between', ['-7d', 'x'])] },
      [['filter[0].value[0]', numeric], ['filter[0].value[1]', numeric], ['filter[1].value[1]', relativeDate]]],
    ['tags that are none', { filter: ['Lead', 5, { name: 'Lead' }, [], ['', {}, { name: 5 }, 5], Array.from({ length: 1_001 }, (_, index) => `t${index}`)].map((value) => f('tags', 'any', value)) }, [
      ['filter[0].value', array], ['filter[1].value', array], ['filter[2].value', array], ['filter[3].value', blank],
      ['filter[4].value[0]', blank], ['filter[4].value[1].name', blank], ['filter[4].value[2].name', string], ['filter[4].value[3]', object],
      ['filter[5].value', 'This collection should contain 1000 elements or less.']
    ]],
    ['a window', { filter: [f('events.a', '>', 'x', { since: -1, until: [] })] },
      [['filter[0].since', `This value should be between 0 and ${limits.dateSecondsMax}.`], ['filter[0].until', numeric], ['filter[0].value', numeric]]]
  ])('%s', (_title, body, faults) => {
    expect(read(body).faults).toEqual(faults.map(([path, message]) => ({ path, message })))
  })
})

test('lists and needles as long as they may be are read', () => {
  const ids = Array.from({ length: limits.searchValuesMax }, (_, index) => index)
  const needle = '😀'.repeat(limits.longTextCharactersMax)

  expect(filterOf({ field: 'id', operator: 'in', value: ids })).toEqual({ type: 'number', isNegated: false, field: { name: 'id' }, test: { operator: 'in', values: ids } })
  expect(filterOf({ field: 'notes', operator: '~', value: needle })).toEqual({ type: 'text', isNegated: false, field: { name: 'notes' }, test: { operator: '~', value: needle } })
})

test('keys that mean nothing are named, at every depth', () => {
  expect(read({ filter: [
    { field: 'id', operator: '=', value: 1, type: 'integer', since: null },
    { field: 'events.a', operator: '=', value: 1, since: 5, until: 6, from: 7 },
    { comparison: 'OR', value: 5, since: 6, field: null, filter: [{ field: 'tags', operator: '=', value: [{ name: 'a', id: 1 }], x: 1 }] }
  ] }).ignored).toEqual(['filter[0].type', 'filter[0].since', 'filter[1].from', 'filter[2].value', 'filter[2].since', 'filter[2].field', 'filter[2].filter[0].x', 'filter[2].filter[0].value[0].id'])
})
