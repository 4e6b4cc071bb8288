import { expect, test } from 'vitest'
import { Pacer } from './pacer.ts'

function taken(pacer: Pacer): number {
  let count = 0
  while (count < 100_000 && pacer.take()) count += 1
  return count
}

test('a busy process begins so many sends a second, and one that is not any number', () => {
  let called = 0
  const pacer = new Pacer({ busySendsPerSecond: 400, onPlace: () => { called += 1 } })
  const look = (utilization: number): void => { pacer.look({ seconds: 0.05, utilization }) }
  pacer.take()
  look(1)
  expect({ taken: taken(pacer), called }).toEqual({ taken: 100_000, called: 0 })
  for (let looks = 0; looks < 5; looks += 1) look(1)
  expect(taken(pacer)).toBe(20)
  look(1)
  expect({ taken: taken(pacer), called }).toEqual({ taken: 20, called: 1 })
  // What was not taken is not saved up.
  look(1)
  look(1)
  expect(taken(pacer)).toBe(20)
  look(0)
  expect(taken(pacer)).toBe(100_000)
  pacer.close()
})
