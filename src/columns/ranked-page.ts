import type { Sort } from '../search.ts'
import type { Bits } from './bits.ts'
import type { Condition, Leaf } from './condition.ts'
import { bindRanks, selectRanks } from './condition.ts'
import type { Result } from './filter-results.ts'
import { PageCollector } from './page-collector.ts'
import type { Page, PageScope } from './page-scope.ts'
import { sampledRows, testedRowsMax } from './page-scope.ts'

type RankSort = Extract<Sort, { by: 'rank' }>

/** A page by how the needle lies in a customer's texts, then by id. */
export class RankedPage {
  readonly #scope: PageScope<RankSort>
  /** Of the rank in the same place; whoever passes none has the rank behind the last. */
  readonly #ranks: readonly Leaf[]

  constructor(scope: PageScope<RankSort>) {
    this.#scope = scope
    this.#ranks = bindRanks(scope, scope.sort)
  }

  /** Everyone who passes is mostly found by the same pass as the ranks. */
  findAll(condition: Condition): Result {
    const { results, sort, tally } = this.#scope
    // Every text has an empty needle, wherever it is sought.
    if (sort.needle !== '') results.findTogether(this.#ranks, () => selectRanks(this.#scope, sort), tally)
    return results.find(condition, tally)
  }

  find(condition: Condition, result: Result | undefined): Page {
    const tested = result === undefined ? this.#walkTesting(condition) : undefined
    return tested ?? this.#walkResult(this.findAll(condition))
  }

  /** Takes the first two ranks by id; undefined when too many would have to be tested, or those ranks do not fill the page. */
  #walkTesting(condition: Condition): Page | undefined {
    const { table, results, search, sort, tally } = this.#scope
    const [whole, start] = this.#ranks
    // Whole texts are found by their hashes, but digits are not.
    if (whole === undefined || start === undefined || sort.digits !== null) return undefined
    const { offset, limit } = search
    const { live } = table
    const matchesDue = ((offset + limit + 1) * sampledRows) / testedRowsMax / 2
    if (this.#countFirst(live, (row) => start.test(row) && condition.test(row)) < matchesDue) return undefined
    const collector = new PageCollector(search, offset)
    const rankOf = new Map<number, number>()
    const { bits: equal } = results.find(whole, tally)
    let tested = 0
    for (const [rank, bits] of [equal, live].entries()) {
      const first = this.#firstRow(rank)
      for (let row = first < 0 ? -1 : bits.next(first); row >= 0; row = bits.next(row + 1)) {
        if (tested === testedRowsMax) {
          tally.note(`walk rank: gave up after ${tested} customers`)
          return undefined
        }
        tested += 1
        if (rank > 0 && (equal.has(row) || !start.test(row))) continue
        if (!condition.test(row)) continue
        if (!collector.take(row)) {
          tally.visit(tested)
          tally.note(`walk rank: tested ${tested} customers`)
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
    this.#scope.tally.visit(sampledRows)
    return matched
  }

  #walkResult({ bits, count }: Result): Page {
    const { results, search, tally, deadline } = this.#scope
    const collector = new PageCollector(search, search.offset)
    const rankOf = new Map<number, number>()
    if (search.offset >= count) return this.#page(collector, rankOf, 'match rank')
    const left = bits.clone()
    for (let rank = 0; rank <= this.#ranks.length; rank += 1) {
      const ranked = left.clone()
      const leaf = this.#ranks[rank]
      if (leaf !== undefined) {
        results.refine(leaf, ranked, tally)
        left.andNot(ranked)
      }
      const first = this.#firstRow(rank)
      if (first < 0 || (search.offset > 0 && collector.skip(ranked.count()))) continue
      for (let row = ranked.next(first); row >= 0; row = ranked.next(row + 1)) {
        deadline.count(1)
        if (!collector.take(row)) return this.#page(collector, rankOf, 'match rank')
        if (collector.rows.at(-1) === row) rankOf.set(row, rank)
      }
    }
    return this.#page(collector, rankOf, 'match rank')
  }

  /** The first row of a rank that may be on the page; -1 when the rank comes before it. */
  #firstRow(rank: number): number {
    const { after } = this.#scope.search
    if (after === null || Number(after.value) < rank) return 0
    return Number(after.value) > rank ? -1 : this.#scope.table.rowFrom(after.id + 1)
  }

  #page(collector: PageCollector, rankOf: ReadonlyMap<number, number>, plan: string): Page {
    return { collector, plan, positionOf: (row) => ({ value: rankOf.get(row) ?? this.#ranks.length, id: this.#scope.table.idOf(row) }) }
  }
}
