import { Bits } from './bits.ts'
import type { Condition, Leaf } from './condition.ts'
import { isEveryone } from './condition.ts'
import type { CustomerTable } from './customer-table.ts'
import { ResultCache } from './result-cache.ts'
import { SearchTally } from './search-tally.ts'

/** Who passes a filter, and how many. Not to be changed. */
export interface Result {
  readonly bits: Bits
  readonly count: number
}

/**
 * Rows are tested one by one rather than by whole columns when fewer than one in 48 is in question:
 * a test in place costs about as much as 48 rows of a pass.
 */
const rowsPerTest = 48

/** Matches are many when there is one in so many rows: a page of a hundred is full before too many were tested for it. */
const rowsPerMatch = 32

/** Beyond this cost, in passes over a column of numbers, what a part of a filter selects is worth keeping. */
const keptCost = 3

/** Finds who passes filters, and keeps what it found for the next search. */
export class FilterResults {
  readonly #table: CustomerTable
  readonly #cache = new ResultCache()

  constructor(table: CustomerTable) {
    this.#table = table
  }

  get bytes(): number {
    return this.#cache.bytes
  }

  letGo(): void {
    this.#cache.clear()
  }

  /** What is known already, brought up to date. */
  known(condition: Condition, tally: SearchTally): Result | undefined {
    const table = this.#table
    if (isEveryone(condition)) return { bits: table.live, count: table.customers }
    const kept = this.#cache.get(condition.key)
    if (kept === undefined) return undefined
    const changed = table.changes.since(kept.sequence)
    if (changed === null) return undefined
    for (const row of changed) {
      const passes = table.live.has(row) && condition.test(row)
      if (passes === kept.bits.has(row)) continue
      kept.bits.assign(row, passes)
      kept.count += passes ? 1 : -1
    }
    kept.sequence = table.changes.mark()
    tally.visit(changed.size)
    tally.note(`${condition.label}: ${kept.count} matches known from before, ${changed.size} changed customers looked at again`)
    return kept
  }

  /** How many pass, where that is known without finding them, unless they are few: a page comes across many of them soon. */
  countMany(condition: Condition, tally: SearchTally): number | undefined {
    const count = condition.kind === 'leaf' ? condition.count() : undefined
    if (count === undefined || count * rowsPerMatch < this.#table.rows) return undefined
    tally.note(`${condition.label}: ${count} matches counted without finding them`)
    return count
  }

  find(condition: Condition, tally: SearchTally): Result {
    const known = this.known(condition, tally)
    if (known !== undefined) return known
    const bits = this.#select(condition, tally)
    return this.#keep(condition, bits)
  }

  /** Has all of them known from now on, by one step that selects for all of them at once. */
  findTogether(conditions: readonly Leaf[], select: () => { readonly found: readonly Bits[]; readonly visited: number }, tally: SearchTally): void {
    if (conditions.every((condition) => this.known(condition, new SearchTally()) !== undefined)) return
    const { found, visited } = select()
    conditions.forEach((condition, index) => this.#keep(condition, found[index] ?? new Bits()))
    tally.visit(visited)
    tally.note(`${conditions.map(({ label }) => label).join(', ')}: read ${visited} entries`)
  }

  /** Takes out the rows that do not pass. */
  refine(condition: Condition, rows: Bits, tally: SearchTally): void {
    const known = this.known(condition, tally)
    if (known !== undefined) {
      rows.and(known.bits)
      return
    }
    const count = rows.count()
    if (count * rowsPerTest < this.#table.rows * Math.min(1, condition.cost)) {
      this.#testEach(condition, rows)
      tally.visit(count)
      tally.note(`${condition.label}: ${count} customers looked at one by one`)
    } else if (condition.kind === 'all' && !condition.isNegated) {
      for (const part of condition.parts) this.refine(part, rows, tally)
    } else {
      const found = this.#select(condition, tally)
      if (condition.kind === 'leaf' && condition.cost > keptCost) this.#keep(condition, found)
      rows.and(found)
    }
  }

  #keep(condition: Condition, bits: Bits): Result {
    const result = { bits, count: bits.count(), sequence: this.#table.changes.mark() }
    this.#cache.set(condition.key, result, this.#table.rows)
    return result
  }

  #select(condition: Condition, tally: SearchTally): Bits {
    if (condition.kind === 'leaf') return condition.select(tally)
    const found = condition.kind === 'all' ? this.#selectAll(condition.parts, tally) : this.#selectAny(condition.parts, tally)
    if (!condition.isNegated) return found
    const others = this.#table.live.clone()
    others.andNot(found)
    return others
  }

  #selectAll(parts: readonly Condition[], tally: SearchTally): Bits {
    const found = this.#table.live.clone()
    for (const part of parts) this.refine(part, found, tally)
    return found
  }

  #selectAny(parts: readonly Condition[], tally: SearchTally): Bits {
    const found = new Bits(this.#table.rows)
    const others = this.#table.live.clone()
    for (const part of parts) {
      const more = others.clone()
      this.refine(part, more, tally)
      found.or(more)
      others.andNot(more)
    }
    return found
  }

  #testEach(condition: Condition, rows: Bits): void {
    for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) if (!condition.test(row)) rows.delete(row)
  }
}
