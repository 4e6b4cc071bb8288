import { describe, expect, test } from 'vitest'
import { searchFaults } from './contract/search.ts'
import { issueCursor } from './cursor.ts'
import type { AttributeType } from './custom-data.ts'
import { customerKeys } from './customer.ts'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'
import type { ParsedSearch, SearchContext } from './parse-search.ts'
import { parseList, parseSearch } from './parse-search.ts'

const now = 1_700_000_000
const context: SearchContext = {
  organizationId: 1,
  attributes: new Map<string, AttributeType>([['plan', 'text'], ['seats', 'number'], ['paying', 'boolean']]),
  cursorSecret: Buffer.from('a secret of one organization'),
  now
}

function faults(parse: () => unknown): readonly object[] {
  try {
    parse()
  } catch (error) {
    if (error instanceof ApiError && error.code === 'invalid_request') return error.faults
    throw error
  }
  throw new Error('It was not refused')
}

const byName = { field: 'name', operator: '=', value: 'Ann' }
const nameFilter = { type: 'text', isNegated: false, field: { name: 'name' }, test: { operator: '=', value: 'ann' } }
const everyone = { type: 'group', isNegated: false, comparison: 'AND', filters: [] }
const byFirstSeen = { by: 'number', field: { name: 'firstSeen' } }
const defaults = {
  filter: everyone, sort: byFirstSeen, order: 'asc', limit: 100, offset: 0, after: null, wantsTotal: true, wantsExplanation: false
}
const parsed = (search: object, others: object = {}): object =>
  ({ search: { ...defaults, ...search }, fields: null, seal: expect.anything() as unknown, now, ignored: [], ...others })

describe('what a search leaves open is filled in', () => {
  test.each<[body: unknown, search: object]>([
    [{}, {}],
    [{ filter: [], comparison: null, not: null, sort: '', order: null, limit: '', offset: null, cursor: null, total: null, fields: null, explain: '' }, {}],
    [{ comparison: 'or', order: 'DESC', sort: 'customer.lastSeen', limit: '7', offset: '3' },
      { filter: { ...everyone, comparison: 'OR' }, order: 'desc', sort: { by: 'number', field: { name: 'lastSeen' } }, limit: 7, offset: 3 }],
    [{ limit: 101 }, { limit: 100 }],
    [{ limit: 1 }, { limit: 1 }],
    [{ limit: limits.integerMax, offset: limits.integerMax }, { limit: 100, offset: limits.integerMax }],
    [{ cursor: '' }, {}],
    [{ cursor: '', limit: 1_000 }, { limit: 1_000 }],
    [{ cursor: '', limit: 1_001 }, { limit: 1_000 }],
    [{ total: false, explain: true }, { wantsTotal: false, wantsExplanation: true }],
    [{ not: true, filter: [byName] }, { filter: { ...everyone, isNegated: true, filters: [nameFilter] } }]
  ])('%j', (body, search) => {
    expect(parseSearch(body, context)).toEqual(parsed(search))
  })

  test.each<[query: Record<string, unknown>, search: object]>([
    [{}, {}],
    [{ sort: '', order: '', limit: '', offset: '', fields: '' }, {}],
    [{ sort: 'customers.name', order: 'Desc', limit: '101', offset: '5' }, { sort: { by: 'text', field: { name: 'name' } }, order: 'desc', limit: 100, offset: 5 }],
    [{ cursor: '', limit: '1000' }, { limit: 1_000 }]
  ])('and so in a list: %j', (query, search) => {
    expect(parseList(query, context)).toEqual(parsed(search))
  })
})

