import { expect, onTestFinished, test, vi } from 'vitest'
import type { ChangeRecord } from '../../src/change-record.ts'
import type { FeedPage, FeedPosition } from '../../src/change-store.ts'
import type { Command } from '../../src/command.ts'
import { parseCreate, parseTags, parseUpdate } from '../../src/command.ts'
import { withClient } from '../../src/postgres/connection.ts'
import { namesLockKey } from '../../src/postgres/lock-keys.ts'
import { PostgresStore } from '../../src/postgres/store.ts'
import type { WebhookDraft } from '../../src/webhook.ts'
import { createDatabase, rows } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 90_000 })

async function openStore(url: string): Promise<PostgresStore> {
  const store = await PostgresStore.open({ url, indexBytesMax: 0 })
  onTestFinished(async () => { await store.close() })
  return store
}

async function read(store: PostgresStore, after: FeedPosition | null, limit = 10): Promise<FeedPage> {
  return await store.readFeed(1, { after, limit, kinds: null, wantsCustomers: false })
}

/** The next page that is not empty: transactions of other tests on the same server hold the feed up, too. */
async function readNext(store: PostgresStore, after: FeedPosition | null, limit = 10): Promise<[ids: number[], next: FeedPosition]> {
  const from = after ?? (await read(store, null, limit)).next.replace(/\d+\.\d+$/, '0.0')
  const { items, next } = await vi.waitUntil(async () => {
    const page = await read(store, after, limit)
    return page.next !== from && page
  }, { timeout: 30_000, interval: 10 })
  return [items.map(({ change }) => change.id), next]
}

function insertion(position: number): string {
  return `
    insert into feed (position, organization_id, customer_id) values (${position}, 1, 7);
    insert into changes (id, organization_id, customer_id, kind, at, key_id, request_id, before, after) values (${position}, 1, 7, 'customer.updated', 5, 2, 'r', '{}', '{"name":"n"}')`
}

test('a change waits for those of older transactions, and comes in the same place whenever it is read', async () => {
  const { url } = await createDatabase()
  const store = await openStore(url)
  await withClient(url, async (older) => await withClient(url, async (newer) => {
    const { next: begin } = await read(store, null)
    await older.query('begin; select pg_current_xact_id()')
    await newer.query(insertion(2))
    expect(await read(store, null)).toEqual({ items: [], next: begin, hasMore: false })
    // Written later than the newer one, with a smaller number: as by one that waited for the customer.
    await older.query(insertion(3))
    await older.query('commit')

    const [first, afterFirst] = await readNext(store, null, 1)
    expect(first).toEqual([2])
    const [second, afterSecond] = await readNext(store, afterFirst, 1)
    expect(second).toEqual([3])
    expect(await read(store, afterSecond)).toEqual({ items: [], next: afterSecond, hasMore: false })
    expect((await readNext(store, null))[0]).toEqual([2, 3])
  }))
})

test('a change with a lower position comes in its place also when those with higher ones were read before it was written', async () => {
  const { url } = await createDatabase()
  const store = await openStore(url)
  await withClient(url, async (client) => {
    await client.query(insertion(20))
    const [first, after] = await readNext(store, null)
    await client.query(insertion(3))
    expect([first, (await readNext(store, after))[0], (await readNext(store, null))[0]]).toEqual([[20], [3], [20, 3]])
  })
})

test('a change that was purged after its pointer was read is left out', async () => {
  const { url, ownerUrl } = await createDatabase()
  const store = await openStore(url)
  await withClient(ownerUrl, async (purge) => {
    await purge.query('insert into feed (position, organization_id, customer_id) values (1, 1, 7)')
    await vi.waitUntil(async () => (await purge.query('select from feed where stamp < pg_snapshot_xmin(pg_current_snapshot())::text::bigint')).rowCount === 1, { timeout: 30_000, interval: 10 })
    await purge.query('begin; lock table changes in access exclusive mode')
    const late = read(store, null)
    const { rows: [self] } = await purge.query<{ name: string }>('select current_database() as name')
    await withClient(url, async (watch) => {
      await vi.waitUntil(async () => {
        const waiting = await watch.query("select from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'", [self?.name])
        return waiting.rowCount === 1
      }, { timeout: 30_000, interval: 10 })
    })
    await purge.query('delete from feed')
    await purge.query('commit')
    expect((await late).items).toEqual([])
  })
})

