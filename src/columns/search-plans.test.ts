import { beforeAll, expect, test } from 'vitest'
import { emptyCustomer } from '../customer.ts'
import { parseSearch } from '../parse-search.ts'
import type { Position } from '../search.ts'
import { CustomerColumns } from './customer-columns.ts'
import type { ReadOn } from './database-order.ts'
import { Deadline } from './deadline.ts'
import type { FieldSort } from './row-orders.ts'

/** Enough that looking at everyone is told from looking at few. */
const customers = 20_000
const now = 1_700_000_000
const columns = new CustomerColumns()
/** The same, of which searches leave other things behind. */
const besideDatabase = new CustomerColumns()
const attributes = new Map([['plan', 'text'], ['seats', 'number'], ['code', 'text']] as const)

beforeAll(() => {
  for (let id = 1; id <= customers; id += 1) {
    const tags = [...(id % 2 === 0 ? ['even'] : []), ...(id === 4_321 ? ['one'] : [])].map((name) => ({ name, color: 'red' }))
    const customer = {
      ...emptyCustomer(id), name: `Name ${id % 500}`, email: `c${id}@example.com`, userId: `u${id}`, company: `Company ${id % 40}`,
      notes: `note ${id}`, firstSeen: String(now - (id * 7_919) % 100_000), lastSeen: id % 10 === 0 ? null : String(now - id), tags
    }
    const values = [['plan', id % 3 === 0 ? 'pro' : 'free'], ['seats', id % 1_000], ['code', `k${id}`]] as const
    for (const its of [columns, besideDatabase]) {
      its.put({ customer, attributes: values, createdAt: now - customers + id, updatedAt: now })
      if (id % 100 === 0) its.addEvent({ customerId: id, name: 'paid', createdAt: now })
    }
  }
  for (const name of ['firstSeen', 'lastSeen'] as const) columns.prepare({ by: 'number', field: { name } })
})

interface Planned {
  readonly plan: string
  /** Customers and entries looked at are at most this many. */
  readonly visitedMax: number
}

const context = { organizationId: 1, attributes, cursorSecret: Buffer.from(''), now }

function planOf(body: object): { plan: string; entriesVisited: number } {
  const { plan, entriesVisited } = columns.search(parseSearch({ limit: 10, total: false, ...body }, context).search, Deadline.none)
  return { plan, entriesVisited }
}

const filter = (field: string, operator: string, value?: unknown): object => ({ field, operator, value })

