import { grownLength } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { RowMapping } from './row-mapping.ts'
import { mapEntryBytes } from './sparse-texts.ts'

type Times = Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>

/** Events told since the last sorting: this many, or an eighth of those sorted, whichever is more. */
const unsortedMin = 1_024

/** Both ends included. */
export interface EventWindow {
  readonly since: number
  readonly until: number
}

/** Where the events are that were told since the last sorting: the last one of each row, and of some the one before it of the same row. */
interface ToldEvents {
  readonly lastOf: Map<number, number>
  readonly before: Map<number, number>
}

/**
 * When the events of one name happened, and to whom: sorted by row up to a point, as told from there
 * on. So the events of one row are found without an index, and a new one costs little.
 */
export class EventTimes {
  #rows = new Uint32Array(0)
  #times: Times = new Uint32Array(0)
  #length = 0
  #sorted = 0
  /** Made when first needed, and kept from then on. */
  #told: ToldEvents | null = null

  get bytes(): number {
    const told = (this.#told?.lastOf.size ?? 0) + (this.#told?.before.size ?? 0)
    return this.#rows.byteLength + this.#times.byteLength + told * mapEntryBytes
  }

  get length(): number {
    return this.#length
  }

  add(row: number, time: number): void {
    if (this.#length === this.#rows.length) this.#resize(grownLength(this.#length + 1, this.#length))
    if (this.#times instanceof Uint32Array && (time < 0 || time > 0xffff_ffff)) this.#times = Float64Array.from(this.#times)
    this.#rows[this.#length] = row
    this.#times[this.#length] = time
    if (this.#told !== null) chain(this.#told, row, this.#length)
    this.#length += 1
    if (this.#length - this.#sorted > Math.max(unsortedMin, this.#sorted >>> 3)) this.#sort()
  }

  /** How many there are of each row within the window. */
  counts({ since, until }: EventWindow, rows: number, deadline: Deadline): Uint32Array {
    const counts = new Uint32Array(rows)
    for (let index = 0; index < this.#length; index += 1) {
      deadline.count(1)
      const time = this.#times[index] ?? 0
      const row = this.#rows[index] ?? 0
      if (time >= since && time <= until) counts[row] = (counts[row] ?? 0) + 1
    }
    return counts
  }

  /** How many there are of one row within the window; reads only its own. */
  count({ since, until }: EventWindow, row: number, deadline: Deadline): number {
    let count = 0
    const look = (index: number): void => {
      const time = this.#times[index] ?? 0
      if (time >= since && time <= until) count += 1
      deadline.count(1)
    }
    for (let index = this.#placeOf(row); index < this.#sorted && this.#rows[index] === row; index += 1) look(index)
    this.#told ??= this.#chainTold()
    for (let index = this.#told.lastOf.get(row); index !== undefined; index = this.#told.before.get(index)) look(index)
    return count
  }

  /** Gives the rows from the first on other numbers, in the order in which they are. */
  moveUp(first: number, targets: Int32Array): void {
    let isMoved = false
    const move = (index: number): void => {
      const row = this.#rows[index] ?? 0
      if (row < first) return
      this.#rows[index] = targets[row - first] ?? row
      isMoved = true
    }
    for (let index = this.#placeOf(first); index < this.#length; index += 1) move(index)
    if (isMoved) this.#told = null
  }

  remap(mapping: RowMapping): void {
    this.#renumber((row) => mapping.target(row))
  }

  /** Drops the events of some rows, reading all. */
  drop(rows: ReadonlySet<number>): void {
    this.#renumber((row) => (rows.has(row) ? -1 : row))
  }

  /** In an order that keeps sorted rows sorted; -1 for a row whose events are dropped. */
  #renumber(targetOf: (row: number) => number): void {
    let kept = 0
    let sorted = 0
    for (let index = 0; index < this.#length; index += 1) {
      const target = targetOf(this.#rows[index] ?? 0)
      if (target < 0) continue
      this.#rows[kept] = target
      this.#times[kept] = this.#times[index] ?? 0
      kept += 1
      if (index < this.#sorted) sorted = kept
    }
    const isShorter = kept < this.#length
    this.#length = kept
    this.#sorted = sorted
    this.#told = null
    if (isShorter) this.#resize(kept)
  }

  /** Of those that are not sorted. */
  #chainTold(): ToldEvents {
    const told = { lastOf: new Map<number, number>(), before: new Map<number, number>() }
    for (let index = this.#sorted; index < this.#length; index += 1) chain(told, this.#rows[index] ?? 0, index)
    return told
  }

  /** The first of the sorted events that is of this row or a later one. */
  #placeOf(row: number): number {
    let [from, to] = [0, this.#sorted]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#rows[middle] ?? 0) < row) from = middle + 1
      else to = middle
    }
    return from
  }

  /** Sorts those told last and merges them, from the end, with those sorted before. */
  #sort(): void {
    const told = Uint32Array.from({ length: this.#length - this.#sorted }, (_, index) => this.#sorted + index)
    told.sort((one, other) => (this.#rows[one] ?? 0) - (this.#rows[other] ?? 0) || one - other)
    const rows = Uint32Array.from(told, (index) => this.#rows[index] ?? 0)
    const times = Float64Array.from(told, (index) => this.#times[index] ?? 0)
    let [before, fresh] = [this.#sorted - 1, told.length - 1]
    for (let index = this.#length - 1; fresh >= 0; index -= 1) {
      const isBefore = before >= 0 && (this.#rows[before] ?? 0) > (rows[fresh] ?? 0)
      this.#rows[index] = (isBefore ? this.#rows[before] : rows[fresh]) ?? 0
      this.#times[index] = (isBefore ? this.#times[before] : times[fresh]) ?? 0
      if (isBefore) before -= 1
      else fresh -= 1
    }
    this.#sorted = this.#length
    this.#told?.lastOf.clear()
    this.#told?.before.clear()
  }

  #resize(length: number): void {
    const rows = new Uint32Array(length)
    rows.set(this.#rows.subarray(0, this.#length))
    const times = this.#times instanceof Uint32Array ? new Uint32Array(length) : new Float64Array(length)
    times.set(this.#times.subarray(0, this.#length))
    this.#rows = rows
    this.#times = times
  }
}

function chain({ lastOf, before }: ToldEvents, row: number, index: number): void {
  const last = lastOf.get(row)
  if (last !== undefined) before.set(index, last)
  lastOf.set(row, index)
}
