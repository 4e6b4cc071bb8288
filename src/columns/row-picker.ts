import type { Order } from '../search.ts'
import type { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { SortValue } from './row-order.ts'

interface Picked {
  readonly value: SortValue
  readonly row: number
}

/**
 * The first rows of an order that is not there, found in one pass over the rows: a heap holds the best
 * so far, with the worst of them on top, and most rows are turned away by one comparison with that.
 */
export class RowPicker {
  readonly order: Order
  readonly #heap: Picked[] = []
  readonly #missing: number[] = []
  readonly #size: number
  readonly #deadline: Deadline

  constructor({ size, order }: { size: number; order: Order }, deadline: Deadline) {
    this.#size = size
    this.order = order
    this.#deadline = deadline
  }

  /** The number that is last of those picked: upward it and all above come too late for rows yet to be offered, downward all below. NaN until enough are picked. */
  get bound(): number {
    const top = this.last
    return typeof top === 'number' ? top : Number.NaN
  }

  /** What is last of those picked; undefined until enough are. */
  get last(): SortValue | undefined {
    return this.#heap.length === this.#size ? this.#heap[0]?.value : undefined
  }

  /** Takes rows ascending. */
  offer(value: SortValue | null, row: number): void {
    this.#deadline.count(1)
    if (value === null) {
      this.#offerMissing(row)
      return
    }
    const top = this.#heap[0]
    if (this.#heap.length < this.#size) {
      this.#heap.push({ value, row })
      this.#rise(this.#heap.length - 1)
    } else if (top !== undefined && this.#isBehind(top.value, top.row, value, row)) {
      this.#heap[0] = { value, row }
      this.#sink(0)
    }
  }

  /** Adds the picked rows to a set: as many as asked for, if there were as many. */
  addTo(rows: Bits): void {
    for (const { row } of this.#heap) rows.add(row)
    const left = this.#size - this.#heap.length
    const missing = this.order === 'asc' ? this.#missing.slice(0, left) : this.#missing.slice(Math.max(0, this.#missing.length - left))
    for (const row of missing) rows.add(row)
  }

  /** Upward the first are wanted, downward the last, of which those before are dropped now and then. */
  #offerMissing(row: number): void {
    if (this.order === 'asc') {
      if (this.#missing.length < this.#size) this.#missing.push(row)
      return
    }
    this.#missing.push(row)
    if (this.#missing.length > 2 * this.#size) this.#missing.splice(0, this.#missing.length - this.#size)
  }

  /** Whether one value and row come behind others in the order. No objects: nearly every row that is offered is turned away by this. */
  #isBehind(value: SortValue, row: number, otherValue: SortValue, otherRow: number): boolean {
    if (typeof value === 'string') this.#deadline.count(value.length >>> 6)
    const isGreater = value === otherValue ? row > otherRow : value > otherValue
    return isGreater === (this.order === 'asc')
  }

  #rise(from: number): void {
    for (let place = from; place > 0;) {
      const parent = (place - 1) >>> 1
      if (!this.#swapIfBehind(parent, place)) return
      place = parent
    }
  }

  #sink(from: number): void {
    for (let place = from; ;) {
      const left = 2 * place + 1
      const [one, other] = [this.#heap[left], this.#heap[left + 1]]
      if (one === undefined) return
      const child = other !== undefined && this.#isBehind(other.value, other.row, one.value, one.row) ? left + 1 : left
      if (!this.#swapIfBehind(place, child)) return
      place = child
    }
  }

  /** The one above is to come behind the one below. */
  #swapIfBehind(above: number, below: number): boolean {
    const [upper, lower] = [this.#heap[above], this.#heap[below]]
    if (upper === undefined || lower === undefined || !this.#isBehind(lower.value, lower.row, upper.value, upper.row)) return false
    this.#heap[above] = lower
    this.#heap[below] = upper
    return true
  }
}