describe('a sort is any field with one value', () => {
  const sorts = (sort: unknown): unknown[] => [parseSearch({ sort }, context), parseList({ sort }, context)].map(({ search }) => search.sort)

  test.each<[given: string, sort: object]>([
    ['customers.firstSeen', byFirstSeen], ['firstSeen', byFirstSeen], ['customer.firstSeen', byFirstSeen],
    ['id', { by: 'number', field: { name: 'id' } }],
    ['customers.email', { by: 'text', field: { name: 'email' } }],
    ['blocked', { by: 'number', field: { name: 'blocked' } }],
    ['device.timezone', { by: 'text', field: { name: 'device.timezone' } }],
    ['telegramId', { by: 'text', field: { name: 'telegramId' } }],
    ['customData.plan', { by: 'text', field: { attribute: 'plan' } }],
    ['customers.customData.seats', { by: 'number', field: { attribute: 'seats' } }],
    ['customData.paying', { by: 'number', field: { attribute: 'paying' } }]
  ])('%s', (given, sort) => {
    expect(sorts(given)).toEqual([sort, sort])
  })
})

describe('a search by text is sorted by rank unless it has a sort', () => {
  const text = (value: string, operator = '~'): object => ({ field: 'text', operator, value })
  const rank = (needle: string, digits: string | null = null): object => ({ sort: { by: 'rank', needle, digits }, order: 'asc' })
  const sortOf = (body: object): object => {
    const { sort, order } = parseSearch(body, context).search
    return { sort, order }
  }

  test.each<[body: object, expected: object]>([
    [{ filter: [text('ANN')] }, rank('ann')],
    [{ filter: [text('030-12')] }, rank('030-12', '03012')],
    [{ filter: [text('ann')], order: 'desc' }, rank('ann')],
    [{ filter: [text('ann')], sort: 'name', order: 'desc' }, { sort: { by: 'text', field: { name: 'name' } }, order: 'desc' }],
    [{ filter: [text('no', '!~'), byName, text('ann'), text('bo')] }, rank('ann')],
    [{ filter: [{ comparison: 'OR', filter: [byName, text('first')] }, text('second')] }, rank('first')],
    [{ filter: [{ not: true, filter: [text('negated')] }, { filter: [{ filter: [text('deep')] }] }] }, rank('deep')],
    [{ filter: [{ not: true, filter: [{ filter: [text('negated')] }] }] }, { sort: byFirstSeen, order: 'asc' }],
    [{ not: true, filter: [text('negated')], order: 'desc' }, { sort: byFirstSeen, order: 'desc' }],
    [{ filter: [text('no', '!~')] }, { sort: byFirstSeen, order: 'asc' }]
  ])('%j', (body, expected) => {
    expect(sortOf(body)).toEqual(expected)
  })
})

describe('fields', () => {
  test.each<[given: string[], fields: string[]]>([
    [['id'], ['id']], [['email', 'id', 'email'], ['id', 'email']], [customerKeys.toReversed(), customerKeys]
  ])('%j', (given, fields) => {
    const expected = parsed({}, { fields: new Set(fields) })

    expect(parseSearch({ fields: given }, context)).toEqual(expected)
    expect(parseList({ fields: given.join(',') }, context)).toEqual(expected)
    expect(parseList({ fields: given }, context)).toEqual(expected)
    expect(parseList({ fields: ` ${given.join(' , ')} ` }, context)).toEqual(expected)
  })

  test('that a customer does not have are named', () => {
    const message = `This value should be one of ${customerKeys.join(', ')}.`
    const at = (...indexes: number[]): object[] => indexes.map((index) => ({ path: `fields[${index}]`, message }))

    expect([
      faults(() => parseSearch({ fields: ['id', 'Email', 5, null, 'customers.id', 'location.city', '__proto__'] }, context)),
      faults(() => parseList({ fields: 'id,,emial, nam e' }, context)),
      faults(() => parseList({ fields: ['id,x', 'y'] }, context)),
      ...['id', 5, {}, [], [...customerKeys, 'id'], Array.from({ length: 500_000 }, () => 0)].map((given) => faults(() => parseSearch({ fields: given }, context))),
      faults(() => parseList({ fields: 'id,'.repeat(21) }, context))
    ]).toEqual([
      at(1, 2, 3, 4, 5, 6), at(1, 2, 3), at(1, 2),
      ...Array.from({ length: 7 }, () => [{ path: 'fields', message: searchFaults.fields }])
    ])
  })
})

