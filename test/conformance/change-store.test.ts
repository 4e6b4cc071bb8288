import { expect, onTestFinished, test, vi } from 'vitest'
import type { ChangeKind } from '../../src/change-record.ts'
import type { ChangeItem, FeedItem, FeedPage, FeedPosition, FeedQuestion } from '../../src/change-store.ts'
import { systemClock } from '../../src/clock.ts'
import { renderFields } from '../../src/customer.ts'
import { ApiError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import type { Store } from '../../src/store.ts'
import type { TestDatabase } from '../engines.ts'
import { createDatabase } from '../engines.ts'
import type { TestOrganization } from './open-organization.ts'
import { openOrganization, speakTo } from './open-organization.ts'

const all = { after: null, limit: 100, kinds: null, wantsCustomers: true } satisfies FeedQuestion

async function open(): Promise<{ database: TestDatabase; store: Store } & TestOrganization> {
  const database = await createDatabase()
  const store = await database.openStore()
  return { database, store, ...await openOrganization(store) }
}

/** A change as plain JSON, but for its id, since ids have gaps on PostgreSQL. */
function plain({ change: { id, before, after, ...change }, event, customer }: ChangeItem): object {
  expect(id).toBeGreaterThan(0)
  const fieldsOf = (fields: object | null): unknown => {
    if (fields === null) return null
    // For a restoration; the customer itself has none.
    const { createdAt, ...others } = JSON.parse(renderFields(fields)) as Record<string, unknown>
    return change.kind === 'customer.deleted' || createdAt === undefined ? others : { ...others, createdAt }
  }
  return { ...change, before: fieldsOf(before), after: fieldsOf(after), event, customer: customer === null ? null : JSON.parse(customer) as unknown }
}

function idsOf(items: readonly ChangeItem[]): number[] {
  return items.map(({ change }) => change.id)
}

/** On PostgreSQL what other tests do on the same server may hold a feed up for a moment. */
async function readAll(store: Store, organizationId: number, { count, ...question }: Partial<FeedQuestion> & { count: number }): Promise<FeedPage> {
  return await vi.waitUntil(async () => {
    const page = await store.readFeed(organizationId, { ...all, ...question })
    return page.items.length >= count && page
  }, { timeout: 30_000, interval: 10 })
}

async function failure(answer: Promise<unknown>): Promise<string> {
  const error = await answer.then(() => undefined, (thrown: unknown) => thrown)
  return error instanceof ApiError ? error.code : String(error)
}

test('the feed tells of each change what it was, who made it, and how the customer was right after it', async () => {
  const { store, create, patch, tag, recordEvent, delete: remove, caller: { organizationId } } = await open()
  const made = await create({ name: 'Ann', tags: ['Lead'], firstSeen: 5, lastSeen: 6, customData: { 2024: 'x', a: 1 } })
  const patched = await patch(1, { name: 'Bea', customData: { a: 2 } })
  await recordEvent({ name: 'paid', data: { total: 12.5 }, customer: 1, createdAt: 9 })
  await tag(1, [{ name: 'Lead', color: 'red' }, 'VIP'])
  await remove(1)
  const { items } = await readAll(store, organizationId, { count: 6 })
  const by = { key: { id: 1, name: 'first' }, requestId: 'test-request' }
  const lead = [{ name: 'Lead', color: 'red' }]
  const tagged = { ...patched, tags: [...lead, { name: 'VIP', color: '#c377e0' }] }
  const at = items.map(({ change }) => change.at)
  expect(items.map(plain)).toEqual([
    { at: at[0], kind: 'customer.created', customerId: 1, ...by, before: null, after: { ...made, tags: ['Lead'] }, event: null, customer: { ...made, tags: lead } },
    {
      at: at[1], kind: 'customer.updated', customerId: 1, ...by,
      before: { name: 'Ann', customData: { 2024: 'x', a: 1 } }, after: { name: 'Bea', customData: { 2024: 'x', a: 2 } }, event: null, customer: { ...patched, tags: lead }
    },
    {
      at: at[2], kind: 'event.recorded', customerId: 1, ...by, before: null, after: { event: 1 },
      event: { id: 1, name: 'paid', data: { total: 12.5 }, createdAt: '9', customer: 1 }, customer: { ...patched, tags: lead }
    },
    { at: at[3], kind: 'tag.updated', customerId: null, ...by, before: { name: 'Lead', color: '#c377e0' }, after: { name: 'Lead', color: 'red' }, event: null, customer: null },
    { at: at[4], kind: 'customer.updated', customerId: 1, ...by, before: { tags: ['Lead'] }, after: { tags: ['Lead', 'VIP'] }, event: null, customer: tagged },
    { at: at[5], kind: 'customer.deleted', customerId: 1, ...by, before: { ...tagged, tags: ['Lead', 'VIP'] }, after: null, event: null, customer: tagged }
  ])
})

test('the order of custom data is that in which it was, also in what a later change replaced', async () => {
  const { store, create, patch, caller: { organizationId } } = await open()
  await create({ customData: { b: 1 } })
  await patch(1, { customData: { 2024: 1 } })
  await patch(1, { customData: { b: null } })
  const { items } = await readAll(store, organizationId, { count: 3 })

  expect(items.map(({ customer }) => customer?.slice(customer.indexOf('"customData":')))).toEqual([
    '"customData":{"b":1}}', '"customData":{"b":1,"2024":1}}', '"customData":{"2024":1}}'
  ])
})

test('the feed is read on from any of its positions, and says whether there is more', async () => {
  const { store, create, caller: { organizationId } } = await open()
  const { next: begin, ...empty } = await store.readFeed(organizationId, all)
  expect(empty).toEqual({ items: [], hasMore: false })
  for (let count = 0; count < 5; count += 1) await create()
  const { items } = await readAll(store, organizationId, { count: 5 })
  const read = async (after: FeedPosition | null, limit: number): Promise<[number[], boolean, FeedPosition]> => {
    const page = await store.readFeed(organizationId, { ...all, after, limit })
    return [idsOf(page.items), page.hasMore, page.next]
  }
  const positions = items.map(({ position }: FeedItem) => position)
  expect(await read(null, 2)).toEqual([[1, 2], true, positions[1]])
  expect(await read(begin, 2)).toEqual([[1, 2], true, positions[1]])
  expect(await read(positions[1] ?? null, 2)).toEqual([[3, 4], true, positions[3]])
  expect(await read(positions[3] ?? null, 2)).toEqual([[5], false, positions[4]])
  expect(await read(positions[2] ?? null, 2)).toEqual([[4, 5], false, positions[4]])
  expect(await read(positions[4] ?? null, 2)).toEqual([[], false, positions[4]])
})

test('a page of some kinds passes over all others, also those at its end', async () => {
  const { store, create, patch, recordEvent, caller: { organizationId } } = await open()
  await create()
  await recordEvent({ name: 'paid', customer: 1 })
  await patch(1, { name: 'n' })
  await recordEvent({ name: 'paid', customer: 1 })
  await patch(1, { name: 'm' })
  const { next } = await readAll(store, organizationId, { count: 5 })
  const kinds = new Set<ChangeKind>(['event.recorded'])
  const { items, ...page } = await store.readFeed(organizationId, { ...all, kinds })
  expect([idsOf(items), page]).toEqual([[2, 4], { next, hasMore: false }])
  const first = await store.readFeed(organizationId, { ...all, kinds, limit: 1 })
  expect([idsOf(first.items), first.hasMore]).toEqual([[2], true])
  expect(idsOf((await store.readFeed(organizationId, { ...all, kinds, after: first.next })).items)).toEqual([4])
})

test('a page holds no more than its bytes, and the next ones the rest', async () => {
  const { store, create, patch, caller: { organizationId } } = await open()
  const customData = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`a${index}`, 'x'.repeat(limits.longTextCharactersMax)]))
  await create({ customData })
  for (let count = 0; count < 8; count += 1) await patch(1, { customData: { n: count } })
  const read: number[][] = []
  await readAll(store, organizationId, { count: 1 })
  for (let [after, hasMore]: [FeedPosition | null, boolean] = [null, true]; hasMore;) {
    const page = await store.readFeed(organizationId, { ...all, after, wantsCustomers: false })
    read.push(idsOf(page.items))
    after = page.next
    hasMore = page.hasMore
  }
  expect(read.flat()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(read.length).toBeGreaterThan(1)
  const history = await store.history(organizationId, 1, { beforeId: null, limit: 100 })
  expect(history.hasMore).toBe(true)
  expect(idsOf(history.items)).toEqual(Array.from(history.items, (_, index) => 9 - index))
})

