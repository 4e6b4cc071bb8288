import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { expect, onTestFinished, test, vi } from 'vitest'
import { startCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'
import { mountSmallDisk } from './small-disk.ts'

vi.setConfig({ testTimeout: 60_000 })

const readOnly = { errors: [{ code: 'unavailable', message: 'The database cannot be written. Nothing was changed; try again.' }] }
const failed = { errors: [{ code: 'unavailable', message: 'The disk of the database failed. Nothing was changed; try again.' }] }

test('a database that cannot be written is served for reading, while writes get 503', async (context) => {
  const { database, protect } = protectable(context)
  const first = await startCli({ database })
  const { key = '' } = first
  const { body: created } = await first.call('POST', '/v1/customers', { name: 'before' })
  await first.end('SIGKILL')
  protect()

  const server = await startCli({ database, key })
  expect(server.key).toBe(undefined)
  expect((await server.call('GET', '/v1/customers/1')).body).toEqual(created)
  expect((await server.call('GET', '/v1/customers')).body).toEqual({ data: [created], total: 1, meta: { total: 1, limit: 100 } })
  for (const [method, path] of [['POST', '/v1/customers'], ['PATCH', '/v1/customers/1'], ['GET', '/health/ready']] as const) {
    const { status, body, headers } = await server.call(method, path, method === 'GET' ? undefined : { name: 'during' })
    expect({ status, body, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, body: readOnly, retryAfter: '1' })
  }
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
  expect((await server.call('GET', '/v1/customers')).body).toEqual({ data: [created], total: 1, meta: { total: 1, limit: 100 } })

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

/** Root may write any file, so for root it takes a file system that is read-only. */
function protectable(context: TestContext): { database: string; protect(): void } {
  if (process.getuid?.() === 0) {
    const disk = mountSmallDisk(context)
    return { database: join(disk.folder, 'clientele.db'), protect() { disk.remount('ro') } }
  }
  const database = join(temporaryFolder(), 'clientele.db')
  return { database, protect() { chmodSync(database, 0o400) } }
}
