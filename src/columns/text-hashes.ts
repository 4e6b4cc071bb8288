import type { EncodedText } from './encoded-text.ts'

/** 2^16 bits: with the largest list of values there may be (1,000), 1 text of 66 passes that is not in it. */
const tableBits = 16

/** Tells most texts that are not in a set by a hash of each. */
export class TextHashes {
  readonly #table = new Uint8Array(2 ** tableBits)

  constructor(values: ReadonlySet<EncodedText>) {
    for (const value of values) this.#table[hashOf(value)] = 1
  }

  mayHave(hash: number): boolean {
    return this.#table[hash] === 1
  }
}

/** Stands for no text. */
export const noHash = 0

/** Of the length and at most 63 characters, evenly spread: FNV-1a, folded to the size of the table. */
export function hashOf(text: EncodedText): number {
  const { length } = text
  const step = Math.max(1, length >>> 5)
  let hash = 0x811c_9dc5 ^ length
  for (let at = 0; at < length; at += step) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  return ((hash ^ (hash >>> tableBits)) & (2 ** tableBits - 1)) || noHash + 1
}
