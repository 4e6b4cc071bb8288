import { performance } from 'node:perf_hooks'
import type pg from 'pg'
import type { IndexedCustomer, IndexedEvent } from '../indexing/organization-index.ts'
import { OrganizationIndex } from '../indexing/organization-index.ts'
import type { ReadJob } from '../indexing/read-pool.ts'
import { limits } from '../limits.ts'
import type { FoundPage } from '../store.ts'
import type { NamesSeen, RenderingRow } from './catalog.ts'
import { Catalog, selectNamesSeen } from './catalog.ts'
import { allEvents } from './group-statements.ts'

interface CustomerRow extends IndexedCustomer {
  readonly organizationId: number
}

interface Pointer {
  readonly organizationId: number
  readonly customerId: number
  readonly eventId: number | null
}

/** What a snapshot knows beyond an older one. */
interface Seen extends NamesSeen {
  readonly snapshot: string
  /** The last transaction that left a pointer. */
  readonly newest: string
  /** Whether nothing was purged that the older one did not know. */
  readonly isWhole: boolean
}

/** Customers read in one slice of building, so that questions wait no longer than some ten milliseconds. */
const sliceCustomers = 1_000

/** Customers that are read again in one statement. */
const reloadedMax = 2_000

const selectCustomers = 'select id, organization_id as "organizationId", rendering, created_at as "createdAt", updated_at as "updatedAt" from customers'
const selectEvents = 'select customer_id as "customerId", name, created_at as "createdAt" from events'

/**
 * The customers of organizations in memory, for searches. Each step belongs inside a repeatable-read transaction of the
 * caller's: it first takes in what its snapshot sees and the last one did not, by the pointers of the feed, so that all it
 * answers is of that snapshot. What is read is taken in at once when all of it is there, so a connection that breaks leaves the index whole.
 */
export class SearchIndex {
  readonly #index: OrganizationIndex
  readonly #catalog = new Catalog()
  /** Up to which everything is known; undefined while there is nothing to know. */
  #snapshot: string | undefined

  constructor({ bytesMax, searchSecondsMax }: { bytesMax: number; searchSecondsMax: number }) {
    this.#index = new OrganizationIndex({ bytesMax, searchSecondsMax, nowMs: () => performance.now() })
  }

  get bytes(): number {
    return this.#index.bytes
  }

  get isBuilding(): boolean {
    return this.#index.isBuilding
  }

  takeMoved(): { readonly organizationId: number; readonly isIndexed: boolean }[] {
    return this.#index.takeMoved()
  }

  makeRoom(): void {
    this.#index.makeRoomAfterSearches()
  }

