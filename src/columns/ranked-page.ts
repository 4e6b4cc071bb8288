import type { CustomerSearch, Sort } from '../search.ts'
import type { Bits } from './bits.ts'
import type { Condition, Leaf } from './condition.ts'
import { bindRanks, selectRanks } from './condition.ts'
import type { CustomerTable } from './customer-table.ts'
import type { Deadline } from './deadline.ts'
import type { FilterResults, Result } from './filter-results.ts'
import { PageCollector } from './page-collector.ts'
import type { SearchTally } from './search-tally.ts'
import type { Page } from './sorted-page.ts'

type RankSort = Extract<Sort, { by: 'rank' }>

/** Customers tested one by one, by id, before everyone who passes is found: some milliseconds. */
const testedRowsMax = 4_096
/** So many show whether the page will be full in time: not if fewer than half of the matches due by then are among them. */
const sampledRows = 512

/** A page by how the needle lies in a customer's texts, then by id. */
export class RankedPage {
  readonly #table: CustomerTable
  readonly #results: FilterResults
  readonly #search: CustomerSearch
  readonly #sort: RankSort
  /** Of the rank in the same place; whoever passes none has the rank behind the last. */
  readonly #ranks: readonly Leaf[]
  readonly #tally: SearchTally
  readonly #deadline: Deadline

  constructor(table: CustomerTable, results: FilterResults, { search, sort, tally, deadline }: { search: CustomerSearch; sort: RankSort; tally: SearchTally; deadline: Deadline }) {
    this.#table = table
    this.#results = results
    this.#search = search
    this.#sort = sort
    this.#ranks = bindRanks({ table, deadline }, sort)
    this.#tally = tally
    this.#deadline = deadline
  }

  /** Everyone who passes is mostly found by the same pass as the ranks. */
  findAll(condition: Condition): Result {
    // Every text has an empty needle, wherever it is sought.
    if (this.#sort.needle !== '') this.#results.findTogether(this.#ranks, () => selectRanks({ table: this.#table, deadline: this.#deadline }, this.#sort), this.#tally)
    return this.#results.find(condition, this.#tally)
  }

  find(condition: Condition, result: Result | undefined): Page {
    const tested = result === undefined ? this.#walkTesting(condition) : undefined
    return tested ?? this.#walkResult(this.findAll(condition))
  }

  /** Takes the first two ranks by id; undefined when too many would have to be tested, or those ranks do not fill the page. */
  #walkTesting(condition: Condition): Page | undefined {
    const [whole, start] = this.#ranks
    // Whole texts are found by their hashes, but digits are not.
    if (whole === undefined || start === undefined || this.#sort.digits !== null) return undefined
    const { offset, limit } = this.#search
    const { live } = this.#table
    const matchesDue = ((offset + limit + 1) * sampledRows) / testedRowsMax / 2
    if (this.#countFirst(live, (row) => start.test(row) && condition.test(row)) < matchesDue) return undefined
    const collector = new PageCollector(this.#search, offset)
    const rankOf = new Map<number, number>()
    const { bits: equal } = this.#results.find(whole, this.#tally)
    let tested = 0
    for (const [rank, bits] of [equal, live].entries()) {
      const first = this.#firstRow(rank)
      for (let row = first < 0 ? -1 : bits.next(first); row >= 0; row = bits.next(row + 1)) {
        if (tested === testedRowsMax) {
          this.#tally.note(`walk rank: gave up after ${tested} customers`)
          return undefined
        }
        tested += 1
        if (rank > 0 && (equal.has(row) || !start.test(row))) continue
        if (!condition.test(row)) continue
        if (!collector.take(row)) {
          this.#tally.visit(tested)
          this.#tally.note(`walk rank: tested ${tested} customers`)
          return this.#page(collector, rankOf, 'walk rank')
        }
        if (collector.rows.at(-1) === row) rankOf.set(row, rank)
      }
    }
    return undefined
  }

  /** How many of the first rows that may be on the page pass. */
  #countFirst(rows: Bits, test: (row: number) => boolean): number {
    let matched = 0
    let row = rows.next(Math.max(0, this.#firstRow(1)))
    for (let left = sampledRows; left > 0 && row >= 0; left -= 1) {
      if (test(row)) matched += 1
      row = rows.next(row + 1)
    }
    this.#tally.visit(sampledRows)
    return matched
  }

  #walkResult({ bits, count }: Result): Page {
    const collector = new PageCollector(this.#search, this.#search.offset)
    const rankOf = new Map<number, number>()
    if (this.#search.offset >= count) return this.#page(collector, rankOf, 'match rank')
    const left = bits.clone()
    for (let rank = 0; rank <= this.#ranks.length; rank += 1) {
      const ranked = left.clone()
      const leaf = this.#ranks[rank]
      if (leaf !== undefined) {
        this.#results.refine(leaf, ranked, this.#tally)
        left.andNot(ranked)
      }
      const first = this.#firstRow(rank)
      if (first < 0 || (this.#search.offset > 0 && collector.skip(ranked.count()))) continue
      for (let row = ranked.next(first); row >= 0; row = ranked.next(row + 1)) {
        this.#deadline.count(1)
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
    return { collector, plan, positionOf: (row) => ({ value: rankOf.get(row) ?? this.#ranks.length, id: this.#table.idOf(row) }) }
  }
}
