import { describe, expect, test } from 'vitest'
import type { Command } from './command.ts'
import type { AttributeEntry, CustomData } from './custom-data.ts'
import type { Customer } from './customer.ts'
import { emptyCustomer } from './customer.ts'
import type { CustomerPatch } from './customer-patch.ts'
import { decide } from './decide.ts'
import type { DecisionContext } from './decision.ts'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'
import { defaultColor } from './tag-color.ts'

const context: DecisionContext = {
  now: 1_700_000_000, newId: 7, userIdHolders: new Map(), tagColors: new Map(), attributeTypes: new Map(), stored: new Map(), tagsVersion: 0
}

function customer(id: number, fields: Partial<Customer> = {}): Customer {
  return { ...emptyCustomer(id), firstSeen: '10', lastSeen: '20', ...fields }
}

function byId(...customers: readonly Customer[]): ReadonlyMap<number, Customer> {
  return new Map(customers.map((one) => [one.id, one]))
}

function create(draft: CustomerPatch): Command {
  return { type: 'create', draft, strictAttributes: false }
}

function patch(id: number, given: CustomerPatch): Command {
  return { type: 'patch', id, patch: given, strictAttributes: false }
}

function replace(id: number, given: CustomerPatch): Command {
  return { type: 'replace', id, patch: given, strictAttributes: false }
}

function batch(...items: readonly (readonly [id: number, given: CustomerPatch])[]): Command {
  return { type: 'batch', items: items.map(([id, given], index) => ({ id, patch: given, path: `[${index}]` })), strictAttributes: false }
}

function set(name: string, value: AttributeEntry['value'], path = 'customData'): AttributeEntry {
  return { name, value, namePath: `${path}.${name}`, valuePath: `${path}.${name}` }
}

/** An object whose names are words, as custom data. */
function ordered(attributes: Record<string, string | number | boolean>): CustomData {
  return new Map(Object.entries(attributes))
}

function red(...names: readonly string[]): Customer['tags'] {
  return names.map((name) => ({ name, color: 'red' }))
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index)
}

/** The customers that a command answers, in order. */
function after(command: Command, before: ReadonlyMap<number, Customer> = new Map(), given: Partial<DecisionContext> = {}): (Customer | null)[] {
  return decide(command, before, { ...context, ...given }).flatMap((decision) => decision.after ?? [])
}

function refusal(command: Command, before: ReadonlyMap<number, Customer> = new Map(), given: Partial<DecisionContext> = {}): object {
  try {
    decide(command, before, { ...context, ...given })
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const { code, faults, existingId, path } = error
    return { code, ...(faults.length === 0 ? {} : { faults }), ...(existingId === undefined ? {} : { existingId }), ...(path === undefined ? {} : { path }) }
  }
  throw new Error('It was not refused')
}

describe('create', () => {
  test('makes a customer with the next id, seen now, of whom nothing else is known', () => {
    const made = customer(7, { firstSeen: '1700000000', lastSeen: '1700000000' })

    expect(decide(create({}), new Map(), context)).toEqual([
      { after: made, change: { kind: 'customer.created', customerId: 7, before: null, after: made } }
    ])
  })

  test.each<[string, CustomerPatch, Partial<Customer>]>([
    ['keeps an explicit null as a date', { firstSeen: null, lastSeen: '5' }, { firstSeen: null, lastSeen: '5' }],
    ['takes the parts of a location that are given', { location: { city: 'Lviv' } }, { location: { regionCode: null, countryCode: null, city: 'Lviv' } }],
    ['gives a device without an id that of the customer', { device: { id: null, ip: '::1', timezone: null, platform: null, userAgent: null } },
      { device: { id: 7, ip: '::1', timezone: null, platform: null, userAgent: null } }],
    ['keeps the id that a device came with', { device: { id: 0, ip: null, timezone: null, platform: 'mobile', userAgent: null } },
      { device: { id: 0, ip: null, timezone: null, platform: 'mobile', userAgent: null } }],
    ['gives an unknown tag the default color and a known one its own', { tags: [{ name: 'new' }, { name: 'known' }, { name: 'blue', color: 'blue' }] },
      { tags: [{ name: 'new', color: defaultColor }, { name: 'known', color: 'gold' }, { name: 'blue', color: 'blue' }] }],
    ['keeps 0, false and empty text as values', { customData: [set('zero', 0), set('no', false), set('none', '')] }, { customData: ordered({ zero: 0, no: false, none: '' }) }],
    ['makes nothing of an attribute that is null', { customData: [set('gone', null)] }, {}]
  ])('%s', (_name, draft, fields) => {
    expect(after(create(draft), new Map(), { tagColors: new Map([['known', 'gold']]) }))
      .toEqual([customer(7, { firstSeen: '1700000000', lastSeen: '1700000000', ...fields })])
  })

  test('records tags by name', () => {
    const [decision] = decide(create({ tags: [{ name: 'Lead' }] }), new Map(), context)

    expect(decision?.change?.after).toEqual({ ...customer(7, { firstSeen: '1700000000', lastSeen: '1700000000' }), tags: ['Lead'] })
  })

  test('is refused a userId that another customer has', () => {
    expect(refusal(create({ userId: 'u1' }), new Map(), { userIdHolders: new Map([['u1', 3]]) }))
      .toEqual({ code: 'invalid_userId_value', existingId: 3 })
  })
})

