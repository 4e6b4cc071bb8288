import { type Bits, grownLength } from './bits.ts'

/** Rows in order, four bytes each. */
export class RowList {
  #rows = new Uint32Array(0)
  #length = 0

  get size(): number {
    return this.#length
  }

  get bytes(): number {
    return this.#rows.byteLength
  }

  has(row: number): boolean {
    const place = this.#placeOf(row)
    return place < this.#length && this.#rows[place] === row
  }

  /** One that is not in it. Rows mostly come in order. */
  add(row: number): void {
    const place = this.#placeOf(row)
    if (this.#length === this.#rows.length) {
      const longer = new Uint32Array(grownLength(this.#length + 1, this.#length))
      longer.set(this.#rows)
      this.#rows = longer
    }
    this.#rows.copyWithin(place + 1, place, this.#length)
    this.#rows[place] = row
    this.#length += 1
  }

  /** One that is in it. */
  delete(row: number): void {
    const place = this.#placeOf(row)
    this.#rows.copyWithin(place, place + 1, this.#length)
    this.#length -= 1
  }

  addTo(found: Bits): void {
    for (let place = 0; place < this.#length; place += 1) found.add(this.#rows[place] ?? 0)
  }

  * [Symbol.iterator](): Iterator<number> {
    for (let place = 0; place < this.#length; place += 1) yield this.#rows[place] ?? 0
  }

  /** The first place whose row is not below this one. */
  #placeOf(row: number): number {
    const last = this.#length - 1
    if (last < 0 || (this.#rows[last] ?? 0) < row) return this.#length
    let [from, to] = [0, last]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.#rows[middle] ?? 0) < row) from = middle + 1
      else to = middle
    }
    return from
  }
}