describe('a cursor', () => {
  const position = { id: 7, value: 'ann' }
  const later = { ...context, now: now + 86_400 }
  const cursorOf = ({ seal, now: moment }: ParsedSearch): string => issueCursor({ position, now: moment }, seal)
  const body = { comparison: 'OR', not: false, filter: [byName, { field: 'createdAt', operator: '>', value: '-1d' }], sort: 'name', order: 'desc' }
  const foreign = [{ path: 'cursor', message: searchFaults.foreignCursor }]

  test('goes on behind its position, at the moment of the first page', () => {
    const first = parseSearch({ ...body, cursor: '' }, context)
    const next = parseSearch({ ...body, cursor: cursorOf(first) }, later)
    const last = parseSearch({ ...body, cursor: cursorOf(next) }, { ...later, now: now + 172_800 })

    expect(first.search.after).toBeNull()
    expect(next).toEqual({ ...first, search: { ...first.search, after: position } })
    expect(last).toEqual(next)
  })

  test.each<[same: Record<string, unknown>]>([
    [{ ...body }], [{ ...body, limit: 1_000 }], [{ ...body, fields: ['id'], total: false, explain: true, page: 2 }], [{ ...body, sort: 'customers.name', order: 'DESC' }],
    [{ ...body, offset: null }], [{ ...body, offset: '' }],
    // As clients write the same whose objects have no order, or who send what goes without saying.
    [{ ...body, comparison: 'or', filter: [{ value: 'Ann', id: 'k1', since: null, operator: '=', field: 'customers.name' }, { value: '-1d', operator: '>', field: 'customer.createdAt' }] }]
  ])('goes on with %j', (same) => {
    expect(parseSearch({ ...same, cursor: cursorOf(parseSearch(body, context)) }, context).search.after).toEqual(position)
  })

  const { filter, ...bare } = body
  test.each<[another: Record<string, unknown>]>([
    [{}], [bare], [{ ...body, filter: filter.toReversed() }], [{ ...body, filter: [byName] }], [{ ...body, filter: [{ ...byName, value: 'Bo' }, filter[1]] }],
    [{ ...body, filter: [{ filter }] }], [{ ...body, comparison: 'AND' }], [{ ...body, not: true }], [{ ...body, sort: 'email' }], [{ ...body, sort: undefined }],
    [{ ...body, order: 'asc' }], [{ ...body, sort: 'customData.plan' }]
  ])('belongs to its search, and not to %j', (another) => {
    const cursor = cursorOf(parseSearch(body, context))

    expect(faults(() => parseSearch({ ...another, cursor }, context))).toEqual(foreign)
  })

  const byText = { field: 'text', operator: '~', value: 'ann' }
  const byFirstSeen = { sort: 'customers.firstSeen', order: 'asc' }
  test.each<[Record<string, unknown>]>([
    [{}], [{ filter: [byName] }], [{ filter: [{ ...byText, operator: '!~' }] }], [{ not: true, filter: [byText] }], [{ filter: [{ not: true, filter: [byText] }] }]
  ])('of %j goes on with the sort and order that go without saying, and the other way about', (asked) => {
    const sorted = { ...asked, ...byFirstSeen }

    expect(parseSearch({ ...sorted, cursor: cursorOf(parseSearch(asked, context)) }, context).search.after).toEqual(position)
    expect(parseSearch({ ...asked, cursor: cursorOf(parseSearch(sorted, context)) }, context).search.after).toEqual(position)
  })

  test.each<[Record<string, unknown>]>([
    [{ filter: [byText] }], [{ filter: [byName, { ...byText, field: 'customer.text' }] }], [{ filter: [{ not: true, filter: [byText] }, { filter: [{ comparison: 'OR', filter: [byText] }] }] }]
  ])('of %j, which is ranked, does not go on with a sort, nor the other way about', (asked) => {
    const sorted = { ...asked, ...byFirstSeen }

    expect(faults(() => parseSearch({ ...sorted, cursor: cursorOf(parseSearch(asked, context)) }, context))).toEqual(foreign)
    expect(faults(() => parseSearch({ ...asked, cursor: cursorOf(parseSearch(sorted, context)) }, context))).toEqual(foreign)
  })

  test('belongs to its organization', () => {
    const cursor = cursorOf(parseSearch(body, context))

    expect(faults(() => parseSearch({ ...body, cursor }, { ...context, organizationId: 2 }))).toEqual(foreign)
    expect(faults(() => parseSearch({ ...body, cursor }, { ...context, cursorSecret: Buffer.from('another') }))).toEqual(foreign)
  })

  test('of a list goes on in a search without a filter, and the other way about', () => {
    for (const sorted of [{}, { sort: 'customers.lastSeen', order: 'desc' }]) {
      const ofList = cursorOf(parseList(sorted, context))
      const ofSearch = cursorOf(parseSearch({ ...sorted, filter: [] }, context))

      expect([
        parseSearch({ ...sorted, cursor: ofList }, context), parseSearch({ ...sorted, filter: [], cursor: ofList }, context),
        parseList({ ...sorted, cursor: ofList }, context), parseList({ ...sorted, cursor: ofSearch }, context)
      ].map(({ search }) => search.after)).toEqual([position, position, position, position])
      expect(faults(() => parseList({ ...sorted, cursor: cursorOf(parseSearch({ ...sorted, filter: [byName] }, context)) }, context))).toEqual(foreign)
    }
  })

  test.each<[given: object, message: string]>([
    [{ cursor: 'x' }, searchFaults.foreignCursor], [{ cursor: ' ' }, searchFaults.foreignCursor], [{ cursor: 'x'.repeat(100_000) }, searchFaults.foreignCursor],
    [{ cursor: 5 }, 'This value should be of type string.'], [{ cursor: true }, 'This value should be of type string.'], [{ cursor: [] }, 'This value should be of type string.'],
    [{ cursor: '', offset: 0 }, searchFaults.cursorWithOffset], [{ cursor: '', offset: '5' }, searchFaults.cursorWithOffset], [{ cursor: 'x', offset: 1 }, searchFaults.cursorWithOffset]
  ])('is refused in %j', (given, message) => {
    expect(faults(() => parseSearch(given, context))).toEqual([{ path: 'cursor', message }])
    expect(faults(() => parseList({ ...given }, context))).toEqual([{ path: 'cursor', message }])
  })
})

