import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bits } from './bits.ts'
import { RowMapping } from './row-mapping.ts'
import { RowSet } from './row-set.ts'

const rowsInAll = 2_000

function rowsOf(set: RowSet): number[] {
  const found = new Bits()
  set.addTo(found)
  return Array.from({ length: rowsInAll }, (_, row) => row).filter((row) => found.has(row))
}

test('a set has the rows added and not deleted, as an array, as a list and as bits, and as renumbered', () => {
  const step = fc.record({ row: fc.nat(rowsInAll - 1), isAdded: fc.boolean() })
  fc.assert(fc.property(fc.array(fc.nat(rowsInAll - 1), { maxLength: 100, size: 'max' }), fc.array(step, { maxLength: 60, size: 'max' }), (first, steps) => {
    const set = new RowSet()
    const plain = new Set<number>()
    const expectSame = (): void => {
      expect({ rows: rowsOf(set), size: set.size, has: [...plain].every((row) => set.has(row)) })
        .toEqual({ rows: [...plain].sort((one, other) => one - other), size: plain.size, has: true })
    }
    for (const row of first) {
      set.add(row, rowsInAll)
      plain.add(row)
    }
    for (const { row, isAdded } of steps) {
      // Rows that are in it are deleted as often as others.
      const chosen = isAdded ? row : [...plain][row % Math.max(1, plain.size)] ?? row
      if (isAdded) {
        set.add(chosen, rowsInAll)
        plain.add(chosen)
      } else {
        set.delete(chosen)
        plain.delete(chosen)
      }
    }
    expectSame()
    set.remap(new RowMapping(Int32Array.from({ length: rowsInAll - 10 }, (_, target) => target + 10), rowsInAll))
    const moved = [...plain].filter((row) => row >= 10).map((row) => row - 10)
    plain.clear()
    for (const row of moved) plain.add(row)
    expectSame()
  }))
})
