/** Changes that are remembered. Testing the rows of more anew takes about as long as testing all by their columns. */
const changesMax = 32_768

/** Which rows changed, in order, so that what was found before can be brought up to date. */
export class ChangeLog {
  #rows: number[] = []
  /** The number of changes before the first one remembered. */
  #forgotten = 0
  /** Up to here somebody has read. */
  #read = 0

  /** The number of changes so far. */
  get sequence(): number {
    return this.#forgotten + this.#rows.length
  }

  add(row: number): void {
    // A row that changes again and again is one change until somebody reads it.
    if (this.#rows.at(-1) === row && this.#read < this.sequence) return
    this.#rows.push(row)
    if (this.#rows.length < 2 * changesMax) return
    this.#rows = this.#rows.slice(changesMax)
    this.#forgotten += changesMax
  }

  /** Must be asked for the sequence by which the asker will ask again. */
  mark(): number {
    this.#read = this.sequence
    return this.#read
  }

  /** Rows changed since the sequence was marked; null when that is too long ago. */
  since(sequence: number): ReadonlySet<number> | null {
    if (this.sequence - sequence > changesMax || sequence < this.#forgotten) return null
    return new Set(this.#rows.slice(sequence - this.#forgotten))
  }

  /** Forgets everything, so that nothing found before is brought up to date. */
  clear(): void {
    this.#forgotten = this.sequence + 1
    this.#rows = []
  }
}
