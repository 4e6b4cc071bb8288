import { type Bits, grownLength, wordRows } from './bits.ts'
import type { NumberProbe } from './number-probe.ts'
import { acceptsNumber } from './number-probe.ts'
import type { RowMapping } from './row-mapping.ts'
import type { RowOrder } from './row-order.ts'
import type { RowPicker } from './row-picker.ts'
import { mapEntryBytes } from './sparse-texts.ts'
import { rowsPerSparseValue, sparseValuesMax } from './text-column.ts'

type Numbers = Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>

const lowBits = 0xffff

/** What can be asked about a number of each row. */
export interface NumberSource {
  get(row: number): number | null
  select(probe: NumberProbe, found: Bits): void
  /** How many have a number that the probe accepts, where that is known without a pass. */
  count(probe: NumberProbe): number | undefined
  readonly entriesVisited: number
  follow(order: RowOrder): void
  unfollow(order: RowOrder): void
}

/** A number, or none, for each row: in a Map while few have one, else in the narrowest array that has room for all. */
export class NumberColumn implements NumberSource {
  #sparse: Map<number, number> | null = new Map()
  #numbers: Numbers = new Uint8Array(0)
  #rows = 0
  #filled = 0
  readonly #orders = new Set<RowOrder>()

  get bytes(): number {
    return this.#numbers.byteLength + (this.#sparse?.size ?? 0) * mapEntryBytes
  }

  /** Up to the last one that has had a number. */
  get rows(): number {
    return this.#rows
  }

  get filled(): number {
    return this.#filled
  }

  get entriesVisited(): number {
    return this.#sparse?.size ?? this.#rows
  }

