import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import { runCli, startCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'

vi.setConfig({ testTimeout: 60_000 })

const locked = { errors: [{ code: 'unavailable', message: 'The database is locked by another process. Nothing was changed; try again.' }] }

test.each(['immediate', 'exclusive'])('while another process holds the database (begin %s) writes get 503 and reads go on; afterwards all is well', async (kind) => {
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database })
  const { body: first } = await server.call('POST', '/v1/customers', { name: 'before', userId: 'before' })
  const holder = new Database(database)
  holder.exec(`begin ${kind}`)

  const refused = ['POST', 'PATCH', 'DELETE', 'ready'].map(async (what) => {
    const { status, body, headers } = what === 'ready'
      ? await server.call('GET', '/health/ready')
      : what === 'POST'
        ? await server.call('POST', '/v1/customers', { name: 'during', userId: 'during' })
        : await server.call(what, '/v1/customers/1', what === 'PATCH' ? { name: 'during' } : undefined)
    return { status, body, retryAfter: headers.get('retry-after') }
  })
  const page = { data: [first], total: 1, meta: { total: 1, limit: 100, cursor: null } }
  const search = { filter: [{ field: 'customers.name', operator: '~', value: 'e' }] }
  expect((await server.call('GET', '/v1/customers')).body).toEqual(page)
  expect((await server.call('POST', '/v1/customers/search', search)).body).toEqual(page)
  expect((await server.call('GET', '/health/live')).status).toBe(200)
  expect(await Promise.all(refused)).toEqual(refused.map(() => ({ status: 503, body: locked, retryAfter: '1' })))

  holder.exec('rollback')
  holder.close()
  expect((await server.call('POST', '/v1/customers', { name: 'after', userId: 'after' })).status).toBe(201)
  await vi.waitUntil(async () => (await server.call('GET', '/health/ready')).status === 200, { interval: 50, timeout: 10_000 })
  const { body } = await server.call('GET', '/v1/customers')
  expect((body as { data: { name: string }[] }).data.map(({ name }) => name)).toEqual(['before', 'after'])
})

test('a write that only has to wait for another process is answered as if nothing had been', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database })
  const holder = new Database(database)
  holder.exec('begin immediate')
  const write = server.call('POST', '/v1/customers', { name: 'patient' })
  // The server answers reads while its writer waits, so this one says that the write had its chance.
  expect((await server.call('GET', '/v1/customers')).body).toEqual({ data: [], total: 0, meta: { total: 0, limit: 100, cursor: null } })
  holder.exec('rollback')
  holder.close()
  expect((await write).status).toBe(201)
})

test('a migration that waits in vain for the lock says which file is locked, and runs when it is free', async () => {
  const path = join(temporaryFolder(), 'clientele.db')
  const holder = new Database(path)
  // The database as it is between its making and its first migration: "Cltl" in ASCII marks it as ours.
  holder.pragma(`application_id = ${0x436c746c}`)
  holder.pragma('journal_mode = WAL')
  holder.exec('begin immediate')

  expect(await runCli(['migrate', '--database', `sqlite:${path}`])).toEqual({
    status: 1, stdout: '', stderr: `error: ${path} cannot be brought up to date: database is locked. Nothing was changed; try again.\n`
  })

  holder.exec('rollback')
  holder.close()
  expect((await runCli(['migrate', '--database', `sqlite:${path}`])).status).toBe(0)
})
