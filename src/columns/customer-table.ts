import { Bits } from './bits.ts'
import { ChangeLog } from './change-log.ts'
import { CustomerFields, type IndexedCustomer } from './customer-fields.ts'
import { EventTimes } from './event-times.ts'
import { RowMapping } from './row-mapping.ts'
import { RowOrders } from './row-orders.ts'

/** Removed rows are dropped once they are this many and more than those left, so that dropping them costs each little. */
const removedRowsMin = 65_536

/**
 * To make room for others, rows are moved one by one when they are no more than this, or than this part of all. One that is moved
 * costs as much as one that is put; numbering all anew costs a part of that for each row there is, and all orders.
 */
const movedRowsMin = 1_024
const movedPart = 1 / 16

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

  /** Adds the rows of those ids that are known. */
  addKnown(ids: readonly number[], rows: Bits): void {
    for (const id of ids) {
      const row = this.rowFrom(id)
      if (row < this.rows && this.idOf(row) === id) rows.add(row)
    }
  }

  /** In order of their ids: room among others is made for all of them at once. */
  putAll(all: readonly IndexedCustomer[]): void {
    this.#makeRoom(all.map(({ customer: { id } }) => id).filter((id) => !this.#isKnown(id)))
    for (const indexed of all) this.put(indexed)
  }

  put(indexed: IndexedCustomer): void {
    const { id } = indexed.customer
    if (!this.#isKnown(id)) this.#makeRoom([id])
    const row = this.rowFrom(id)
    if (!this.live.has(row)) this.#revive(row)
    this.fields.set(row, indexed, this.rows)
    this.changes.add(row)
  }

  remove(id: number): void {
    const row = this.rowFrom(id)
    if (row === this.rows || this.idOf(row) !== id || !this.live.has(row)) return
    this.#empty(row)
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

  #isKnown(id: number): boolean {
    const row = this.rowFrom(id)
    return row < this.rows && this.idOf(row) === id
  }

  /** Rows for those who are not known, ids in order. Behind them are few as a rule: customers whose creation ended before that of others who got lower ids. */
  #makeRoom(ids: readonly number[]): void {
    const places = ids.map((id) => this.rowFrom(id))
    const [first] = places
    if (first === undefined) return
    const rows = this.rows + ids.length
    const targets = new Int32Array(this.rows - first)
    for (let row = this.rows - 1, shift = ids.length; row >= first; row -= 1) {
      while ((places[shift - 1] ?? -1) > row) shift -= 1
      targets[row - first] = row + shift
    }
    if (targets.length > Math.max(movedRowsMin, this.rows * movedPart)) {
      const sources = new Int32Array(rows).fill(-1)
      for (let row = 0; row < this.rows; row += 1) sources[row < first ? row : targets[row - first] ?? row] = row
      this.#remap(sources)
    } else if (targets.length > 0) this.#moveUp(first, targets)
    this.rows = rows
    ids.forEach((id, index) => {
      const row = (places[index] ?? 0) + index
      this.fields.ids.set(row, id)
      // Else it still has what has moved on, until it is given its own.
      if (!this.live.has(row)) this.#enliven(row)
    })
  }

  /** Moves the last rows. What was found before, and orders, are brought up to date as for customers that changed. */
  #moveUp(first: number, targets: Int32Array): void {
    this.#dropForgotten()
    for (const events of this.#events.values()) events.moveUp(first, targets)
    const rows = (targets.at(-1) ?? 0) + 1
    for (let row = this.rows - 1; row >= first; row -= 1) {
      const target = targets[row - first] ?? row
      this.fields.ids.set(target, this.idOf(row))
      if (this.live.has(row)) {
        if (!this.live.has(target)) this.#enliven(target)
        this.fields.copy(row, target, rows)
      } else if (this.live.has(target)) this.#empty(target)
      this.changes.add(target)
    }
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

  #empty(row: number): void {
    this.fields.clear(row)
    this.orders.forget(row)
    this.live.delete(row)
    this.customers -= 1
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
