import { beforeAll, expect, test } from 'vitest'
import { emptyCustomer } from '../customer.ts'
import type { CustomerSearch, Filter } from '../search.ts'
import { CustomerColumns } from './customer-columns.ts'
import type { ReadOn } from './database-order.ts'
import { Deadline } from './deadline.ts'
import type { FieldSort } from './row-orders.ts'

const customers = 25_600
const limit = 10
const columns = new CustomerColumns()
/** By each of these the customers are in order of their ids; the first two have an order in memory. */
const ordered: FieldSort = { by: 'number', field: { name: 'firstSeen' } }
const orderedText: FieldSort = { by: 'text', field: { name: 'company' } }
const number: FieldSort = { by: 'number', field: { attribute: 'place' } }
const text: FieldSort = { by: 'text', field: { attribute: 'code' } }
/** What everybody but the last has never had. */
const eventNames = ['paid', 'called', 'left']

beforeAll(() => {
  columns.putAll(Array.from({ length: customers }, (_, index) => {
    const id = index + 1
    const code = String(id).padStart(6, '0')
    return { customer: { ...emptyCustomer(id), company: code, firstSeen: String(id) }, attributes: [['place', id], ['code', code], ['matched', id]], createdAt: id, updatedAt: id }
  }))
  for (const name of eventNames) columns.addEvent({ customerId: customers, name, createdAt: 1 })
  for (const sort of [ordered, orderedText]) columns.prepare(sort)
})

/** By customers between two. */
const matching = (from: number, to: number): Filter => ({ type: 'number', field: { attribute: 'matched' }, test: { operator: 'between', from, to }, isNegated: false })
const first = (count: number): Filter => matching(1, count)
const last = (count: number): Filter => matching(customers - count + 1, customers)
const without = (names: readonly string[]): Filter[] =>
  names.map((name) => ({ type: 'events', name, since: 0, until: 9, test: { operator: '<=', value: 0 }, isNegated: false }))

interface Asked {
  readonly sort: FieldSort
  readonly filters: readonly Filter[]
  /** Of the page, with what is passed over and with one more. */
  readonly size?: number
  /** Whether it is known who matches when the page is sought. */
  readonly wantsTotal?: boolean
  readonly hasDatabase?: boolean
}

const readOn: ReadOn = ({ after, max }) => {
  const passed = after?.id ?? 0
  return Array.from({ length: Math.min(max, customers - passed) }, (_, index) => passed + index + 1)
}

function planOf({ sort, filters, size = limit + 1, wantsTotal = true, hasDatabase = false }: Asked): string {
  const search: CustomerSearch = {
    filter: { type: 'group', comparison: 'AND', filters, isNegated: false },
    sort, order: 'asc', limit, offset: size - limit - 1, after: null, wantsTotal, wantsExplanation: false
  }
  columns.letGo()
  return columns.search(search, Deadline.none, hasDatabase ? { lookUp: () => undefined, readerOf: () => readOn } : undefined).plan
}

interface Border {
  readonly most: number
  readonly asked: (count: number) => Asked
  readonly upTo: string
  readonly beyond: string
}

// The limits were measured, which no test can repeat: whoever alters one measures again, and says so here.
test.each<[string, Border]>([
  ['customers tested for a page', {
    most: 4_096, asked: (size) => ({ sort: ordered, filters: [first(25_000)], size, wantsTotal: false }), upTo: 'walk firstSeen', beyond: 'match, walk firstSeen'
  }],
  ['the same by a filter that costs more', {
    most: 5_120, asked: (size) => ({ sort: ordered, filters: without(eventNames.slice(0, 1)), size, wantsTotal: false }), upTo: 'walk firstSeen', beyond: 'match, walk firstSeen'
  }],
  ['the same by filters that cost much more', {
    most: 12_288, asked: (size) => ({ sort: ordered, filters: without(eventNames), size, wantsTotal: false }), upTo: 'walk firstSeen', beyond: 'match, walk firstSeen'
  }],
  ['customers passed over before the matches that a sample shows', {
    most: 412, asked: (passed) => ({ sort: ordered, filters: [last(customers - passed)], size: 1_600, wantsTotal: false }), upTo: 'walk firstSeen', beyond: 'match, walk firstSeen'
  }],
  ['matches sorted although there is an order', {
    most: 639, asked: (count) => ({ sort: ordered, filters: [first(count)], size: 640 }), upTo: 'match, sort firstSeen', beyond: 'match, walk firstSeen'
  }],
  ['matches sorted rather than an order made', {
    most: 20_000, asked: (count) => ({ sort: number, filters: [first(count)], size: 2_001 }), upTo: 'match, sort customData.place', beyond: 'match, walk customData.place'
  }],
  ['matches sorted rather than picked from', {
    most: 1_024, asked: (count) => ({ sort: number, filters: [first(count)] }), upTo: 'match, sort customData.place', beyond: 'match, pick customData.place'
  }],
  ['the end of a page that is picked', {
    most: 2_000, asked: (size) => ({ sort: number, filters: [first(3_000)], size }), upTo: 'match, pick customData.place', beyond: 'match, sort customData.place'
  }],
  ['matches at the other end of an order of texts that are picked from', {
    most: 1_599, asked: (count) => ({ sort: orderedText, filters: [last(count)] }), upTo: 'match, pick company', beyond: 'match, walk company'
  }],
  // So many that they would not be picked from if that cost twice as much by numbers.
  ['customers passed over before 20,000 matches are picked from', {
    most: 615, asked: (passed) => ({ sort: ordered, filters: [matching(passed + 1, passed + 20_000)], size: 25 }), upTo: 'match, walk firstSeen', beyond: 'match, pick firstSeen'
  }],
  ['entries of numbers read in the database rather than 6,400 matches picked from', {
    most: 100, asked: (size) => ({ sort: number, filters: [first(6_400)], size, hasDatabase: true }),
    upTo: 'match, walk in the database customData.place', beyond: 'match, pick customData.place'
  }],
  ['entries of texts read likewise', {
    most: 800, asked: (size) => ({ sort: text, filters: [first(6_400)], size, hasDatabase: true }),
    upTo: 'match, walk in the database customData.code', beyond: 'match, pick customData.code'
  }],
  ['entries read in the database rather than matches sorted', {
    most: 16_384, asked: (size) => ({ sort: number, filters: [first(20_000)], size, hasDatabase: true }),
    upTo: 'match, walk in the database customData.place', beyond: 'match, sort customData.place'
  }]
])('a page is found in another way beyond the most there may be of: %s', (_what, { most, asked, upTo, beyond }) => {
  expect([planOf(asked(most)), planOf(asked(most + 1))]).toEqual([upTo, beyond])
})
