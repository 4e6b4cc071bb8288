import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { CustomerSearch } from '../search.ts'
import { sortValue } from '../sql/search-where.ts'
import { sqliteDialect } from './search-dialect.ts'
import type { PlanName, PlanOptions } from './search-source.ts'
import { byRowid, chooseSource, entriesCountedMax, onlyFilter, sourceWhere } from './search-source.ts'
import type { Walk } from './search-walk.ts'
import { planWalk } from './search-walk.ts'

/** Sources that are counted before one is chosen. A count takes a millisecond where there are many entries. */
const countsMax = 64

/** Rows of customers, by what they are found. */
export interface SearchPlan {
  readonly name: PlanName
  readonly source: Sql
  readonly where: Sql
  /** Whether it finds few whatever the organization holds. */
  readonly isSelective: boolean
}

/** Plans that look at much to find little, which is better done once than for the total and for the page. */
export const wholePlans: ReadonlySet<PlanName> = new Set(['scan', 'by several indexes', 'by all of an attribute'])

/** The hits, found in any order and then sorted. */
export interface SortedPlan extends SearchPlan {
  /** What they are sorted by. */
  readonly value: Sql
}

/** The ways to answer one search. */
export interface SearchPlans {
  /** For counting the hits, which no order needs to be kept for. */
  readonly count: SearchPlan
  /** Whether the walk is within a range of the very index that it walks. */
  readonly isInOrder: boolean
  /** With the ids of all hits, when counting brought them. */
  readonly sorted: (hits?: readonly number[]) => SortedPlan
  readonly walk: () => Walk | null
}

export function planSearch(search: CustomerSearch, reading: PlanOptions): SearchPlans {
  const options = { ...reading, countEntries: countOnce(reading.countEntries) }
  const found = chooseSource(search.filter, options)
  const { name, source, entries, answers, isSelective } = found
  const where = sourceWhere(search.filter, found, options)
  // Entries go when their customer goes, and are of one organization, so they can be counted alone.
  const isAnswer = answers !== undefined && entries !== undefined && !wholePlans.has(name) && onlyFilter(search.filter) === answers
  return {
    count: isAnswer ? { name, source: entries, where: sql`within_bounds()`, isSelective } : { name, source, where, isSelective },
    isInOrder: search.sort.by === 'number' && name === sortedRanges[search.sort.field.name ?? ''],
    sorted: (hits) => {
      // Behind a plus no index serves the value, so that SQLite keeps to the source.
      const value = sql`+${sortValue(search.sort, sqliteDialect(options, 'row'))}`
      if (hits !== undefined) {
        const among = sql`customers.id in (select value from json_each(${JSON.stringify(hits)}))`
        return { name, source: byRowid, where: sql`within_bounds() and ${among}${isBehind(search, value)}`, value, isSelective }
      }
      return { name, source, where: sql`${where}${isBehind(search, value)}`, value, isSelective }
    },
    walk: () => planWalk(search, options)
  }
}

/** Counts each source once, and takes it for large when many others were counted. */
function countOnce(countEntries: PlanOptions['countEntries']): PlanOptions['countEntries'] {
  const counts = new Map<string, number>()
  return (from) => {
    const key = JSON.stringify([from.sql, from.values])
    const known = counts.get(key)
    if (known !== undefined || counts.size >= countsMax) return known ?? entriesCountedMax
    const count = countEntries(from)
    counts.set(key, count)
    return count
  }
}

const sortedRanges: Record<string, PlanName> = { firstSeen: 'by firstSeen', lastSeen: 'by lastSeen' }

/** Rows behind the position that the page begins at, of hits in any order. */
function isBehind({ after, order }: CustomerSearch, value: Sql): Sql {
  const further = order === 'asc' ? sql`>` : sql`<`
  if (after === null) return sql``
  if (after.value === null) return sql` and ${value} is null and customers.id ${further} ${after.id}`
  return sql` and ((${value}, customers.id) ${further} (${after.value}, ${after.id}) or ${value} is null)`
}
