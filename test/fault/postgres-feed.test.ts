import type pg from 'pg'
import { expect, test, vi } from 'vitest'
import { withClient } from '../../src/postgres/connection.ts'
import type { FeedCursor, FeedPage } from '../../src/postgres/feed.ts'
import { ForeignCursor, readFeed } from '../../src/postgres/feed.ts'
import { startNamedLoad } from './postgres-load.ts'
import { create, createDatabase, rows, startServers } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 90_000 })

test('a reader of the feed misses no change and gets none twice, while sixteen writers in four processes make them', async () => {
  const { url, ownerUrl } = await createDatabase()
  const servers = await startServers(url, 4)
  const customer = await create(servers[0], {})
  const load = startNamedLoad(servers, { connections: 64, customer })
  const read: number[] = []
  let pages = 0
  await withClient(url, async (client) => {
    let cursor: FeedCursor | undefined
    const readOn = async (): Promise<number> => {
      const { changes, next } = await readFeed(client, { after: cursor, limit: 100 })
      read.push(...changes.map(({ id }) => id))
      cursor = next
      pages += changes.length > 0 ? 1 : 0
      return changes.length
    }
    while (load.acknowledged.length < 2_000) await readOn()
    await load.stop()
    const made = await rows<{ id: number }>(ownerUrl, 'select id from changes order by id')
    // Transactions of other tests on the same server hold the feed up, too.
    await vi.waitUntil(async () => await readOn() === 0 && read.length >= made.length, { timeout: 30_000, interval: 5 })
    expect(read.toSorted((one, other) => one - other)).toEqual(made.map(({ id }) => id))
  })
  expect(load.unexpected).toEqual([])
  expect(pages).toBeGreaterThan(20)
})

/** The next page that is not empty: transactions of other tests on the same server hold the feed up, too. */
async function readNext(client: pg.Client, { after, limit }: { after?: FeedCursor | undefined; limit: number }): Promise<FeedPage> {
  return await vi.waitUntil(async () => {
    const page = await readFeed(client, { after, limit })
    return page.next !== after && page
  }, { timeout: 30_000, interval: 10 })
}

test('a change waits for those of older transactions, and comes in the same place whenever it is read', async () => {
  const { url } = await createDatabase()
  const write = (position: number): string =>
    `insert into feed (position, organization_id, customer_id) values (${position}, 1, 7);
    insert into changes (id, organization_id, customer_id, kind, at, key_id, request_id, before, after) values (${position}, 1, 7, 'customer.updated', 5, 2, 'r', '{}', '{"name":"n"}')`
  const change = (id: number): object =>
    ({ id, organizationId: 1, customerId: 7, kind: 'customer.updated', at: 5, keyId: 2, requestId: 'r', before: '{}', after: '{"name":"n"}' })
  await withClient(url, async (reader) => await withClient(url, async (older) => await withClient(url, async (newer) => {
    expect(await readFeed(reader, { limit: 10 })).toEqual({ changes: [], next: undefined })
    await older.query('begin; select pg_current_xact_id()')
    // The newer one has the smaller numbers, and is committed first.
    await newer.query(write(1))
    expect(await readFeed(reader, { limit: 10 })).toEqual({ changes: [], next: undefined })
    await older.query(write(2))
    await older.query('commit')

    const first = await readNext(reader, { limit: 1 })
    expect(first.changes).toEqual([change(2)])
    const second = await readNext(reader, { after: first.next, limit: 1 })
    expect(second.changes).toEqual([change(1)])
    expect(await readFeed(reader, { after: second.next, limit: 1 })).toEqual({ changes: [], next: second.next })
    expect((await readNext(reader, { limit: 10 })).changes).toEqual([change(2), change(1)])
  })))
})

test('a change that was purged after its pointer was read is left out, and a cursor of a restored database is refused', async () => {
  const { url, ownerUrl } = await createDatabase()
  await withClient(url, async (reader) => await withClient(ownerUrl, async (purge) => {
    await purge.query('insert into feed (position, organization_id, customer_id) values (1, 1, 7)')
    await purge.query('begin; lock table changes in access exclusive mode')
    const late = readNext(reader, { limit: 10 }).catch((error: unknown) => error)
    const { rows: [self] } = await purge.query<{ name: string }>('select current_database() as name')
    await withClient(url, async (watch) => {
      await vi.waitUntil(async () => {
        const waiting = await watch.query("select from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'", [self?.name])
        return waiting.rowCount === 1
      }, { timeout: 30_000, interval: 10 })
    })
    await purge.query('delete from feed')
    await purge.query('commit')
    expect(await late).toEqual({ changes: [], next: expect.objectContaining({ position: 1 }) as FeedCursor })
    const after = { epoch: '1.1', transaction: '700', position: 1 }
    await expect(readFeed(reader, { after, limit: 10 })).rejects.toThrow(ForeignCursor)
  }))
})
