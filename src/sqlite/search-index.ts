import type { Database, Statement } from 'better-sqlite3'
import type { FoundRows } from '../columns/customer-columns.ts'
import type { DatabaseIndexes } from '../columns/page-scope.ts'
import type { IndexedCustomer, IndexedEvent } from '../indexing/organization-index.ts'
import { OrganizationIndex } from '../indexing/organization-index.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch } from '../search.ts'

interface CustomerRow extends IndexedCustomer {
  readonly organizationId: number
}

interface ChangeRow {
  readonly id: number
  readonly organizationId: number
  readonly customerId: number | null
  readonly kind: string
  readonly after: string | null
}

/** Customers read in one slice of building, so that questions wait no longer than some milliseconds; fewer when those are large. */
const sliceCustomers = 500
const sliceMs = 20

/**
 * The customers of organizations in memory, for searches. Each step belongs inside a read transaction
 * of the caller's: it first follows what was committed since the last one, by the table of changes, so
 * that all it answers is of that transaction's moment.
 */
export class SearchIndex {
  readonly #nowMs: () => number
  readonly #index: OrganizationIndex
  readonly #lastChange: Statement<[], number>
  readonly #changes: Statement<[number], ChangeRow>
  readonly #find: Statement<[number], CustomerRow>
  readonly #events: Statement<[number], IndexedEvent>
  readonly #event: Statement<[number], IndexedEvent>
  readonly #ids: Statement<[number], number>
  readonly #newIds: Statement<[number, number], number>
  readonly #large: Statement<[number], number>
  #seenChange: number

  /** Holds no more than `bytesMax`, as far as it can tell what its columns take. */
  constructor(db: Database, { bytesMax, searchSecondsMax, nowMs }: { bytesMax: number; searchSecondsMax: number; nowMs: () => number }) {
    this.#nowMs = nowMs
    this.#index = new OrganizationIndex({ bytesMax, searchSecondsMax, nowMs })
    this.#lastChange = db.prepare<[], number>("select seq from sqlite_sequence where name = 'changes'").pluck()
    this.#changes = db.prepare(
      'select id, organization_id as organizationId, customer_id as customerId, kind, after from changes where id > ? order by id')
    this.#find = db.prepare(
      'select id, rendering, organization_id as organizationId, created_at as createdAt, updated_at as updatedAt from customers where id = ?')
    this.#events = db.prepare('select customer_id as customerId, name, created_at as createdAt from events where customer_id = ?')
    this.#event = db.prepare('select customer_id as customerId, name, created_at as createdAt from events where id = ?')
    // Any index that holds no more than it must will do; this one begins with the organization.
    this.#ids = db.prepare<[number], number>('select id from customers indexed by customers_by_first_seen where organization_id = ?').pluck()
    this.#newIds = db.prepare<[number, number], number>('select id from customers not indexed where id > ? and organization_id = ? order by id').pluck()
    this.#large = db.prepare<[number], number>('select id from organizations where customer_count >= ? order by customer_count desc').pluck()
    this.#seenChange = this.#lastChange.get() ?? 0
  }

  /** What all columns take, as far as they can tell. */
  get bytes(): number {
    return this.#index.bytes
  }

  get isBuilding(): boolean {
    return this.#index.isBuilding
  }

  /** The organizations that came or went since the last call, and whether their searches are answered from here now. */
  takeMoved(): { readonly organizationId: number; readonly isIndexed: boolean }[] {
    return this.#index.takeMoved()
  }

  /** Undefined when the organization is not here; asking makes it wanted. */
  search(organizationId: number, search: CustomerSearch, indexes?: DatabaseIndexes): FoundRows | undefined {
    this.followChanges()
    this.want(organizationId)
    return this.#index.search(organizationId, search, indexes)
  }

  /** Keeps to the limit of memory after searches. */
  makeRoom(): void {
    this.#index.makeRoomAfterSearches()
  }

  /** Wants organizations in which a search without this index would take long, before anyone asks. */
  wantLarge(): void {
    for (const id of this.#large.all(limits.indexedAtStartCustomersMin)) this.want(id)
  }

  want(organizationId: number): void {
    if (this.#index.mayBegin(organizationId)) this.#index.begin(organizationId, this.#ids.all(organizationId))
  }

  /** Brings one organization a step further. */
  buildSlice(): void {
    this.followChanges()
    const next = this.#index.building()
    if (next === undefined) return
    const { organizationId } = next
    const hasReadAll = next.unread.length === 0
    // Those made while the others were read; what is made from now on is followed.
    if (hasReadAll) this.#index.addUnread(organizationId, this.#newIds.all(next.readUpTo, organizationId))
    this.#readSlice(organizationId, this.#index.building()?.unread ?? next.unread)
    if (hasReadAll && this.#index.building()?.unread.length === 0) this.#index.finishStep(organizationId)
    this.#index.makeRoom([organizationId])
  }

  /** Takes in what was committed since the last time. Forgets everything when changes in between have been purged. */
  followChanges(): void {
    const last = this.#lastChange.get() ?? 0
    if (last === this.#seenChange) return
    const changes = this.#changes.all(this.#seenChange)
    // Ids have no gaps, since a change that is rolled back gives its id back.
    if (changes.length !== last - this.#seenChange) this.#index.dropAll()
    this.#seenChange = last
    const changed = new Map<number, number>()
    const grown = new Set<number>()
    const recorded: { organizationId: number; customerId: number; after: string | null }[] = []
    /** Of these all events are read again. */
    const reread = new Map<number, number>()
    for (const { organizationId, customerId, kind, after } of changes) {
      if (customerId === null) continue
      if (!this.#index.hasReached(organizationId, customerId)) {
        if (kind === 'customer.restored') this.#index.addAmongUnread(organizationId, customerId)
        continue
      }
      grown.add(organizationId)
      if (kind === 'event.recorded') recorded.push({ organizationId, customerId, after })
      else if (kind !== 'event.deleted') changed.set(customerId, organizationId)
      if (kind === 'event.deleted' || kind === 'customer.restored') reread.set(customerId, organizationId)
    }
    for (const [id, organizationId] of changed) if (!this.#put(organizationId, id)) this.#index.remove(organizationId, id)
    for (const [id, organizationId] of reread) this.#index.forgetEvents(organizationId, id)
    for (const [id, organizationId] of reread) for (const event of this.#events.all(id)) this.#index.addEvent(organizationId, event)
    // Behind the customers, of whom some may be new as well.
    for (const { organizationId, customerId, after } of recorded) if (!reread.has(customerId)) this.#addEvent(organizationId, after)
    this.#index.makeRoom(grown)
  }

  #readSlice(organizationId: number, unread: Float64Array): void {
    const endMs = this.#nowMs() + sliceMs
    let read = 0
    for (const id of unread.subarray(0, sliceCustomers)) {
      // Most customers have no events, and an iterator would cost more than the look at the index.
      if (this.#put(organizationId, id)) for (const event of this.#events.all(id)) this.#index.addEvent(organizationId, event)
      read += 1
      if (this.#nowMs() > endMs) break
    }
    this.#index.markRead(organizationId, read)
  }

  #put(organizationId: number, id: number): boolean {
    const row = this.#find.get(id)
    if (row === undefined || row.organizationId !== organizationId) return false
    this.#index.put(organizationId, row)
    return true
  }

  #addEvent(organizationId: number, after: string | null): void {
    const { event: id } = JSON.parse(after ?? '{}') as { event?: number }
    const event = id === undefined ? undefined : this.#event.get(id)
    if (event !== undefined) this.#index.addEvent(organizationId, event)
  }
}