  get(row: number): number | null {
    if (this.#sparse !== null) return this.#sparse.get(row) ?? null
    if (row >= this.#rows) return null
    const value = this.#numbers[row] ?? Number.NaN
    return isHole(this.#numbers, value) ? null : value
  }

  set(row: number, value: number | null): void {
    const before = this.get(row)
    if (before === value) return
    for (const order of this.#orders) order.delete(row)
    this.#rows = Math.max(this.#rows, row + 1)
    if (before === null) this.#filled += 1
    if (value === null) this.#filled -= 1
    this.#put(row, value)
    for (const order of this.#orders) order.add(row)
    if (this.#sparse !== null && this.#filled > sparseValuesMax && this.#filled * rowsPerSparseValue > this.#rows) this.#makeDense(this.#sparse)
  }

  select(probe: NumberProbe, found: Bits): void {
    if (this.#sparse !== null) {
      for (const [row, value] of this.#sparse) if (acceptsNumber(probe, value)) found.add(row)
      return
    }
    const numbers = this.#numbers
    const rows = this.#rows
    const hole = holeOf(numbers)
    if (probe.kind === 'in') {
      // Most numbers are turned away by their low bits, which takes a tenth of the time of a look into the set.
      const mayBeIn = new Uint8Array(lowBits + 1)
      for (const value of probe.values) mayBeIn[value & lowBits] = 1
      for (let row = 0; row < rows; row += 1) {
        const value = numbers[row] ?? hole
        if (mayBeIn[value & lowBits] === 1 && value !== hole && probe.values.has(value)) found.add(row)
      }
      return
    }
    const { from } = probe
    // A hole that is a number is the largest of its type, and so is left out; no comparison holds for NaN.
    const to = Number.isNaN(hole) ? probe.to : Math.min(probe.to, hole - 1)
    for (let first = 0; first < rows; first += wordRows) {
      const end = Math.min(rows, first + wordRows)
      let word = 0
      for (let row = first; row < end; row += 1) {
        const value = numbers[row] ?? hole
        // Without a branch, which would be guessed wrong for every other number of a range amid many.
        word |= (Number(value >= from) & Number(value <= to)) << (row - first)
      }
      if (word !== 0) found.addWord(first, word)
    }
  }

  count(probe: NumberProbe): number | undefined {
    return probe.kind === 'range' && probe.from === -Infinity && probe.to === Infinity ? this.#filled : undefined
  }

  /** Offers these rows with what they have. */
  offerTo(picker: RowPicker, rows: Bits): void {
    if (this.#sparse !== null) {
      for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) picker.offer(this.#sparse.get(row) ?? null, row)
      return
    }
    const numbers = this.#numbers
    const hole = holeOf(numbers)
    const isAscending = picker.order === 'asc'
    let { bound } = picker
    rows.eachWord((first, word) => {
      for (let left = word; left !== 0; left &= left - 1) {
        const row = first + 31 - Math.clz32(left & -left)
        const value = numbers[row] ?? hole
        if (value !== hole && (isAscending ? value >= bound : value < bound)) continue
        picker.offer(this.get(row), row)
        bound = picker.bound
      }
    })
  }

  follow(order: RowOrder): void {
    this.#orders.add(order)
  }

  unfollow(order: RowOrder): void {
    this.#orders.delete(order)
  }

  copy(from: number, to: number): void {
    this.set(to, this.get(from))
  }

  /** Orders must be forgotten before. */
  remap(mapping: RowMapping): void {
    if (this.#sparse === null) {
      const before = this.#numbers
      this.#numbers = emptyLike(before, mapping.rows)
      for (let row = 0; row < mapping.rows; row += 1) {
        const source = mapping.source(row)
        if (source >= 0 && source < this.#rows) this.#numbers[row] = before[source] ?? 0
      }
    } else {
      const moved = [...this.#sparse].map(([row, value]) => [mapping.target(row), value] as const)
      this.#sparse = new Map(moved.filter(([row]) => row >= 0))
    }
    this.#rows = mapping.rows
  }

  #put(row: number, value: number | null): void {
    if (this.#sparse !== null) {
      if (value === null) this.#sparse.delete(row)
      else this.#sparse.set(row, value)
      return
    }
    if (value !== null) this.#makeRoomFor(value)
    if (row >= this.#numbers.length) {
      const longer = emptyLike(this.#numbers, grownLength(row + 1, this.#numbers.length))
      longer.set(this.#numbers)
      this.#numbers = longer
    }
    this.#numbers[row] = value ?? holeOf(this.#numbers)
  }

  #makeDense(values: ReadonlyMap<number, number>): void {
    this.#sparse = null
    this.#numbers = emptyLike(this.#numbers, this.#rows)
    for (const [row, value] of values) this.#put(row, value)
  }

  /** Widens the array when the value does not fit. */
  #makeRoomFor(value: number): void {
    const before = this.#numbers
    if (before instanceof Float64Array) return
    const isInteger = Number.isInteger(value) && value >= 0 && !Object.is(value, -0)
    if (isInteger && value < holeOf(before)) return
    const wider = isInteger && value < holeOf(new Uint32Array(0)) ? emptyLike(new Uint32Array(0), before.length) : emptyLike(new Float64Array(0), before.length)
    const hole = holeOf(before)
    for (let row = 0; row < before.length; row += 1) {
      const kept = before[row] ?? hole
      if (kept !== hole) wider[row] = kept
    }
    this.#numbers = wider
  }
}

/** Stands for no number: the largest of its type, or NaN. */
function holeOf(numbers: Numbers): number {
  if (numbers instanceof Uint8Array) return 0xff
  return numbers instanceof Uint32Array ? 0xffff_ffff : Number.NaN
}

function isHole(numbers: Numbers, value: number): boolean {
  return numbers instanceof Float64Array ? Number.isNaN(value) : value === holeOf(numbers)
}

function emptyLike(numbers: Numbers, length: number): Numbers {
  if (numbers instanceof Uint8Array) return new Uint8Array(length).fill(holeOf(numbers))
  return numbers instanceof Uint32Array ? new Uint32Array(length).fill(holeOf(numbers)) : new Float64Array(length).fill(Number.NaN)
}
