import type { Order, ScalarField } from '../search.ts'
import { Bits } from './bits.ts'
import type { CustomerFields } from './customer-fields.ts'
import type { Deadline } from './deadline.ts'
import { NumberColumn, type NumberSource } from './number-column.ts'
import type { OrderedRows, Stretch } from './row-order.ts'
import { RowOrder } from './row-order.ts'
import { RowPicker } from './row-picker.ts'
import { sortByNumber, sortByText } from './sort-rows.ts'
import { TextColumn, type TextSource } from './text-column.ts'

/** Orders kept at once besides those made beforehand, the one used longest ago going first: an order takes about 5 bytes a row, and a change of its value 2 microseconds. */
const ordersMax = 6

/** Sorts that are counted: attributes are as many as anyone likes. */
const countedMax = 1_000

/** A sort by values of customers. */
export interface FieldSort {
  readonly by: 'number' | 'text'
  readonly field: ScalarField
}

export function isSameSort(one: FieldSort, other: FieldSort): boolean {
  return one.by === other.by && one.field.name === other.field.name && one.field.attribute === other.field.attribute
}

/** So many times the first of a sort are picked from the matches; a sort that is asked for more often is worth an order. */
const picksMax = 4

/** So many times a column is passed over for what its order would tell at once; by then that took up to as long as making the order. */
const passesMax = 64

interface KeptOrder {
  readonly order: RowOrder
  /** Made beforehand, and so not to be let go. */
  readonly isPinned: boolean
  readonly source: TextSource | NumberSource
}

/** The orders of all customers that were asked for, each made when first needed. */
export class RowOrders {
  readonly #fields: CustomerFields
  readonly #kept = new Map<string, KeptOrder>()
  /** By sort without an order: how often it was asked for, and how often it would have told a stretch. */
  readonly #picks = new Map<string, number>()
  readonly #passes = new Map<string, number>()

  constructor(fields: CustomerFields) {
    this.#fields = fields
  }

  /** Counts through all orders. */
  get bytes(): number {
    return [...this.#kept.values()].reduce((sum, { order }) => sum + order.bytes, 0)
  }

  /** Whether a find is quick. */
  has(sort: FieldSort): boolean {
    return isById(sort) || this.#sourceOf(sort) === undefined || this.#kept.has(keyOf(sort))
  }

  /** Whether the first rows of a sort are better picked than its order made. To be asked once a search. */
  isPicked(sort: FieldSort): boolean {
    return !this.has(sort) && countUp(this.#picks, keyOf(sort)) <= picksMax
  }

  /** Rows that come first among these, at most so many. */
  pick(sort: FieldSort, rows: Bits, { deadline, ...first }: { size: number; order: Order; deadline: Deadline }): Bits {
    const picker = new RowPicker(first, deadline)
    const source = this.#sourceOf(sort)
    if (source instanceof NumberColumn || source instanceof TextColumn) source.offerTo(picker, rows)
    else for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) picker.offer(source?.get(row) ?? null, row)
    const picked = new Bits()
    picker.addTo(picked)
    return picked
  }

  /** Rows with a value in the stretch, when there is an order that tells. */
  between(sort: FieldSort, stretch: Stretch): OrderedRows | undefined {
    return this.#kept.get(keyOf(sort))?.order.between(stretch)
  }

  /** Says that a column was passed over for a stretch of it. Makes the order when that was often enough. */
  notePass(sort: FieldSort, live: Bits, deadline: Deadline): void {
    if (!this.has(sort) && countUp(this.#passes, keyOf(sort)) > passesMax) this.find(sort, live, { deadline })
  }

  /** The order of these rows, all there are, kept from now on. */
  find(sort: FieldSort, live: Bits, { isPinned = false, deadline }: { isPinned?: boolean; deadline: Deadline }): RowOrder {
    const key = keyOf(sort)
    const kept = this.#kept.get(key)
    if (kept !== undefined) {
      this.#kept.delete(key)
      this.#kept.set(key, kept)
      return kept.order
    }
    const source = this.#sourceOf(sort)
    if (source === undefined || isById(sort)) return byId(live)
    const order = this.make(sort, live, deadline)
    source.follow(order)
    this.#picks.delete(key)
    this.#passes.delete(key)
    this.#kept.set(key, { order, source, isPinned })
    const others = [...this.#kept].filter(([, { isPinned: stays }]) => !stays)
    for (const [oldest] of others.slice(0, Math.max(0, others.length - ordersMax))) this.#drop(oldest)
    return order
  }

  /** The order of some rows as they are now. */
  make(sort: FieldSort, rows: Bits, deadline: Deadline): RowOrder {
    if (isById(sort)) return byId(rows)
    if (sort.by === 'number') {
      const source = this.#fields.number(sort.field)
      if (source === undefined) return byId(rows)
      return orderBy((row) => source.get(row), rows, { deadline, sort: (sorted) => { sortByNumber(sorted, (row) => source.get(row) ?? 0, deadline) } })
    }
    const source = this.#fields.text(sort.field)
    if (source === undefined) return byId(rows)
    return orderBy((row) => source.get(row), rows, { deadline, sort: (sorted) => { sortByText(sorted, (row) => source.get(row) ?? '', deadline) } })
  }

  /** A row without any value yet. */
  add(row: number): void {
    for (const { order } of this.#kept.values()) order.add(row)
  }

  /** A row without any value any more. */
  forget(row: number): void {
    for (const { order } of this.#kept.values()) order.forget(row)
  }

  clear(): void {
    for (const key of this.#kept.keys()) this.#drop(key)
  }

  /** Lets go of all that were not made beforehand. */
  letGo(): void {
    for (const [key, { isPinned }] of this.#kept) if (!isPinned) this.#drop(key)
  }

  #sourceOf({ by, field }: FieldSort): TextSource | NumberSource | undefined {
    return by === 'number' ? this.#fields.number(field) : this.#fields.text(field)
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key)
    if (kept !== undefined) kept.source.unfollow(kept.order)
    this.#kept.delete(key)
  }
}

function countUp(counts: Map<string, number>, key: string): number {
  const count = (counts.get(key) ?? 0) + 1
  if (counts.size >= countedMax) counts.clear()
  counts.set(key, count)
  return count
}

/** Rows are in order of the ids. */
function isById({ by, field }: FieldSort): boolean {
  return by === 'number' && field.name === 'id'
}

function byId(rows: Bits): RowOrder {
  return new RowOrder(() => null, new Uint32Array(0), rows)
}

interface Sorting {
  readonly sort: (rows: Uint32Array<ArrayBuffer>) => void
  readonly deadline: Deadline
}

function orderBy(valueOf: (row: number) => string | number | null, rows: Bits, { sort, deadline }: Sorting): RowOrder {
  const sorted = new Uint32Array(rows.count())
  const missing = new Bits()
  let length = 0
  for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) {
    deadline.count(1)
    if (valueOf(row) === null) missing.add(row)
    else {
      sorted[length] = row
      length += 1
    }
  }
  const filled = sorted.slice(0, length)
  sort(filled)
  return new RowOrder(valueOf, filled, missing)
}

function keyOf({ by, field }: FieldSort): string {
  return JSON.stringify([by, field.name, field.attribute])
}