test('a database restored from a dump of another one is read in its order at once, positions from before are gone, and new changes follow', async () => {
  const { url, ownerUrl } = await createDatabase()
  const before = await openStore(url)
  await withClient(ownerUrl, async (client) => await client.query([3, 5, 4].map(insertion).join(';')))
  const [, position] = await readNext(before, null)
  // As a dump brings them: numbers of transactions that this server will not reach for years, in an order of their own.
  await withClient(ownerUrl, async (client) => await client.query(`
    update feed set xid = (900000000000 - position)::text::xid8, stamp = 900000000000 + position;
    update feed_origin set origin = '7412.16384';
    insert into change_horizons values (1, 900000000001, 1);
    update purges set xid = '900000000001'`))
  expect((await read(before, null)).items).toEqual([])

  const [store] = await Promise.all([openStore(url), openStore(url), openStore(url)])
  const [ids, next] = await readNext(store, null)
  expect(ids).toEqual([3, 4, 5])
  await withClient(ownerUrl, async (client) => await client.query(insertion(6)))
  expect((await readNext(store, next))[0]).toEqual([6])
  await expect(read(store, `7412.1.16384.${position.split('.').slice(-2).join('.')}`)).rejects.toMatchObject({ code: 'gone' })
  expect(await rows(ownerUrl, 'select * from change_horizons')).toEqual([])
  expect(await rows(ownerUrl, "select count(*) as later from feed where xid > pg_snapshot_xmax(pg_current_snapshot())")).toEqual([{ later: 0 }])
})

const caller = { organizationId: 1, keyId: 1, requestId: 'r' }
const webhookDraft: WebhookDraft = { url: 'https://example.com/', format: 'standard', events: [], filter: null, secret: 's', previousSecret: null, previousUntil: null }

test('webhooks of a database restored from a dump go on from where they were, and positions of another epoch are not kept', async () => {
  const { url, ownerUrl } = await createDatabase()
  const before = await openStore(url)
  const [half, whole] = [await before.createWebhook(caller, webhookDraft), await before.createWebhook(caller, webhookDraft)]
  await withClient(ownerUrl, async (client) => await client.query([3, 5, 4].map(insertion).join(';')))
  // As a dump brings them, of which 5 was committed first.
  await withClient(ownerUrl, async (client) => await client.query(`
    update feed set stamp = 900000000000 - position; update feed_origin set origin = '7412.16384';
    update webhook_positions set (stamp, position) = (900000000000 - 5, 5) where webhook_id = ${half.id};
    update webhook_positions set (stamp, position) = (900000000000 - 3, 3) where webhook_id = ${whole.id}`))

  const store = await openStore(url)
  const claims = await store.claimWebhooks('worker', 60)
  const [ofHalf = '', ofWhole = ''] = claims.map(({ position }) => position)
  // 5 a second time, rather than 3 and 4 never.
  expect((await readNext(store, ofHalf))[0]).toEqual([3, 4, 5])
  expect((await read(store, ofWhole)).items).toEqual([])
  await withClient(ownerUrl, async (client) => await client.query(insertion(6)))
  expect((await readNext(store, ofWhole))[0]).toEqual([6])

  const progress = { deliveries: [], held: [], released: [], succeededAt: null, failingSince: null, pauseReason: null }
  const foreign = `7412.1.16384.${ofHalf.split('.').slice(-2).join('.')}`
  expect(await store.keepProgress('worker', half.id, { ...progress, position: foreign })).toBe(false)
  expect(await store.keepProgress('worker', half.id, { ...progress, position: ofWhole })).toBe(true)
})

