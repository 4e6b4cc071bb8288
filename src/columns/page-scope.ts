import type { CustomerSearch, Position } from '../search.ts'
import type { SearchScope } from './condition.ts'
import type { FilterResults } from './filter-results.ts'
import type { PageCollector } from './page-collector.ts'
import type { SearchTally } from './search-tally.ts'

/** A search that wants a page, and what it is found by. */
export interface PageScope<PageSort> extends SearchScope {
  readonly results: FilterResults
  readonly search: CustomerSearch
  readonly sort: PageSort
  readonly tally: SearchTally
}

export interface Page {
  readonly collector: PageCollector
  readonly plan: string
  readonly positionOf: (row: number) => Position
}

/** Customers tested one by one, in order, before everyone who passes is found first: about a millisecond for one filter. */
export const testedRowsMax = 4_096
/** After so many it shows whether the page will be full in time: not if fewer than half of the matches due by then are among them. */
export const sampledRows = 512
