import { Bits } from './bits.ts'
import type { RowMapping } from './row-mapping.ts'
import { mapEntryBytes } from './sparse-texts.ts'

/** Rows listed one after the other before a Set is worth its memory, so that a tag of one customer costs little. */
const listedMax = 16

/** A Set takes about 32 bytes for a row, and a bit for each of 256 rows takes as much. */
const rowsPerSparseRow = 256

/** A set of rows: a list, a Set or bits, whichever suits how many of all rows it has. */
export class RowSet {
  #rows: number[] | Set<number> | Bits = []
  #size = 0

  get size(): number {
    return this.#size
  }

  get isSparse(): boolean {
    return !(this.#rows instanceof Bits)
  }

  get bytes(): number {
    const own = 120
    return own + (this.#rows instanceof Bits ? this.#rows.bytes : this.#size * (this.#rows instanceof Set ? mapEntryBytes : 8))
  }

  has(row: number): boolean {
    return Array.isArray(this.#rows) ? this.#rows.includes(row) : this.#rows.has(row)
  }

  /** Of so many rows in all. */
  add(row: number, rowsInAll: number): void {
    if (this.has(row)) return
    this.#size += 1
    if (!Array.isArray(this.#rows)) this.#rows.add(row)
    else if (this.#rows.length < listedMax) this.#rows.push(row)
    else this.#rows = new Set([...this.#rows, row])
    if (this.#rows instanceof Set && this.#size * rowsPerSparseRow > rowsInAll) {
      const bits = new Bits(rowsInAll)
      for (const other of this.#rows) bits.add(other)
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
