import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import { startCli } from '../e2e/start-cli.ts'
import type { Acknowledged } from './load.ts'
import { draftOf, sorted, startLoad, walkAll } from './load.ts'
import { mountSmallDisk } from './small-disk.ts'

vi.setConfig({ testTimeout: 60_000 })

const full = { errors: [{ code: 'unavailable', message: 'The database has no room to write. Nothing was changed; try again.' }] }

test('on a full disk writes get 503 and reads go on, and when there is room again so do writes', async (context) => {
  const disk = mountSmallDisk(context)
  const database = join(disk.folder, 'clientele.db')
  const server = await startCli({ database })
  const before = startLoad(server, { connections: 8, prefix: 'before' })
  await vi.waitUntil(() => before.acknowledged.length >= 100, { timeout: 20_000, interval: 5 })
  disk.fill()
  // Some writes may still fit into what the database has of room of its own.
  await vi.waitUntil(() => before.refused.length >= 8, { timeout: 20_000, interval: 5 })
  before.stop()
  await before.ended
  expect(new Set(before.refused)).toEqual(new Set([503]))

  const acknowledged: Acknowledged[] = [...before.acknowledged]
  const { status, body, headers } = await server.call('POST', '/v1/customers', { notes: 'n'.repeat(60_000) })
  expect({ status, body, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, body: full, retryAfter: '1' })
  const [first] = sorted(acknowledged)
  expect((await server.call('GET', `/v1/customers/${first?.id}`)).body).toMatchObject({ ...first })
  expect((await walkAll(server)).customers).toEqual(sorted(acknowledged))
  expect((await server.call('GET', '/health/live')).status).toBe(200)
  await vi.waitFor(async () => {
    const ready = await server.call('GET', '/health/ready')
    expect({ status: ready.status, body: ready.body }).toEqual({ status: 503, body: full })
  }, { timeout: 5000, interval: 50 })

  disk.makeRoom()
  const after = await server.call('POST', '/v1/customers', draftOf('after'))
  expect(after.status).toBe(201)
  acknowledged.push({ id: (after.body as { id: number }).id, userId: 'after' })
  await vi.waitFor(async () => { expect((await server.call('GET', '/health/ready')).status).toBe(200) }, { timeout: 5000, interval: 50 })
  expect(await walkAll(server)).toEqual({ total: acknowledged.length, taggedTotal: acknowledged.length, customers: sorted(acknowledged) })

  await server.end('SIGKILL')
  const again = await startCli({ database, ...(server.key === undefined ? {} : { key: server.key }) })
  expect((await walkAll(again)).customers).toEqual(sorted(acknowledged))
  await again.end('SIGTERM')
  const db = new Database(database)
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  db.close()
})

test('a first start on a full disk fails with a sentence and leaves nothing behind that stops the next', async (context) => {
  const disk = mountSmallDisk(context)
  const database = join(disk.folder, 'clientele.db')
  disk.fill()
  await expect(startCli({ database })).rejects.toThrow(/^It ended with 1 before it listened: error: .*\n$/)
  disk.makeRoom()
  const server = await startCli({ database })
  expect(server.key).toMatch(/^ck_/)
  expect((await server.call('POST', '/v1/customers', {})).status).toBe(201)
})