test('a key that is nearly one of ours is refused', () => {
  const nearly = (key: string, meant: string): object => ({ path: key, message: `This key is not known. Did you mean "${meant}"?` })

  expect([
    faults(() => parseSearch({ cursr: '', filters: [], Limit: 5, sorted: 1, offsets: 1, field: 'id', explan: true, totla: false, nto: true, nott: true }, context)),
    faults(() => parseList({ curosr: '', filters: '', sor: 'name', Order: 'asc', field: 'id' }, context))
  ]).toEqual([
    [nearly('cursr', 'cursor'), nearly('filters', 'filter'), nearly('Limit', 'limit'), nearly('offsets', 'offset'), nearly('field', 'fields'), nearly('explan', 'explain'), nearly('totla', 'total'), nearly('nto', 'not'), nearly('nott', 'not')],
    [nearly('curosr', 'cursor'), nearly('sor', 'sort'), nearly('Order', 'order'), nearly('field', 'fields')]
  ])
})

test('every other key that means nothing is named, and changes nothing', () => {
  expect(parseSearch({ page: 2, filter: [{ ...byName, type: 'text' }], perPage: 5 }, context))
    .toEqual(parsed({ filter: { ...everyone, filters: [nameFilter] } }, { ignored: ['page', 'perPage', 'filter[0].type'] }))
  expect(parseList({ page: '2', limit: '5', filter: '[]', comparison: 'OR', total: 'false', explain: 'true', not: 'x' }, context))
    .toEqual(parsed({ limit: 5 }, { ignored: ['page', 'filter', 'comparison', 'total', 'explain', 'not'] }))
})