test('a page with its customers holds no more than its bytes, and the next ones the rest', async () => {
  const { store, create, recordEvent, caller: { organizationId } } = await open()
  const customData = Object.fromEntries(Array.from({ length: 14 }, (_, index) => [`a${index}`, 'x'.repeat(limits.longTextCharactersMax)]))
  await create({ customData })
  for (let count = 0; count < 12; count += 1) await recordEvent({ name: 'seen', customer: 1 })
  await readAll(store, organizationId, { count: 1 })
  const read: number[][] = []
  const lengths: number[] = []
  for (let [after, hasMore]: [FeedPosition | null, boolean] = [null, true]; hasMore;) {
    const page = await store.readFeed(organizationId, { ...all, after })
    read.push(idsOf(page.items))
    lengths.push(page.items.reduce((sum, { customer }) => sum + (customer?.length ?? 0), 0))
    after = page.next
    hasMore = page.hasMore
  }
  expect(read.flat()).toEqual(Array.from({ length: 13 }, (_, index) => index + 1))
  expect(Math.max(...lengths)).toBeLessThanOrEqual(limits.changesPageBytesMax)
  const [first = 0, last = 0] = [read[0]?.[0], read.at(-1)?.at(-1)]
  const between = await store.changesBetween(organizationId, 1, { fromId: first, throughId: last, limit: 50 })
  expect(idsOf(between)).toEqual(read[0])
})

