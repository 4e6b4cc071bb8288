import { describe, expect, test } from 'vitest'
import type { Change } from './change.ts'
import type { ChangeRecord } from './change-record.ts'
import type { Customer } from './customer.ts'
import { emptyCustomer } from './customer.ts'
import type { DecisionContext } from './decision.ts'
import { decide } from './decide.ts'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'
import { defaultColor } from './tag-color.ts'

const now = 1_700_000_000

function customer(fields: Partial<Customer> = {}): Customer {
  return { ...emptyCustomer(1), firstSeen: '5', lastSeen: '5', ...fields }
}

function record(id: number, change: Change): ChangeRecord {
  return { ...change, id, at: 1_000 + id, key: { id: 1, name: 'first' }, requestId: `request-${id}` }
}

function updated(id: number, before: object, after: object): ChangeRecord {
  return record(id, { kind: 'customer.updated', customerId: 1, before, after })
}

function deleted(id: number, before: object): ChangeRecord {
  return record(id, { kind: 'customer.deleted', customerId: 1, before, after: null })
}

const created = (id: number): ChangeRecord => record(id, { kind: 'customer.created', customerId: 1, before: null, after: {} })
const restored = (id: number): ChangeRecord => record(id, { kind: 'customer.restored', customerId: 1, before: null, after: {} })
const recorded = (id: number, event: number): ChangeRecord => record(id, { kind: 'event.recorded', customerId: 1, before: null, after: { event } })
const recolored = (id: number, from: string, to: string): ChangeRecord =>
  record(id, { kind: 'tag.updated', customerId: null, before: { name: 'Lead', color: from }, after: { name: 'Lead', color: to } })
const event = { id: 9, name: 'bought', data: { price: 2 }, createdAt: '77', customer: 1 }

interface Given {
  readonly is?: Customer
  /** Null: too many to look through. */
  readonly later?: readonly ChangeRecord[] | null
  readonly colors?: Record<string, string>
  readonly holders?: Record<string, number>
  readonly events?: boolean
  readonly finalBefore?: number
  readonly creations?: ReadonlyMap<number, number>
  readonly force?: boolean
}

function undone(changes: readonly ChangeRecord[], given: Given = {}): ReturnType<typeof decide> {
  const { is, later = [], colors = {}, holders = {}, events = false, finalBefore = 0, creations = new Map(), force = false } = given
  const context: DecisionContext = {
    now, newId: 0, tagsVersion: 0, attributeTypes: new Map(),
    userIdHolders: new Map(Object.entries(holders)), tagColors: new Map(Object.entries(colors)),
    stored: new Map(is === undefined ? [] : [[1, { version: 1, createdAt: 3 }]]),
    undo: { later: later && [...changes, ...later], events: new Map(events ? [[9, event]] : []), creations, finalBefore }
  }
  return decide({ type: 'undo', changes, force, dryRun: false }, new Map(is === undefined ? [] : [[1, is]]), context)
}

const data = (object: Record<string, string | number>) => new Map(Object.entries(object))

/** What of the customer is different from `is`. */
function putBack(changes: readonly ChangeRecord[], given: Given & { is: Customer }): unknown {
  return undone(changes, given).map(({ change }) => change && { kind: change.kind, before: change.before, after: change.after })
}

function refusal(changes: readonly ChangeRecord[], given: Given = {}): unknown {
  try {
    return undone(changes, given)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const { code, existingId, conflicts } = error
    return { code, ...(existingId === undefined ? {} : { existingId }), conflicts: conflicts.map(({ changeId, fields }) => [changeId, fields]) }
  }
}

