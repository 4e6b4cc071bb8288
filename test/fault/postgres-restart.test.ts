import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { withClient } from '../../src/postgres/connection.ts'
import type { RunningCli } from '../e2e/start-cli.ts'
import { untilIndexed } from '../e2e/indexed.ts'
import { runCli } from '../e2e/start-cli.ts'
import type { PostgresServer } from '../postgres-server.ts'
import { startPostgres } from '../postgres-server.ts'
import { expectNothingLostOrDoubled, startNamedLoad } from './postgres-load.ts'
import { startProxy } from './postgres-proxy.ts'
import { create, createDatabase, rows, startServer, startServers, withDatabase } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 120_000 })

/** Of these tests alone, since they stop it. */
let postgres: PostgresServer
beforeAll(async () => { postgres = await startPostgres() })
afterAll(async () => { await postgres.close() })

const isReady = async (server: RunningCli): Promise<boolean> => (await server.call('GET', '/health/ready')).status === 200

test('while the database restarts and crashes under load, nothing acknowledged is lost, nothing is applied twice, and servers recover', async () => {
  const { url, ownerUrl } = await createDatabase(postgres.url)
  const servers = await startServers(url, 2)
  const customer = await create(servers[0], {})
  const load = startNamedLoad(servers, { connections: 16, customer })
  for (const order of ['stop', 'crash', 'stop', 'crash', 'crash'] as const) {
    const before = load.acknowledged.length
    await vi.waitUntil(() => load.acknowledged.length >= before + 100, { timeout: 30_000, interval: 5 })
    const refusedBefore = load.refused.length
    await postgres.order(order)
    await vi.waitUntil(() => load.refused.length > refusedBefore, { timeout: 30_000, interval: 5 })
    for (const server of servers) {
      const { status, body, headers } = await server.call('GET', `/v1/customers/${customer}`)
      expect({ status, body, retryAfter: headers.get('retry-after') }).toEqual({
        status: 503, body: { errors: [{ code: 'unavailable', message: 'The database cannot be reached. Try again.' }] }, retryAfter: '1'
      })
      expect((await server.call('GET', '/health/ready')).status).toBe(503)
      expect((await server.call('GET', '/health/live')).status).toBe(200)
    }
    await postgres.order('start')
  }
  const before = load.acknowledged.length
  await vi.waitUntil(() => load.acknowledged.length >= before + 100, { timeout: 30_000, interval: 5 })
  await load.stop()
  for (const server of servers) await vi.waitUntil(async () => await isReady(server), { timeout: 10_000, interval: 50 })
  await expectNothingLostOrDoubled(ownerUrl, load)
})

test.each([
  ['by then another transaction has its number', true], ['no transaction has its number yet', false]
])('a commit that a crash took from the database, of which %s, is made again and answered', async (_, isNumberTaken) => {
  const { url, ownerUrl } = await createDatabase(postgres.url)
  const proxy = await startProxy(url)
  const server = await startServer(proxy.url)
  const customer = await create(server, {})
  await withClient(postgres.url, async (client) => {
    // So that nothing of the transaction reaches the disk by itself, and nobody else takes its number.
    for (const setting of ["wal_writer_delay = '10s'", 'autovacuum = off']) await client.query(`alter system set ${setting}`)
    await client.query('select pg_reload_conf()')
    await client.query('checkpoint')
  })

  // A flush for whatever else was written meanwhile takes the number to the disk as well: then this shows nothing, and it is tried again.
  let tries = 0
  for (let isLost = false; !isLost;) {
    tries += 1
    expect(tries).toBeLessThan(20)
    proxy.plan('hold the commit')
    const answer = server.call('POST', '/v1/events', { name: `once ${tries}`, customer })
    await vi.waitUntil(() => proxy.metCommits === tries, { interval: 5 })
    const held = await openTransaction(withDatabase(postgres.url, new URL(url).pathname.slice(1)))
    await postgres.order('crash')
    await postgres.order('start')
    isLost = await withClient(postgres.url, async (client) => {
      const next = async (text: string): Promise<number> => Number((await client.query<{ number: string }>(`select ${text}::text as number`)).rows[0]?.number)
      if (await next('pg_snapshot_xmax(pg_current_snapshot())') > held) return false
      for (let number = 0; isNumberTaken && number < held;) number = await next('pg_current_xact_id()')
      return true
    })
    proxy.letGo()
    expect(await answer).toMatchObject({ status: 200, body: { name: `once ${tries}`, customer } })
  }
  expect(await rows(ownerUrl, 'select name from events order by id')).toEqual(Array.from({ length: tries }, (_try, index) => ({ name: `once ${index + 1}` })))
})