test('the end of the feed is behind all that was committed, and before all that comes', async () => {
  const { store, create, caller: { organizationId } } = await open()
  const empty = await store.feedEnd(organizationId)
  await create()
  const one = await store.feedEnd(organizationId)
  await create()
  await create()

  expect(idsOf((await readAll(store, organizationId, { after: one, count: 2 })).items)).toEqual([2, 3])
  expect(idsOf((await readAll(store, organizationId, { after: empty, count: 3 })).items)).toEqual([1, 2, 3])
})

test('a position before what was purged is gone; one right behind it, and that of an organization nothing was purged of, are not', async () => {
  const { database, store, create, caller: { organizationId } } = await open()
  const other = await openOrganization(store, 'other')
  const { next: begin } = await store.readFeed(organizationId, all)
  for (let count = 0; count < 4; count += 1) await create()
  await other.create()
  const otherId = other.caller.organizationId
  const positions = (await readAll(store, organizationId, { count: 4 })).items.map(({ position }) => position)
  const { next: end } = await readAll(store, otherId, { count: 1 })
  await database.sql('update changes set at = 1000 + id')
  expect(await store.purgeChanges(1003)).toBe(2)
  const read = async (after: FeedPosition | null): Promise<number[]> => idsOf((await store.readFeed(organizationId, { ...all, after })).items)

  expect(await failure(read(begin))).toBe('gone')
  expect(await failure(read(positions[0] ?? null))).toBe('gone')
  expect(await read(positions[1] ?? null)).toEqual([3, 4])
  expect(await read(null)).toEqual([3, 4])
  expect(await store.purgeChanges(1005)).toBe(2)
  expect(await failure(read(positions[2] ?? null))).toBe('gone')
  expect(await read(positions[3] ?? null)).toEqual([])
  expect(await store.readFeed(organizationId, all)).toEqual({ items: [], next: positions[3], hasMore: false })
  await create()
  expect(idsOf((await readAll(store, organizationId, { after: positions[3] ?? null, count: 1 })).items)).toEqual([6])
  expect(await store.readFeed(otherId, { ...all, after: end })).toEqual({ items: [], next: end, hasMore: false })
})

