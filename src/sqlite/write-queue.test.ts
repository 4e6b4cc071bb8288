import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import { openWriter, prepareDatabase } from './open.ts'
import { WriteQueue } from './write-queue.ts'

/** A queue on a database of its own, and how many commands each of its commits held. */
function openQueue(): { queue: WriteQueue; path: string; groups: number[] } {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const groups: number[] = []
  const queue = new WriteQueue(path, ({ commands }) => { groups.push(commands) })
  onTestFinished(async () => {
    await queue.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { queue, path, groups }
}

function createOrganizations(queue: WriteQueue, count: number, prefix = 'n'): Promise<{ id: number; name: string }[]> {
  return Promise.all(Array.from({ length: count }, async (_, index) => {
    const { id, name } = await queue.push({ type: 'createOrganization', name: `${prefix}${index}` })
    return { id, name }
  }))
}

test('jobs pushed in one turn share a commit, and each gets its own answer', async () => {
  const { queue, groups } = openQueue()

  expect(await createOrganizations(queue, 5)).toEqual([0, 1, 2, 3, 4].map((index) => ({ id: index + 1, name: `n${index}` })))
  expect(groups).toEqual([5])
})

test('a job alone is on its way at once, and those that arrive while it is under way share the next commit', async () => {
  const { queue, path, groups } = openQueue()
  // The first commit has to wait for this lock, so that the rest surely arrive meanwhile.
  const lock = openWriter(path)
  lock.exec('begin immediate')
  const first = createOrganizations(queue, 1, 'first')
  await turn()
  const others = []
  for (let index = 0; index < 3; index += 1) {
    others.push(createOrganizations(queue, 1, `other ${index} `))
    await turn()
  }
  const waiting = queue.length
  lock.exec('commit')
  lock.close()
  await Promise.all([first, ...others])

  expect({ waiting, groups, left: queue.length }).toEqual({ waiting: 4, groups: [1, 3], left: 0 })
})

test('a commit holds so many jobs, the next the rest', async () => {
  const { queue, groups } = openQueue()
  await createOrganizations(queue, limits.groupCommandsMax + 2)

  expect(groups).toEqual([limits.groupCommandsMax, 2])
})

test('beyond so many waiting a job is refused, and those that wait are done', async () => {
  const { queue, groups } = openQueue()
  const accepted = Array.from({ length: limits.writeQueueMax }, () => queue.push({ type: 'probe' }))
  const refused: unknown = await queue.push({ type: 'probe' }).catch((reason: unknown) => reason)
  await Promise.all(accepted)

  expect(refused).toEqual(unavailable('Too many writes are waiting. Nothing was changed; try again.'))
  expect(groups.reduce((sum, commands) => sum + commands)).toBe(limits.writeQueueMax)
})

test('a job that fails in an unforeseen way takes none of its neighbors with it', async () => {
  const { queue, path } = openQueue()
  const before = createOrganizations(queue, 2, 'before')
  const failing = queue.push({ type: 'createKey', organizationId: 99, name: 'of nobody', secretHash: 'hash' })
  const after = createOrganizations(queue, 2, 'after')

  await expect(failing).rejects.toThrow('FOREIGN KEY constraint failed')
  await Promise.all([before, after])
  await queue.close()
  const db = new SqliteDatabase(path, { readonly: true })
  const names = db.prepare('select name from organizations order by id').pluck().all()
  const keys = db.prepare('select count(*) from api_keys').pluck().get()
  db.close()
  expect({ names, keys }).toEqual({ names: ['before0', 'before1', 'after0', 'after1'], keys: 0 })
})

test('closing waits for what was pushed, and a queue never used closes at once', async () => {
  const { queue, groups } = openQueue()
  const pushed = createOrganizations(queue, 200)
  await queue.close()

  expect(groups.reduce((sum, commands) => sum + commands)).toBe(200)
  expect((await pushed).length).toBe(200)
  await openQueue().queue.close()
})

test('a task runs while the thread has no connection: after what is under way, before what waits', async () => {
  const { queue, path, groups } = openQueue()
  const pushed = [createOrganizations(queue, 1, 'under way')]
  await turn()
  pushed.push(createOrganizations(queue, 1, 'waiting'))
  let during: unknown
  await queue.whileClosed(async () => {
    pushed.push(createOrganizations(queue, 1, 'late'))
    await turn()
    // The last connection to leave removes the log.
    during = { groups: [...groups], waiting: queue.length, isOpen: existsSync(`${path}-wal`) }
  })

  expect(during).toEqual({ groups: [1], waiting: 2, isOpen: false })
  expect((await Promise.all(pushed)).flat().map(({ name }) => name)).toEqual(['under way0', 'waiting0', 'late0'])
  expect(groups).toEqual([1, 2])
})
