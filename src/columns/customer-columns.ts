import type { CustomerSearch, Position, Sort } from '../search.ts'
import { bindFilter } from './condition.ts'
import type { IndexedCustomer } from './customer-fields.ts'
import type { IndexedEvent } from './customer-table.ts'
import { CustomerTable } from './customer-table.ts'
import { Deadline } from './deadline.ts'
import { FilterResults } from './filter-results.ts'
import type { DatabaseIndexes } from './page-scope.ts'
import { RankedPage } from './ranked-page.ts'
import { SearchTally } from './search-tally.ts'
import { SortedPage } from './sorted-page.ts'

export interface FoundRows {
  /** In the order of the page. */
  readonly ids: readonly number[]
  /** All matches, exactly; null when the search did not want it. */
  readonly total: number | null
  /** Where the last customer of the page stands; null when nobody comes behind it. */
  readonly next: Position | null
  readonly pageMs: number
  /** Of finding out who matches, from which the page then is taken; 0 when the total is not wanted. */
  readonly totalMs: number
  readonly entriesVisited: number
  readonly plan: string
  readonly steps: readonly string[]
}

/** The customers of one organization in memory, by column, as of the last change told: answers any search exactly. */
export class CustomerColumns {
  readonly #table = new CustomerTable()
  readonly #results = new FilterResults(this.#table)

  /** An estimate of what it holds, counted through all columns in a fraction of a millisecond. */
  get bytes(): number {
    return this.#table.bytes + this.#results.bytes
  }

  get customers(): number {
    return this.#table.customers
  }

  /** A new customer or a changed one. An id that is neither known nor above all others is taken too, the slower the more are above it. */
  put(customer: IndexedCustomer): void {
    this.#table.put(customer)
  }

  /** Many, in order of their ids: those who come among others cost little more than one of them. */
  putAll(customers: readonly IndexedCustomer[]): void {
    this.#table.putAll(customers)
  }

  /** Takes its events, too. One that is not known is nothing to do. */
  remove(id: number): void {
    this.#table.remove(id)
  }

  /** Has all events of a customer told anew. */
  forgetEvents(customerId: number): void {
    this.#table.forgetEvents(customerId)
  }

  /** Of a customer that is known. */
  addEvent(event: IndexedEvent): void {
    this.#table.addEvent(event)
  }

  /** Makes the order of a sort now, so that the first search that needs it is as quick as the next. */
  prepare(sort: Sort): void {
    if (sort.by !== 'rank') this.#table.orders.find(sort, this.#table.live, { isPinned: true, deadline: Deadline.none })
  }

  /** Lets go of what searches left behind; others will take longer. */
  letGo(): void {
    this.#table.orders.letGo()
    this.#results.letGo()
  }

  /** A search that is stopped by the deadline leaves nothing behind. */
  search(search: CustomerSearch, deadline: Deadline, indexes?: DatabaseIndexes): FoundRows {
    const started = performance.now()
    const tally = new SearchTally()
    const scope = { table: this.#table, results: this.#results, search, tally, deadline, lookUp: indexes?.lookUp, readerOf: indexes?.readerOf }
    const condition = bindFilter(scope, search.filter)
    const { sort } = search
    const page = sort.by === 'rank' ? new RankedPage({ ...scope, sort }) : new SortedPage({ ...scope, sort })
    let result = this.#results.known(condition, tally)
    let total = search.wantsTotal ? result?.count ?? this.#results.countMany(condition, tally) : null
    if (total === undefined) {
      result = page.findAll(condition)
      total = result.count
    }
    const counted = performance.now()
    const { collector, plan, positionOf } = page.find(condition, result)
    const { rows, hasMore } = collector
    const last = rows.at(-1)
    const ids = rows.map((row) => this.#table.idOf(row))
    const next = hasMore && last !== undefined ? positionOf(last) : null
    const ended = performance.now()
    return {
      ids,
      total,
      next,
      pageMs: ended - (search.wantsTotal ? counted : started),
      totalMs: search.wantsTotal ? counted - started : 0,
      entriesVisited: tally.entriesVisited,
      plan,
      steps: tally.steps
    }
  }
}
