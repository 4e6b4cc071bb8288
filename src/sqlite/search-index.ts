import type { Database, Statement } from 'better-sqlite3'
import type { FoundRows } from '../columns/customer-columns.ts'
import { CustomerColumns } from '../columns/customer-columns.ts'
import { Deadline } from '../columns/deadline.ts'
import { parseCustomer } from '../customer.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch, Sort } from '../search.ts'

interface CustomerRow {
  readonly rendering: string
  readonly organizationId: number
  readonly createdAt: number
  readonly updatedAt: number
}

interface EventRow {
  readonly customerId: number
  readonly name: string
  readonly createdAt: number
}

interface ChangeRow {
  readonly id: number
  readonly organizationId: number
  readonly customerId: number | null
  readonly kind: string
  readonly after: string | null
}

/** An organization on its way into memory, or there. */
interface Indexed {
  readonly columns: CustomerColumns
  /** Ids still to be read, ascending; what changes among them will be read as it is then. */
  unread: Float64Array
  /** The highest id read: the customers up to it are followed, also those who change before all are read. */
  readUpTo: number
  /** Of the sorts made beforehand, those still to be made. */
  sortsLeft: readonly Sort[]
  isComplete: boolean
  lastAskedMs: number
  bytes: number
}

/** Sorts that most people ask for; others are made by the first search that needs them. */
const preparedSorts: readonly Sort[] = [
  ...(['firstSeen', 'lastSeen', 'createdAt', 'updatedAt'] as const).map((name) => ({ by: 'number' as const, field: { name } })),
  ...(['name', 'email'] as const).map((name) => ({ by: 'text' as const, field: { name } }))
]

/** Customers read in one slice of building, so that questions wait no longer than some milliseconds; fewer when those are large. */
const sliceCustomers = 500
const sliceMs = 20

/**
 * The customers of organizations in memory, for searches. Each step belongs inside a read transaction
 * of the caller's: it first follows what was committed since the last one, by the table of changes, so
 * that all it answers is of that transaction's moment.
 */
export class SearchIndex {
  readonly #bytesMax: number
  readonly #searchSecondsMax: number
  readonly #nowMs: () => number
  readonly #organizations = new Map<number, Indexed>()
  /** Of those, the ones not complete yet, in the order in which they were wanted. */
  readonly #building = new Set<number>()
  readonly #outUntilMs = new Map<number, number>()
  readonly #lastChange: Statement<[], number>
  readonly #changes: Statement<[number], ChangeRow>
  readonly #find: Statement<[number], CustomerRow>
  readonly #events: Statement<[number], EventRow>
  readonly #event: Statement<[number], EventRow>
  readonly #ids: Statement<[number], number>
  readonly #newIds: Statement<[number, number], number>
  readonly #large: Statement<[number], number>
  readonly #moved = new Set<number>()
  /** Since memory was last counted. */
  readonly #searched = new Set<number>()
  #seenChange: number
  #bytes = 0

