import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import type { Command } from '../command.ts'
import type { Customer } from '../contract/customer.ts'
import { parseList } from '../parse-search.ts'
import type { Position } from '../search.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import type { SortField } from './order-buckets.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

const caller = { organizationId: 1, keyId: 1, requestId: 'test' }

/** Dates that often coincide, in no order, and for some customers none: a small generator with a fixed seed. */
function dates(count: number): (string | null)[] {
  let state = 7
  return Array.from({ length: count }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state % 3 === 0 ? null : String(state % 1_500)
  })
}

/** An organization on a database of its own, and what carries out commands in groups of 500. */
function openOrganization(): { path: string; db: Database; run: (commands: readonly Command[]) => void } {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = openWriter(path)
  onTestFinished(() => { db.close() })
  const writer = new Writer(db, () => 5)
  writer.runGroup([{ type: 'createDefault', name: 'first', secretHash: 'hash' }])
  const run = (commands: readonly Command[]): void => {
    for (let from = 0; from < commands.length; from += 500) {
      const jobs = commands.slice(from, from + 500).map((command) => ({ type: 'command', caller, command }) as const)
      expect(writer.runGroup(jobs).outcomes.filter((outcome) => 'error' in outcome)).toEqual([])
    }
  }
  return { path, db, run }
}

test('a page at any offset is that of the sorted list, after customers were added, moved and deleted', () => {
  const { path, db, run } = openOrganization()
  const expected = new Map<number, Pick<Customer, SortField>>()
  const [first, second, third] = [dates(18_000).slice(0, 6_000), dates(18_000).slice(6_000, 12_000), dates(18_000).slice(12_000)]
  run((first ?? []).map((firstSeen, index) => {
    const lastSeen = second?.[index] ?? null
    expected.set(index + 1, { firstSeen, lastSeen })
    return { type: 'create', draft: { firstSeen, lastSeen }, strictAttributes: false }
  }))
  run((third ?? []).slice(0, 2_000).map((firstSeen, index) => {
    const id = index * 3 + 1
    expected.set(id, { firstSeen, lastSeen: expected.get(id)?.lastSeen ?? null })
    return { type: 'patch', id, patch: { firstSeen }, strictAttributes: false }
  }))
  run(Array.from({ length: 900 }, (_, index) => {
    expected.delete(index * 5 + 2)
    return { type: 'delete', id: index * 5 + 2 }
  }))

  const dated = (sort: SortField): number => [...expected.values()].filter((customer) => customer[sort] !== null).length
  expect(countBuckets(db).map(({ sequence, customers }) => ({ sequence, customers }))).toEqual([
    { sequence: 'firstSeen', customers: dated('firstSeen') },
    { sequence: 'lastSeen', customers: dated('lastSeen') },
    { sequence: 'no firstSeen', customers: expected.size - dated('firstSeen') },
    { sequence: 'no lastSeen', customers: expected.size - dated('lastSeen') }
  ])
  expect(countBuckets(db).map(({ buckets }) => buckets > 1)).toEqual([true, true, true, true])

  const reading = openReader(path)
  onTestFinished(() => { reading.close() })
  const reader = new Reader(reading)
  for (const sort of ['firstSeen', 'lastSeen'] as const) {
    for (const order of ['asc', 'desc'] as const) {
      const sorted = sortedIds(expected, sort, order)
      for (let offset = 0; offset < sorted.length + 100; offset += 97) {
        const { search } = parseList({ sort, order, offset, limit: 100 }, { organizationId: 1, attributes: new Map(), cursorSecret: reader.cursorSecret(), now: 5 })
        const page = JSON.parse(`[${Buffer.from(reader.search(1, search).customers).toString()}]`) as Customer[]
        expect(page.map(({ id }) => id), `${sort} ${order} ${offset}`).toEqual(sorted.slice(offset, offset + 100))
      }

      const walked: number[] = []
      let after: Position | null = null
      do {
        const { search } = parseList({ sort, order, limit: 100 }, { organizationId: 1, attributes: new Map(), cursorSecret: reader.cursorSecret(), now: 5 })
        const { customers, next } = reader.search(1, { ...search, limit: 997, after })
        walked.push(...(JSON.parse(`[${Buffer.from(customers).toString()}]`) as Customer[]).map(({ id }) => id))
        after = next
      } while (after !== null && walked.length < sorted.length)
      expect([walked, after], `${sort} ${order} walked`).toEqual([sorted, null])
    }
  }
})

test('customers who move on leave no empty buckets behind', () => {
  const { db, run } = openOrganization()
  run(Array.from({ length: 3_000 }, (_, index) => ({ type: 'create', draft: { firstSeen: '5', lastSeen: String(index) }, strictAttributes: false })))
  const before = countBuckets(db)
  for (let round = 1; round <= 5; round += 1) {
    run(Array.from({ length: 3_000 }, (_, index) =>
      ({ type: 'patch', id: index + 1, patch: { lastSeen: String(round * 3_000 + index) }, strictAttributes: false })))
  }
  const after = countBuckets(db)

  expect(before.map(({ sequence, customers }) => [sequence, customers])).toEqual([['firstSeen', 3_000], ['lastSeen', 3_000]])
  expect(after.map(({ sequence, customers }) => [sequence, customers])).toEqual([['firstSeen', 3_000], ['lastSeen', 3_000]])
  expect(after.every(({ buckets }) => buckets <= 12)).toBe(true)
})

function countBuckets(db: Database): { sequence: string; buckets: number; customers: number }[] {
  return db.prepare<[], { sequence: string; buckets: number; customers: number }>(
    'select sequence, count(*) as buckets, sum(customers) as customers from order_buckets group by sequence').all()
}

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