describe('patch', () => {
  const full = customer(1, {
    name: 'A', email: 'a@b', userId: 'u1', company: 'C', phone: 'P', location: { regionCode: 'R', countryCode: 'UA', city: 'Lviv' },
    device: { id: 5, ip: 'i', timezone: 't', platform: 'desktop', userAgent: 'a' }, unsubscribed: true, blocked: true,
    source: 's', referer: 'r', lastPage: 'l', locale: 'uk', createdFrom: 'web', integrationId: '9', notes: 'n',
    tags: red('one', 'two'), customData: ordered({ plan: 'pro', seats: 3 })
  })

  test.each<[string, CustomerPatch, Partial<Customer>]>([
    ['changes the keys given and no other', { name: 'B', blocked: false }, { name: 'B', blocked: false }],
    ['clears with null', { name: null, email: null, userId: null, firstSeen: null, device: null, notes: null },
      { name: null, email: null, userId: null, firstSeen: null, device: null, notes: null }],
    ['sets the parts of a location that are given and clears those that are null', { location: { city: null, regionCode: 'X' } },
      { location: { regionCode: 'X', countryCode: 'UA', city: null } }],
    ['replaces a device whole', { device: { id: null, ip: 'j', timezone: null, platform: null, userAgent: null } },
      { device: { id: 1, ip: 'j', timezone: null, platform: null, userAgent: null } }],
    ['replaces the set of tags, where those attached before keep their place', { tags: [{ name: 'zero' }, { name: 'two' }] },
      { tags: [{ name: 'two', color: 'red' }, { name: 'zero', color: defaultColor }] }],
    ['empties the tags', { tags: [] }, { tags: [] }],
    ['merges custom data, where null removes', { customData: [set('new', true), set('plan', null), set('seats', 4)] }, { customData: ordered({ seats: 4, new: true }) }],
    ['empties custom data', { customData: null }, { customData: new Map() }]
  ])('%s', (_name, given, fields) => {
    expect(after(patch(1, given), byId(full), { tagColors: new Map([['two', 'red']]) })).toEqual([{ ...full, ...fields }])
  })

  test('records what the fields that changed held and what they hold', () => {
    expect(decide(patch(1, { name: 'B', phone: 'P', tags: [{ name: 'one' }], customData: [set('seats', 4)] }), byId(full), context)).toEqual([{
      after: { ...full, name: 'B', tags: [{ name: 'one', color: defaultColor }], customData: ordered({ plan: 'pro', seats: 4 }) },
      change: {
        kind: 'customer.updated', customerId: 1,
        before: { name: 'A', tags: ['one', 'two'], customData: ordered({ plan: 'pro', seats: 3 }) },
        after: { name: 'B', tags: ['one'], customData: ordered({ plan: 'pro', seats: 4 }) }
      }
    }])
  })

  test('of what a customer has already is no change', () => {
    const given = { name: 'A', location: { city: 'Lviv' }, tags: [{ name: 'two' }, { name: 'one' }], customData: [set('seats', 3), set('none', null)] }

    expect(decide(patch(1, given), byId(full), { ...context, tagColors: new Map([['one', 'red'], ['two', 'red']]) }))
      .toEqual([{ after: full, change: null }])
  })

  test('may give a customer the userId it has', () => {
    expect(decide(patch(1, { userId: 'u1' }), byId(full), { ...context, userIdHolders: new Map([['u1', 1]]) })).toEqual([{ after: full, change: null }])
  })

  test('is refused a userId that another customer has, and a customer that nobody is', () => {
    expect(refusal(patch(1, { userId: 'u2' }), byId(full), { userIdHolders: new Map([['u2', 2]]) })).toEqual({ code: 'invalid_userId_value', existingId: 2 })
    expect(refusal(patch(2, {}), byId(full))).toEqual({ code: 'not_found' })
  })

  test('put clears by omission what it replaces, and nothing else', () => {
    expect(after(replace(1, {}), byId(full))).toEqual([{
      ...full, name: null, email: null, userId: null, company: null, phone: null, source: null, referer: null, lastPage: null, locale: null, notes: null,
      tags: [], customData: new Map()
    }])
  })

  test('put sets what it is given, where tags and attributes kept have their place', () => {
    const given = { name: 'B', blocked: false, location: { city: 'Kyiv' }, tags: [{ name: 'new' }, { name: 'two' }], customData: [set('new', 1), set('seats', 3)] }

    expect(after(replace(1, given), byId(full), { tagColors: new Map([['two', 'red']]) }).map((one) => JSON.stringify(one))).toEqual([JSON.stringify({
      ...full, name: 'B', email: null, userId: null, company: null, phone: null, source: null, referer: null, lastPage: null, locale: null, notes: null,
      blocked: false, location: { regionCode: 'R', countryCode: 'UA', city: 'Kyiv' },
      tags: [{ name: 'two', color: 'red' }, { name: 'new', color: defaultColor }], customData: ordered({ seats: 3, new: 1 })
    })])
  })
})