  /** Holds no more than `bytesMax`, as far as it can tell what its columns take. */
  constructor(db: Database, { bytesMax, searchSecondsMax, nowMs }: { bytesMax: number; searchSecondsMax: number; nowMs: () => number }) {
    this.#bytesMax = bytesMax
    this.#searchSecondsMax = searchSecondsMax
    this.#nowMs = nowMs
    this.#lastChange = db.prepare<[], number>("select seq from sqlite_sequence where name = 'changes'").pluck()
    this.#changes = db.prepare(
      'select id, organization_id as organizationId, customer_id as customerId, kind, after from changes where id > ? order by id')
    this.#find = db.prepare(
      'select rendering, organization_id as organizationId, created_at as createdAt, updated_at as updatedAt from customers where id = ?')
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
    return this.#bytes
  }

  get isBuilding(): boolean {
    return this.#building.size > 0
  }

  /** The organizations that came or went since the last call, and whether their searches are answered from here now. */
  takeMoved(): { readonly organizationId: number; readonly isIndexed: boolean }[] {
    const moved = [...this.#moved].map((organizationId) => ({ organizationId, isIndexed: this.#organizations.get(organizationId)?.isComplete === true }))
    this.#moved.clear()
    return moved
  }

  /** Undefined when the organization is not here; asking makes it wanted. */
  search(organizationId: number, search: CustomerSearch): FoundRows | undefined {
    this.followChanges()
    this.want(organizationId)
    const indexed = this.#organizations.get(organizationId)
    if (indexed === undefined) return undefined
    indexed.lastAskedMs = this.#nowMs()
    if (!indexed.isComplete) return undefined
    this.#searched.add(organizationId)
    return indexed.columns.search(search, new Deadline(this.#searchSecondsMax))
  }

  /** Searches leave behind orders and results, which count too. For after an answer, since counting takes a moment. */
  makeRoom(): void {
    for (const organizationId of this.#searched) this.#makeRoom(organizationId)
    this.#searched.clear()
  }

  /** Wants organizations in which a search without this index would take long, before anyone asks. */
  wantLarge(): void {
    for (const id of this.#large.all(limits.indexedAtStartCustomersMin)) this.want(id)
  }

  want(organizationId: number): void {
    if (this.#organizations.has(organizationId) || (this.#outUntilMs.get(organizationId) ?? 0) > this.#nowMs()) return
    this.#organizations.set(organizationId, {
      columns: new CustomerColumns(), unread: new Float64Array(this.#ids.all(organizationId)).sort(), readUpTo: 0, sortsLeft: preparedSorts, isComplete: false, lastAskedMs: this.#nowMs(), bytes: 0
    })
    this.#building.add(organizationId)
  }

  /** Brings one organization a step further. */
  buildSlice(): void {
    this.followChanges()
    const [organizationId] = this.#building
    const indexed = organizationId === undefined ? undefined : this.#organizations.get(organizationId)
    if (organizationId === undefined || indexed === undefined) return
    this.#readSlice(organizationId, indexed)
    if (indexed.unread.length === 0) this.#finish(organizationId, indexed)
    this.#makeRoom(organizationId)
  }

  /** Takes in what was committed since the last time. Forgets everything when changes in between have been purged. */
  followChanges(): void {
    const last = this.#lastChange.get() ?? 0
    if (last === this.#seenChange) return
    const changes = this.#changes.all(this.#seenChange)
    // Ids have no gaps, since a change that is rolled back gives its id back.
    if (changes.length !== last - this.#seenChange) for (const organizationId of this.#organizations.keys()) this.#drop(organizationId)
    this.#seenChange = last
    const changed = new Map<number, number>()
    const grown = new Set<number>()
    const recorded: { indexed: Indexed; after: string | null }[] = []
    for (const { organizationId, customerId, kind, after } of changes) {
      const indexed = this.#organizations.get(organizationId)
      if (indexed === undefined || customerId === null || !hasReached(indexed, customerId)) continue
      grown.add(organizationId)
      if (kind === 'event.recorded') recorded.push({ indexed, after })
      else changed.set(customerId, organizationId)
    }
    for (const [id, organizationId] of changed) {
      const indexed = this.#organizations.get(organizationId)
      if (indexed !== undefined) this.#reload(indexed, { id, organizationId })
    }
    // Behind the customers, of whom some may be new as well.
    for (const { indexed, after } of recorded) this.#addEvent(indexed, after)
    for (const organizationId of grown) this.#makeRoom(organizationId)
  }

  /** Customers made while the others were read, and then one order at a time. */
  #finish(organizationId: number, indexed: Indexed): void {
    indexed.unread = new Float64Array(this.#newIds.all(indexed.readUpTo, organizationId))
    if (indexed.unread.length > sliceCustomers) return
    this.#readSlice(organizationId, indexed)
    if (indexed.unread.length > 0) return
    const [sort, ...sortsLeft] = indexed.sortsLeft
    if (sort !== undefined) {
      indexed.columns.prepare(sort)
      indexed.sortsLeft = sortsLeft
      return
    }
    indexed.isComplete = true
    this.#building.delete(organizationId)
    this.#moved.add(organizationId)
  }

  #readSlice(organizationId: number, indexed: Indexed): void {
    const endMs = this.#nowMs() + sliceMs
    let read = 0
    for (const id of indexed.unread.subarray(0, sliceCustomers)) {
      this.#read(indexed, { id, organizationId })
      indexed.readUpTo = id
      read += 1
      if (this.#nowMs() > endMs) break
    }
    indexed.unread = indexed.unread.subarray(read)
  }

  #read(indexed: Indexed, { id, organizationId }: { id: number; organizationId: number }): void {
    if (!this.#put(indexed, { id, organizationId })) return
    // Most customers have none, and an iterator would cost more than the look at the index.
    for (const event of this.#events.all(id)) indexed.columns.addEvent(event)
  }

  #reload(indexed: Indexed, key: { id: number; organizationId: number }): void {
    if (!this.#put(indexed, key)) indexed.columns.remove(key.id)
  }

  #put(indexed: Indexed, { id, organizationId }: { id: number; organizationId: number }): boolean {
    const row = this.#find.get(id)
    if (row === undefined || row.organizationId !== organizationId) return false
    try {
      const customer = parseCustomer(row.rendering)
      indexed.columns.put({ customer, attributes: customer.customData, createdAt: row.createdAt, updatedAt: row.updatedAt })
    } catch (error) {
      throw unreadable(id, error)
    }
    return true
  }

  #addEvent(indexed: Indexed, after: string | null): void {
    const { event: id } = JSON.parse(after ?? '{}') as { event?: number }
    const event = id === undefined ? undefined : this.#event.get(id)
    if (event !== undefined) indexed.columns.addEvent(event)
  }

  /**
   * Lets go of what searches left behind, then of organizations, those not asked for the longest first;
   * of the one in hand too, when it does not fit by itself.
   */
  #makeRoom(organizationId: number): void {
    const grown = this.#organizations.get(organizationId)
    if (grown === undefined) return
    this.#count(grown)
    if (this.#bytes <= this.#bytesMax) return
    const others = [...this.#organizations.keys()].filter((id) => id !== organizationId)
    const oldestFirst = [...others.toSorted((one, other) => this.#lastAskedMs(one) - this.#lastAskedMs(other)), organizationId]
    for (const id of oldestFirst) {
      const indexed = this.#organizations.get(id)
      indexed?.columns.letGo()
      if (indexed !== undefined) this.#count(indexed)
      if (this.#bytes <= this.#bytesMax) return
    }
    for (const id of oldestFirst) {
      this.#drop(id)
      this.#outUntilMs.set(id, this.#nowMs() + limits.indexMadeRoomSeconds * 1000)
      if (this.#bytes <= this.#bytesMax) return
    }
  }

  #count(indexed: Indexed): void {
    this.#bytes -= indexed.bytes
    indexed.bytes = indexed.columns.bytes
    this.#bytes += indexed.bytes
  }

  #lastAskedMs(organizationId: number): number {
    return this.#organizations.get(organizationId)?.lastAskedMs ?? 0
  }

  #drop(organizationId: number): void {
    this.#bytes -= this.#organizations.get(organizationId)?.bytes ?? 0
    this.#organizations.delete(organizationId)
    this.#building.delete(organizationId)
    this.#moved.add(organizationId)
  }
}

/** What is wrong with JSON is said with a piece of it, which belongs into no log. */
function unreadable(id: number, cause: unknown): Error {
  return new Error(`Customer ${id} cannot be read as it is stored; clientele doctor says more`, cause instanceof SyntaxError ? {} : { cause })
}

/** Whether a customer was read already, and so has to be read again when it changes. */
function hasReached({ isComplete, readUpTo }: Indexed, customerId: number): boolean {
  return isComplete || customerId <= readUpTo
}
