import type { FoundRows } from '../columns/customer-columns.ts'
import { CustomerColumns } from '../columns/customer-columns.ts'
import type { IndexedCustomer as ParsedCustomer } from '../columns/customer-fields.ts'
import { Deadline } from '../columns/deadline.ts'
import type { DatabaseIndexes } from '../columns/page-scope.ts'
import { parseCustomer } from '../customer.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch, Sort } from '../search.ts'

/** A customer as the engine has it stored. */
export interface IndexedCustomer {
  readonly id: number
  readonly rendering: string
  readonly createdAt: number
  readonly updatedAt: number
}

export interface IndexedEvent {
  readonly customerId: number
  readonly name: string
  readonly createdAt: number
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

/**
 * Which organizations stand in memory, for searches, and how far each has come. An engine brings the rows: it reads
 * a slice at a time of those that are being built, and brings up to date what was read already.
 */
export class OrganizationIndex {
  readonly #bytesMax: number
  readonly #searchSecondsMax: number
  readonly #nowMs: () => number
  readonly #organizations = new Map<number, Indexed>()
  /** Of those, the ones not complete yet, in the order in which they were wanted. */
  readonly #building = new Set<number>()
  readonly #outUntilMs = new Map<number, number>()
  readonly #moved = new Set<number>()
  /** Since memory was last counted. */
  readonly #searched = new Set<number>()
  #bytes = 0

  /** Holds no more than `bytesMax`, as far as it can tell what its columns take. */
  constructor({ bytesMax, searchSecondsMax, nowMs }: { bytesMax: number; searchSecondsMax: number; nowMs: () => number }) {
    this.#bytesMax = bytesMax
    this.#searchSecondsMax = searchSecondsMax
    this.#nowMs = nowMs
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

  /** Undefined when the organization is not here, or not whole. What it is asked of is that of the moment up to which it was followed. */
  search(organizationId: number, search: CustomerSearch, indexes?: DatabaseIndexes): FoundRows | undefined {
    const indexed = this.#organizations.get(organizationId)
    if (indexed === undefined) return undefined
    indexed.lastAskedMs = this.#nowMs()
    if (!indexed.isComplete) return undefined
    this.#searched.add(organizationId)
    return indexed.columns.search(search, new Deadline(this.#searchSecondsMax), indexes)
  }

  /** Whether an organization that is wanted is to be begun. */
  mayBegin(organizationId: number): boolean {
    return !this.#organizations.has(organizationId) && (this.#outUntilMs.get(organizationId) ?? 0) <= this.#nowMs()
  }

  /** `ids`: of all its customers, in any order. */
  begin(organizationId: number, ids: readonly number[]): void {
    this.#organizations.set(organizationId, {
      columns: new CustomerColumns(), unread: new Float64Array(ids).sort(), readUpTo: 0, sortsLeft: preparedSorts, isComplete: false, lastAskedMs: this.#nowMs(), bytes: 0
    })
    this.#building.add(organizationId)
  }

  /** Whether a customer was read already, and so has to be read again when it changes. */
  hasReached(organizationId: number, customerId: number): boolean {
    const indexed = this.#organizations.get(organizationId)
    return indexed !== undefined && (indexed.isComplete || customerId <= indexed.readUpTo)
  }

  put(organizationId: number, customer: IndexedCustomer): void {
    this.#columnsOf(organizationId)?.put(parsed(customer))
  }

  /** In any order. */
  putAll(organizationId: number, customers: readonly IndexedCustomer[]): void {
    this.#columnsOf(organizationId)?.putAll(customers.toSorted((one, other) => one.id - other.id).map(parsed))
  }

  remove(organizationId: number, customerId: number): void {
    this.#columnsOf(organizationId)?.remove(customerId)
  }

  /** All events of a customer, to be told anew. */
  forgetEvents(organizationId: number, customerId: number): void {
    this.#columnsOf(organizationId)?.forgetEvents(customerId)
  }

  addEvent(organizationId: number, event: IndexedEvent): void {
    this.#columnsOf(organizationId)?.addEvent(event)
  }

  /** The organization that is being built, and what of it is to be read next. */
  building(): { readonly organizationId: number; readonly unread: Float64Array; readonly readUpTo: number } | undefined {
    const [organizationId] = this.#building
    const indexed = organizationId === undefined ? undefined : this.#organizations.get(organizationId)
    return organizationId === undefined || indexed === undefined ? undefined : { organizationId, unread: indexed.unread, readUpTo: indexed.readUpTo }
  }

  /** The first `count` of those unread were put, or are gone. */
  markRead(organizationId: number, count: number): void {
    const indexed = this.#organizations.get(organizationId)
    if (indexed === undefined) return
    indexed.readUpTo = indexed.unread[count - 1] ?? indexed.readUpTo
    indexed.unread = indexed.unread.subarray(count)
  }

  /** Customers with ids above all that were read, ascending. */
  addUnread(organizationId: number, ids: readonly number[]): void {
    const indexed = this.#organizations.get(organizationId)
    if (indexed !== undefined) indexed.unread = new Float64Array(ids)
  }

  /** A customer who came back among those to be read, who had none of him. */
  addAmongUnread(organizationId: number, customerId: number): void {
    const indexed = this.#organizations.get(organizationId)
    if (indexed === undefined || indexed.unread.includes(customerId)) return
    const unread = new Float64Array(indexed.unread.length + 1)
    unread.set(indexed.unread)
    unread[indexed.unread.length] = customerId
    indexed.unread = unread.sort()
  }

  /** To be called when all customers there are have been read: makes one order at a time, and then answers searches. */
  finishStep(organizationId: number): void {
    const indexed = this.#organizations.get(organizationId)
    if (indexed === undefined) return
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

  /** Forgets everything, since it is not known what changed. */
  dropAll(): void {
    for (const organizationId of this.#organizations.keys()) this.#drop(organizationId)
  }

  /**
   * Lets go of what searches left behind, such as orders and results, which count too; then of organizations, those not asked
   * for the longest first; of the one that grew too, when it does not fit by itself. Counting takes a moment, so not after each answer.
   */
  makeRoom(grown: Iterable<number>): void {
    for (const organizationId of grown) this.#makeRoomFor(organizationId)
  }

  /** The same for those that were searched since the last time. */
  makeRoomAfterSearches(): void {
    this.makeRoom(this.#searched)
    this.#searched.clear()
  }

  #makeRoomFor(organizationId: number): void {
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
      // Two that do not fit together would else be built in turns forever.
      this.#outUntilMs.set(id, this.#nowMs() + limits.indexMadeRoomSeconds * 1000)
      if (this.#bytes <= this.#bytesMax) return
    }
  }

  #columnsOf(organizationId: number): CustomerColumns | undefined {
    return this.#organizations.get(organizationId)?.columns
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

function parsed({ id, rendering, createdAt, updatedAt }: IndexedCustomer): ParsedCustomer {
  try {
    const customer = parseCustomer(rendering)
    return { customer, attributes: customer.customData, createdAt, updatedAt }
  } catch (error) {
    throw unreadable(id, error)
  }
}

/** What is wrong with JSON is said with a piece of it, which belongs into no log. */
function unreadable(id: number, cause: unknown): Error {
  return new Error(`Customer ${id} cannot be read as it is stored; clientele doctor says more`, cause instanceof SyntaxError ? {} : { cause })
}
