import type { Sql } from 'sql-template-tag'
import sql, { join } from 'sql-template-tag'
import type { CustomerSearch, Filter, SortField } from '../search.ts'
import type { SearchDialect } from '../sql/search-where.ts'
import { columns, searchWhere } from '../sql/search-where.ts'

/**
 * How a page is found: by walking the index of the sort, or driven from the index that answers the
 * most selective filter, whose hits are then sorted.
 */
type PlanName = 'walk' | 'by id' | 'by userId' | 'by email' | 'by tag' | 'by any index'

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

const sortIndexes: Record<SortField, Sql> = {
  firstSeen: sql`customers indexed by customers_by_first_seen`,
  lastSeen: sql`customers indexed by customers_by_last_seen`
}

export function planSearch(search: CustomerSearch, options: PlanOptions): SearchPlan {
  const dialect = sqliteDialect(options.tagIds)
  const inOrganization = sql`customers.organization_id = ${options.organizationId}`
  const matches = searchWhere(search, dialect)
  const where = matches === undefined ? inOrganization : sql`${inOrganization} and ${matches}`
  return { ...chooseSource(search, options), where }
}

function chooseSource(search: CustomerSearch, { tagIds, countTagged }: PlanOptions): Pick<SearchPlan, 'name' | 'source'> {
  const walk = { name: 'walk', source: sortIndexes[search.sort] } as const
  if (search.filters.length === 0) return walk
  // Filters that all must hold can be driven by one of them; ORed ones only by all.
  if (search.comparison === 'OR' && search.filters.length > 1) return { name: 'by any index', source: sql`customers` }
  const isEquality = (field: string) => (filter: Filter): boolean =>
    filter.type !== 'tags' && filter.field === field && filter.operator === '='
  if (search.filters.some(isEquality('id'))) return { name: 'by id', source: sql`customers not indexed` }
  if (search.filters.some(isEquality('userId'))) return { name: 'by userId', source: sql`customers indexed by customers_by_user_id` }
  if (search.filters.some(isEquality('email'))) return { name: 'by email', source: sql`customers indexed by customers_by_email` }
  const wantedTags = search.filters.flatMap((filter) => (filter.type === 'tags' ? filter.names.flatMap((name) => tagIds.get(name) ?? []) : []))
  if (wantedTags.length > 0) return { name: 'by tag', source: taggedCustomers(rarest(wantedTags, countTagged)) }
  const isRange = (filter: Filter): boolean =>
    filter.type === 'number' && filter.field !== 'id' && filter.field !== search.sort && filter.operator !== '!='
  return search.filters.some(isRange) ? { name: 'by any index', source: sql`customers` } : walk
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
      const terms = ids.map((id) => sql`exists (select 1 from customer_tags where tag_id = ${id} and customer_id = customers.id)`)
      return sql`(${join(terms, ' and ')})`
    }
  }
}

/** The sort's column, and the direction as text of ours. */
export function sortTerms({ sort, order }: Pick<CustomerSearch, 'sort' | 'order'>): { column: Sql; direction: Sql } {
  return { column: columns[sort], direction: order === 'asc' ? sql`asc` : sql`desc` }
}
