import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import type pg from 'pg'
import type { KeptChangeRow, LaterChange } from '../change-record.ts'
import { replacingKinds } from '../change-record.ts'
import type { ChangeItem, ChangeStore, FeedPage, FeedPosition, FeedQuestion, HistoryPage } from '../change-store.ts'
import { parseCustomer } from '../customer.ts'
import { limits } from '../limits.ts'
import type { KeptEventRow, PresentCustomer } from '../sql/change-items.ts'
import { changeItems, eventsWanted, itemsInSteps, pastsReplaced, pastsWanted } from '../sql/change-items.ts'
import type { FeedLook } from '../sql/feed-watch.ts'
import { FeedWatch } from '../sql/feed-watch.ts'
import type { Catalog, NamesSeen, VersionedRow } from './catalog.ts'
import { selectNamesSeen } from './catalog.ts'
import type { FeedPlace, Pointer } from './feed.ts'
import { feedPosition, readFeedPosition, readFeedState, readPointedChanges, readPointers, requireKept, selectChanges, settledStamp } from './feed.ts'

/** Rows of one statement: with their fields, or mostly without. */
const rowsAStatement = 200
const scannedAStatement = 1_000
const laterAStatement = 5_000

/** How long the end of the feed waits for transactions under way. */
const settleMs = 1_000
const lookAgainMs = 10

/** After a commit of this process, for how long what is on its way is looked for again and again. */
const ownCommitMs = 250

/** A watch begins with transactions that may have ended just before. */
const transactionsBefore = 10_000

const beforeAll: FeedPlace = { stamp: 0, position: 0 }

/** Runs a reading once more when its connection broke; fails with an ApiError when the database cannot be read. */
type Read = <Answer>(read: () => Promise<Answer>) => Promise<Answer>

interface Found {
  readonly rows: KeptChangeRow[]
  readonly places: ReadonlyMap<number, FeedPlace>
  readonly last: FeedPlace | undefined
  readonly hasMore: boolean
}

/** What is told of changes on PostgreSQL. */
export class ChangeFeed implements ChangeStore {
  readonly #pool: pg.Pool
  readonly #catalog: Catalog
  readonly #read: Read
  readonly #watch: FeedWatch
  /** Transactions below have been looked at; undefined at the begin of a watch. */
  #seenTransaction: number | undefined
  /** Organizations with changes that were seen and cannot be read yet, by stamp. */
  readonly #unsettled = new Map<number, number>()
  #committedAtMs = -Infinity

