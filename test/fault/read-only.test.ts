import { execFileSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { unavailable } from '../../src/errors.ts'
import { openReader } from '../../src/sqlite/open.ts'
import { SqliteStore } from '../../src/sqlite/store.ts'
import { startCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'
import { protectable } from './protectable.ts'
import { mountSmallDisk } from './small-disk.ts'

vi.setConfig({ testTimeout: 60_000 })

const refusal = 'The database cannot be written. Nothing was changed; try again.'
const readOnly = { errors: [{ code: 'unavailable', message: refusal }] }
const failed = { errors: [{ code: 'unavailable', message: 'The disk of the database failed. Nothing was changed; try again.' }] }

test('a database that cannot be written is served for reading, and for writing as soon as it can be', async (context) => {
  const { database, protect, release } = protectable(context)
  const first = await startCli({ database })
  const { key = '' } = first
  const { body: created } = await first.call('POST', '/v1/customers', { name: 'before' })
  await first.end('SIGKILL')
  protect()

  const server = await startCli({ database, key })
  expect(server.key).toBe(undefined)
  expect((await server.call('GET', '/v1/customers/1')).body).toEqual(created)
  expect((await server.call('GET', '/v1/customers')).body).toEqual({ data: [created], total: 1, meta: { total: 1, limit: 100, cursor: null } })
  for (const [method, path] of [['POST', '/v1/customers'], ['PATCH', '/v1/customers/1'], ['GET', '/health/ready']] as const) {
    const { status, body, headers } = await server.call(method, path, method === 'GET' ? undefined : { name: 'during' })
    expect({ status, body, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, body: readOnly, retryAfter: '1' })
  }

  release()
  const named = { filter: [{ field: 'customers.name', operator: '=', value: 'before' }] }
  const [writes, finds, searches] = await Promise.all([
    Promise.all(many(() => server.call('POST', '/v1/customers', { name: 'new' }))),
    Promise.all(many(() => server.call('GET', '/v1/customers/1'))),
    Promise.all(many(() => server.call('POST', '/v1/customers/search', named)))
  ])
  const refused = writes.filter(({ status }) => status === 503)
  const written = writes.filter(({ status }) => status === 201)
  expect(refused.map(({ body }) => body)).toEqual(refused.map(() => readOnly))
  expect(refused.length + written.length).toBe(writes.length)
  expect(finds.map(({ body }) => body)).toEqual(many(() => created))
  expect(searches.map(({ body }) => body)).toEqual(many(() => ({ data: [created], total: 1, meta: { total: 1, limit: 100, cursor: null } })))
  const after = { ...created as object, name: 'after' }
  expect((await server.call('PATCH', '/v1/customers/1', { name: 'after' })).body).toEqual(after)
  const total = 1 + written.length
  expect((await server.call('GET', '/v1/customers?limit=1')).body).toEqual({ data: [after], total, meta: { total, limit: 1, cursor: total === 1 ? null : expect.any(String) } })
  await vi.waitFor(async () => { expect((await server.call('GET', '/health/ready')).status).toBe(200) }, { timeout: 5000, interval: 50 })
})

test('writes are refused and reads answered as before while opening the database anew does not help', async (context) => {
  if (process.getuid?.() !== 0) context.skip('it takes a file system that is read-only, which only root can mount')
  const disk = mountSmallDisk(context)
  const path = join(disk.folder, 'clientele.db')
  const server = await startCli({ database: path })
  await server.end('SIGKILL')
  disk.remount('ro')
  const store = SqliteStore.open({ path })
  onTestFinished(async () => { await store.close() })
  // A connection of this process that the store knows nothing of, and so cannot close.
  const other = openReader(path)
  other.pragma('user_version')
  disk.remount('rw')

  const refused = { status: 'rejected', reason: unavailable(refusal) }
  for (let attempt = 0; attempt < 3; attempt += 1) {
    expect(await Promise.allSettled([store.probe(), store.createOrganization('new')])).toEqual([refused, refused])
    expect((await store.organizations()).map(({ name }) => name)).toEqual(['default'])
  }
  other.close()
  await vi.waitFor(async () => { await store.createOrganization('new') }, { timeout: 5000, interval: 50 })
  expect((await store.organizations()).map(({ name }) => name)).toEqual(['default', 'new'])
})

test('a database that turns read-only under the server is read meanwhile, and written as soon as it can be again', async (context) => {
  const obstacle = whyNotFreezable()
  if (obstacle !== undefined) context.skip(`files that are open could not be made read-only: ${obstacle}`)
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database })
  const { body: created } = await server.call('POST', '/v1/customers', { name: 'before' })
  const files = [database, `${database}-wal`]
  onTestFinished(() => { chattr('-i', files) })
  chattr('+i', files)
  for (const [method, path] of [['POST', '/v1/customers'], ['PATCH', '/v1/customers/1'], ['GET', '/health/ready']] as const) {
    const { status, body, headers } = await server.call(method, path, method === 'GET' ? undefined : { name: 'during' })
    expect({ status, body, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, body: failed, retryAfter: '1' })
  }
  expect((await server.call('GET', '/v1/customers')).body).toEqual({ data: [created], total: 1, meta: { total: 1, limit: 100, cursor: null } })

  chattr('-i', files)
  expect((await server.call('PATCH', '/v1/customers/1', { name: 'after' })).body).toEqual({ ...created as object, name: 'after' })
  await vi.waitFor(async () => { expect((await server.call('GET', '/health/ready')).status).toBe(200) }, { timeout: 5000, interval: 50 })
  expect((await server.call('GET', '/v1/customers')).body).toMatchObject({ total: 1 })
})

/** Says why files that are open already cannot be forbidden to be written: it takes rights, and a file system that heeds it. */
function whyNotFreezable(): string | undefined {
  const probe = join(temporaryFolder(), 'probe')
  const opened = openSync(probe, 'w')
  try {
    chattr('+i', [probe])
    const isWritten = canWrite(opened)
    chattr('-i', [probe])
    return isWritten ? 'this file system still writes to them' : undefined
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error)
  } finally {
    closeSync(opened)
  }
}

function canWrite(file: number): boolean {
  try {
    return writeSync(file, 'x') === 1
  } catch {
    return false
  }
}

function chattr(change: '+i' | '-i', files: readonly string[]): void {
  execFileSync('chattr', [change, ...files], { stdio: 'pipe' })
}

function many<Made>(make: () => Made): Made[] {
  return Array.from({ length: 40 }, make)
}
