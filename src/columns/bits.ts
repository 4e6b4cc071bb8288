/** Rows of a word. */
export const wordRows = 32

/** A set of rows, one bit each. Grows as rows are added; a row beyond its end is not in it. */
export class Bits {
  #words: Uint32Array

  constructor(rows = 0) {
    this.#words = new Uint32Array(wordsOf(rows))
  }

  /** The rows from 0 up to `rows`. */
  static all(rows: number): Bits {
    const bits = new Bits(rows)
    bits.#words.fill(0xffff_ffff)
    for (let row = rows; row < bits.#words.length * 32; row += 1) bits.delete(row)
    return bits
  }

  get bytes(): number {
    return this.#words.byteLength
  }

  has(row: number): boolean {
    const index = row >>> 5
    return index < this.#words.length && (((this.#words[index] ?? 0) >>> (row & 31)) & 1) === 1
  }

  add(row: number): void {
    const index = row >>> 5
    if (index >= this.#words.length) this.#grow(index + 1)
    this.#words[index] = (this.#words[index] ?? 0) | (1 << (row & 31))
  }

  /** Adds those of 32 rows that have a bit in the word, which begins with a row that is a multiple of 32. */
  addWord(first: number, word: number): void {
    const index = first >>> 5
    if (index >= this.#words.length) this.#grow(index + 1)
    this.#words[index] = (this.#words[index] ?? 0) | word
  }

  delete(row: number): void {
    const index = row >>> 5
    if (index < this.#words.length) this.#words[index] = (this.#words[index] ?? 0) & ~(1 << (row & 31))
  }

  assign(row: number, isIn: boolean): void {
    if (isIn) this.add(row)
    else this.delete(row)
  }

  clear(): void {
    this.#words.fill(0)
  }

  clone(): Bits {
    const copy = new Bits()
    copy.#words = this.#words.slice()
    return copy
  }

  or(other: Bits): void {
    if (other.#words.length > this.#words.length) this.#grow(other.#words.length)
    const { length } = other.#words
    for (let index = 0; index < length; index += 1) this.#words[index] = (this.#words[index] ?? 0) | (other.#words[index] ?? 0)
  }

  and(other: Bits): void {
    const { length } = this.#words
    const shared = Math.min(length, other.#words.length)
    for (let index = 0; index < shared; index += 1) this.#words[index] = (this.#words[index] ?? 0) & (other.#words[index] ?? 0)
    this.#words.fill(0, shared)
  }

  andNot(other: Bits): void {
    const shared = Math.min(this.#words.length, other.#words.length)
    for (let index = 0; index < shared; index += 1) this.#words[index] = (this.#words[index] ?? 0) & ~(other.#words[index] ?? 0)
  }

  count(): number {
    let count = 0
    const { length } = this.#words
    for (let index = 0; index < length; index += 1) count += populationOf(this.#words[index] ?? 0)
    return count
  }

  /** Visits each 32 rows of which some are in the set: the first of them, and a bit for each that is. */
  eachWord(visit: (first: number, word: number) => void): void {
    const words = this.#words
    for (let index = 0; index < words.length; index += 1) {
      const word = words[index] ?? 0
      if (word !== 0) visit(index * wordRows, word)
    }
  }

  /** The first row at or after this one; -1 when there is none. */
  next(row: number): number {
    let index = row >>> 5
    const { length } = this.#words
    if (index >= length) return -1
    let word = ((this.#words[index] ?? 0) & (0xffff_ffff << (row & 31))) >>> 0
    while (word === 0) {
      index += 1
      if (index >= length) return -1
      word = this.#words[index] ?? 0
    }
    return index * 32 + 31 - Math.clz32(word & -word)
  }

  /** The last row at or before this one; -1 when there is none. */
  previous(row: number): number {
    if (row < 0) return -1
    let index = row >>> 5
    let mask = 0xffff_ffff >>> (31 - (row & 31))
    if (index >= this.#words.length) {
      index = this.#words.length - 1
      mask = 0xffff_ffff
    }
    while (index >= 0) {
      const word = ((this.#words[index] ?? 0) & mask) >>> 0
      if (word !== 0) return index * 32 + 31 - Math.clz32(word)
      mask = 0xffff_ffff
      index -= 1
    }
    return -1
  }

  /** The row that has this many before it in the set; -1 when there are fewer. */
  nth(place: number): number {
    let left = place
    for (let index = 0; index < this.#words.length; index += 1) {
      const count = populationOf(this.#words[index] ?? 0)
      if (left < count) {
        let row = this.next(index * 32)
        for (; left > 0; left -= 1) row = this.next(row + 1)
        return row
      }
      left -= count
    }
    return -1
  }


  #grow(words: number): void {
    const grown = new Uint32Array(grownLength(words, this.#words.length))
    grown.set(this.#words)
    this.#words = grown
  }
}

function wordsOf(rows: number): number {
  return (rows + 31) >>> 5
}

/** Arrays of more grow by less, since what a million rows leave unused counts, and copying them takes a millisecond. */
const longLength = 65_536

/** A quarter more than before, or a sixteenth, so that adding rows one by one copies each a few times only and little stays unused. */
export function grownLength(wanted: number, current: number): number {
  return Math.max(wanted, current + (current >>> (current < longLength ? 2 : 4)), 16)
}

/** How many bits are set: the sums of neighbors of 1, 2 and 4 bits, then of all bytes by one multiplication (Hacker's Delight, 5-1). */
function populationOf(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555)
  const quads = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333)
  return Math.imul((quads + (quads >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}
