import type { EncodedText } from './encoded-text.ts'

/** 2^16 bits: with the largest list of values there may be (1,000), 1 text of 66 passes that is not in it. */
const tableBits = 16

/** Tells most texts that are not in a set without taking them out of the string they are a part of. */
export class TextHashes {
  readonly values: ReadonlySet<EncodedText>
  readonly #table = new Uint8Array(2 ** tableBits)

  private constructor(values: ReadonlySet<EncodedText>) {
    this.values = values
    for (const value of values) this.#table[hashOf(value, 0, value.length)] = 1
  }

  static readonly #known = new WeakMap<ReadonlySet<EncodedText>, TextHashes>()

  /** Made once for a set, which must not change. */
  static of(values: ReadonlySet<EncodedText>): TextHashes {
    let hashes = TextHashes.#known.get(values)
    if (hashes === undefined) {
      hashes = new TextHashes(values)
      TextHashes.#known.set(values, hashes)
    }
    return hashes
  }

  mayHave(hash: number): boolean {
    return this.#table[hash] === 1
  }
}

/** Of the length and at most 15 characters, evenly spread: FNV-1a, folded to the size of the table. */
export function hashOf(text: EncodedText, from: number, to: number): number {
  const step = Math.max(1, (to - from) >>> 3)
  let hash = 0x811c_9dc5 ^ (to - from)
  for (let at = from; at < to; at += step) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  return (hash ^ (hash >>> tableBits)) & (2 ** tableBits - 1)
}
