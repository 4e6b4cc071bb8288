import { expect, test } from 'vitest'
import { emptyCustomer } from '../customer.ts'
import { Bits } from './bits.ts'
import { CustomerTable } from './customer-table.ts'
import type { ReadOn } from './database-order.ts'
import { DatabaseOrder } from './database-order.ts'
import { Deadline } from './deadline.ts'
import type { Visit, WalkStart } from './row-order.ts'
import type { FieldSort } from './row-orders.ts'

const customers = 3_000
const bySeats: FieldSort = { by: 'number', field: { attribute: 'seats' } }

/** Few values of many customers each, so that what is read at once often ends amid equal ones; every seventh has none. */
const all = Array.from({ length: customers }, (_, index) => ({ id: 3 * index + 1, value: index % 7 === 0 ? null : [5, -1, 0.5, 300][index % 4] ?? null }))

const readOn: ReadOn = ({ order, after, max }) => {
  const sign = order === 'asc' ? 1 : -1
  const valued = all.flatMap(({ id, value }) => (value === null ? [] : { id, value }))
  const sorted = valued.toSorted((one, other) => sign * (one.value - other.value || one.id - other.id))
  const behind = after === null ? sorted : sorted.filter(({ id, value }) => sign * (value - Number(after.value) || id - after.id) > 0)
  return behind.slice(0, max).map(({ id }) => id)
}

function filledTable(): CustomerTable {
  const table = new CustomerTable()
  table.putAll(all.map(({ id, value }) =>
    ({ customer: emptyCustomer(id), attributes: value === null ? [] : [['seats', value]], createdAt: 0, updatedAt: 0 })))
  return table
}

const starts: readonly WalkStart[] = [
  { skip: 0 },
  ...[null, -1, 0.5, 1, 300, -Infinity, Infinity].flatMap((value) => [0, 1_234, customers].map((row) => ({ value, row })))
]

test.each(starts)('a walk from %o is that of an order in memory, as often as the database has to be asked on', (start) => {
  const table = filledTable()
  const some = new Bits()
  for (let row = 0; row < customers; row += 2) some.add(row)
  const [kept, read] = [table.orders.make(bySeats, table.live, Deadline.none), new DatabaseOrder({ table, sort: bySeats, readOn, deadline: Deadline.none }, some)]
  const walked = (order: { walk: (start: WalkStart, order: 'asc' | 'desc', visit: Visit) => void }, direction: 'asc' | 'desc', limit: number): number[] => {
    const rows: number[] = []
    order.walk(start, direction, (row) => !some.has(row) || rows.push(row) < limit)
    return rows
  }
  for (const direction of ['asc', 'desc'] as const) {
    for (const limit of [1, 600, Infinity]) expect(walked(read, direction, limit)).toEqual(walked(kept, direction, limit))
  }
})

test('a customer whom only the database has is no reason to answer without him', () => {
  const order = new DatabaseOrder({ table: filledTable(), sort: bySeats, readOn: () => [1, 2], deadline: Deadline.none }, new Bits())
  expect(() => { order.walk({ skip: 0 }, 'asc', () => true) }).toThrow(new Error('The database has customers that the index has not'))
})
