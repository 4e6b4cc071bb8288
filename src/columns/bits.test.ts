import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bits } from './bits.ts'

const rows = fc.uniqueArray(fc.nat(200), { maxLength: 120, size: 'max' })

function bitsOf(members: readonly number[]): Bits {
  const bits = new Bits()
  for (const row of members) bits.add(row)
  return bits
}

function membersOf(bits: Bits): number[] {
  const members: number[] = []
  for (let row = bits.next(0); row >= 0; row = bits.next(row + 1)) members.push(row)
  return members
}

const ascending = (members: Iterable<number>): number[] => [...members].sort((one, other) => one - other)

test('bits unite, intersect and subtract as sets do, whatever their lengths', () => {
  fc.assert(fc.property(rows, rows, (one, other) => {
    const results = (['or', 'and', 'andNot'] as const).map((operation) => {
      const bits = bitsOf(one)
      bits[operation](bitsOf(other))
      return membersOf(bits)
    })
    const isIn = (row: number): boolean => other.includes(row)
    expect(results).toEqual([[...new Set([...one, ...other])], one.filter(isIn), one.filter((row) => !isIn(row))].map(ascending))
  }))
})

test('bits find the next, the previous and the n-th member', () => {
  fc.assert(fc.property(rows, fc.nat(260), (members, from) => {
    const bits = bitsOf(members)
    const sorted = ascending(members)
    expect({
      next: bits.next(from), previous: bits.previous(from), nth: bits.nth(from % 40), count: bits.count(), has: bits.has(from)
    }).toEqual({
      next: sorted.find((row) => row >= from) ?? -1, previous: sorted.findLast((row) => row <= from) ?? -1, nth: sorted[from % 40] ?? -1,
      count: sorted.length, has: sorted.includes(from)
    })
  }))
})

test('nothing is before the first row', () => {
  expect(bitsOf([0]).previous(-1)).toBe(-1)
})

test('a member taken out is gone, and a clone is a set of its own', () => {
  const bits = bitsOf([1, 40])
  const clone = bits.clone()
  bits.delete(1)
  bits.delete(1_000)
  clone.assign(2, true)
  clone.assign(40, false)
  expect([membersOf(bits), membersOf(clone)]).toEqual([[40], [1, 2]])
})
