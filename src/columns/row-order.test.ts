import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bits } from './bits.ts'
import type { SortValue, WalkStart } from './row-order.ts'
import { RowOrder } from './row-order.ts'

type Values = (SortValue | null | undefined)[]

function compare(one: SortValue, other: SortValue): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Rows with a value, sorted, and those without; a row whose value is undefined is not there. */
function sortedRows(values: Values): { sorted: number[]; missing: number[] } {
  const rows = [...values.keys()]
  const filled = rows.filter((row) => values[row] !== null && values[row] !== undefined)
  return { sorted: filled.sort((one, other) => compare(values[one] ?? 0, values[other] ?? 0) || one - other), missing: rows.filter((row) => values[row] === null) }
}

function orderOf(values: Values): RowOrder {
  const { sorted, missing } = sortedRows(values)
  const bits = new Bits()
  for (const row of missing) bits.add(row)
  return new RowOrder((row) => values[row] ?? null, Uint32Array.from(sorted), bits)
}

function walked(order: RowOrder, start: WalkStart, direction: 'asc' | 'desc', limit = Infinity): number[] {
  const rows: number[] = []
  order.walk(start, direction, (row) => rows.push(row) < limit)
  return rows
}

function expectWalks(order: RowOrder, values: Values, starts: readonly { skip: number; value: SortValue | null; row: number }[]): void {
  const { sorted, missing } = sortedRows(values)
  const ascending = [...sorted, ...missing]
  const descending = [...sorted.toReversed(), ...missing.toReversed()]
  for (const { skip, value, row } of starts) {
    expect(walked(order, { skip }, 'asc')).toEqual(ascending.slice(skip))
    expect(walked(order, { skip }, 'desc')).toEqual(descending.slice(skip))
    expect(walked(order, { skip }, 'asc', 3)).toEqual(ascending.slice(skip, skip + 3))
    const isBelow = (other: number): boolean => {
      const its = values[other] ?? null
      if (value === null || its === null) return value === null && (its !== null || other < row)
      return compare(its, value) < 0 || (its === value && other < row)
    }
    expect(walked(order, { value, row }, 'asc')).toEqual(ascending.filter((other) => !isBelow(other)))
    const isBehindDownward = (other: number): boolean => (values[other] === null ? value !== null || other < row : value !== null && isBelow(other))
    expect(walked(order, { value, row }, 'desc')).toEqual(descending.filter(isBehindDownward))
  }
}

function expectStretches(order: RowOrder, values: Values, stretches: readonly [number, number][]): void {
  for (const [from, to] of stretches) {
    const rows = [...values.keys()].filter((row) => typeof values[row] === 'number' && values[row] >= from && values[row] <= to)
    const found = new Bits()
    const { count, addTo } = order.between({ from, to })
    addTo(found)
    expect({ count, found: [...values.keys()].filter((row) => found.has(row)) }).toEqual({ count: rows.length, found: rows })
  }
}

const starts = fc.array(fc.record({ skip: fc.nat(80), value: fc.option(fc.nat(9), { nil: null }), row: fc.nat(60) }), { minLength: 1, maxLength: 5 })
const change = fc.record({ row: fc.nat(80), value: fc.option(fc.nat(9), { nil: null }), isGone: fc.boolean() })

test('an order walks from any place both ways and knows the rows of a stretch, after rows came, changed and went', () => {
  fc.assert(fc.property(fc.array(fc.option(fc.nat(9), { nil: null }), { maxLength: 60, size: 'max' }), fc.array(change, { size: 'max', maxLength: 80 }), starts, (first, changes, from) => {
    const values: Values = [...first]
    const order = orderOf(values)
    for (const { row, value, isGone } of changes) {
      const place = Math.min(row, values.length)
      if (place < values.length && values[place] !== undefined) order.delete(place)
      values[place] = isGone && place < values.length ? undefined : value
      if (values[place] !== undefined) order.add(place)
    }
    expectWalks(order, values, from)
    expectStretches(order, values, [[2, 7], [5, 5], [-1, 10], [8, 3]])
  }))
})

/** Numbers in no order: a small generator with a fixed seed. */
function numbers(count: number, below: number): number[] {
  let state = 7
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state % below
  })
}

test('an order of many chunks stays right while it grows to double its size and shrinks to nothing', () => {
  const before = numbers(6_000, 500)
  const values: Values = [...before]
  const order = orderOf(values)
  numbers(6_000, 700).forEach((value, place) => {
    values[before.length + place] = value
    order.add(before.length + place)
  })
  const from = [{ skip: 5_000, value: 300, row: 4_000 }]
  expectWalks(order, values, from)
  expectStretches(order, values, [[100, 400], [300, 300], [650, 900]])
  const grown = order.bytes
  const rows = numbers(40_000, 12_000)
  for (const row of new Set([...rows.slice(0, 11_500), ...values.keys()])) {
    if (row === 17 || row === 11_000) continue
    order.delete(row)
    values[row] = undefined
  }
  expectWalks(order, values, [{ skip: 1, value: 300, row: 4_000 }])
  expect(order.bytes).toBeLessThan(grown / 4)
  for (const row of [17, 11_000]) order.delete(row)
  expect(walked(order, { skip: 0 }, 'asc')).toEqual([])
})

test('an order says so when a row is not where it was put', () => {
  const values: Values = [1, 2, 3]
  const order = orderOf(values)
  values[0] = 9
  expect(() => { order.delete(0) }).toThrow('A row is not where its value is in the order')
})