describe('an update that nothing touched since', () => {
  const place = { regionCode: null, countryCode: 'DE', city: 'Berlin' }
  const device = { id: 1, ip: null, timezone: null, platform: 'ios', userAgent: null }
  test.each<[string, object, object, Partial<Customer>]>([
    ['a plain field', { name: 'Ann' }, { name: 'Bob' }, { name: 'Bob' }],
    ['a field that was empty', { notes: null }, { notes: 'x' }, { notes: 'x' }],
    ['several fields', { name: null, blocked: false }, { name: 'Bob', blocked: true }, { name: 'Bob', blocked: true }],
    ['a location', { location: place }, { location: { ...place, city: 'Bonn' } }, { location: { ...place, city: 'Bonn' } }],
    ['a device', { device }, { device: null }, { device: null }],
    ['tags with their order', { tags: ['b', 'a'] }, { tags: ['a'] }, { tags: [{ name: 'a', color: 'red' }] }],
    ['attributes with their order', { customData: data({ z: 1, a: 2 }) }, { customData: data({ a: 2 }) }, { customData: data({ a: 2 }) }]
  ])('puts back %s', (_what, before, after, is) => {
    expect(putBack([updated(5, before, after)], { is: customer(is), colors: { a: 'red', b: 'blue' } }))
      .toEqual([{ kind: 'customer.updated', before: after, after: before }])
  })

  test('shows the customer as it is then, in the colors of now', () => {
    const is = customer({ name: 'Bob', tags: [{ name: 'a', color: 'red' }] })
    expect(undone([updated(5, { tags: ['b', 'a'] }, { tags: ['a'] })], { is, colors: { a: 'red', b: 'blue' } })[0]?.after)
      .toEqual({ ...is, tags: [{ name: 'b', color: 'blue' }, { name: 'a', color: 'red' }] })
  })

  test('attributes keep the order they come back in', () => {
    const [decision] = undone([updated(5, { customData: data({ z: 1, a: 2 }) }, { customData: data({ a: 2 }) })], { is: customer({ customData: data({ a: 2 }) }) })
    expect([...decision?.after?.customData ?? []]).toEqual([['z', 1], ['a', 2]])
  })
})

describe('an update, one of whose fields something else touched since', () => {
  const colors = { a: 'red', b: 'blue', c: 'green' }
  const tags = (...names: string[]) => names.map((name) => ({ name, color: colors[name as keyof typeof colors] }))
  const fr = { regionCode: null, countryCode: 'FR', city: null }
  test.each<[string, [ChangeRecord, ChangeRecord], Partial<Customer>, object]>([
    ['other attributes stay',
      [updated(5, { customData: data({ plan: 'old' }) }, { customData: data({ plan: 'new' }) }),
        updated(6, { customData: data({ plan: 'new' }) }, { customData: data({ plan: 'new', seats: 3 }) })],
      { customData: data({ plan: 'new', seats: 3 }) }, { customData: data({ plan: 'old', seats: 3 }) }],
    ['an attribute that was added goes',
      [updated(5, { customData: data({}) }, { customData: data({ plan: 'new' }) }),
        updated(6, { customData: data({ plan: 'new' }) }, { customData: data({ plan: 'new', seats: 3 }) })],
      { customData: data({ plan: 'new', seats: 3 }) }, { customData: data({ seats: 3 }) }],
    ['other tags stay', [updated(5, { tags: ['a'] }, { tags: ['b'] }), updated(6, { tags: ['b'] }, { tags: ['b', 'c'] })], { tags: tags('b', 'c') }, { tags: ['c', 'a'] }],
    ['other parts of the location stay',
      [updated(5, { location: { ...fr, city: 'Lyon' } }, { location: { ...fr, city: 'Nice' } }),
        updated(6, { location: { ...fr, city: 'Nice' } }, { location: { ...fr, countryCode: 'MC', city: 'Nice' } })],
      { location: { ...fr, countryCode: 'MC', city: 'Nice' } }, { location: { ...fr, countryCode: 'MC', city: 'Lyon' } }]
  ])('%s', (_what, [change, later], is, after) => {
    expect(putBack([change], { is: customer(is), later: [later], colors })).toMatchObject([{ after }])
  })
})