test('a position that never was, or is of another organization or another engine, is gone', async () => {
  const { store, create, caller: { organizationId } } = await open()
  const other = await openOrganization(store, 'other')
  await create()
  await other.create()
  const { next } = await readAll(store, organizationId, { count: 1 })
  const made = ['', 'x', '1', '1.another', '99.test-request', '7412.1.5.100.4', `${next}0`]

  expect(await Promise.all(made.map((after) => failure(store.readFeed(organizationId, { ...all, after }))))).toEqual(made.map((after) =>
    // On PostgreSQL a position may lie anywhere in its epoch.
    (after === `${next}0` && /^\d+\.\d+\.\d+\./.test(next) ? 'undefined' : 'gone')))
})

test('the history of a customer is its changes, newest first, also when it is deleted, and in parts', async () => {
  const { store, create, patch, recordEvent, delete: remove, caller: { organizationId } } = await open()
  await create({ name: 'Ann' })
  await create()
  await patch(1, { name: 'Bea' })
  await recordEvent({ name: 'paid', customer: 1 })
  await remove(1)
  const { items, hasMore } = await store.history(organizationId, 1, { beforeId: null, limit: 10 })

  expect([idsOf(items), hasMore]).toEqual([[5, 4, 3, 1], false])
  expect(items.map(({ customer }) => customer)).toEqual([null, null, null, null])
  expect(items[3]?.change.after).toMatchObject({ id: 1, name: 'Ann' })
  const part = await store.history(organizationId, 1, { beforeId: 5, limit: 2 })
  expect([idsOf(part.items), part.hasMore]).toEqual([[4, 3], true])
  const last = await store.history(organizationId, 1, { beforeId: 3, limit: 2 })
  expect([idsOf(last.items), last.hasMore]).toEqual([[1], false])
  expect(await store.history(organizationId, 3, { beforeId: null, limit: 2 })).toEqual({ items: [], hasMore: false })
})

test('changes are found by id, by request, and between two of one customer; none of another organization', async () => {
  const { database, store, caller, create, tag, patch } = await open()
  const other = await openOrganization(store, 'other')
  const { organizationId } = caller
  const again = speakTo(store, { ...caller, requestId: 'second' })
  await create({ name: 'Ann', tags: ['a', 'b'] })
  await tag(1, ['c'])
  await again.batch([{ customer: 1, name: 'Bea', tags: [{ name: 'a', color: 'red' }] }])
  await patch(1, { name: 'Cora' })
  const otherId = other.caller.organizationId
  const ids = (await database.sql('select id from changes order by id')).map(({ id }) => Number(id))
  const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = ids

  expect(plain(await store.findChange(organizationId, second) ?? raise())).toMatchObject({ before: { tags: ['a', 'b'] }, after: { tags: ['a', 'b', 'c'] }, customer: null })
  expect(await store.findChange(organizationId, fifth + 1)).toBeUndefined()
  expect(await store.findChange(otherId, second)).toBeUndefined()
  expect((await store.changesOfRequest(organizationId, 'second', 10)).map(({ change }) => [change.id, change.kind])).toEqual([[third, 'tag.updated'], [fourth, 'customer.updated']])
  expect(idsOf(await store.changesOfRequest(organizationId, 'second', 1))).toEqual([third])
  expect(await store.changesOfRequest(otherId, 'second', 10)).toEqual([])
  const between = await store.changesBetween(organizationId, 1, { fromId: second, throughId: fourth, limit: 10 })
  expect(between.map(({ change, customer }) => [change.id, (JSON.parse(customer ?? '') as { name: string }).name])).toEqual([[second, 'Ann'], [fourth, 'Bea']])
  expect(idsOf(await store.changesBetween(organizationId, 1, { fromId: first, throughId: fifth, limit: 2 }))).toEqual([first, second])
  expect(await store.changesBetween(otherId, 1, { fromId: first, throughId: fifth, limit: 2 })).toEqual([])
  expect((await store.history(otherId, 1, { beforeId: null, limit: 5 })).items).toEqual([])
  expect((await store.readFeed(otherId, all)).items).toEqual([])
})