  constructor(pool: pg.Pool, { catalog, read }: { catalog: Catalog; read: Read }) {
    this.#pool = pool
    this.#catalog = catalog
    this.#read = read
    this.#watch = new FeedWatch({
      begin: () => {
        this.#seenTransaction = undefined
        this.#unsettled.clear()
      },
      look: () => this.#look()
    })
  }

  noticeCommit(): void {
    this.#committedAtMs = performance.now()
    this.#watch.noticeCommit()
  }

  close(): void {
    this.#watch.close()
  }

  async readFeed(organizationId: number, { after, limit, kinds, wantsCustomers }: FeedQuestion): Promise<FeedPage> {
    return await this.#read(async () => {
      const before = after === null ? undefined : await readFeedState(this.#pool, organizationId)
      const from = after === null || before === undefined ? undefined : readFeedPosition(after, before.epoch)
      const { rows, places, last, hasMore } = await this.#find(organizationId, { after: from ?? beforeAll, limit, kinds })
      const items = await this.#items(organizationId, rows, wantsCustomers)
      const lastItem = items.at(-1)
      const cut = lastItem !== undefined && items.length < rows.length ? placeOf(places, lastItem.change.id) : undefined
      // Behind what was read, since some of that may have been purged meanwhile.
      const { epoch, horizon } = await readFeedState(this.#pool, organizationId)
      if (from !== undefined) requireKept(from, horizon)
      return {
        items: items.map((item) => ({ ...item, position: feedPosition(epoch, placeOf(places, item.change.id)) })),
        next: feedPosition(epoch, cut ?? last ?? from ?? horizon ?? beforeAll),
        hasMore: hasMore || cut !== undefined
      }
    })
  }

  async feedEnd(organizationId: number): Promise<FeedPosition> {
    return await this.#read(async () => {
      const { epoch } = await readFeedState(this.#pool, organizationId)
      const until = performance.now() + settleMs
      const { end } = await this.#readSnapshot()
      for (;;) {
        // What is committed by now has a lower stamp than the end was; what is not, has none lower than this.
        const { settled } = await this.#readSnapshot()
        if (settled >= end || performance.now() > until) return feedPosition(epoch, { stamp: Math.min(settled, end), position: 0 })
        await setTimeout(lookAgainMs)
      }
    })
  }

  watchFeed(listener: (organizationIds: ReadonlySet<number>) => void): () => void {
    return this.#watch.watch(listener)
  }

  async history(organizationId: number, customerId: number, { beforeId, limit }: { beforeId: number | null; limit: number }): Promise<HistoryPage> {
    return await this.#read(async () => {
      const rows: KeptChangeRow[] = []
      let bytes = 0
      for (let hasMore = true; hasMore;) {
        const max = Math.min(limit - rows.length + 1, rowsAStatement)
        const { rows: some } = await this.#pool.query<KeptChangeRow>(`
          ${selectChanges()} where customer_id = $1 and changes.organization_id = $2 and changes.id < $3 order by changes.id desc limit $4`,
        [customerId, organizationId, rows.at(-1)?.id ?? beforeId ?? limits.integerMax, max])
        hasMore = some.length === max
        for (const row of some) {
          bytes += bytesOf(row)
          const isFull = rows.length === limit || (bytes > limits.changesPageBytesMax && rows.length > 0)
          if (isFull) return { items: await this.#items(organizationId, rows, false), hasMore: true }
          rows.push(row)
        }
      }
      const items = await this.#items(organizationId, rows, false)
      return { items, hasMore: items.length < rows.length }
    })
  }

  async changesBetween(
    organizationId: number, customerId: number, { fromId, throughId, limit }: { fromId: number; throughId: number; limit: number }
  ): Promise<ChangeItem[]> {
    return await this.#read(async () => {
      const { rows } = await this.#pool.query<KeptChangeRow>(`
        ${selectChanges()} where customer_id = $1 and changes.organization_id = $2 and changes.id >= $3 and changes.id <= $4 order by changes.id limit $5`,
      [customerId, organizationId, fromId, throughId, limit])
      return await this.#items(organizationId, rows, true)
    })
  }

  async findChange(organizationId: number, id: number): Promise<ChangeItem | undefined> {
    return await this.#read(async () => {
      const { rows: pointers } = await this.#pool.query<Pointer>('select stamp, position, customer_id from feed where position = $1 and organization_id = $2', [id, organizationId])
      const [item] = await this.#items(organizationId, [...(await readPointedChanges(this.#pool, pointers, null)).values()], false)
      return item
    })
  }

  async changesOfRequest(organizationId: number, requestId: string, limit: number): Promise<ChangeItem[]> {
    return await this.#read(async () => {
      const { rows } = await this.#pool.query<KeptChangeRow>(
        `${selectChanges()} where request_id = $1 and changes.organization_id = $2 order by changes.id limit $3`, [requestId, organizationId, limit])
      return await this.#items(organizationId, rows, false)
    })
  }

  /** The next changes of the kinds wanted, and how far was looked. */
  async #find(organizationId: number, { after, limit, kinds }: { after: FeedPlace } & Pick<FeedQuestion, 'limit' | 'kinds'>): Promise<Found> {
    const rows: KeptChangeRow[] = []
    const places = new Map<number, FeedPlace>()
    let last: FeedPlace | undefined
    let bytes = 0
    for (let scanned = 0; scanned < limits.changesScannedMax;) {
      // One more than is needed tells whether there is more.
      const max = kinds === null ? Math.min(limit - rows.length + 1, rowsAStatement) : scannedAStatement
      const pointers = await readPointers(this.#pool, organizationId, { after: last ?? after, max })
      const changes = await readPointedChanges(this.#pool, pointers, kinds === null ? null : [...kinds])
      for (const pointer of pointers) {
        const change = changes.get(pointer.position)
        const isFull = rows.length === limit || (rows.length > 0 && bytes + bytesOf(change) > limits.changesPageBytesMax)
        if (isFull) return { rows, places, last, hasMore: true }
        last = pointer
        if (change === undefined || (kinds as ReadonlySet<string> | null)?.has(change.kind) === false) continue
        bytes += bytesOf(change)
        rows.push(change)
        places.set(change.id, pointer)
      }
      if (pointers.length < max) return { rows, places, last, hasMore: false }
      scanned += pointers.length
    }
    return { rows, places, last, hasMore: true }
  }

  /** Of the first of the rows, as many as fit in a page. */
  async #items(organizationId: number, rows: readonly KeptChangeRow[], wantsCustomers: boolean, bytesMax: number = limits.changesPageBytesMax): Promise<ChangeItem[]> {
    const bytesOf = await this.#sizes(organizationId, [...pastsWanted(rows, wantsCustomers).keys()])
    return await itemsInSteps(rows, { wantsCustomers, bytesOf, bytesMax }, async (step) => await this.#itemsOfStep(organizationId, step, wantsCustomers))
  }

  async #itemsOfStep(organizationId: number, rows: readonly KeptChangeRow[], wantsCustomers: boolean): Promise<ChangeItem[]> {
    const pasts = pastsWanted(rows, wantsCustomers)
    const events = eventsWanted(rows)
    // Customers before their later changes: whatever is committed in between tells what it replaced.
    const [now, recorded] = await Promise.all([this.#customers(organizationId, [...pasts.keys()]), this.#events(events)])
    const later = await this.#later(organizationId, pastsReplaced(pasts, now))
    return changeItems(rows, { now, later, events: recorded, tagColors: this.#catalog.of(organizationId).tagColors, wantsCustomers })
  }

  async #customers(organizationId: number, ids: readonly number[]): Promise<Map<number, PresentCustomer>> {
    if (ids.length === 0) return new Map()
    const { rows } = await this.#pool.query<VersionedRow & { id: number }>(
      'select id, rendering, tag_ids, tag_version, version from customers where id = any($1) and organization_id = $2', [ids, organizationId])
    const { rows: [seen] } = await this.#pool.query<NamesSeen>(`select ${selectNamesSeen}`)
    await this.#catalog.refresh(this.#pool, seen)
    return new Map(rows.map(({ id, version, ...row }) => [id, { version, customer: parseCustomer(this.#catalog.render(organizationId, row)) }]))
  }

  /** Of customers as they are, without their tags. */
  async #sizes(organizationId: number, ids: readonly number[]): Promise<Map<number, number>> {
    if (ids.length === 0) return new Map()
    const { rows } = await this.#pool.query<{ id: number; bytes: number }>(
      'select id, octet_length(rendering) as bytes from customers where id = any($1) and organization_id = $2', [ids, organizationId])
    return new Map(rows.map(({ id, bytes }) => [id, bytes]))
  }

  async #events(wanted: readonly { readonly id: number; readonly customerId: number }[]): Promise<KeptEventRow[]> {
    if (wanted.length === 0) return []
    const { rows } = await this.#pool.query<KeptEventRow>(`
      select id, customer_id as "customerId", name, data, created_at as "createdAt" from events where customer_id = any($1) and id = any($2)`,
    [[...new Set(wanted.map(({ customerId }) => customerId))], wanted.map(({ id }) => id)])
    return rows
  }

  /** Changes of the kinds that tell what was before, of each customer newest first. */
  async #later(organizationId: number, pasts: ReadonlyMap<number, readonly number[]>): Promise<Map<number, LaterChange[]>> {
    const later = new Map<number, LaterChange[]>()
    let customerIds = [...pasts.keys()].toSorted((one, other) => one - other)
    const afterId = [...pasts.values()].flat().reduce((least, id) => Math.min(least, id), limits.integerMax)
    let beforeId = limits.integerMax
    while (customerIds.length > 0) {
      const [first = 0] = customerIds
      const { rows } = await this.#pool.query<LaterChange & { customerId: number }>(`
        select customer_id as "customerId", id, kind, before from changes
        where customer_id = any($1) and organization_id = $2 and id > $3 and kind = any($4) and (customer_id > $5 or id < $6)
        order by customer_id, id desc limit $7`, [customerIds, organizationId, afterId, replacingKinds, first, beforeId, laterAStatement])
      for (const { customerId, ...change } of rows) {
        const changes = later.get(customerId)
        if (changes === undefined) later.set(customerId, [change])
        else changes.push(change)
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < laterAStatement) return later
      customerIds = customerIds.filter((id) => id >= last.customerId)
      beforeId = last.id
    }
    return later
  }

  async #readSnapshot(): Promise<{ settled: number; end: number }> {
    const { rows: [row] } = await this.#pool.query<{ settled: number; end: number }>(
      `select ${settledStamp} as settled, pg_snapshot_xmax(pg_current_snapshot())::text::bigint as "end"`)
    if (row === undefined) throw new Error('A snapshot says nothing of itself')
    return row
  }

  async #look(): Promise<FeedLook> {
    const since = this.#seenTransaction
    const { rows: [row] } = await this.#pool.query<{ settled: number; end: number; stamps: Record<string, number> }>(`
      with seen as (select ${settledStamp} as settled, pg_snapshot_xmax(pg_current_snapshot())::text::bigint as "end")
      select settled, "end", coalesce((select jsonb_object_agg(organization_id, stamp) from (
        select organization_id, max(stamp) as stamp from feed
        where xid >= coalesce($1, greatest(settled - ${transactionsBefore}, 0))::text::xid8 and xid < settled::text::xid8
        group by organization_id) as new), '{}') as stamps
      from seen`, [since])
    if (row === undefined) throw new Error('A look at the feed saw nothing')
    const { settled, end, stamps } = row
    this.#seenTransaction = settled
    for (const [id, stamp] of Object.entries(stamps)) this.#unsettled.set(Number(id), Math.max(stamp, this.#unsettled.get(Number(id)) ?? 0))
    const organizationIds = new Set<number>()
    for (const [id, stamp] of this.#unsettled) {
      if (stamp >= settled) continue
      organizationIds.add(id)
      this.#unsettled.delete(id)
    }
    const isOwnOnItsWay = end > settled && performance.now() - this.#committedAtMs < ownCommitMs
    return { organizationIds, isBehind: this.#unsettled.size > 0 || isOwnOnItsWay }
  }
}

function placeOf(places: ReadonlyMap<number, FeedPlace>, id: number): FeedPlace {
  const place = places.get(id)
  if (place === undefined) throw new Error('A change was read that no pointer leads to')
  return place
}

function bytesOf(change: KeptChangeRow | undefined): number {
  return (change?.before?.length ?? 0) + (change?.after?.length ?? 0)
}
