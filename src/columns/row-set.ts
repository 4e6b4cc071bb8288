import { Bits } from './bits.ts'
import { RowList } from './row-list.ts'
import type { RowMapping } from './row-mapping.ts'

/** Rows in a plain array before one of numbers is worth its memory, so that a tag of one customer costs little. */
const fewMax = 16

/** A list takes 32 bits for a row, and so do the bits of 32 rows. */
const rowsPerListed = 32

/** A set of rows: an array, a list or bits, whichever suits how many of all rows it has. */
export class RowSet {
  #rows: number[] | RowList | Bits = []
  #size = 0

  get size(): number {
    return this.#size
  }

  get isSparse(): boolean {
    return !(this.#rows instanceof Bits)
  }

  get bytes(): number {
    const own = 120
    return own + (Array.isArray(this.#rows) ? this.#size * 8 : this.#rows.bytes)
  }

  has(row: number): boolean {
    return Array.isArray(this.#rows) ? this.#rows.includes(row) : this.#rows.has(row)
  }

  /** Of so many rows in all. */
  add(row: number, rowsInAll: number): void {
    if (this.has(row)) return
    this.#size += 1
    if (!Array.isArray(this.#rows)) this.#rows.add(row)
    else if (this.#rows.length < fewMax) this.#rows.push(row)
    else {
      const list = new RowList()
      for (const other of [...this.#rows, row]) list.add(other)
      this.#rows = list
    }
    if (this.#rows instanceof RowList && this.#size * rowsPerListed > rowsInAll) {
      const bits = new Bits(rowsInAll)
      this.#rows.addTo(bits)
      this.#rows = bits
    }
  }

  delete(row: number): void {
    if (!this.has(row)) return
    this.#size -= 1
    if (Array.isArray(this.#rows)) this.#rows = this.#rows.filter((other) => other !== row)
    else this.#rows.delete(row)
  }

  addTo(found: Bits): void {
    if (this.#rows instanceof Bits) found.or(this.#rows)
    else if (this.#rows instanceof RowList) this.#rows.addTo(found)
    else for (const row of this.#rows) found.add(row)
  }

  remap(mapping: RowMapping): void {
    const moved = new RowSet()
    if (this.#rows instanceof Bits) {
      for (let row = this.#rows.next(0); row >= 0; row = this.#rows.next(row + 1)) moved.#addMapped(row, mapping)
    } else {
      for (const row of this.#rows) moved.#addMapped(row, mapping)
    }
    this.#rows = moved.#rows
    this.#size = moved.#size
  }

  #addMapped(row: number, mapping: RowMapping): void {
    const target = mapping.target(row)
    if (target >= 0) this.add(target, mapping.rows)
  }
}