describe('later changes of the same', () => {
  const renamed = updated(5, { name: 'Ann' }, { name: 'Bob' })
  const again = updated(6, { name: 'Bob', notes: null }, { name: 'Cleo', notes: 'x' })
  const lead = (tagNames: string[], then: string[]) => ({ before: { tags: tagNames }, after: { tags: then } })
  test.each<[string, readonly ChangeRecord[], readonly ChangeRecord[], (readonly [number, readonly string[] | undefined])[]]>([
    ['of a field', [renamed], [again], [[6, ['name']]]],
    ['each with its fields', [updated(5, { name: 'a', notes: 'a' }, { name: 'b', notes: 'b' })], [updated(6, { name: 'b' }, { name: 'c' }), updated(7, { name: 'c', notes: 'b' }, { name: 'd', notes: 'c' })],
      [[6, ['name']], [7, ['name', 'notes']]]],
    ['of a tag', [updated(5, lead([], ['a']).before, lead([], ['a']).after)], [updated(6, { tags: ['a'] }, { tags: [] })], [[6, ['tags.a']]]],
    ['of a part of the location', [updated(5, { location: { city: 'a' } }, { location: { city: 'b' } })], [updated(6, { location: { city: 'b' } }, { location: { city: 'c' } })], [[6, ['location.city']]]],
    ['of an attribute', [updated(5, { customData: data({}) }, { customData: data({ plan: 'a' }) })], [updated(6, { customData: data({ plan: 'a' }) }, { customData: data({ plan: 'b' }) })], [[6, ['customData.plan']]]],
    ['of anything, for a creation', [created(5)], [again], [[6, ['name', 'notes']]]],
    ['of everything, by a deletion', [renamed], [deleted(6, {})], [[6, ['name']]]],
    ['of everything, for a creation and by a deletion', [created(5)], [deleted(6, {})], [[6, undefined]]],
    ['of an event', [created(5)], [recorded(6, 9)], [[6, ['events.9']]]],
    ['of a tag of the organization', [recolored(5, 'red', 'blue')], [recolored(6, 'blue', 'green')], [[6, ['tags.Lead']]]]
  ])('%s are listed', (_what, changes, later, conflicts) => {
    expect(refusal(changes, { is: customer({ name: 'Cleo' }), later, colors: { Lead: 'green' } })).toEqual({ code: 'conflict', conflicts })
  })

  test('of other fields, earlier ones, and those of other customers are in nobody\'s way', () => {
    const later = [updated(4, { name: 'x' }, { name: 'Ann' }), updated(6, { notes: null }, { notes: 'x' }), { ...again, id: 7, customerId: 2 } as ChangeRecord, recolored(8, 'a', 'b')]
    expect(putBack([renamed], { is: customer({ name: 'Bob', notes: 'x' }), later })).toEqual([{ kind: 'customer.updated', before: { name: 'Bob' }, after: { name: 'Ann' } }])
  })

  test('with force are overridden, by what the change touched alone', () => {
    expect(putBack([renamed], { is: customer({ name: 'Cleo', notes: 'x' }), later: [again], force: true }))
      .toEqual([{ kind: 'customer.updated', before: { name: 'Cleo' }, after: { name: 'Ann' } }])
  })

  test('too many to look through are a conflict, and with force the change touches its own parts alone', () => {
    const change = updated(5, { name: 'Ann', customData: data({ plan: 'a' }), tags: ['a'] }, { name: 'Bob', customData: data({ plan: 'b' }), tags: ['b'] })
    const is = customer({ name: 'Cleo', customData: data({ seats: 2, plan: 'c' }), tags: [{ name: 'b', color: defaultColor }, { name: 'c', color: defaultColor }] })
    expect(refusal([change], { is, later: null })).toEqual({ code: 'conflict', conflicts: [] })
    expect(putBack([change], { is, later: null, force: true }))
      .toMatchObject([{ after: { name: 'Ann', customData: data({ seats: 2, plan: 'a' }), tags: ['c', 'a'] } }])
  })

  test('of the same request are taken back first and are no conflict', () => {
    expect(putBack([renamed, again], { is: customer({ name: 'Cleo', notes: 'x' }) })).toEqual([
      { kind: 'customer.updated', before: { name: 'Cleo', notes: 'x' }, after: { name: 'Bob', notes: null } },
      { kind: 'customer.updated', before: { name: 'Bob' }, after: { name: 'Ann' } }
    ])
  })

  test('a recoloring that is not among them is noticed by the color', () => {
    expect(refusal([recolored(5, 'red', 'blue')], { colors: { Lead: 'green' } })).toEqual({ code: 'conflict', conflicts: [] })
  })
})

describe('a creation and a restoration', () => {
  test.each([created(5), restored(5)])('are taken back by a deletion', (change) => {
    const is = customer({ tags: [{ name: 'a', color: 'red' }] })
    expect(undone([change], { is })).toEqual([
      { after: null, change: { kind: 'customer.deleted', customerId: 1, before: { ...is, tags: ['a'], createdAt: 3 }, after: null } }
    ])
  })
})

describe('a deletion', () => {
  const was = { ...customer({ name: 'Ann', userId: 'u1' }), tags: ['a', 'gone'], createdAt: 3 }

  test('is taken back by a restoration as it was, in the colors of now', () => {
    const after = { ...customer({ name: 'Ann', userId: 'u1' }), tags: [{ name: 'a', color: 'red' }, { name: 'gone', color: defaultColor }] }
    expect(undone([deleted(5, was)], { colors: { a: 'red' } })).toEqual([
      { after, createdAt: 3, change: { kind: 'customer.restored', customerId: 1, before: null, after: { ...after, tags: ['a', 'gone'] } } }
    ])
  })

  test.each([[new Map([[1, 8]]), 8], [new Map(), 1_005]])('that does not say when the customer was made: %s', (creations, createdAt) => {
    const { createdAt: _, ...undated } = was
    expect(undone([deleted(5, undated)], { creations })).toMatchObject([{ createdAt }])
  })

  test.each([true, false])('whose userId somebody else has is refused, force %s', (force) => {
    expect(refusal([deleted(5, was)], { holders: { u1: 2 }, force })).toEqual({ code: 'conflict', existingId: 2, conflicts: [] })
  })

  test('that is final is gone', () => {
    expect(refusal([deleted(5, was)], { finalBefore: 1_006 })).toEqual({ code: 'gone', conflicts: [] })
    expect(undone([deleted(5, was)], { finalBefore: 1_005 })).toHaveLength(1)
  })
})

