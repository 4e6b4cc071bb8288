import { expect, test } from 'vitest'
import { FairQueue } from './fair-queue.ts'

function drain(queue: FairQueue<string>, mayGo: (key: number) => boolean = () => true): string[] {
  const items: string[] = []
  for (let next = queue.shift(mayGo); next !== undefined; next = queue.shift(mayGo)) items.push(next.item)
  return items
}

test('a key that came late waits for one item of each other key, and not for all of them', () => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2', 'a3', 'a4']) queue.push(1, item)
  queue.push(2, 'b1')
  queue.push(3, 'c1')
  queue.push(2, 'b2')

  expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
  expect(queue.length).toBe(0)
})

test('a key that may not go is passed over and keeps its place', () => {
  const queue = new FairQueue<string>()
  for (const item of ['a1', 'a2']) queue.push(1, item)
  queue.push(2, 'b1')

  expect(drain(queue, (key) => key !== 1)).toEqual(['b1'])
  expect([queue.length, queue.lengthOf(1), queue.lengthOf(2)]).toEqual([2, 2, 0])
  expect(drain(queue)).toEqual(['a1', 'a2'])
})