test.each<[string, object, Planned]>([
  ['everyone, in an order that is there', { sort: 'lastSeen' }, { plan: 'walk lastSeen', visitedMax: 20 }],
  ['everyone by id', { sort: 'id', order: 'desc' }, { plan: 'walk id', visitedMax: 20 }],
  ['the last by id', { filter: [filter('id', '>', customers - 50)], sort: 'id', total: true }, { plan: 'match, walk id', visitedMax: 100 }],
  ['few by the same field that they are found by', { filter: [filter('firstSeen', '>', now - 50_000)] }, { plan: 'walk firstSeen', visitedMax: 20 }],
  ['the same, backwards, among others', { filter: [filter('firstSeen', '<', now - 50_000), filter('tags', 'any', ['even'])], order: 'desc' }, { plan: 'walk firstSeen', visitedMax: 50 }],
  ['a stretch amid the order that two filters bound, in either order', { filter: [filter('firstSeen', '<', now - 20_000), filter('firstSeen', '>', now - 50_000)], comparison: 'AND' }, { plan: 'walk firstSeen', visitedMax: 20 }],
  ['those beyond an id, by id', { filter: [filter('id', '>', 15_000)], sort: 'id' }, { plan: 'walk id', visitedMax: 20 }],
  ['those up to an id, by id backwards', { filter: [filter('id', '<=', 15_000)], sort: 'id', order: 'desc' }, { plan: 'walk id', visitedMax: 20 }],
  ['those without a value of the sort', { filter: [filter('lastSeen', 'empty')], sort: 'lastSeen' }, { plan: 'walk lastSeen', visitedMax: 20 }],
  ['the same, backwards', { filter: [filter('lastSeen', 'empty')], sort: 'lastSeen', order: 'desc' }, { plan: 'walk lastSeen', visitedMax: 20 }],
  ['everyone at half', { sort: 'lastSeen', offset: customers / 2 }, { plan: 'walk lastSeen', visitedMax: 2_000 }],
  ['a filter that many pass', { filter: [filter('tags', 'any', ['even'])] }, { plan: 'walk firstSeen', visitedMax: 100 }],
  ['text that many contain', { filter: [filter('name', '~', 'ame')] }, { plan: 'walk firstSeen', visitedMax: 100 }],
  ['a negation', { filter: [filter('email', '!~', 'c7@')] }, { plan: 'walk firstSeen', visitedMax: 100 }],
  ['several filters that many pass', { filter: [filter('customData.plan', '=', 'pro'), filter('tags', 'any', ['even'])] }, { plan: 'walk firstSeen', visitedMax: 400 }],
  ['a tag of one', { filter: [filter('tags', 'any', ['one'])] }, { plan: 'match, sort firstSeen', visitedMax: 2_000 }],
  ['a tag of nobody', { filter: [filter('tags', 'any', ['none'])] }, { plan: 'match firstSeen', visitedMax: 2_000 }],
  ['one id', { filter: [filter('id', '=', 77)] }, { plan: 'match, sort firstSeen', visitedMax: 2_000 }],
  ['text that one contains', { filter: [filter('notes', '~', 'note 12345')] }, { plan: 'match, sort firstSeen', visitedMax: 2_500 }],
  ['a date of few, in an order that is there', { filter: [filter('firstSeen', '>', now - 20)], sort: 'id', total: true }, { plan: 'match, walk id', visitedMax: 200 }],
  ['a date of many', { filter: [filter('firstSeen', '<', now - 20)], sort: 'id', total: true }, { plan: 'walk id', visitedMax: 20 }],
  ['a text of many, which is counted by itself', { filter: [filter('customData.plan', '=', 'free')], sort: 'id', total: true }, { plan: 'walk id', visitedMax: 20 }],
  ['those with a date that most have', { filter: [filter('lastSeen', '!empty')], sort: 'id', total: true }, { plan: 'walk id', visitedMax: 20 }],
  ['an event that few have', { filter: [filter('events.paid', '>=', 1), filter('id', '>', 19_000)] }, { plan: 'match, sort firstSeen', visitedMax: 25_000 }],
  ['matches by a sort without an order', { filter: [filter('customData.plan', '=', 'pro')], sort: 'customData.code' }, { plan: 'match, pick customData.code', visitedMax: 50_000 }],
  ['few matches by a sort without an order', { filter: [filter('id', 'in', [5, 70, 900])], sort: 'customData.code' }, { plan: 'match, sort customData.code', visitedMax: 20 }],
  ['matches at the other end of an order', { filter: [filter('id', '<', 3_000)], sort: 'lastSeen', total: true }, { plan: 'match, pick lastSeen', visitedMax: 10_000 }],
  ['matches far down without an order', { filter: [filter('customData.plan', '=', 'pro')], sort: 'customData.code', offset: 3_000 }, { plan: 'match, sort customData.code', visitedMax: 50_000 }],
  ['everyone by a sort without an order', { sort: 'company' }, { plan: 'match, pick company', visitedMax: 50_000 }],
  ['any text, by rank', { filter: [filter('text', '~', 'name 499')] }, { plan: 'walk rank', visitedMax: 130_000 }]
])('%s', (_name, body, { plan, visitedMax }) => {
  const found = planOf(body)
  expect(found).toEqual({ plan, entriesVisited: expect.any(Number) })
  expect(found.entriesVisited).toBeLessThanOrEqual(visitedMax)
})

/** Customers by attribute, as an index of the database has them. */
const readerOf = ({ field: { attribute } }: FieldSort): ReadOn | undefined => {
  if (attribute !== 'seats' && attribute !== 'code') return undefined
  const rows = Array.from({ length: customers }, (_, index) => index + 1).map((id) => ({ id, value: attribute === 'seats' ? id % 1_000 : `k${id}` }))
  return ({ order, after, max }) => {
    const sign = order === 'asc' ? 1 : -1
    const compare = (one: Position, other: Position): number =>
      sign * (one.value === other.value ? one.id - other.id : (one.value ?? 0) < (other.value ?? 0) ? -1 : 1)
    return rows.toSorted(compare).filter((row) => after === null || compare(row, after) > 0).slice(0, max).map(({ id }) => id)
  }
}

const pro = filter('customData.plan', '=', 'pro')
const some = filter('name', '~', 'n')
const behind = (value: Position['value'], id: number): Position => ({ value, id })

