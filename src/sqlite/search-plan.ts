import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { CustomerSearch, SortField } from '../search.ts'
import type { SearchDialect } from '../sql/search-where.ts'
import { columns, searchWhere } from '../sql/search-where.ts'

/**
 * How customers are found: by walking the index of the sort, or driven from the index that answers a
 * filter, whose hits are then sorted. `by any index` leaves the choice to SQLite.
 */
type PlanName = 'walk' | 'by id' | 'by id range' | 'by userId' | 'by email' | 'by tag' | 'by firstSeen' | 'by lastSeen' | 'by any index'

export interface SearchPlan {
  readonly name: PlanName
  readonly source: Sql
  readonly where: Sql
}

export interface PlanOptions {
  readonly organizationId: number
  /** Ids of the organization's tags by name. */
  readonly tagIds: ReadonlyMap<string, number>
  /** How many customers have a tag, or a bound that says it is many. */
  readonly countTagged: (tagId: number) => number
}

/** Hits of a filter that selects little in itself are sorted only up to this many; beyond it the walk is cheaper. */
const sortedHitsMax = 5_000

/** The plan for counting the hits, which no order needs to be kept for. */
export function planCount(search: CustomerSearch, options: PlanOptions): SearchPlan {
  return { ...chooseSource(search, options), where: whereOf(search, options) }
}

/** The plan for a page, once the total is known. */
export function planPage(search: CustomerSearch, options: PlanOptions & { total: number }): SearchPlan {
  const counted = planCount(search, options)
  const isInOrder = search.filters.length === 0 || counted.name === `by ${search.sort}`
  const isSelective = selectivePlans.has(counted.name) || options.total <= sortedHitsMax
  return !isInOrder && isSelective ? counted : { ...counted, name: 'walk', source: sortIndexes[search.sort] }
}

const selectivePlans: ReadonlySet<PlanName> = new Set(['by id', 'by userId', 'by email', 'by tag'])

const sortIndexes: Record<SortField, Sql> = {
  firstSeen: sql`customers indexed by customers_by_first_seen`,
  lastSeen: sql`customers indexed by customers_by_last_seen`
}

function whereOf(search: CustomerSearch, { organizationId, tagIds }: PlanOptions): Sql {
  const inOrganization = sql`customers.organization_id = ${organizationId}`
  const matches = searchWhere(search, sqliteDialect(tagIds))
  return matches === undefined ? inOrganization : sql`${inOrganization} and ${matches}`
}

function chooseSource(search: CustomerSearch, { tagIds, countTagged }: PlanOptions): Pick<SearchPlan, 'name' | 'source'> {
  const { filters } = search
  // Filters that all must hold can be driven by one of them; ORed ones only by all.
  if (search.comparison === 'OR' && filters.length > 1) return { name: 'by any index', source: sql`customers` }
  const asks = (field: string, operators: readonly string[]): boolean =>
    filters.some((filter) => filter.type !== 'tags' && filter.field === field && operators.includes(filter.operator))
  if (asks('id', ['='])) return { name: 'by id', source: sql`customers not indexed` }
  if (asks('userId', ['='])) return { name: 'by userId', source: sql`customers indexed by customers_by_user_id` }
  if (asks('email', ['='])) return { name: 'by email', source: sql`customers indexed by customers_by_email` }
  const wantedTags = filters.flatMap((filter) => (filter.type === 'tags' ? filter.names.flatMap((name) => tagIds.get(name) ?? []) : []))
  if (wantedTags.length > 0) return { name: 'by tag', source: taggedCustomers(rarest(wantedTags, countTagged)) }
  const ranges = ['=', '<', '<=', '>', '>=']
  if (asks('firstSeen', ranges)) return { name: 'by firstSeen', source: sortIndexes.firstSeen }
  if (asks('lastSeen', ranges)) return { name: 'by lastSeen', source: sortIndexes.lastSeen }
  if (asks('id', ranges)) return { name: 'by id range', source: sql`customers not indexed` }
  return { name: 'by any index', source: sql`customers` }
}

function rarest(tagIds: readonly number[], countTagged: (tagId: number) => number): number {
  const counted = tagIds.map((tagId) => ({ tagId, count: countTagged(tagId) }))
  const [first] = counted.toSorted((one, other) => one.count - other.count)
  if (first === undefined) throw new Error('There is no rarest of no tags')
  return first.tagId
}

/** CROSS JOIN keeps SQLite from turning the join around. */
function taggedCustomers(tagId: number): Sql {
  return sql`(select customer_id from customer_tags where tag_id = ${tagId}) as tagged cross join customers on customers.id = tagged.customer_id`
}

function sqliteDialect(tagIds: ReadonlyMap<string, number>): SearchDialect {
  return {
    contains: (text, needle) => sql`instr(${text}, ${needle}) > 0`,
    hasTags: (names) => {
      const ids = names.map((name) => tagIds.get(name))
      if (ids.includes(undefined)) return sql`false`
      // One value however many tags: a term for each would outgrow SQLite's expressions.
      return sql`not exists (
        select 1 from json_each(${JSON.stringify(ids)}) as wanted
        where not exists (select 1 from customer_tags where tag_id = wanted.value and customer_id = customers.id))`
    }
  }
}

/** The sort's column and the direction. Behind a plus no index serves the column, so hits are sorted and not walked. */
export function sortTerms({ sort, order }: Pick<CustomerSearch, 'sort' | 'order'>, plan: Pick<SearchPlan, 'name'>): { column: Sql; direction: Sql } {
  const column = plan.name === 'walk' ? columns[sort] : sql`+${columns[sort]}`
  return { column, direction: order === 'asc' ? sql`asc` : sql`desc` }
}
