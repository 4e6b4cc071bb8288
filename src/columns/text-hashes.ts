import { grownLength } from './bits.ts'
import type { EncodedText } from './encoded-text.ts'

/** 16 bits: of the largest list of texts there may be (1,000), 1 row of 66 is taken for one that is none. */
const hashes = 2 ** 16
/** Stands for no text. */
const noHash = 0

/** Two bytes of each row's text, by which whole texts are found. */
export class TextHashes {
  #hashes = new Uint16Array(0)

  get bytes(): number {
    return this.#hashes.byteLength
  }

  set(row: number, text: EncodedText | null): void {
    if (row >= this.#hashes.length) {
      const longer = new Uint16Array(grownLength(row + 1, this.#hashes.length))
      longer.set(this.#hashes)
      this.#hashes = longer
    }
    this.#hashes[row] = text === null ? noHash : hashOf(text)
  }

  /** Visits all rows whose text may be one of these, and few others. */
  eachLike(texts: ReadonlySet<EncodedText>, visit: (row: number) => void): void {
    const [only] = texts
    if (only !== undefined && texts.size === 1) {
      const sought = hashOf(only)
      for (let row = this.#hashes.indexOf(sought); row >= 0; row = this.#hashes.indexOf(sought, row + 1)) visit(row)
      return
    }
    const isSought = new Uint8Array(hashes)
    for (const text of texts) isSought[hashOf(text)] = 1
    for (let row = 0; row < this.#hashes.length; row += 1) if (isSought[this.#hashes[row] ?? noHash] === 1) visit(row)
  }
}

/** Of the length and at most 63 characters, evenly spread: FNV-1a, folded. */
function hashOf(text: EncodedText): number {
  const { length } = text
  const step = Math.max(1, length >>> 5)
  let hash = 0x811c_9dc5 ^ length
  for (let at = 0; at < length; at += step) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  return ((hash ^ (hash >>> 16)) & (hashes - 1)) || noHash + 1
}