describe('tag and untag', () => {
  const tagged = customer(1, { tags: red('b', 'a') })
  const tagColors = new Map([['a', 'red'], ['b', 'red'], ['known', 'gold']])

  test.each<[string, Command, Customer['tags']]>([
    ['tags are attached behind those there, in the order given', { type: 'tag', id: 1, tags: [{ name: 'z' }, { name: 'known' }, { name: 'a' }] },
      [...red('b', 'a'), { name: 'z', color: defaultColor }, { name: 'known', color: 'gold' }]],
    ['no tags change nothing', { type: 'tag', id: 1, tags: [] }, red('b', 'a')],
    ['a tag there already changes nothing', { type: 'tag', id: 1, tags: [{ name: 'a' }] }, red('b', 'a')],
    ['tags are taken off by name', { type: 'untag', id: 1, names: ['b', 'never there'] }, red('a')],
    ['letter case counts', { type: 'untag', id: 1, names: ['B', 'A'] }, red('b', 'a')]
  ])('%s', (_name, command, tags) => {
    expect(after(command, byId(tagged), { tagColors })).toEqual([{ ...tagged, tags }])
  })

  test('a color given for a known tag is a change of the tag, not of the customer', () => {
    expect(decide({ type: 'tag', id: 1, tags: [{ name: 'a', color: 'blue' }, { name: 'b', color: 'red' }] }, byId(tagged), { ...context, tagColors })).toEqual([
      { after: null, change: { kind: 'tag.updated', customerId: null, before: { name: 'a', color: 'red' }, after: { name: 'a', color: 'blue' } } },
      { after: { ...tagged, tags: [{ name: 'b', color: 'red' }, { name: 'a', color: 'blue' }] }, change: null }
    ])
  })

  test('a color given with a new tag is no change of a tag', () => {
    expect(decide({ type: 'tag', id: 1, tags: [{ name: 'new', color: 'blue' }] }, byId(tagged), { ...context, tagColors })).toEqual([{
      after: { ...tagged, tags: [...red('b', 'a'), { name: 'new', color: 'blue' }] },
      change: { kind: 'customer.updated', customerId: 1, before: { tags: ['b', 'a'] }, after: { tags: ['b', 'a', 'new'] } }
    }])
  })

  test.each<Command>([{ type: 'tag', id: 2, tags: [] }, { type: 'untag', id: 2, names: [] }, { type: 'delete', id: 2 }])('$type of nobody is not found', (command) => {
    expect(refusal(command, byId(tagged))).toEqual({ code: 'not_found' })
  })
})

