import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Customer } from '../contract/customer.ts'
import type { SortField } from '../search.ts'
import { parseList } from '../search.ts'
import type { WriteJob } from './writer.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

const caller = { organizationId: 1, keyId: 1, requestId: 'test' }

/** Dates that often coincide, in no order, and for some customers none: a small generator with a fixed seed. */
function dates(count: number): (string | null)[] {
  let state = 7
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state % 11 === 0 ? null : String(state % 1_500)
  })
}

test('a page at any offset is that of the sorted list, after customers were added, moved and deleted', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = openWriter(path)
  onTestFinished(() => { db.close() })
  const writer = new Writer(db, () => 5)
  writer.runGroup([{ type: 'createDefault', name: 'first', secretHash: 'hash' }])

  const expected = new Map<number, Pick<Customer, SortField>>()
  const run = (jobs: WriteJob[]): void => {
    for (let from = 0; from < jobs.length; from += 500) {
      expect(writer.runGroup(jobs.slice(from, from + 500)).outcomes.filter((outcome) => 'error' in outcome)).toEqual([])
    }
  }
  const [first, second, third] = [dates(18_000).slice(0, 6_000), dates(18_000).slice(6_000, 12_000), dates(18_000).slice(12_000)]
  run((first ?? []).map((firstSeen, index) => {
    const lastSeen = second?.[index] ?? null
    expected.set(index + 1, { firstSeen, lastSeen })
    return { type: 'command', caller, command: { type: 'create', draft: { firstSeen, lastSeen }, strictAttributes: false } }
  }))
  run((third ?? []).slice(0, 2_000).map((firstSeen, index) => {
    const id = index * 3 + 1
    expected.set(id, { firstSeen, lastSeen: expected.get(id)?.lastSeen ?? null })
    return { type: 'command', caller, command: { type: 'patch', id, patch: { firstSeen }, strictAttributes: false } }
  }))
  run(Array.from({ length: 900 }, (_, index) => {
    expected.delete(index * 5 + 2)
    return { type: 'command', caller, command: { type: 'delete', id: index * 5 + 2 } }
  }))

  const buckets = db.prepare<[], { sort: string; buckets: number; customers: number }>(
    'select sort, count(*) as buckets, sum(customers) as customers from order_buckets group by sort').all()
  const dated = (sort: SortField): number => [...expected.values()].filter((customer) => customer[sort] !== null).length
  expect(buckets.map(({ sort, customers }) => ({ sort, customers }))).toEqual([
    { sort: 'firstSeen', customers: dated('firstSeen') }, { sort: 'lastSeen', customers: dated('lastSeen') }
  ])
  expect(buckets.every((each) => each.buckets > 1)).toBe(true)

  const reading = openReader(path)
  onTestFinished(() => { reading.close() })
  const reader = new Reader(reading)
  for (const sort of ['firstSeen', 'lastSeen'] as const) {
    for (const order of ['asc', 'desc'] as const) {
      const sorted = sortedIds(expected, sort, order)
      for (let offset = 0; offset < sorted.length + 100; offset += 97) {
        const { search } = parseList({ sort, order, offset, limit: 100 })
        const page = JSON.parse(`[${Buffer.from(reader.search(1, search).customers).toString()}]`) as Customer[]
        expect(page.map(({ id }) => id), `${sort} ${order} ${offset}`).toEqual(sorted.slice(offset, offset + 100))
      }
    }
  }
})

function sortedIds(customers: ReadonlyMap<number, Pick<Customer, SortField>>, sort: SortField, order: 'asc' | 'desc'): number[] {
  const direction = order === 'asc' ? 1 : -1
  return [...customers].toSorted(([id, one], [otherId, other]) => {
    const [date, otherDate] = [one[sort], other[sort]]
    if (date === null || otherDate === null) {
      return date === otherDate ? direction * (id - otherId) : date === null ? 1 : -1
    }
    return direction * (Number(date) - Number(otherDate) || id - otherId)
  }).map(([id]) => id)
}