function raise(): never {
  throw new Error('Nothing was found')
}

test('who watches the feed is told of changes of this process and of others, of each organization that has some', async () => {
  const { database, store, create, caller: { organizationId } } = await open()
  const { create: createOther, caller: { organizationId: otherId } } = await openOrganization(store, 'other')
  const elsewhere = speakTo(await database.openStore(), { organizationId, keyId: 1, requestId: 'elsewhere' })
  const told: number[] = []
  const stop = store.watchFeed((ids) => { told.push(...ids) })
  onTestFinished(stop)
  const toldOf = async (id: number, write: () => Promise<unknown>): Promise<void> => {
    told.length = 0
    await write()
    await vi.waitUntil(() => told.includes(id), { timeout: 30_000, interval: 5 })
  }

  await toldOf(organizationId, create)
  await toldOf(otherId, createOther)
  expect(told).not.toContain(organizationId)
  await toldOf(organizationId, () => elsewhere.create())
  stop()
  told.length = 0
  const after = store.watchFeed(() => undefined)
  await create()
  await readAll(store, organizationId, { count: 3 })
  after()
  expect(told).toEqual([])
})

test('once the trash is emptied the events of a customer deleted before are gone, and its changes are not', async () => {
  const { database, store, create, recordEvent, delete: remove, caller: { organizationId } } = await open()
  for (const id of [1, 2, 3]) {
    await create()
    await recordEvent({ name: 'paid', customer: id })
  }
  await remove(1)
  await remove(2)
  await database.sql("update changes set at = 1000 + id where kind = 'customer.deleted'")
  const eventsOf = async (): Promise<unknown[]> => (await database.sql('select customer_id from events order by id')).map(({ customer_id }) => customer_id)

  await store.emptyTrash(1007)
  expect(await eventsOf()).toEqual([1, 2, 3])
  await store.emptyTrash(1008)
  expect(await eventsOf()).toEqual([2, 3])
  await store.emptyTrash(500)
  await store.emptyTrash(systemClock() + 10)
  expect(await eventsOf()).toEqual([3])
  const { items } = await store.history(organizationId, 1, { beforeId: null, limit: 5 })
  expect(items.map(({ change, event }) => [change.kind, event])).toEqual([['customer.deleted', null], ['event.recorded', null], ['customer.created', null]])
})

test('a customer that was deleted again later keeps its events until that deletion is final', async () => {
  const { database, store, create, recordEvent, delete: remove } = await open()
  await create()
  await recordEvent({ name: 'paid', customer: 1 })
  await remove(1)
  await database.sql("insert into changes (id, organization_id, customer_id, kind, at, key_id, request_id, before) values (9, 1, 1, 'customer.deleted', 2000, 1, 'r', '{}')")
  await database.sql("update changes set at = 1000 where id = 3")

  await store.emptyTrash(1500)
  expect(await database.sql('select count(*) as count from events')).toEqual([{ count: 1 }])
  await store.emptyTrash(2001)
  expect(await database.sql('select count(*) as count from events')).toEqual([{ count: 0 }])
})

test('the trash of any number of deletions is emptied in one call', async () => {
  const { database, store, create, recordEvent, delete: remove } = await open()
  const ids = Array.from({ length: limits.purgeGroupMax + 1 }, (_, index) => index + 1)
  await Promise.all(ids.map(() => create()))
  await recordEvent({ name: 'paid', customer: ids.length })
  for (const id of ids.slice(0, -1)) void remove(id)
  await remove(ids.length)

  await store.emptyTrash(systemClock() + 10)
  expect(await database.sql('select count(*) as count from events')).toEqual([{ count: 0 }])
})