describe('every bad part is named', () => {
  const notChoice = (...choices: string[]): string => `This value should be one of ${choices.map((choice) => `"${choice}"`).join(', ')}.`
  const range = (from: number): string => `This value should be between ${from} and 9007199254740991.`
  const [numeric, whole, bool] = ['This value should be of type numeric.', 'This value should be a whole number.', 'This value should be of type bool.']

  test.each<[body: unknown, ...faults: [path: string, message: string][]]>([
    [[], ['body', 'This value should be of type object.']],
    [null, ['body', 'This value should be of type object.']],
    ['{}', ['body', 'This value should be of type object.']],
    [undefined, ['body', 'This value should not be blank.']],
    [{ limit: 1.5, offset: 0.5 }, ['limit', whole], ['offset', whole]],
    [{ limit: '1.5', offset: '2.0' }, ['limit', whole], ['offset', whole]],
    [{ limit: '1e2', offset: 'x' }, ['limit', numeric], ['offset', numeric]],
    [{ limit: 0, offset: -1 }, ['limit', range(1)], ['offset', range(0)]],
    [{ limit: Infinity, offset: 2 ** 53 }, ['limit', range(1)], ['offset', range(0)]],
    [{ limit: true, offset: [1] }, ['limit', numeric], ['offset', numeric]],
    [{ total: 'false', explain: 1 }, ['total', bool], ['explain', bool]],
    [{ total: 0, explain: [] }, ['total', bool], ['explain', bool]],
    [{ sort: 'nmae', order: 'up' }, ['sort', '"nmae" is not a field to sort by; did you mean "customers.name"?'], ['order', notChoice('asc', 'desc')]],
    [{ sort: 5, order: {} }, ['sort', '5 is not a field to sort by'], ['order', notChoice('asc', 'desc')]],
    [{ sort: 'text' }, ['sort', '"text" is not a field to sort by']],
    [{ sort: 'customData.x' }, ['sort', '"customData.x" is not a field to sort by']],
    [{ cursr: '', comparison: 'XOR', not: 'x', filter: [{ field: 'x', operator: '=', value: 1 }], sort: 'tags', order: 'up', limit: 0, offset: -1, cursor: 'x', total: 1, explain: 1, fields: [] },
      ['cursr', 'This key is not known. Did you mean "cursor"?'],
      ['comparison', notChoice('AND', 'OR')],
      ['not', bool],
      ['filter[0].field', '"x" is not a searchable field'],
      ['sort', '"tags" is not a field to sort by'],
      ['order', notChoice('asc', 'desc')],
      ['cursor', searchFaults.cursorWithOffset],
      ['limit', range(1)],
      ['offset', range(0)],
      ['total', bool],
      ['explain', bool],
      ['fields', 'This value should be an array of 1 to 21 keys of a customer.']]
  ])('%j', (body, ...expected) => {
    expect(faults(() => parseSearch(body, context))).toEqual(expected.map(([path, message]) => ({ path, message })))
  })

  test('a parameter of a list that came twice', () => {
    const message = 'This value should be of type numeric.'

    expect(faults(() => parseList({ limit: ['1', '2'], offset: ['1', '2'], sort: ['firstSeen', 'lastSeen'], order: ['asc'] }, context))).toEqual([
      { path: 'sort', message: '["firstSeen","lastSeen"] is not a field to sort by' }, { path: 'order', message: notChoice('asc', 'desc') },
      { path: 'limit', message }, { path: 'offset', message }
    ])
    expect(faults(() => parseList({ cursor: ['', ''] }, context))).toEqual([{ path: 'cursor', message: 'This value should be of type string.' }])
  })
})

