import { expect, test } from 'vitest'
import { FeedWindow } from './feed-window.ts'

function add(window: FeedWindow, position: string, bytes = 1) {
  return window.add({ position, at: Number(position), bytes })
}

test('the position moves over what is settled, and no further than the first that is not', () => {
  const window = new FeedWindow('0')
  const [one, two, three] = [add(window, '1'), add(window, '2'), add(window, '3')]
  window.settle(two)
  expect(window.settledTo).toBe('0')
  window.settle(one)
  expect(window.settledTo).toBe('2')
  window.settle(three)
  window.settle(three)
  expect({ to: window.settledTo, unsettled: window.unsettled, bytes: window.bytes, length: window.length, oldestAt: window.oldestAt })
    .toEqual({ to: '3', unsettled: 0, bytes: 0, length: 0, oldestAt: null })
})

test('what has nothing to say is passed at once, or with what is before it', () => {
  const window = new FeedWindow('0')
  window.pass('1', 1)
  expect(window.settledTo).toBe('1')
  const slot = add(window, '2', 10)
  for (let position = 3; position < 100; position += 1) window.pass(`${position}`, position)
  expect({ to: window.settledTo, unsettled: window.unsettled, bytes: window.bytes, length: window.length, oldestAt: window.oldestAt })
    .toEqual({ to: '1', unsettled: 1, bytes: 10, length: 2, oldestAt: 2 })
  window.settle(slot)
  expect(window.settledTo).toBe('99')
})

test('thousands that are settled in any order leave nothing behind', () => {
  const window = new FeedWindow('0')
  const slots = Array.from({ length: 5_000 }, (_, index) => add(window, `${index + 1}`))
  for (const slot of slots.toReversed()) window.settle(slot)
  expect({ to: window.settledTo, length: window.length }).toEqual({ to: '5000', length: 0 })
})