describe('batch', () => {
  const [one, two] = [customer(1, { userId: 'u1', tags: red('Lead') }), customer(2, { tags: red('Lead') })]
  const userIdHolders = new Map([['u1', 1]])
  const tagColors = new Map([['Lead', 'red']])

  test('applies items to one customer in order, and shows it after each', () => {
    expect(decide(batch([2, { name: 'A' }], [1, { name: 'B' }], [2, { phone: 'P', name: null }]), byId(one, two), context)).toEqual([
      { after: { ...two, name: 'A' }, change: { kind: 'customer.updated', customerId: 2, before: { name: null }, after: { name: 'A' } } },
      { after: { ...one, name: 'B' }, change: { kind: 'customer.updated', customerId: 1, before: { name: null }, after: { name: 'B' } } },
      {
        after: { ...two, phone: 'P' },
        change: { kind: 'customer.updated', customerId: 2, before: { name: 'A', phone: null }, after: { name: null, phone: 'P' } }
      }
    ])
  })

  test('may hand a userId on, once it is free', () => {
    expect(after(batch([1, { userId: 'u9' }], [2, { userId: 'u1' }]), byId(one, two), { userIdHolders }))
      .toEqual([{ ...one, userId: 'u9' }, { ...two, userId: 'u1' }])
    expect(refusal(batch([2, { userId: 'u1' }], [1, { userId: 'u9' }]), byId(one, two), { userIdHolders }))
      .toEqual({ code: 'invalid_userId_value', existingId: 1, path: '[0].userId' })
  })

  test('is refused a userId that an earlier item took, and may take one that an earlier item dropped again', () => {
    expect(refusal(batch([1, { userId: 'new' }], [2, { userId: 'new' }]), byId(one, two), { userIdHolders }))
      .toEqual({ code: 'invalid_userId_value', existingId: 1, path: '[1].userId' })
    expect(after(batch([1, { userId: 'new' }], [1, { userId: 'u1' }], [2, { userId: 'new' }]), byId(one, two), { userIdHolders }))
      .toEqual([{ ...one, userId: 'new' }, { ...one, userId: 'u1' }, { ...two, userId: 'new' }])
  })

  test('names every item that has too much, before any userId', () => {
    const many = Array.from({ length: 600 }, (_, index) => ({ name: `t${index}` }))
    const more = many.map(({ name }) => ({ name: `more ${name}` }))
    const full = (id: number) => customer(id, { tags: red(...Array.from({ length: 1_000 }, (_, index) => `old${index}`)) })
    expect(refusal(batch([2, { userId: 'u1' }], [3, { tags: [...many, ...more] }], [4, { tags: [...many, ...more] }]), byId(one, two, full(3), full(4)), { userIdHolders }))
      .toEqual({ code: 'invalid_request', faults: ['[1]', '[2]'].map((item) => ({ path: `${item}.tags`, message: 'A customer can have 1000 tags or less.' })) })
  })

  test('names the lowest item whose customer is nobody, before any userId', () => {
    expect(refusal(batch([2, { userId: 'u1' }], [8, {}], [9, {}]), byId(one, two), { userIdHolders }))
      .toEqual({ code: 'not_found', faults: [{ path: '[1].customer', message: 'Customer not found' }] })
  })

  test('shows a color that an earlier item gave a tag, also on another customer', () => {
    expect(decide(batch([1, { tags: [{ name: 'Lead', color: 'blue' }] }], [2, { name: 'A' }]), byId(one, two), { ...context, tagColors })).toEqual([
      { after: null, change: { kind: 'tag.updated', customerId: null, before: { name: 'Lead', color: 'red' }, after: { name: 'Lead', color: 'blue' } } },
      { after: { ...one, tags: [{ name: 'Lead', color: 'blue' }] }, change: null },
      {
        after: { ...two, name: 'A', tags: [{ name: 'Lead', color: 'blue' }] },
        change: { kind: 'customer.updated', customerId: 2, before: { name: null }, after: { name: 'A' } }
      }
    ])
  })

  test('recolors a tag that it made, and one it recolored, and says each', () => {
    const decisions = decide(
      batch([1, { tags: [{ name: 'new', color: 'blue' }] }], [2, { tags: [{ name: 'new' }] }], [2, { tags: [{ name: 'new', color: 'lime' }] }]),
      byId(one, two), { ...context, tagColors })

    expect(decisions.map(({ change }) => change?.kind)).toEqual(['customer.updated', 'customer.updated', 'tag.updated', undefined])
    expect(decisions.flatMap((decision) => decision.after?.tags ?? []).map(({ color }) => color)).toEqual(['blue', 'blue', 'lime'])
  })
})

