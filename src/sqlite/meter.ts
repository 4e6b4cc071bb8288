import { performance } from 'node:perf_hooks'
import type { Database } from 'better-sqlite3'
import { searchTookTooLong } from '../errors.ts'

/** Thrown where a budget ends, and caught where it was given. */
class BudgetSpent extends Error {}

/**
 * Counts the entries that a search looks at, and stops it. SQLite cannot be interrupted through this
 * driver, but a function that throws ends the statement that calls it, and leaves the connection usable.
 * Conditions call `within_bounds()`, for each row that the terms before it let through, and `in_time()` before
 * what may take long for a single row. What is counted by `kept(id)` is also remembered, as long as it is little.
 */
export class Meter {
  readonly #nowMs: () => number
  #entries = 0
  #entriesMax = Infinity
  #secondsMax = Infinity
  #deadline = Infinity

  #kept: number[] = []
  #keptMax = 0

  constructor(db: Database, nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
    db.function('kept', { deterministic: false }, (id: unknown) => {
      if (this.#kept.length < this.#keptMax) this.#kept.push(Number(id))
      return 1
    })
    // Not deterministic, so that SQLite calls it for each row.
    db.function('within_bounds', { deterministic: false }, () => this.#count())
    db.function('in_time', { deterministic: false }, () => this.#checkTime())
  }

  get entries(): number {
    return this.#entries
  }

  start(secondsMax: number): void {
    this.#entries = 0
    this.#entriesMax = Infinity
    this.#secondsMax = secondsMax
    this.#deadline = this.#nowMs() + secondsMax * 1000
  }

  /** Runs a query that calls `kept`, and answers the ids it was called with, up to a number of them. */
  keeping<Result>(idsMax: number, query: () => Result): { result: Result; ids: readonly number[] } {
    this.#kept = []
    this.#keptMax = idsMax
    return { result: query(), ids: this.#kept }
  }

  /** Undefined when the work would look at more entries than these. */
  within<Result>(entries: number, work: () => Result): Result | undefined {
    this.#entriesMax = this.#entries + entries
    try {
      return work()
    } catch (error) {
      if (error instanceof BudgetSpent) return undefined
      throw error
    } finally {
      this.#entriesMax = Infinity
    }
  }

  #count(): 1 {
    this.#entries += 1
    if (this.#entries > this.#entriesMax) throw new BudgetSpent()
    return this.#checkTime()
  }

  /** Reading the clock costs a third of what SQLite takes to call a function, so each call does. */
  #checkTime(): 1 {
    if (this.#nowMs() > this.#deadline) throw searchTookTooLong(this.#secondsMax)
    return 1
  }
}
