import type { Order } from '../search.ts'
import { type Bits, grownLength } from './bits.ts'
import { compactText } from './encoded-text.ts'

export type SortValue = string | number

/** Rows of a chunk when an order is made, and half of what it has when it is split: small to move, and few enough to pass over. */
const chunkRows = 1_024

interface Chunk {
  rows: Uint32Array<ArrayBuffer>
  length: number
  /** The value of its last row, once asked for: it saves half of the way to a row. */
  lastValue: SortValue | undefined
}

/** Where a walk begins: so many rows behind the start, or beside the place that a row with this value has or would have. */
export type WalkStart =
  | { readonly skip: number }
  /** Upward from this place on, this row included; downward from it, without this row. */
  | { readonly value: SortValue | null; readonly row: number }

/** Values from one up to another, both included. */
export interface Stretch {
  readonly from: SortValue
  readonly to: SortValue
}

/** Rows that lie side by side in an order. */
export interface OrderedRows {
  readonly count: number
  readonly addTo: (found: Bits) => void
}

/** A visitor answers whether the walk goes on. */
export type Visit = (row: number) => boolean

/** Rows sorted by value and row, then by row those that have no value, kept sorted while rows come, change and go. */
export class RowOrder {
  readonly #valueOf: (row: number) => SortValue | null
  #chunks: Chunk[]
  readonly #missing: Bits
  #length: number

  /** `sorted` has the rows with a value, `missing` those without. */
  constructor(valueOf: (row: number) => SortValue | null, sorted: Uint32Array, missing: Bits) {
    this.#valueOf = valueOf
    this.#missing = missing
    this.#length = sorted.length
    this.#chunks = []
    for (let from = 0; from < sorted.length; from += chunkRows) {
      this.#chunks.push({ rows: sorted.slice(from, from + chunkRows), length: Math.min(chunkRows, sorted.length - from), lastValue: undefined })
    }
  }

  get bytes(): number {
    // The object and its array, as V8 counts them.
    const own = 250
    return this.#chunks.reduce((sum, { rows }) => sum + rows.byteLength + own, this.#missing.bytes)
  }

  /** Takes in a row, by the value it has now. */
  add(row: number): void {
    const value = this.#valueOf(row)
    if (value === null) {
      this.#missing.add(row)
      return
    }
    if (this.#chunks.length === 0) this.#chunks.push({ rows: new Uint32Array(16), length: 0, lastValue: undefined })
    const [index, place] = this.#placeOf(value, row)
    // Between two chunks, the row goes to the end of the one before.
    const at = place === 0 && index > 0 ? index - 1 : Math.min(index, this.#chunks.length - 1)
    const chunk = this.#chunks[at]
    if (chunk === undefined) return
    insert(chunk, at === index ? place : chunk.length, row)
    this.#length += 1
    if (chunk.length === 2 * chunkRows) this.#split(at, chunk)
  }

  /** Takes out a row, while it still has the value by which it was taken in. */
  delete(row: number): void {
    const value = this.#valueOf(row)
    if (value === null) {
      this.#missing.delete(row)
      return
    }
    const [index, place] = this.#placeOf(value, row)
    const chunk = this.#chunks[index]
    if (chunk?.rows[place] !== row || place >= chunk.length) throw new Error('A row is not where its value is in the order')
    chunk.rows.copyWithin(place, place + 1, chunk.length)
    chunk.length -= 1
    if (place === chunk.length) chunk.lastValue = undefined
    this.#length -= 1
    if (chunk.length <= chunkRows / 4) this.#join(index, chunk)
  }

  /** Takes a row out that is gone, and so has no value any more. */
  forget(row: number): void {
    this.#missing.delete(row)
  }

  /** Visits rows in order, or in the opposite order, those without a value last in both. */
  walk(start: WalkStart, order: Order, visit: Visit): void {
    if ('skip' in start) {
      const goesOn = start.skip >= this.#length || this.#walkSorted(this.#skip(start.skip, order), order, visit)
      if (goesOn) this.#walkMissing(this.#missingAt(Math.max(0, start.skip - this.#length), order), order, visit)
      return
    }
    if (start.value === null) {
      this.#walkMissing(order === 'asc' ? this.#missing.next(start.row) : this.#missing.previous(start.row - 1), order, visit)
      return
    }
    const [index, place] = this.#placeOf(start.value, start.row)
    const goesOn = this.#walkSorted(order === 'asc' ? [index, place] : [index, place - 1], order, visit)
    if (goesOn) this.#walkMissing(this.#missingAt(0, order), order, visit)
  }

  /** Rows with a value in the stretch, as long as the order does not change. */
  between({ from, to }: Stretch): OrderedRows {
    const first = this.#placeOf(from, 0)
    const end = this.#placeOf(to, Infinity)
    return {
      count: this.#stretches(first, end).reduce((sum, rows) => sum + rows.length, 0),
      addTo: (found) => {
        for (const rows of this.#stretches(first, end)) for (const row of rows) found.add(row)
      }
    }
  }

  /** Chunk and place of the first row that is not before this value and row. */
  #placeOf(value: SortValue, row: number): [index: number, place: number] {
    let [from, to] = [0, this.#chunks.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      const chunk = this.#chunks[middle]
      if (chunk !== undefined && this.#isChunkBefore(chunk, value, row)) from = middle + 1
      else to = middle
    }
    const index = from
    const chunk = this.#chunks[index]
    if (chunk === undefined) return [index, 0]
    ;[from, to] = [0, chunk.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if (this.#isBefore(chunk.rows[middle] ?? 0, value, row)) from = middle + 1
      else to = middle
    }
    return [index, from]
  }

  #isChunkBefore(chunk: Chunk, value: SortValue, row: number): boolean {
    const last = chunk.length === 0 ? undefined : chunk.rows[chunk.length - 1]
    if (last === undefined) return false
    if (chunk.lastValue === undefined) {
      const its = this.#valueOf(last) ?? undefined
      // A text may be a part of a long string, which it would keep in memory.
      chunk.lastValue = typeof its === 'string' ? compactText(its) : its
    }
    const its = chunk.lastValue
    return its !== undefined && (its < value || (its === value && last < row))
  }

  #isBefore(other: number, value: SortValue, row: number): boolean {
    const its = this.#valueOf(other)
    if (its === null) throw new Error('A row of the order has lost its value')
    return its < value || (its === value && other < row)
  }

  /** The rows from one place up to another, chunk by chunk. */
  #stretches([firstIndex, first]: [number, number], [endIndex, end]: [number, number]): Uint32Array[] {
    return this.#chunks.slice(firstIndex, endIndex + 1).map(({ rows, length }, index) =>
      rows.subarray(index === 0 ? first : 0, firstIndex + index === endIndex ? end : length))
  }

