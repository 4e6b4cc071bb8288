import type { CustomerSearch, Position } from '../search.ts'
import type { LookUp, SearchScope } from './condition.ts'
import type { ReadOn } from './database-order.ts'
import type { FilterResults } from './filter-results.ts'
import type { PageCollector } from './page-collector.ts'
import type { FieldSort } from './row-orders.ts'
import type { SearchTally } from './search-tally.ts'

/** What indexes of the database tell, which must be of the moment that the columns are of. */
export interface DatabaseIndexes {
  readonly lookUp: LookUp
  /** Undefined when none has the order of the sort. */
  readonly readerOf: (sort: FieldSort) => ReadOn | undefined
}

/** A search that wants a page, and what it is found by. */
export interface PageScope<PageSort> extends SearchScope {
  readonly results: FilterResults
  readonly search: CustomerSearch
  readonly sort: PageSort
  readonly tally: SearchTally
  readonly readerOf: DatabaseIndexes['readerOf'] | undefined
}

export interface Page {
  readonly collector: PageCollector
  readonly plan: string
  readonly positionOf: (row: number) => Position
}

/** Customers tested one by one, in order, before everyone who passes is found first: about a millisecond for one filter. */
export const testedRowsMax = 4_096
/** After so many, and then each time after twice as many, it shows whether the page will be full in time: here if half of the matches due by then are among them. */
export const sampledRows = 512
