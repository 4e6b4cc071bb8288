import { expect, test } from 'vitest'
import { Deadline } from './deadline.ts'
import { encodeText } from './encoded-text.ts'
import { sortByNumber, sortByText } from './sort-rows.ts'

const count = 5_000

/** Numbers in no order: a small generator with a fixed seed. */
function scattered(below: number): number[] {
  let state = 11
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state % below
  })
}

const rows = (): Uint32Array<ArrayBuffer> => Uint32Array.from({ length: count }, (_, row) => row)

const texts: Record<string, (seed: number) => string> = {
  'all the same': () => 'the same text for everybody',
  'the same beginning of nine characters': (seed) => `customer-${seed % 300}`,
  'a beginning that is the whole of another': (seed) => 'a'.repeat(seed % 40),
  'from several scripts': (seed) => encodeText(['é', 'я', '山', '😀', '\uffff', 'z'][seed % 6] ?? '') + String(seed % 50),
  'mostly different': (seed) => String(seed),
  'the same for longer than is compared at a time': (seed) => 'long '.repeat(2_000) + String(seed % 3_000),
  'each with a longer beginning of the same': (seed) => 'steps to '.repeat(seed % 997) + 'z'.repeat(seed % 3)
}

test.each(Object.entries(texts))('texts sort by their bytes, then by row: %s', (_name, textOf) => {
  const values = scattered(1_000_000).map(textOf)
  const sorted = rows()
  sortByText(sorted, (row) => values[row] ?? '', Deadline.none)
  const expected = [...rows()].sort((one, other) => Buffer.compare(Buffer.from(values[one] ?? '', 'latin1'), Buffer.from(values[other] ?? '', 'latin1')) || one - other)
  expect([...sorted]).toEqual(expected)
})

const numbers: Record<string, (seed: number) => number> = {
  'integers on both sides of 0': (seed) => (seed % 21) - 10,
  decimals: (seed) => (seed - 500_000) / 7,
  'large and small': (seed) => (seed % 2 === 0 ? -1 : 1) * 10 ** (seed % 300) / 10 ** 150,
  'zeros of both signs': (seed) => [0, -0, 1, -1][seed % 4] ?? 0
}

test.each(Object.entries(numbers))('numbers sort by value, then by row: %s', (_name, numberOf) => {
  const values = scattered(1_000_000).map(numberOf)
  const sorted = rows()
  sortByNumber(sorted, (row) => values[row] ?? 0, Deadline.none)
  expect([...sorted]).toEqual([...rows()].sort((one, other) => (values[one] ?? 0) - (values[other] ?? 0) || one - other))
})