describe('custom data', () => {
  const one = customer(1, { customData: ordered({ plan: 'pro' }) })
  const attributeTypes = new Map([['plan', 'text'], ['seats', 'number'], ['trial', 'boolean']] as const)

  test('keeps an attribute to the type of its first value, and names every value that is of another', () => {
    expect(refusal(patch(1, { customData: [set('plan', 1), set('seats', '1'), set('trial', 0), set('new', 0)] }), byId(one), { attributeTypes })).toEqual({
      code: 'invalid_request',
      faults: [
        { path: 'customData.plan', message: 'This value should be of type text.' },
        { path: 'customData.seats', message: 'This value should be of type number.' },
        { path: 'customData.trial', message: 'This value should be of type boolean.' }
      ]
    })
  })

  test('takes null for any type', () => {
    expect(after(patch(1, { customData: [set('plan', null), set('seats', null)] }), byId(one), { attributeTypes })).toEqual([customer(1)])
  })

  test('has one type in a batch too, where null decides nothing', () => {
    expect(refusal(batch([1, { customData: [set('new', null)] }], [1, { customData: [set('new', 1)] }], [1, { customData: [set('new', 'x', '[2].customData')] }]), byId(one)))
      .toEqual({ code: 'invalid_request', faults: [{ path: '[2].customData.new', message: 'This value should be of type number.' }] })
  })

  test.each<Command>([
    { type: 'create', draft: { customData: [set('new', 1), set('plan', 'x'), set('none', null)] }, strictAttributes: true },
    { type: 'patch', id: 1, patch: { customData: [set('new', 1), set('plan', 'x'), set('none', null)] }, strictAttributes: true },
    { type: 'replace', id: 1, patch: { customData: [set('new', 1), set('plan', 'x'), set('none', null)] }, strictAttributes: true },
    { type: 'batch', items: [{ id: 1, patch: { customData: [set('new', 1), set('plan', 'x'), set('none', null)] }, path: '[0]' }], strictAttributes: true }
  ])('$type is refused attributes that do not exist, where they are strict', (command) => {
    expect(refusal(command, byId(one), { attributeTypes })).toEqual({
      code: 'invalid_request',
      faults: [
        { path: 'customData.new', message: 'This attribute does not exist.' },
        { path: 'customData.none', message: 'This attribute does not exist.' }
      ]
    })
  })
})

describe('the order of attributes', () => {
  const one = customer(1, { customData: new Map<string, number>([['plan', 1], ['2024', 2], ['0', 3]]) })

  test.each<[string, Command, (readonly [string, number])[]]>([
    ['a creation', create({ customData: [set('b', 1), set('10', 2), set('9', 3)] }), [['b', 1], ['10', 2], ['9', 3]]],
    ['a patch', patch(1, { customData: [set('1', 4), set('plan', 5), set('a', 6)] }), [['plan', 5], ['2024', 2], ['0', 3], ['1', 4], ['a', 6]]],
    ['a patch that removes', patch(1, { customData: [set('2024', null)] }), [['plan', 1], ['0', 3]]],
    ['a replacement', replace(1, { customData: [set('a', 4), set('0', 5), set('2024', 6)] }), [['2024', 6], ['0', 5], ['a', 4]]],
    ['tags', { type: 'tag', id: 1, tags: [{ name: 'Lead' }] }, [['plan', 1], ['2024', 2], ['0', 3]]]
  ])('is that in which they were first set, whatever their names: %s', (_what, command, expected) => {
    expect(after(command, byId(one)).map((customerAfter) => [...customerAfter?.customData ?? []])).toEqual([expected])
  })
})