  #skip(skip: number, order: Order): [index: number, place: number] {
    let left = skip
    const step = order === 'asc' ? 1 : -1
    let index = order === 'asc' ? 0 : this.#chunks.length - 1
    for (let chunk = this.#chunks[index]; chunk !== undefined; chunk = this.#chunks[index]) {
      if (left < chunk.length) return [index, order === 'asc' ? left : chunk.length - 1 - left]
      left -= chunk.length
      index += step
    }
    return [index, 0]
  }

  /** From a place on; upward or downward. Answers whether the visitor wants more. */
  #walkSorted([index, place]: [number, number], order: Order, visit: Visit): boolean {
    let at = place
    if (order === 'asc') {
      for (const chunk of this.#chunks.slice(index)) {
        for (; at < chunk.length; at += 1) if (!visit(chunk.rows[at] ?? 0)) return false
        at = 0
      }
      return true
    }
    for (let below = index; below >= 0; below -= 1) {
      const chunk = this.#chunks[below]
      // Behind the last chunk there is none.
      if (chunk === undefined) continue
      if (below < index) at = chunk.length - 1
      for (; at >= 0; at -= 1) if (!visit(chunk.rows[at] ?? 0)) return false
    }
    return true
  }

  #missingAt(skip: number, order: Order): number {
    if (order === 'asc') return this.#missing.nth(skip)
    const place = this.#missing.count() - 1 - skip
    return place < 0 ? -1 : this.#missing.nth(place)
  }

  #walkMissing(first: number, order: Order, visit: Visit): void {
    for (let row = first; row >= 0; row = order === 'asc' ? this.#missing.next(row + 1) : this.#missing.previous(row - 1)) {
      if (!visit(row)) return
    }
  }

  #split(index: number, chunk: Chunk): void {
    const half = chunk.length >>> 1
    const upper = { rows: chunk.rows.slice(half, chunk.length), length: chunk.length - half, lastValue: undefined }
    chunk.rows = chunk.rows.slice(0, half)
    chunk.length = half
    chunk.lastValue = undefined
    this.#chunks.splice(index + 1, 0, upper)
  }

  /** So that chunks left nearly empty do not pile up. */
  #join(index: number, chunk: Chunk): void {
    const below = this.#chunks[index - 1]
    if (chunk.length === 0) this.#chunks.splice(index, 1)
    if (chunk.length === 0 || below === undefined || below.length + chunk.length > chunkRows) return
    const rows = new Uint32Array(below.length + chunk.length)
    rows.set(below.rows.subarray(0, below.length))
    rows.set(chunk.rows.subarray(0, chunk.length), below.length)
    this.#chunks.splice(index - 1, 2, { rows, length: rows.length, lastValue: undefined })
  }
}

function insert(chunk: Chunk, place: number, row: number): void {
  if (chunk.length === chunk.rows.length) {
    const longer = new Uint32Array(grownLength(chunk.length + 1, chunk.rows.length))
    longer.set(chunk.rows)
    chunk.rows = longer
  }
  chunk.rows.copyWithin(place + 1, place, chunk.length)
  chunk.rows[place] = row
  if (place === chunk.length) chunk.lastValue = undefined
  chunk.length += 1
}