/** The number of the transaction that waits for its commit. */
async function openTransaction(url: string): Promise<number> {
  const [held] = await vi.waitUntil(async () => {
    const open = await rows<{ number: string }>(url, `
      select backend_xid::text as number from pg_stat_activity where backend_xid is not null and state = 'idle in transaction' and datname = current_database()`)
    return open.length > 0 && open
  }, { interval: 5 })
  return Number(held?.number)
}

test('a search after a crash finds what was written since, also by transactions whose numbers had been given before', async () => {
  const { url } = await createDatabase(postgres.url)
  const server = await startServer(url)
  const customer = await create(server, { name: 'before' })
  await untilIndexed(server)
  const search = async (name: string): Promise<number> => {
    const { body } = await server.call('POST', '/v1/customers/search', { filter: [{ field: 'customers.name', operator: '=', value: name }] })
    return (body as { total: number }).total
  }
  await withClient(postgres.url, async (client) => {
    for (const setting of ["wal_writer_delay = '10s'", 'autovacuum = off']) await client.query(`alter system set ${setting}`)
    await client.query('select pg_reload_conf()')
    await client.query('checkpoint')
    for (let count = 0; count < 50; count += 1) await client.query('begin; select pg_current_xact_id(); rollback')
  })
  expect(await search('before')).toBe(1)
  await postgres.order('crash')
  await postgres.order('start')
  await vi.waitUntil(async () => await isReady(server), { timeout: 10_000, interval: 50 })
  expect((await server.call('PATCH', `/v1/customers/${customer}`, { name: 'after' })).status).toBe(200)
  expect({ before: await search('before'), after: await search('after') }).toEqual({ before: 0, after: 1 })
})

test('a server does not start while the database is down, says so, and one that is running recovers when it is back', async () => {
  const { url } = await createDatabase(postgres.url)
  const server = await startServer(url)
  const customer = await create(server, { name: 'before' })
  await postgres.order('stop')

  const { port } = new URL(url)
  expect(await runCli(['serve', '--port', '0', '--database', url])).toEqual({
    status: 1, stdout: '', stderr: `error: The database cannot be used: connect ECONNREFUSED 127.0.0.1:${port}. Check its URL, and whether it runs.\n`
  })
  for (const [method, path, body, message] of [
    ['GET', `/v1/customers/${customer}`, undefined, 'The database cannot be reached. Try again.'],
    // As long as the key is still known, it is the write that fails; then it is the look at the key.
    ['POST', '/v1/customers', {}, expect.stringMatching(/^The database cannot be reached\. (?:Nothing was changed; try again|Try again)\.$/)]
  ] as const) {
    const answer = await server.call(method, path, body)
    expect({ status: answer.status, body: answer.body, retryAfter: answer.headers.get('retry-after') })
      .toEqual({ status: 503, body: { errors: [{ code: 'unavailable', message }] }, retryAfter: '1' })
  }

  await postgres.order('start')
  await vi.waitUntil(async () => await isReady(server), { timeout: 10_000, interval: 50 })
  expect(await server.call('GET', `/v1/customers/${customer}`)).toMatchObject({ status: 200, body: { name: 'before' } })
  expect((await server.call('POST', '/v1/customers', {})).status).toBe(201)
})
