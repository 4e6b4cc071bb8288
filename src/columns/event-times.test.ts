import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deadline } from './deadline.ts'
import { EventTimes } from './event-times.ts'
import { RowMapping } from './row-mapping.ts'

const rows = 30

interface Told {
  readonly row: number
  readonly time: number
}

function expectCounts(events: EventTimes, told: readonly Told[], since: number, until: number): void {
  const expected = Array.from({ length: rows }, (_, row) => told.filter((event) => event.row === row && event.time >= since && event.time <= until).length)
  expect([...events.counts({ since, until }, rows, Deadline.none)]).toEqual(expected)
  expect(expected.map((_, row) => events.count({ since, until }, row, Deadline.none))).toEqual(expected)
}

const time = fc.oneof(fc.nat(100), fc.constantFrom(0, 4_294_967_295, 4_294_967_296, 253_402_300_799))
const event = fc.record({ row: fc.nat(rows - 1), time })

test('events are counted by row and window, before and after they are sorted, dropped and renumbered', () => {
  const many = fc.array(event, { minLength: 0, maxLength: 2_500, size: 'max' })
  fc.assert(fc.property(many, many, fc.tuple(time, time), fc.nat(rows - 1), (first, second, [since, until], dropped) => {
    const events = new EventTimes()
    for (const [index, told] of first.entries()) {
      events.add(told.row, told.time)
      // What is found out about the first is kept, and must know of those that follow.
      if (index === 0) events.count({ since, until }, told.row, Deadline.none)
    }
    expectCounts(events, first, since, until)
    events.drop(new Set([dropped]))
    const left = first.filter(({ row }) => row !== dropped)
    expectCounts(events, left, since, until)
    events.remap(new RowMapping(Int32Array.from({ length: rows - 1 }, (_, target) => target + 1), rows))
    const moved = left.filter(({ row }) => row > 0).map(({ row, time: when }) => ({ row: row - 1, time: when }))
    expectCounts(events, moved, since, until)
    for (const told of second) events.add(told.row, told.time)
    expectCounts(events, [...moved, ...second], since, until)
  }), { numRuns: 30 })
})
