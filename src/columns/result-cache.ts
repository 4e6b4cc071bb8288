import { Bits } from './bits.ts'

export interface KeptResult {
  readonly bits: Bits
  count: number
  /** Of the changes it has seen. */
  sequence: number
}

/** What a result is while nobody asks for it, if it has few rows: those alone. */
interface PackedResult {
  readonly rows: Uint32Array
  readonly sequence: number
}

interface Entry {
  result: KeptResult | PackedResult
  bytes: number
}

/** Results take as much as 128 sets of all rows do, 16 MB at a million; and at least this, since small ones cost little. */
const bytesPerRow = 16
const bytesMin = 1_048_576
/** What V8 takes for an entry besides its bits and the characters of its key. */
const entryBytes = 400
/** Results used last, which are not packed: somebody may hold them. */
const openMax = 8

/** Results by filter; those used longest ago go first. */
export class ResultCache {
  readonly #entries = new Map<string, Entry>()
  /** Keys of the results that are not packed, or not worth it, the one used last at the end. */
  readonly #open = new Set<string>()
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** Good until as many others were asked for as are kept open. */
  get(key: string): KeptResult | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    const result = 'rows' in entry.result ? unpack(entry.result) : entry.result
    entry.result = result
    this.#keepOpen(key)
    return result
  }

  /** Of so many rows in all. */
  set(key: string, result: KeptResult, rowsInAll: number): void {
    this.#delete(key)
    this.#entries.set(key, { result, bytes: 0 })
    this.#keepOpen(key)
    this.#count(key)
    const bytesMax = Math.max(bytesMin, rowsInAll * bytesPerRow)
    for (const [oldest] of this.#entries) {
      if (this.#bytes <= bytesMax) break
      this.#delete(oldest)
    }
  }

  clear(): void {
    for (const key of this.#entries.keys()) this.#delete(key)
  }

  #keepOpen(key: string): void {
    this.#open.delete(key)
    this.#open.add(key)
    const [oldest] = this.#open
    if (oldest === undefined || this.#open.size <= openMax) return
    this.#open.delete(oldest)
    const entry = this.#entries.get(oldest)
    if (entry === undefined || 'rows' in entry.result) return
    const { bits, count } = entry.result
    if (count * Uint32Array.BYTES_PER_ELEMENT * 2 < bits.bytes) entry.result = pack(entry.result)
    this.#count(oldest)
  }

  #count(key: string): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    const { result } = entry
    this.#bytes -= entry.bytes
    entry.bytes = entryBytes + key.length + ('rows' in result ? result.rows.byteLength : result.bits.bytes)
    this.#bytes += entry.bytes
  }

  #delete(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
    this.#open.delete(key)
  }
}

function pack({ bits, count, sequence }: KeptResult): PackedResult {
  const rows = new Uint32Array(count)
  let place = 0
  for (let row = bits.next(0); row >= 0; row = bits.next(row + 1)) {
    rows[place] = row
    place += 1
  }
  return { rows, sequence }
}

function unpack({ rows, sequence }: PackedResult): KeptResult {
  const bits = new Bits((rows.at(-1) ?? -1) + 1)
  for (const row of rows) bits.add(row)
  return { bits, count: rows.length, sequence }
}