  /** Undefined when the organization is not here; asking makes it wanted. */
  async search(client: pg.ClientBase, { organizationId, search }: ReadJob): Promise<FoundPage | undefined> {
    const startedMs = performance.now()
    const seen = await this.follow(client)
    if (this.#index.mayBegin(organizationId)) this.#index.begin(organizationId, [])
    const found = this.#index.search(organizationId, search)
    if (found === undefined) return undefined
    const { ids, plan, steps, entriesVisited, ...rest } = found
    const customers = Buffer.from(await this.#render(client, { organizationId, ids, seen }))
    return {
      ...rest,
      count: ids.length,
      customers,
      pageMs: performance.now() - startedMs - found.totalMs,
      explanation: search.wantsExplanation ? { plan: `columns, ${plan}`, steps, entriesVisited } : null
    }
  }

  /** Wants one organization, or all in which a search without this index would take long. */
  async want(client: pg.ClientBase, want: number | 'large'): Promise<void> {
    await this.follow(client)
    for (const organizationId of want === 'large' ? await readLarge(client) : [want]) {
      if (this.#index.mayBegin(organizationId)) this.#index.begin(organizationId, [])
    }
  }

  /** Brings one organization a step further. */
  async buildSlice(client: pg.ClientBase): Promise<void> {
    await this.follow(client)
    const next = this.#index.building()
    if (next === undefined) return
    const { organizationId, readUpTo } = next
    const { rows: customers } = await client.query<CustomerRow>(
      `${selectCustomers} where organization_id = $1 and id > $2 order by id limit $3`, [organizationId, readUpTo, sliceCustomers])
    const ids = customers.map(({ id }) => id)
    const events = await readEvents(client, ids)
    this.#index.putAll(organizationId, customers)
    for (const event of events) this.#index.addEvent(organizationId, event)
    this.#index.addUnread(organizationId, ids)
    this.#index.markRead(organizationId, ids.length)
    // Those made from now on are followed.
    if (customers.length < sliceCustomers) this.#index.finishStep(organizationId)
    this.#index.makeRoom([organizationId])
  }

  /** Takes in what was committed since the last time. Forgets everything when some of it has been purged. */
  async follow(client: pg.ClientBase): Promise<Seen & { /** Whether customers that are here had changed. */ readonly isNews: boolean }> {
    const since = this.#snapshot ?? null
    const [{ rows: [seen] }, { rows: pointers }] = await Promise.all([
      client.query<Seen>(`
        select pg_current_snapshot()::text as snapshot, ${selectNamesSeen},
          greatest((select max(xid) from feed), (select max(xid) from purges), '0')::text as newest,
          coalesce((select max(xid) < pg_snapshot_xmin($1::pg_snapshot) from purges), true) as "isWhole"`, [since]),
      client.query<Pointer>(`
        select organization_id as "organizationId", customer_id as "customerId", event_id as "eventId" from feed
        where xid >= pg_snapshot_xmin($1::pg_snapshot) and not pg_visible_in_snapshot(xid, $1::pg_snapshot)`, [since])
    ])
    if (seen === undefined) throw new Error('A snapshot says nothing of itself')
    if (!seen.isWhole) this.#index.dropAll()
    const reached = pointers.filter(({ organizationId, customerId }) => this.#index.hasReached(organizationId, customerId))
    const takeIn = await this.#read(client, reached)
    takeIn()
    this.#snapshot = snapshotUpTo(seen)
    this.#index.makeRoom(new Set(reached.map(({ organizationId }) => organizationId)))
    return { ...seen, isNews: reached.length > 0 }
  }

  /** Reads customers that changed, events that were recorded, and all events of customers who lost some or came back; answers what takes them in. */
  async #read(client: pg.ClientBase, pointers: readonly Pointer[]): Promise<() => void> {
    const changed = new Map(pointers.flatMap(({ organizationId, customerId, eventId }) => (eventId === null || eventId === allEvents ? [[customerId, organizationId] as const] : [])))
    const reread = new Map(pointers.flatMap(({ organizationId, customerId, eventId }) => (eventId === allEvents ? [[customerId, organizationId] as const] : [])))
    const recorded = pointers.filter(({ customerId, eventId }) => eventId !== null && !reread.has(customerId))
    const customers = await readInParts([...changed.keys()], async (ids) =>
      (await client.query<CustomerRow>(`${selectCustomers} where id = any($1)`, [ids])).rows)
    const events = await readInParts(recorded, async (some) => (await client.query<IndexedEvent & { readonly organizationId: number }>(
      `select organization_id as "organizationId", customer_id as "customerId", name, created_at as "createdAt" from events
      where customer_id = any($1) and id = any($2)`, [some.map(({ customerId }) => customerId), some.map(({ eventId }) => eventId)])).rows)
    const rereadEvents = await readInParts([...reread.keys()], async (ids) => await readEvents(client, ids))
    return () => {
      const found = customers.filter(({ id, organizationId }) => changed.get(id) === organizationId)
      for (const { id } of found) changed.delete(id)
      for (const [organizationId, some] of Map.groupBy(found, (customer) => customer.organizationId)) this.#index.putAll(organizationId, some)
      for (const [id, organizationId] of changed) this.#index.remove(organizationId, id)
      for (const [id, organizationId] of reread) this.#index.forgetEvents(organizationId, id)
      for (const event of rereadEvents) this.#index.addEvent(reread.get(event.customerId) ?? 0, event)
      // Behind the customers, of whom some may be new as well.
      for (const { organizationId, ...event } of events) this.#index.addEvent(organizationId, event)
    }
  }

  /** As one row, unless a tag was recolored: a row for each customer costs as much again as reading it. */
  async #render(client: pg.ClientBase, { organizationId, ids, seen }: { organizationId: number; ids: readonly number[]; seen: NamesSeen }): Promise<string> {
    if (ids.length === 0) return ''
    const { rows: [whole] } = await client.query<{ count: number; tagVersion: number | null; renderings: string | null }>(`
      select count(*) as count, min(tag_version) as "tagVersion", string_agg(rendering, ',' order by place) as renderings ${fromWanted}`, [ids])
    await this.#catalog.refresh(client, seen)
    if (whole?.count !== ids.length || whole.renderings === null) throw new Error('The index has customers that the database has not')
    if (this.#catalog.isCurrent(organizationId, whole.tagVersion ?? 0)) return whole.renderings
    const { rows } = await client.query<RenderingRow>(`select rendering, tag_ids, tag_version ${fromWanted} order by place`, [ids])
    return rows.map((row) => this.#catalog.render(organizationId, row)).join()
  }
}

/** In the order of the ids. */
const fromWanted = 'from unnest($1::bigint[]) with ordinality as wanted (id, place) join customers using (id)'

/**
 * The snapshot as if no transaction behind the newest had begun: those that left nothing may not have reached the disk, and after a
 * crash their numbers are given again.
 */
function snapshotUpTo({ snapshot, newest }: Seen): string {
  const [first = '', end = '', running = ''] = snapshot.split(':')
  const upTo = BigInt(newest) + 1n
  if (upTo >= BigInt(end)) return snapshot
  const before = running.split(',').filter((number) => number !== '' && BigInt(number) < upTo)
  return `${BigInt(first) < upTo ? first : upTo}:${upTo}:${before.join()}`
}

async function readLarge(client: pg.ClientBase): Promise<number[]> {
  const { rows } = await client.query<{ id: number }>(`
    select organization_id as id from customer_counts group by organization_id
    having sum(customers) >= $1 order by sum(customers) desc`, [limits.indexedAtStartCustomersMin])
  return rows.map(({ id }) => id)
}

async function readEvents(client: pg.ClientBase, customerIds: readonly number[]): Promise<IndexedEvent[]> {
  if (customerIds.length === 0) return []
  const { rows } = await client.query<IndexedEvent>(`${selectEvents} where customer_id = any($1) order by customer_id, created_at`, [customerIds])
  return rows
}

async function readInParts<Item, Row>(items: readonly Item[], read: (part: readonly Item[]) => Promise<readonly Row[]>): Promise<Row[]> {
  const rows: Row[] = []
  for (let from = 0; from < items.length; from += reloadedMax) rows.push(...await read(items.slice(from, from + reloadedMax)))
  return rows
}