test.each<[string, object, Planned & { after?: Position }]>([
  ['a filter that many pass', { filter: [pro], sort: 'customData.code' }, { plan: 'walk in the database customData.code', visitedMax: 100 }],
  ['the same backwards, from behind a position', { filter: [pro], sort: 'customData.code', order: 'desc' }, { plan: 'walk in the database customData.code', visitedMax: 100, after: behind('k5', 5) }],
  ['everyone', { sort: 'customData.code' }, { plan: 'walk in the database customData.code', visitedMax: 20 }],
  ['everyone, among those without a value', { sort: 'customData.code' }, { plan: 'walk customData.code', visitedMax: 20, after: behind(null, 5) }],
  ['a range of the same attribute', { filter: [filter('customData.seats', '>', 990), pro], sort: 'customData.seats' }, { plan: 'walk in the database customData.seats', visitedMax: 100 }],
  ['a range of the same attribute, backwards', { filter: [filter('customData.seats', '<', 500), pro], sort: 'customData.seats', order: 'desc' },
    { plan: 'walk in the database customData.seats', visitedMax: 100 }],
  ['matches that are known', { filter: [pro, some], sort: 'customData.code', total: true }, { plan: 'match, walk in the database customData.code', visitedMax: 50_000 }],
  ['the same from behind a position', { filter: [pro, some], sort: 'customData.seats', total: true }, { plan: 'match, walk in the database customData.seats', visitedMax: 50_000, after: behind(500, 700) }],
  ['a tag of one', { filter: [filter('tags', 'any', ['one'])], sort: 'customData.code' }, { plan: 'match, sort customData.code', visitedMax: 1_000 }],
  ['matches at the other end', { filter: [filter('customData.seats', '<', 100), filter('tags', '=', ['even']), filter('name', '~', 'n')], sort: 'customData.seats', order: 'desc' },
    { plan: 'walk in the database customData.seats', visitedMax: 100 }],
  ['so few matches that the page is not full in time', { filter: [filter('name', '=', 'name 49')], sort: 'customData.code' }, { plan: 'match, sort customData.code', visitedMax: 50_000 }]
])('where the database has the order of a sort and memory has none: %s', (_name, body, { plan, visitedMax, after = null }) => {
  besideDatabase.letGo()
  const { search } = parseSearch({ limit: 10, total: false, ...body }, context)
  const found = besideDatabase.search({ ...search, after }, Deadline.none, { lookUp: () => undefined, readerOf })
  besideDatabase.letGo()
  expect(found.plan).toBe(plan)
  expect(found.entriesVisited).toBeLessThanOrEqual(visitedMax)
  const { ids, total, next } = besideDatabase.search({ ...search, after }, Deadline.none)
  besideDatabase.letGo()
  expect({ ids: found.ids, total: found.total, next: found.next }).toEqual({ ids, total, next })
})

test('the same filter asked again is known, and only who changed since is looked at', () => {
  const body = { filter: [filter('notes', '~', '9')], total: true, sort: 'id' }
  expect(planOf(body).entriesVisited).toBeGreaterThanOrEqual(customers)
  expect(planOf(body).entriesVisited).toBeLessThan(2_000)

  columns.put({ customer: { ...emptyCustomer(5), notes: 'now 9' }, attributes: [], createdAt: now, updatedAt: now })
  expect(planOf(body).entriesVisited).toBeLessThan(2_000)
})

test('few whom the database finds at once are not sought in the columns, and none whom they do not know', () => {
  const { search } = parseSearch({ filter: [filter('notes', '^', 'note 1234')], limit: 20 }, context)
  const asked: unknown[] = []
  const theirs = [1_234, ...Array.from({ length: 10 }, (_, last) => 12_340 + last)]
  const { ids, total, entriesVisited } = columns.search(search, Deadline.none, {
    lookUp({ field, test: { operator } }, passedRows) {
      asked.push([field.name, operator])
      expect(passedRows).toBeGreaterThanOrEqual(customers)
      return [0, ...theirs, customers + 1]
    },
    readerOf: () => undefined
  })
  expect({ asked, ids: ids.toSorted((one, other) => one - other), total }).toEqual({ asked: [['notes', '^']], ids: theirs, total: theirs.length })
  expect(entriesVisited).toBeLessThan(40)
})

test.each<[string, (time: number) => object]>([
  ['text', (time) => filter('customData.code', '^', `k${1_000 + time}`)],
  ['numbers', (time) => filter('customData.seats', 'between', [time, time + 1])]
])('a stretch of %s that is asked for again and again is found by an order', (_what, asked) => {
  const visited = (time: number): number => planOf({ filter: [asked(time)], sort: 'id', total: true }).entriesVisited
  const passed = Array.from({ length: 65 }, (_, time) => visited(time))
  expect(visited(65)).toBeLessThan(Math.min(...passed) / 5)
})
