import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Command } from '../command.ts'
import { parseCreate } from '../command.ts'
import { searchTookTooLong, unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import { parseSearch } from '../parse-search.ts'
import type { FoundPage } from '../store.ts'
import type { ReadPoolOptions } from '../indexing/read-pool.ts'
import { ReadPool } from '../indexing/read-pool.ts'
import type { IndexNotice } from '../indexing/search-dispatch.ts'
import { threadBeside } from '../indexing/start-thread.ts'
import { openWriter, prepareDatabase } from './open.ts'
import { Writer } from './writer.ts'

const [ann, bob] = [1, 2]

interface Opened {
  readonly pool: ReadPool
  /** Who was answered what, in the order of the answers. */
  readonly answers: string[]
  /** The answer's total, undefined where the thread leaves the search to others, or the error. */
  ask(key: number, filter: object): Promise<unknown>
  /** Runs SQL on the tables themselves. */
  damage(text: string): void
}

function open({ customers = 3, ...options }: { customers?: number } & Partial<Omit<ReadPoolOptions, 'workerData'>> = {}, workerData: Record<string, unknown> = {}): Opened {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = openWriter(path)
  const create = (index: number): Command => parseCreate({ name: `n${index}`, notes: 'note '.repeat(40) }, { attributes: new Map(), strictAttributes: false }).command
  const caller = { organizationId: 1, keyId: 1, requestId: 'test' }
  const writer = new Writer(db, () => 1_700_000_000)
  writer.runGroup([{ type: 'createDefault', name: 'first', secretHash: 'hash' }])
  writer.runGroup(Array.from({ length: customers }, (_, index) => ({ type: 'command', caller, command: create(index) })))
  const pool = new ReadPool({
    thread: threadBeside(import.meta.url, './read-thread.ts'), threadsMax: 1, searchSecondsMax: 60, ...options, workerData: { path, searchSecondsMax: 60, bytesMax: Infinity, ...workerData }
  })
  onTestFinished(async () => {
    await pool.close()
    db.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const answers: string[] = []
  return {
    pool,
    answers,
    async ask(key, filter) {
      const { search } = parseSearch({ ...filter, limit: 1 }, { organizationId: 1, attributes: new Map(), cursorSecret: Buffer.from(''), now: 0 })
      const answered = (page: FoundPage | undefined): unknown => {
        answers.push(key === ann ? 'Ann' : 'Bob')
        return page?.total
      }
      return await pool.search(key, { organizationId: 1, search }).then(answered, (reason: unknown) => reason)
    },
    damage(text) { db.exec(text) }
  }
}

const all = { filter: [{ field: 'id', operator: '>', value: 0 }] }
const first = { filter: [{ field: 'id', operator: '=', value: 1 }] }
/** Reads and folds the notes of everybody for each of its filters. */
const slow = { comparison: 'OR', filter: Array.from({ length: limits.searchFiltersMax }, (_, index) => ({ field: 'notes', operator: '~', value: `absent ${index}` })) }

test('keys are answered in turns, and what one of them asks beyond its share is refused', async () => {
  const { pool, answers, ask } = open()
  const accepted = 1 + limits.readQueueKeyMax
  const annAsks = Array.from({ length: accepted + 40 }, () => ask(ann, all))
  const bobAsks = Array.from({ length: 3 }, () => ask(bob, all))
  expect(pool.length).toBe(accepted + 3)

  expect(await Promise.all(bobAsks)).toEqual([3, 3, 3])
  expect(await Promise.all(annAsks)).toEqual([
    ...Array.from({ length: accepted }, () => 3),
    ...Array.from({ length: 40 }, () => unavailable('Too many searches of this API key are waiting. Try again, with fewer at once.'))
  ])
  expect(answers).toEqual(['Ann', 'Ann', 'Bob', 'Ann', 'Bob', 'Ann', 'Bob', ...Array.from({ length: accepted - 4 }, () => 'Ann')])
  expect(pool.length).toBe(0)
})

test('beyond so many waiting a search of any key is refused, and those that wait are answered', async () => {
  const { ask } = open()
  const under = ask(0, all)
  const waiting = Array.from({ length: limits.readQueueMax }, (_, index) => ask(index, all))
  expect(await ask(ann, all)).toEqual(unavailable('Too many searches are waiting. Try again.'))

  expect(await Promise.all([under, ...waiting])).toEqual(Array.from({ length: limits.readQueueMax + 1 }, () => 3))
})

test('one key never has all threads, so that a quick search of another passes its slow ones', async () => {
  const { answers, ask } = open({ customers: 3_000, threadsMax: 2 })
  const annAsks = Array.from({ length: 3 }, () => ask(ann, slow))

  expect(await ask(bob, first)).toBe(1)
  expect(answers).toEqual(['Bob'])
  expect(await Promise.all(annAsks)).toEqual([0, 0, 0])
})

test('a search that takes too long is stopped, others go on, and its thread answers afterwards', async () => {
  const { ask } = open({ customers: 3_000 }, { searchSecondsMax: 0.02 })
  const stopped = unavailable('This search took longer than 0.02 s and was stopped. Narrow it, or try again.')

  expect(await Promise.all([ask(ann, slow), ask(bob, first), ask(ann, slow), ask(ann, first)])).toEqual([stopped, 1, stopped, 1])
})

test('a search that waited too long for its turn is refused, and the next one is answered', async () => {
  const secondsMax = 0.1
  const { pool, ask } = open({ searchSecondsMax: secondsMax })
  let waited: Promise<unknown> | undefined
  await pool.whileClosed(async () => {
    waited = ask(ann, all)
    const asked = performance.now()
    while (performance.now() - asked <= secondsMax * 1000) await turn()
  })

  expect(await waited).toEqual(unavailable('This search waited too long for its turn. Try again.'))
  expect(await ask(ann, all)).toBe(3)
})

test('a thread that others can stand in for leaves everything to them when it ends, and is not started anew by what waited', async () => {
  const notices: IndexNotice[] = []
  const causes: unknown[] = []
  const { pool, ask, damage } = open({
    thread: threadBeside(import.meta.url, './index-thread.ts'), onNotice: (notice) => { notices.push(notice as IndexNotice) }, onLost: (cause) => { causes.push(cause) }
  })
  pool.tell({ want: 1 })
  await vi.waitUntil(() => notices.some(({ moved }) => moved.some(({ isIndexed }) => isIndexed)), { timeout: 20_000 })
  expect(await ask(ann, all)).toBe(3)
  damage(`begin;
    update customers set rendering = '{' where id = 2;
    insert into changes (organization_id, customer_id, kind, at, key_id, request_id) values (1, 2, 'customer.updated', 0, 1, 'test');
    commit`)

  expect(await Promise.all(Array.from({ length: 5 }, () => ask(ann, all)))).toEqual([undefined, undefined, undefined, undefined, undefined])
  await pool.close()
  expect(causes).toEqual([new Error('Customer 2 cannot be read as it is stored; clientele doctor says more')])
})

test('a search of the index that takes too long is stopped likewise, and its thread goes on', async () => {
  const notices: IndexNotice[] = []
  const { pool, ask } = open({ thread: threadBeside(import.meta.url, './index-thread.ts'), customers: 3_000, onNotice: (notice) => { notices.push(notice as IndexNotice) } }, { searchSecondsMax: 0.0001 })
  pool.tell({ want: 1 })
  await vi.waitUntil(() => notices.some(({ moved }) => moved.some(({ isIndexed }) => isIndexed)), { timeout: 20_000 })

  // For everybody there is nothing to look for, and so no look at the clock.
  expect(await Promise.all([ask(ann, slow), ask(bob, {}), ask(ann, slow), ask(ann, {})])).toEqual([searchTookTooLong(0.0001), 3_000, searchTookTooLong(0.0001), 3_000])
})

test('a thread that does not answer is ended: its search is stopped, and what waited is left to others', async () => {
  let lost = 0
  // By then the thread has not even started.
  const { ask } = open({ answerSecondsMax: 0.001, searchSecondsMax: 10, onLost: () => { lost += 1 } })

  expect(await Promise.all([ask(ann, all), ask(ann, all), ask(bob, all)])).toEqual([searchTookTooLong(10), undefined, undefined])
  expect(lost).toBe(1)
})

test('a thread that answers in time is not ended for it later', async () => {
  let lost = 0
  const { pool, ask } = open({ answerSecondsMax: 20, onLost: () => { lost += 1 } })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => { vi.useRealTimers() })
  expect(await ask(ann, all)).toBe(3)
  vi.advanceTimersByTime(30_000)

  expect(await ask(ann, all)).toBe(3)
  await pool.close()
  expect(lost).toBe(0)
})
