import { inject, expect, test, vi } from 'vitest'
import { withClient } from '../../src/postgres/connection.ts'
import { expectNothingLostOrDoubled, startNamedLoad } from './postgres-load.ts'
import { startProxy } from './postgres-proxy.ts'
import { create, createDatabase, rows, startServer, startServers } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 90_000 })

const eventsOf = async (url: string): Promise<unknown[]> => await rows(url, 'select name from events order by id')

test('while connections are ended one after the other amid transactions, nothing acknowledged is lost and nothing is applied twice', async () => {
  const database = await createDatabase()
  const servers = await startServers(database.url, 2)
  const customer = await create(servers[0], {})
  const load = startNamedLoad(servers, { connections: 16, customer })
  let ended = 0
  await withClient(inject('postgresUrl'), async (client) => {
    const name = new URL(database.url).pathname.slice(1)
    await vi.waitUntil(async () => {
      // Those in a transaction, one at a time, so that others go on.
      const { rowCount } = await client.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'clientele' and backend_xid is not null order by random() limit 1", [name])
      ended += rowCount ?? 0
      return ended >= 50 && load.acknowledged.length >= 200
    }, { timeout: 60_000, interval: 20 })
  })
  await load.stop()
  await expectNothingLostOrDoubled(database.ownerUrl, load)
  // And without a restart all is well.
  for (const server of servers) expect((await server.call('GET', '/health/ready')).status).toBe(200)
})

test.each(['lose the answer', 'lose the commit'] as const)('a server whose connection breaks at the commit (%s) asks what became of it, and answers success for what was applied once', async (plan) => {
  const database = await createDatabase()
  const proxy = await startProxy(database.url)
  const server = await startServer(proxy.url)
  const customer = await create(server, { userId: 'before' })

  proxy.plan(plan)
  expect(await server.call('POST', '/v1/events', { name: 'once', customer })).toMatchObject({ status: 200, body: { name: 'once', customer } })
  expect({ metCommits: proxy.metCommits, hasAsked: proxy.statusQuestions > 0 }).toEqual({ metCommits: 1, hasAsked: true })
  expect(await eventsOf(database.ownerUrl)).toEqual([{ name: 'once' }])

  proxy.plan(plan)
  const made = await server.call('POST', '/v1/customers', { userId: 'once', tags: ['new'], customData: { new: 1 } })
  const { id } = made.body as { id: number }
  expect(made).toMatchObject({ status: 201, body: { userId: 'once', tags: [{ name: 'new' }], customData: { new: 1 } } })
  expect(proxy.metCommits).toBe(2)
  expect((await server.call('GET', `/v1/customers/${id}`)).body).toEqual(made.body)
  expect((await server.call('GET', '/v1/customers')).body).toMatchObject({ total: 2 })
  expect(await rows(database.ownerUrl, 'select count(*) as changes from changes')).toEqual([{ changes: 3 }])
})

test('a server whose commit was lost while the database goes on waiting for it answers when that has ended, and applies it once', async () => {
  const database = await createDatabase()
  const proxy = await startProxy(database.url)
  const server = await startServer(proxy.url)
  const customer = await create(server, {})
  proxy.plan('keep the transaction open')
  const answer = server.call('POST', '/v1/events', { name: 'once', customer })
  await vi.waitUntil(() => proxy.statusQuestions >= 3, { timeout: 10_000, interval: 5 })
  expect(await eventsOf(database.ownerUrl)).toEqual([])
  proxy.letGo()
  expect((await answer).status).toBe(200)
  expect(await eventsOf(database.ownerUrl)).toEqual([{ name: 'once' }])
})

test('a server that cannot learn what became of a commit says so with 503: it may have happened', async () => {
  const database = await createDatabase()
  const proxy = await startProxy(database.url)
  const server = await startServer(proxy.url)
  const customer = await create(server, {})
  proxy.plan('lose the answer for good')
  const { status, body, headers } = await server.call('POST', '/v1/events', { name: 'unknown', customer })
  expect({ status, body, retryAfter: headers.get('retry-after') }).toEqual({
    status: 503, retryAfter: '1',
    body: { errors: [{ code: 'unavailable', message: 'The database did not answer, and it is not known whether this was written. Look before you try again.' }] }
  })
  expect(await eventsOf(database.ownerUrl)).toEqual([{ name: 'unknown' }])
})
