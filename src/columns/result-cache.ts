import type { Bits } from './bits.ts'

export interface KeptResult {
  readonly bits: Bits
  count: number
  /** Of the changes it has seen. */
  sequence: number
}

/** Results take as much as 128 sets of all rows do, 16 MB at a million; and at least this, since small ones cost little. */
const bytesPerRow = 16
const bytesMin = 1_048_576
/** What V8 takes for an entry besides its bits and the characters of its key. */
const entryBytes = 400

/** Results by filter; those used longest ago go first. */
export class ResultCache {
  readonly #results = new Map<string, KeptResult>()
  /** Of each result as it was counted, since bringing it up to date may make it longer. */
  readonly #counted = new Map<string, number>()
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  get(key: string): KeptResult | undefined {
    const result = this.#results.get(key)
    if (result === undefined) return undefined
    this.#results.delete(key)
    this.#results.set(key, result)
    return result
  }

  /** Of so many rows in all. */
  set(key: string, result: KeptResult, rowsInAll: number): void {
    this.#delete(key)
    this.#results.set(key, result)
    const bytes = entryBytes + key.length + result.bits.bytes
    this.#counted.set(key, bytes)
    this.#bytes += bytes
    const bytesMax = Math.max(bytesMin, rowsInAll * bytesPerRow)
    for (const [oldest] of this.#results) {
      if (this.#bytes <= bytesMax) break
      this.#delete(oldest)
    }
  }

  #delete(key: string): void {
    this.#bytes -= this.#counted.get(key) ?? 0
    this.#counted.delete(key)
    this.#results.delete(key)
  }
}
