import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bits } from './bits.ts'
import { Deadline } from './deadline.ts'
import { RowPicker } from './row-picker.ts'

const value = fc.option(fc.oneof(fc.constantFrom('', 'a', 'b', 'ba'), fc.string({ maxLength: 2 })), { freq: 4 })

test('as many rows as asked for, the first of their order, those without a value behind all others', () => {
  fc.assert(fc.property(fc.array(value, { maxLength: 40 }), fc.integer({ min: 1, max: 12 }), fc.constantFrom('asc', 'desc'), (values, size, order) => {
    const picker = new RowPicker({ size, order }, Deadline.none)
    for (const [row, one] of values.entries()) picker.offer(one, row)
    const picked = new Bits(values.length)
    picker.addTo(picked)

    const sorted = values.map((one, row) => ({ one, row })).toSorted((a, b) => {
      if ((a.one === null) !== (b.one === null)) return a.one === null ? 1 : -1
      const ascending = a.one === b.one ? a.row - b.row : (a.one ?? '') < (b.one ?? '') ? -1 : 1
      return order === 'asc' ? ascending : -ascending
    })
    const expected = sorted.slice(0, size).map(({ row }) => row).toSorted((a, b) => a - b)
    expect(values.flatMap((_, row) => (picked.has(row) ? [row] : []))).toEqual(expected)
  }), { numRuns: 500 })
})