test('a recoloring that drew its ids first and is committed last has the higher id, as it comes last in the feed', async () => {
  const { url, ownerUrl } = await createDatabase()
  const [slow, quick] = [await openStore(url), await openStore(url)]
  await slow.createDefault({ name: 'first', secretHash: 'hash' })
  const options = { attributes: new Map(), strictAttributes: false }
  const write = async (store: PostgresStore, command: Command) => await store.write({ organizationId: 1, keyId: 1, requestId: 'test' }, command)
  for (const store of [slow, quick]) await write(store, parseCreate({ tags: [{ name: 'vip', color: '#000000' }] }, options).command)

  await withClient(ownerUrl, async (client) => {
    await client.query('begin; lock table user_ids in access exclusive mode')
    // Looks for the holder of the userId once its ids are drawn.
    const late = write(slow, parseUpdate({ userId: 'u-1', tags: [{ name: 'vip', color: '#111111' }] }, { ...options, type: 'patch', id: 1 }).command)
    await vi.waitUntil(async () => (await client.query("select from pg_locks where relation = 'user_ids'::regclass and not granted")).rowCount === 1, { timeout: 30_000, interval: 10 })
    await write(quick, parseTags({ tags: [{ name: 'vip', color: '#222222' }] }, { type: 'tag', id: 2 }).command)
    await client.query('commit')
    await late
  })

  const told = await vi.waitUntil(async () => {
    const { items } = await slow.readFeed(1, { after: null, limit: 10, kinds: new Set(['tag.updated'] as const), wantsCustomers: false })
    return items.length === 2 && items.map(({ change }) => change)
  }, { timeout: 30_000 })
  expect(told.map(({ after }) => after)).toEqual([{ name: 'vip', color: '#222222' }, { name: 'vip', color: '#111111' }])
  expect(told[0]?.id).toBeLessThan(told[1]?.id ?? 0)
})

test('a recoloring is not taken back when another one came in between, which the undo had not seen when it began', async () => {
  const { url, ownerUrl } = await createDatabase()
  const [undoing, recoloring] = [await openStore(url), await openStore(url)]
  await undoing.createDefault({ name: 'first', secretHash: 'hash' })
  const options = { attributes: new Map(), strictAttributes: false }
  const write = async (store: PostgresStore, command: Command) => await store.write({ organizationId: 1, keyId: 1, requestId: 'test' }, command)
  const recolor = (color: string): Command => parseTags({ tags: [{ name: 'vip', color }] }, { type: 'tag', id: 1 }).command
  await write(undoing, parseCreate({ tags: [{ name: 'vip', color: '#000000' }] }, options).command)
  await write(undoing, recolor('#111111'))
  const told = async (): Promise<ChangeRecord[]> => {
    const { items } = await undoing.readFeed(1, { after: null, limit: 10, kinds: new Set(['tag.updated'] as const), wantsCustomers: false })
    return items.map(({ change }) => change)
  }
  const changes = await vi.waitUntil(async () => {
    const found = await told()
    return found.length === 1 && found
  }, { timeout: 30_000 })

  const undone = await withClient(ownerUrl, async (client) => {
    await client.query('begin')
    await client.query('select pg_advisory_xact_lock($1)', [namesLockKey])
    const untilWaiting = async (count: number): Promise<void> => {
      await vi.waitUntil(async () => (await client.query("select from pg_locks where locktype = 'advisory' and objid = $1 and not granted", [namesLockKey])).rowCount === count,
        { timeout: 30_000, interval: 10 })
    }
    const recolored = write(recoloring, recolor('#222222'))
    await untilWaiting(1)
    const answer = write(undoing, { type: 'undo', changes, force: false, dryRun: false }).then(() => 'done', (error: unknown) => error)
    await untilWaiting(2)
    await client.query('commit')
    await recolored
    return await answer
  })
  expect(undone).toMatchObject({ code: 'conflict' })
  await vi.waitUntil(async () => (await told()).length === 2, { timeout: 30_000 })
  expect((await told()).map(({ after }) => after)).toEqual([{ name: 'vip', color: '#111111' }, { name: 'vip', color: '#222222' }])
})
