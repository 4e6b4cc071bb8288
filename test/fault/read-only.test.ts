import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { expect, test, vi } from 'vitest'
import { startCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'
import { mountSmallDisk } from './small-disk.ts'

vi.setConfig({ testTimeout: 60_000 })

const readOnly = { errors: [{ code: 'unavailable', message: 'The database cannot be written. Nothing was changed; try again.' }] }

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

/** Root may write any file, so for root it takes a file system that is read-only. */
function protectable(context: TestContext): { database: string; protect(): void } {
  if (process.getuid?.() === 0) {
    const disk = mountSmallDisk(context)
    return { database: join(disk.folder, 'clientele.db'), protect() { disk.remount('ro') } }
  }
  const database = join(temporaryFolder(), 'clientele.db')
  return { database, protect() { chmodSync(database, 0o400) } }
}