describe('bounds', () => {
  const tagNames = range(limits.customerTagsMax).map((index) => `t${index}`)
  const attributes = range(limits.customerAttributesMax).map((index) => `a${index}`)
  const full = customer(1, { tags: red(...tagNames), customData: new Map(attributes.map((name) => [name, 1])) })
  const tooManyTags = { code: 'invalid_request', faults: [{ path: 'tags', message: 'A customer can have 1000 tags or less.' }] }
  const tooManyAttributes = { code: 'invalid_request', faults: [{ path: 'customData', message: 'A customer can have 500 attributes or less.' }] }

  test('a customer can have as many tags and attributes as the limits say', () => {
    const draft = { tags: tagNames.map((name) => ({ name })), customData: attributes.map((name) => set(name, 1)) }
    const [made] = after(create(draft))

    expect([made?.tags.length, made?.customData.size]).toEqual([1000, 500])
  })

  test('one more is refused', () => {
    expect(refusal({ type: 'tag', id: 1, tags: [{ name: 'more' }] }, byId(full))).toEqual(tooManyTags)
    expect(refusal(patch(1, { customData: [set('more', 1)] }), byId(full))).toEqual(tooManyAttributes)
    expect(refusal(batch([1, { customData: [set('a0', null)] }], [1, { customData: [set('x', 1), set('y', 1)] }]), byId(full)))
      .toEqual({ code: 'invalid_request', faults: [{ ...tooManyAttributes.faults[0], path: '[1].customData' }] })
  })

  test('a full customer may change what it has, and swap one for another', () => {
    expect(after({ type: 'tag', id: 1, tags: [{ name: 't1' }] }, byId(full), { tagColors: new Map([['t1', 'red']]) })).toEqual([full])
    const [swapped] = after(patch(1, { customData: [set('more', 1), set('a0', null), set('a1', 2)] }), byId(full))
    expect([...swapped?.customData.keys() ?? []]).toEqual([...attributes.slice(1), 'more'])
  })
})

describe('delete and events', () => {
  const one = customer(1, { name: 'A', tags: red('Lead'), customData: ordered({ plan: 'pro' }) })

  test('delete keeps the whole customer in the change, tags by name, and when it was made', () => {
    expect(decide({ type: 'delete', id: 1 }, byId(one), { ...context, stored: new Map([[1, { version: 4, createdAt: 9 }]]) })).toEqual([
      { after: null, change: { kind: 'customer.deleted', customerId: 1, before: { ...one, tags: ['Lead'], createdAt: 9 }, after: null } }
    ])
  })

  test.each([[undefined, '1700000000'], [0, '0'], [5, '5']])('an event with createdAt %s happened at %s, and the customer stays as it is', (createdAt, seconds) => {
    const command: Command = { type: 'recordEvent', customerId: 1, name: 'bought', data: { price: 2 }, ...(createdAt === undefined ? {} : { createdAt }) }

    expect(decide(command, byId(one), context)).toEqual([{
      after: null,
      change: { kind: 'event.recorded', customerId: 1, before: null, after: { event: 7 } },
      event: { id: 7, name: 'bought', data: { price: 2 }, createdAt: seconds, customer: 1 }
    }])
  })

  test('an event of nobody is not found', () => {
    expect(refusal({ type: 'recordEvent', customerId: 2, name: 'bought', data: {} }, byId(one))).toEqual({ code: 'not_found' })
  })
})

test('decide leaves what it is given as it was', () => {
  const before = byId(customer(1, { tags: red('Lead'), customData: ordered({ plan: 'pro' }), userId: 'u1' }))
  const given = { ...context, userIdHolders: new Map([['u1', 1]]), tagColors: new Map([['Lead', 'red']]), attributeTypes: new Map([['plan', 'text']] as const) }
  const [beforeCopy, givenCopy] = structuredClone([before, given])
  decide(batch([1, { userId: 'u2', tags: [{ name: 'Lead', color: 'blue' }, { name: 'x' }], customData: [set('new', 1), set('plan', null)] }]), before, given)

  expect([before, given]).toEqual([beforeCopy, givenCopy])
})