test('each misuse of the table is answered as it says there', () => {
  const one = (field: string, operator: string, value: unknown, others: object = {}): object => ({ filter: [{ field, operator, value, ...others }] })
  const nested = (levels: number): object => ({ filter: levels === 0 ? [] : [nested(levels - 1)] })
  const bodies: Record<keyof typeof searchFaults, object[]> = {
    unknownField: [one('x', '=', 1), one('customData.x', '=', 1)],
    unknownSort: [{ sort: 'x' }, { sort: 'tags' }, { sort: 'events.x' }, { sort: 'text' }],
    nearMiss: [one('emial', '=', 'a'), { sort: 'emial' }],
    unfitOperator: [one('id', '~', 1)],
    nearlyKnownKey: [{ curosr: '' }, { filter: [{ filter: [], comparson: 'OR' }] }, one('events.a', '>', 1, { sinse: 5 })],
    notOnFilter: [one('id', '=', 1, { not: true })],
    bothKinds: [one('id', '=', 1, { filter: [] }), one('id', '=', 1, { comparison: 'OR' })],
    notOfEvents: [one('id', '=', 1, { since: 5 }), one('id', '=', 1, { until: 5 })],
    tooDeep: [nested(limits.searchGroupLevelsMax + 1)],
    tooManyFilters: [{ filter: Array.from({ length: 51 }, () => byName) }, { filter: Array.from({ length: 51 }, () => ({ filter: [] })) }],
    pair: [one('id', 'between', [1])],
    list: [one('id', 'in', []), one('id', '!in', Array.from({ length: 1_001 }, () => 1))],
    relativeDate: [one('createdAt', '>', 'yesterday'), one('createdAt', '=', '1.2.3'), one('events.a', '>', 1, { until: 'then' })],
    foreignCursor: [{ cursor: 'x' }],
    cursorWithOffset: [{ cursor: '', offset: 0 }],
    fields: [{ fields: 'id' }, { fields: [] }, { fields: Array.from({ length: customerKeys.length + 1 }, () => 'id') }],
    blank: [{ filter: [{ operator: '=', value: 1 }] }, { filter: [{ field: 'id', value: 1 }] }, { filter: [{ field: 'id', operator: '=' }] }, one('tags', 'any', []), one('tags', 'any', [{}])],
    wrongType: [{ total: 1 }, { explain: 'no' }, { not: 0 }, { cursor: 5 }, { filter: {} }, { filter: [5] }, { limit: 'x' }, one('name', '=', 5), one('tags', '=', 'Lead')],
    noChoice: [{ comparison: 'XOR' }, { order: 'up' }, { fields: ['x'] }],
    fraction: [{ limit: 1.5 }, { limit: '1.5' }, { offset: 0.5 }, one('id', '=', 1.5)],
    outOfRange: [{ limit: 0 }, { offset: -1 }, one('id', '=', 1e20), one('customData.seats', '=', 1e20), one('createdAt', '=', -1)],
    tooLong: [one('name', '~', 'x'.repeat(65_536)), one('text', '~', 'x'.repeat(65_536)), one(`events.${'x'.repeat(256)}`, '>', 1), one('tags', 'any', ['x'.repeat(256)])],
    nullCharacter: [one('name', '~', '\0'), one('events.\0', '>', 1), one('tags', 'any', ['\0'])],
    loneSurrogate: [one('name', '~', '\ud83d')],
    tooManyTags: [one('tags', 'any', Array.from({ length: 1_001 }, (_, index) => `t${index}`))],
    noColor: [one('tags', 'any', [{ name: 'Lead', color: 'none' }])]
  }
  for (const [misuse, searches] of Object.entries(bodies)) {
    const sentence = searchFaults[misuse as keyof typeof searchFaults].split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('.+')
    for (const body of searches) {
      const [first, ...others] = faults(() => parseSearch(body, context))
      expect({ misuse, body, first, others }).toEqual({ misuse, body, first: { path: expect.any(String) as string, message: expect.stringMatching(sentence) as string }, others: [] })
    }
  }
})
