import { expect, test } from 'vitest'
import type { HeldCustomer } from '../webhook.ts'
import { following, HeldCustomers, heldRow, precedes } from './held-customers.ts'

function row(customerId: number, nextAttemptAt: number): HeldCustomer {
  return { customerId, next: { changeId: customerId * 10, part: 0 }, attempts: 1, nextAttemptAt, lastChangeId: 99 }
}

test('customers come in the order in which they are due, each once', () => {
  const held = new HeldCustomers([row(1, 30), row(2, 10), row(3, 20), row(4, 40)])
  expect({ size: held.size, next: held.nextAttemptMs, hasDue: held.hasDue(9_999) }).toEqual({ size: 4, next: 10_000, hasDue: false })
  const take = (nowMs: number) => held.take(nowMs)?.customerId
  expect([take(30_000), take(30_000), take(30_000), take(30_000), held.nextAttemptMs]).toEqual([2, 3, 1, undefined, 40_000])
})

test('one that is postponed is due later, one that is released is not, and one that is queued is at once', () => {
  const held = new HeldCustomers([row(1, 10), row(2, 10)])
  const [one, two] = [held.take(10_000), held.take(10_000)]
  if (one === undefined || two === undefined) throw new Error('Two are due')
  held.postpone(one, 20_500)
  held.release(two)
  expect({ next: held.nextAttemptMs, size: held.size, hasDue: held.hasDue(20_499), row: heldRow(one) })
    .toEqual({ next: 20_500, size: 1, hasDue: false, row: row(1, 21) })
  held.queue(one)
  expect(held.take(0)).toBe(one)
})

test('a turn that was put off, or came early, does not come again', () => {
  const held = new HeldCustomers([row(1, 10), row(2, 30)])
  const one = held.take(10_000)
  if (one === undefined) throw new Error('One is due')
  held.postpone(one, 50_000)
  held.postpone(one, 20_000)
  held.postpone(one, 20_000)
  const take = (nowMs: number) => held.take(nowMs)?.customerId
  expect([take(20_000), take(29_999)]).toEqual([1, undefined])
  held.release(one)
  expect([take(30_000), take(60_000), held.nextAttemptMs]).toEqual([2, undefined, Infinity])
})

test('messages are in the order of their changes, and of their parts', () => {
  const key = (changeId: number, part: number) => ({ changeId, part })
  expect([precedes(key(1, 5), key(2, 0)), precedes(key(1, 0), key(1, 1)), precedes(key(1, 1), key(1, 1)), precedes(key(2, 0), key(1, 9))]).toEqual([true, true, false, false])
  expect(following(key(1, 1))).toEqual(key(1, 2))
})
