import { expect, test } from 'vitest'
import { Bits } from './bits.ts'
import type { KeptResult } from './result-cache.ts'
import { ResultCache } from './result-cache.ts'

const rowsInAll = 1_000_000

function result(...rows: number[]): KeptResult {
  const bits = new Bits(rowsInAll)
  for (const row of rows) bits.add(row)
  return { bits, count: rows.length, sequence: 7 }
}

function rowsOf(kept: KeptResult | undefined): number[] | undefined {
  if (kept === undefined) return undefined
  const rows: number[] = []
  for (let row = kept.bits.next(0); row >= 0; row = kept.bits.next(row + 1)) rows.push(row)
  return rows
}

test('a thousand results of few rows fit where 128 of many do, and are what they were', () => {
  const cache = new ResultCache()
  for (let key = 0; key < 1_000; key += 1) cache.set(`few ${key}`, result(key, 2 * key + 1, 999_999), rowsInAll)

  expect(cache.bytes).toBeLessThan(2_000_000)
  expect(rowsOf(cache.get('few 0'))).toEqual([0, 1, 999_999])
  expect(rowsOf(cache.get('few 500'))).toEqual([500, 1_001, 999_999])
  expect(cache.get('few 999')).toEqual({ ...result(999, 1_999, 999_999), count: 3, sequence: 7 })
})

test('what was changed in a result while it was open stays changed when it was put away in between', () => {
  const cache = new ResultCache()
  cache.set('asked', result(1, 2), rowsInAll)
  const kept = cache.get('asked')
  kept?.bits.add(5)
  if (kept !== undefined) Object.assign(kept, { count: 3, sequence: 8 })
  for (let key = 0; key < 20; key += 1) cache.set(`other ${key}`, result(key), rowsInAll)

  const again = cache.get('asked')
  expect([rowsOf(again), again?.count, again?.sequence]).toEqual([[1, 2, 5], 3, 8])
})

test('those used longest ago go first', () => {
  const cache = new ResultCache()
  const half = Array.from({ length: 500_000 }, (_, index) => 2 * index)
  for (let key = 0; key < 150; key += 1) {
    cache.set(`many ${key}`, result(...half.slice(0, 100_000)), rowsInAll)
    cache.get('many 0')
  }

  expect(cache.bytes).toBeLessThan(16_100_000)
  expect([cache.get('many 0')?.count, cache.get('many 1'), cache.get('many 149')?.count]).toEqual([100_000, undefined, 100_000])
})
