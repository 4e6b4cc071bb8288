import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bits } from './bits.ts'
import { Deadline } from './deadline.ts'
import { NumberColumn } from './number-column.ts'
import { RowPicker } from './row-picker.ts'

const text = fc.option(fc.oneof(fc.constantFrom('', 'a', 'b', 'ba'), fc.string({ maxLength: 2 })), { freq: 4 })
const number = fc.option(fc.oneof(fc.nat(3), fc.integer({ min: -2, max: 300 }), fc.constantFrom(0.5, 255, 2 ** 32)), { freq: 4 })
const size = fc.integer({ min: 1, max: 12 })
const order = fc.constantFrom('asc', 'desc')

interface Wanted {
  readonly size: number
  readonly order: 'asc' | 'desc'
}

function picked(picker: RowPicker, rows: number): number[] {
  const found = new Bits(rows)
  picker.addTo(found)
  return Array.from({ length: rows }, (_, row) => row).filter((row) => found.has(row))
}

/** Ascending. */
function firstRows<Value extends string | number>(values: readonly (Value | null)[], rows: readonly number[], wanted: Wanted): number[] {
  const sorted = rows.map((row) => ({ one: values[row] ?? null, row })).toSorted((a, b) => {
    if ((a.one === null) !== (b.one === null)) return a.one === null ? 1 : -1
    const ascending = a.one === b.one ? a.row - b.row : a.one !== null && b.one !== null && a.one < b.one ? -1 : 1
    return wanted.order === 'asc' ? ascending : -ascending
  })
  return sorted.slice(0, wanted.size).map(({ row }) => row).toSorted((a, b) => a - b)
}

test('as many rows as asked for, the first of their order, those without a value behind all others', () => {
  fc.assert(fc.property(fc.array(text, { maxLength: 40 }), size, order, (values, ...[wantedSize, wantedOrder]) => {
    const wanted = { size: wantedSize, order: wantedOrder }
    const picker = new RowPicker(wanted, Deadline.none)
    for (const [row, one] of values.entries()) picker.offer(one, row)
    expect(picked(picker, values.length)).toEqual(firstRows(values, [...values.keys()], wanted))
  }), { numRuns: 500 })
})

test('the same of some rows of a column of numbers, few of which have one or most', () => {
  fc.assert(fc.property(fc.array(number, { maxLength: 200, size: 'max' }), fc.integer({ min: 1, max: 5 }), size, order, (values, step, ...[wantedSize, wantedOrder]) => {
    const wanted = { size: wantedSize, order: wantedOrder }
    const column = new NumberColumn()
    values.forEach((value, row) => { column.set(row, value) })
    const rows = [...values.keys()].filter((row) => row % step === 0)
    const some = new Bits(values.length)
    for (const row of rows) some.add(row)
    const picker = new RowPicker(wanted, Deadline.none)
    column.offerTo(picker, some)
    expect(picked(picker, values.length)).toEqual(firstRows(values, rows, wanted))
  }), { numRuns: 500 })
})
