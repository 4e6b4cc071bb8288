import { Bits } from './bits.ts'
import { ChangeLog } from './change-log.ts'
import { CustomerFields, type IndexedCustomer } from './customer-fields.ts'
import { EventTimes } from './event-times.ts'
import { RowMapping } from './row-mapping.ts'
import { RowOrders } from './row-orders.ts'

/** Removed rows are dropped once they are this many and more than those left, so that dropping them costs each little. */
const removedRowsMin = 65_536

export interface IndexedEvent {
  readonly customerId: number
  readonly name: string
  readonly createdAt: number
}

/** The customers as rows, numbered by id, and all that is kept about them. */
export class CustomerTable {
  readonly fields = new CustomerFields()
  readonly orders = new RowOrders(this.fields)
  readonly changes = new ChangeLog()
  /** Rows that are not removed. */
  live = new Bits()
  /** Removed ones included. */
  rows = 0
  customers = 0
  readonly #events = new Map<string, EventTimes>()
  /** Rows whose events are not theirs any more, dropped together before events are looked at again. */
  readonly #forgotten = new Set<number>()

  get bytes(): number {
    // Of a name without events: its objects and its place in the map, as V8 counts them for a hundred thousand names.
    const own = 600
    let bytes = this.fields.bytes + this.orders.bytes + this.live.bytes
    for (const [name, events] of this.#events) bytes += own + name.length + events.bytes
    return bytes
  }

  events(name: string): EventTimes | undefined {
    this.#dropForgotten()
    return this.#events.get(name)
  }

  idOf(row: number): number {
    return this.fields.ids.get(row) ?? 0
  }

  /** The first row, removed or not, whose id is not below this one. */
  rowFrom(id: number): number {
    return this.fields.ids.rowFrom(id)
  }

  put(indexed: IndexedCustomer): void {
    const { id } = indexed.customer
    const row = this.rowFrom(id)
    if (row === this.rows || this.idOf(row) !== id) this.#insert(row, id)
    else if (!this.live.has(row)) this.#revive(row)
    this.fields.set(row, indexed, this.rows)
    this.changes.add(row)
  }

  remove(id: number): void {
    const row = this.rowFrom(id)
    if (row === this.rows || this.idOf(row) !== id || !this.live.has(row)) return
    this.fields.clear(row)
    this.orders.forget(row)
    this.live.delete(row)
    this.customers -= 1
    this.changes.add(row)
    // Its events stay until rows are dropped; nobody sees those of a removed row.
    if (this.rows - this.customers > Math.max(removedRowsMin, this.customers)) this.#dropRemoved()
  }

  /** All events of a customer, to be told anew. */
  forgetEvents(customerId: number): void {
    const row = this.rowFrom(customerId)
    if (row === this.rows || this.idOf(row) !== customerId || !this.live.has(row)) return
    this.#forgotten.add(row)
    this.changes.add(row)
  }

  addEvent({ customerId, name, createdAt }: IndexedEvent): void {
    const row = this.rowFrom(customerId)
    if (row === this.rows || this.idOf(row) !== customerId || !this.live.has(row)) return
    if (this.#forgotten.has(row)) this.#dropForgotten()
    let events = this.#events.get(name)
    if (events === undefined) {
      events = new EventTimes()
      this.#events.set(name, events)
    }
    events.add(row, createdAt)
    this.changes.add(row)
  }

  #insert(row: number, id: number): void {
    // Ids ascend, so this is rare: all later rows move.
    if (row < this.rows) this.#remap(Int32Array.from({ length: this.rows + 1 }, (_, target) => (target === row ? -1 : target - Number(target > row))))
    else this.rows += 1
    this.fields.ids.set(row, id)
    this.#enliven(row)
  }

  #revive(row: number): void {
    this.#forgotten.add(row)
    this.#enliven(row)
  }

  #enliven(row: number): void {
    this.live.add(row)
    this.customers += 1
    this.orders.add(row)
  }

  #dropForgotten(): void {
    if (this.#forgotten.size === 0) return
    for (const events of this.#events.values()) events.drop(this.#forgotten)
    this.#forgotten.clear()
  }

  #dropRemoved(): void {
    const sources = new Int32Array(this.customers)
    let target = 0
    for (let row = this.live.next(0); row >= 0; row = this.live.next(row + 1)) {
      sources[target] = row
      target += 1
    }
    this.#remap(sources)
  }

  #remap(sources: Int32Array): void {
    this.#dropForgotten()
    const mapping = new RowMapping(sources, this.rows)
    this.orders.clear()
    this.changes.clear()
    this.fields.remap(mapping)
    for (const events of this.#events.values()) events.remap(mapping)
    const live = new Bits(mapping.rows)
    for (let row = 0; row < mapping.rows; row += 1) if (this.live.has(mapping.source(row))) live.add(row)
    this.live = live
    this.rows = mapping.rows
  }
}