describe('an event', () => {
  const before = { event: 9, name: 'bought', data: { price: 2 }, createdAt: '77' }
  const eventDeleted = record(5, { kind: 'event.deleted', customerId: 1, before, after: null })

  test('that was recorded is deleted, and the change keeps it', () => {
    expect(undone([recorded(5, 9)], { is: customer(), events: true })).toEqual([
      { after: null, change: { kind: 'event.deleted', customerId: 1, before, after: null } }
    ])
  })

  test('that was deleted is recorded again, under its id', () => {
    expect(undone([eventDeleted], { is: customer() })).toEqual([
      { after: null, change: { kind: 'event.recorded', customerId: 1, before: null, after: { event: 9 } }, event }
    ])
  })

  test.each([recorded(5, 9), eventDeleted])('of a customer who is deleted waits until that is taken back', (change) => {
    const given = { later: [deleted(6, {})], events: change.kind === 'event.recorded', force: true }
    expect(refusal([change], given)).toEqual({ code: 'conflict', conflicts: [[6, undefined]] })
    expect(refusal([change], { ...given, later: null })).toEqual({ code: 'conflict', conflicts: [] })
    for (const final of [{ later: [] }, { finalBefore: 1_007 }]) expect(refusal([change], { ...given, ...final })).toEqual({ code: 'gone', conflicts: [] })
  })
})

test('a recoloring is taken back', () => {
  expect(undone([recolored(5, 'red', 'blue')], { colors: { Lead: 'blue' } })).toEqual([{ after: null, change: {
    kind: 'tag.updated', customerId: null, before: { name: 'Lead', color: 'blue' }, after: { name: 'Lead', color: 'red' } } }])
})

test.each<[string, ChangeRecord, Given]>([
  ['a creation of a customer who is gone', created(5), { later: [deleted(6, {})] }],
  ['a deletion of a customer who is back', deleted(5, {}), { is: customer(), later: [restored(6)] }],
  ['an update whose values are back', updated(5, { name: 'Ann' }, { name: 'Bob' }), { is: customer({ name: 'Ann' }), later: [updated(6, { name: 'Bob' }, { name: 'Ann' })] }],
  ['an event that is gone', recorded(5, 9), { is: customer() }],
  ['a recoloring whose color is back', recolored(5, 'red', 'blue'), { colors: { Lead: 'red' }, later: [recolored(6, 'blue', 'red')] }]
])('with force, %s leaves nothing to do', (_what, change, given) => {
  expect(undone([change], { ...given, force: true })).toEqual([])
})

test('an update that would give a userId somebody else has is refused', () => {
  const given = { is: customer({ userId: null }), holders: { u1: 2 } }
  expect(refusal([updated(5, { userId: 'u1' }, { userId: null })], given)).toEqual({ code: 'conflict', existingId: 2, conflicts: [] })
})

test('more tags than a customer can have are refused', () => {
  const many = Array.from({ length: limits.customerTagsMax }, (_, index) => ({ name: `t${index}`, color: 'red' }))
  const given = { is: customer({ tags: many }), later: [updated(6, { tags: [] }, { tags: many.map(({ name }) => name) })], colors: {} }
  expect(refusal([updated(5, { tags: ['a'] }, { tags: [] })], given)).toEqual({ code: 'conflict', conflicts: [] })
})

test('changes of one request take userIds from one another in reverse', () => {
  const swap = [updated(5, { userId: 'u1' }, { userId: 'free' }), { ...updated(6, { userId: 'u2' }, { userId: 'u1' }), customerId: 2 } as ChangeRecord]
  const one = customer({ userId: 'free' })
  const two = { ...customer({ userId: 'u1' }), id: 2 }
  const context: DecisionContext = {
    now, newId: 0, tagsVersion: 0, attributeTypes: new Map(), tagColors: new Map(), userIdHolders: new Map([['u1', 2]]),
    stored: new Map(), undo: { later: swap, events: new Map(), creations: new Map(), finalBefore: 0 }
  }
  expect(decide({ type: 'undo', changes: swap, force: false, dryRun: false }, new Map([[1, one], [2, two]]), context)
    .map(({ after }) => [after?.id, after?.userId])).toEqual([[2, 'u2'], [1, 'u1']])
})
