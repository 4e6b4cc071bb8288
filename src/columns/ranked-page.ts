import type { CustomerSearch, Sort } from '../search.ts'
import type { Condition, Leaf } from './condition.ts'
import { bindAnyText } from './condition.ts'
import type { CustomerTable } from './customer-table.ts'
import type { FilterResults, Result } from './filter-results.ts'
import { PageCollector } from './page-collector.ts'
import type { SearchTally } from './search-tally.ts'
import type { Page } from './sorted-page.ts'

type RankSort = Extract<Sort, { by: 'rank' }>

/** Customers of the first ranks tested one by one before everyone who passes is found: some milliseconds. */
const testedRowsMax = 4_096

/** How a needle lies in the texts of a rank; all others have the rank behind the last. */
const ranks = ['whole', 'start', 'inside'] as const

/** A page by how the needle lies in a customer's texts, then by id. */
export class RankedPage {
  readonly #table: CustomerTable
  readonly #results: FilterResults
  readonly #search: CustomerSearch
  readonly #conditions: readonly Leaf[]
  readonly #tally: SearchTally

  constructor(table: CustomerTable, results: FilterResults, { search, sort, tally }: { search: CustomerSearch; sort: RankSort; tally: SearchTally }) {
    this.#table = table
    this.#results = results
    this.#search = search
    const { needle, digits } = sort
    this.#conditions = ranks.map((how) => bindAnyText(table, { needle, digits, isNegated: false }, how))
    this.#tally = tally
  }

  find(condition: Condition, result: Result | undefined): Page {
    const tested = result === undefined ? this.#walkTesting(condition) : undefined
    return tested ?? this.#walkResult(result ?? this.#results.find(condition, this.#tally))
  }

  /** Finds the rows of the best ranks first, which are few and quickly found, and tests them; undefined when they do not fill the page. */
  #walkTesting(condition: Condition): Page | undefined {
    const collector = new PageCollector(this.#search, this.#search.offset)
    const rankOf = new Map<number, number>()
    const [whole, start] = this.#conditions
    if (whole === undefined || start === undefined) return undefined
    const { bits: starting } = this.#results.find(start, this.#tally)
    // Where the needle is the whole, the text begins with it.
    const equal = starting.clone()
    this.#results.refine(whole, equal, this.#tally)
    const others = starting.clone()
    others.andNot(equal)
    let budget = testedRowsMax
    for (const [rank, bits] of [equal, others].entries()) {
      const first = this.#firstRow(rank)
      for (let row = first < 0 ? -1 : bits.next(first); row >= 0; row = bits.next(row + 1)) {
        budget -= 1
        if (budget < 0) return undefined
        if (!condition.test(row)) continue
        if (!collector.take(row)) return this.#page(collector, rankOf, 'walk rank')
        if (collector.rows.at(-1) === row) rankOf.set(row, rank)
      }
    }
    // Finding those it lies inside takes as long as finding everyone who passes.
    return undefined
  }

  #walkResult({ bits, count }: Result): Page {
    const collector = new PageCollector(this.#search, this.#search.offset)
    const rankOf = new Map<number, number>()
    if (this.#search.offset >= count) return this.#page(collector, rankOf, 'match rank')
    const left = bits.clone()
    for (const rank of [...ranks.keys(), ranks.length]) {
      const ranked = left.clone()
      const leaf = this.#conditions[rank]
      if (leaf !== undefined) {
        this.#results.refine(leaf, ranked, this.#tally)
        left.andNot(ranked)
      }
      const first = this.#firstRow(rank)
      if (first < 0 || (this.#search.offset > 0 && collector.skip(ranked.count()))) continue
      for (let row = ranked.next(first); row >= 0; row = ranked.next(row + 1)) {
        if (!collector.take(row)) return this.#page(collector, rankOf, 'match rank')
        if (collector.rows.at(-1) === row) rankOf.set(row, rank)
      }
    }
    return this.#page(collector, rankOf, 'match rank')
  }

  /** The first row of a rank that may be on the page; -1 when the rank comes before it. */
  #firstRow(rank: number): number {
    const { after } = this.#search
    if (after === null || Number(after.value) < rank) return 0
    return Number(after.value) > rank ? -1 : this.#table.rowFrom(after.id + 1)
  }

  #page(collector: PageCollector, rankOf: ReadonlyMap<number, number>, plan: string): Page {
    return { collector, plan, positionOf: (row) => ({ value: rankOf.get(row) ?? ranks.length, id: this.#table.idOf(row) }) }
  }
}
