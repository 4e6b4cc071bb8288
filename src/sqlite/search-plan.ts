import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { ScalarFieldName } from '../contract/search.ts'
import type { CustomerSearch, Filter, Group, NumberFilter, NumberTest, TagsFilter, TextFilter, TextTest } from '../search.ts'
import type { SearchDialect } from '../sql/search-where.ts'
import { fieldValue, numberTerm, searchWhere, sortValue, textTerm } from '../sql/search-where.ts'
import type { AttributeSource, SearchNames } from './search-dialect.ts'
import { attributeEntries, sqliteDialect } from './search-dialect.ts'

/**
 * How customers are found: by walking an index in the order of the sort, or driven from the index that
 * answers a filter, whose hits are then sorted. `by any index` leaves the choice to SQLite; `scan` reads all rows.
 */
export type PlanName =
  | `walk ${string}`
  | 'by id' | 'by id range' | 'by userId' | 'by email' | 'by userId range' | 'by email range'
  | 'by tag' | 'by attribute' | 'by firstSeen' | 'by lastSeen' | 'by any index' | 'scan'

export interface PlanOptions extends SearchNames {
  readonly bounds: PlanBounds
  readonly organizationId: number
  /** How many rows a FROM clause has, or `entriesCountedMax` when they are more. */
  readonly countEntries: (from: Sql) => number
  /** Whether most customers are of this organization, so that a walk by id does not pass over many others. */
  readonly isMostOfAll: () => boolean
}

/** Indexes with more entries than this for what is sought are all the same to the plan. */
export const entriesCountedMax = 20_000

export interface PlanBounds {
  /** Up to this many hits are sorted; beyond it the walk is cheaper. */
  readonly sortedHitsMax: number
  /** A walk that has not filled its page within this many entries is given up for sorting the hits. */
  readonly walkEntriesMax: number
}

export const planBounds: PlanBounds = { sortedHitsMax: 5_000, walkEntriesMax: 20_000 }

/** Rows of customers, by what they are found. */
export interface SearchPlan {
  readonly name: PlanName
  readonly source: Sql
  readonly where: Sql
  /** Whether it finds few whatever the organization holds. */
  readonly isSelective: boolean
}

/** Plans that look at everyone, which is better done once than for the total and for the page. */
export const wholePlans: ReadonlySet<PlanName> = new Set(['scan', 'by any index'])

/** The hits, found in any order and then sorted. */
export interface SortedPlan extends SearchPlan {
  /** What they are sorted by. */
  readonly value: Sql
}

/** One stretch of a walk, read in its order. Those without the value come last in both orders. */
export interface WalkRange {
  readonly source: Sql
  readonly where: Sql
  /** ORDER BY. */
  readonly order: Sql
}

export interface Walk {
  readonly name: PlanName
  readonly ranges: readonly WalkRange[]
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

export function planSearch(search: CustomerSearch, options: PlanOptions): SearchPlans {
  const found = chooseSource(search.filter, options)
  const { name, source, entries, answers, isSelective } = found
  const attributeSource = isSelective ? 'row' : entries === undefined ? 'index' : 'index, asked last'
  const where = whereOf(search, options, { attributeSource, leftOut: answers })
  // Entries go when their customer goes, and are of one organization, so they can be counted alone.
  const isAnswer = answers !== undefined && entries !== undefined && onlyFilter(search.filter) === answers
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

const sortedRanges: Record<string, PlanName> = { firstSeen: 'by firstSeen', lastSeen: 'by lastSeen' }

/** Rows behind the position that the page begins at, of hits in any order. */
function isBehind({ after, order }: CustomerSearch, value: Sql): Sql {
  const further = order === 'asc' ? sql`>` : sql`<`
  if (after === null) return sql``
  if (after.value === null) return sql` and ${value} is null and customers.id ${further} ${after.id}`
  return sql` and ((${value}, customers.id) ${further} (${after.value}, ${after.id}) or ${value} is null)`
}

/** An index in whose order customers can be walked by the value of a sort. */
interface Track {
  readonly name: string
  readonly source: Sql
  /** What the walk begins with. */
  readonly start: Sql
  readonly value: Sql
  readonly id: Sql
  /** Those who lack the value, in order of id; null when nobody does. */
  readonly unvalued: { readonly source: Sql; readonly where: Sql } | null
}

const indexes = {
  firstSeen: sql`customers indexed by customers_by_first_seen`,
  lastSeen: sql`customers indexed by customers_by_last_seen`,
  email: sql`customers indexed by customers_by_email`,
  userId: sql`customers indexed by customers_by_user_id`
}
const byRowid = sql`customers not indexed`

function findTrack({ sort }: CustomerSearch, options: PlanOptions): Track | null {
  if (sort.by === 'rank') return null
  const { name, attribute } = sort.field
  const id = sql`customers.id`
  const byId = options.isMostOfAll() ? byRowid : indexes.firstSeen
  const start = sql`customers.organization_id = ${options.organizationId}`
  if (attribute !== undefined) {
    const value = sqliteDialect(options, 'row').attributeValue(attribute)
    return {
      name: 'custom attribute',
      source: sql`customer_attributes as entries cross join customers on customers.id = entries.customer_id`,
      start: sql`entries.attribute_id = ${options.attributeIds.get(attribute) ?? 0}`,
      value: sql`entries.value`, id: sql`entries.customer_id`,
      unvalued: { source: byId, where: sql`${start} and ${value} is null` }
    }
  }
  const value = fieldValue(name, sqliteDialect(options, 'row'))
  if (name === 'id') return { name, source: byId, start, value, id, unvalued: null }
  const isNull = sql`${start} and ${value} is null`
  if (name === 'firstSeen' || name === 'lastSeen') {
    return { name, source: indexes[name], start, value, id, unvalued: { source: indexes[name], where: isNull } }
  }
  // Their indexes leave out those without the value.
  return name === 'email' || name === 'userId' ? { name, source: indexes[name], start, value, id, unvalued: { source: byId, where: isNull } } : null
}

/** The stretches of a walk for a page; null when no index has the order of the sort. */
function planWalk(search: CustomerSearch, options: PlanOptions): Walk | null {
  const track = findTrack(search, options)
  if (track === null) return null
  const { after, order, sort } = search
  const [further, direction] = order === 'asc' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`]
  const { source, start, value, id } = track
  const walked = { attribute: sort.by === 'rank' ? undefined : sort.field.attribute, value }
  const matches = whereOf(search, options, { attributeSource: 'row', walked: walked.attribute === undefined ? undefined : walked })
  const valued = (condition: Sql): WalkRange =>
    ({ source, where: sql`${start} and ${condition} and ${matches}`, order: sql`${value} ${direction}, ${id} ${direction}` })
  const ranges: WalkRange[] = []
  if (after === null) ranges.push(valued(sql`${value} is not null`))
  else if (track.unvalued === null) ranges.push(valued(sql`${id} ${further} ${after.id}`))
  else if (after.value !== null) {
    // Two ranges where `(value, id) > (…)` would say it, since SQLite seeks by no more than the value of that.
    ranges.push(valued(sql`${value} = ${after.value} and ${id} ${further} ${after.id}`), valued(sql`${value} ${further} ${after.value}`))
  }
  if (track.unvalued !== null) {
    const from = after !== null && after.value === null ? sql` and customers.id ${further} ${after.id}` : sql``
    const where = sql`${track.unvalued.where}${from} and ${whereOf(search, options, { attributeSource: 'row' })}`
    ranges.push({ source: track.unvalued.source, where, order: sql`customers.id ${direction}` })
  }
  return { name: `walk ${track.name}`, ranges }
}

/** Other organizations' rows are passed over before they are counted. */
function whereOf({ filter }: CustomerSearch, options: PlanOptions, { attributeSource, leftOut, walked }: WhereOptions): Sql {
  const matches = searchWhere(filter, sqliteDialect(options, attributeSource, walked), leftOut)
  return sql`customers.organization_id = ${options.organizationId} and within_bounds() and ${matches}`
}

interface WhereOptions {
  readonly attributeSource: AttributeSource
  readonly leftOut?: Filter | undefined
  readonly walked?: Parameters<typeof sqliteDialect>[2]
}

interface Source {
  readonly name: PlanName
  readonly source: Sql
  readonly isSelective: boolean
  /** A filter that everyone from the source passes. */
  readonly answers?: Filter
  /** The source before its join with customers. */
  readonly entries?: Sql
}

/** Filters that all must hold can be driven by one of them; ORed ones only by all. */
function chooseSource(group: Group, options: PlanOptions): Source {
  const all = conjuncts(group)
  const filters = all.filter(({ type, isNegated }) => type !== 'group' && !isNegated)
  if (asks(filters, 'id', equalities)) return { name: 'by id', source: byRowid, isSelective: true }
  if (asks(filters, 'userId', equalities)) return { name: 'by userId', source: indexes.userId, isSelective: true }
  if (asks(filters, 'email', equalities)) return { name: 'by email', source: indexes.email, isSelective: true }
  const entries = fewestEntries(filters, options)
  if (entries !== undefined && entries.count < entriesCountedMax) return { ...entries.source, isSelective: entries.count <= options.bounds.sortedHitsMax }
  if (asks(filters, 'userId', ['^'])) return { name: 'by userId range', source: indexes.userId, isSelective: false }
  if (asks(filters, 'email', ['^'])) return { name: 'by email range', source: indexes.email, isSelective: false }
  if (asks(filters, 'firstSeen', ranges)) return { name: 'by firstSeen', source: indexes.firstSeen, isSelective: false }
  if (asks(filters, 'lastSeen', ranges)) return { name: 'by lastSeen', source: indexes.lastSeen, isSelective: false }
  if (asks(filters, 'id', ranges)) return { name: 'by id range', source: byRowid, isSelective: false }
  if (entries !== undefined) return entries.source
  // Left to itself SQLite would read the rows in the order of some index, which is no help and takes a seek for each.
  const isScan = all.some(readsRow) && !all.some(isOr) && options.isMostOfAll()
  return isScan ? { name: 'scan', source: byRowid, isSelective: false } : { name: 'by any index', source: sql`customers`, isSelective: false }
}

/** SQLite may find each of its filters by an index of its own. */
function isOr(filter: Filter): boolean {
  return filter.type === 'group' && !filter.isNegated
}

/** Whether a filter needs more of a customer than narrow indexes hold. */
function readsRow(filter: Filter): boolean {
  const narrow: readonly (ScalarFieldName | undefined)[] = ['id', 'firstSeen', 'lastSeen', undefined]
  switch (filter.type) {
    case 'number': case 'text': return !narrow.includes(filter.field.name)
    case 'anyText': return true
    case 'tags': return filter.operator === 'empty'
    case 'events': return false
    case 'group': return filter.filters.some(readsRow)
  }
}

type Operator = NumberTest['operator'] | TextTest['operator']
const equalities: readonly Operator[] = ['=', 'in']
const ranges: readonly Operator[] = [...equalities, '<', '<=', '>', '>=', 'between']

function asks(filters: readonly Filter[], name: ScalarFieldName, operators: readonly Operator[]): boolean {
  return filters.some((filter) => (filter.type === 'number' || filter.type === 'text') && filter.field.name === name && operators.includes(filter.test.operator))
}

/** The filters that each customer found passes, as far as groups can be taken apart. */
function conjuncts(filter: Filter): Filter[] {
  if (filter.type !== 'group' || filter.isNegated) return [filter]
  return filter.comparison === 'AND' || filter.filters.length <= 1 ? filter.filters.flatMap(conjuncts) : [filter]
}

/** The filter that a search consists of when it has no other. */
function onlyFilter(filter: Filter): Filter | undefined {
  if (filter.type !== 'group') return filter
  const [only] = filter.filters
  return filter.isNegated || filter.filters.length > 1 || only === undefined ? undefined : onlyFilter(only)
}

/** Of the tags and attributes that are sought, the one with the fewest entries. */
function fewestEntries(filters: readonly Filter[], options: PlanOptions): { source: Source; count: number } | undefined {
  const sources = filters.flatMap((filter) => {
    if (filter.type === 'tags') return tagSources(filter, options)
    return filter.type === 'number' || filter.type === 'text' ? attributeSources(filter, options) : []
  })
  const counted = sources.map((source) => ({ source, count: source.entries === undefined ? entriesCountedMax : options.countEntries(source.entries) }))
  return counted.toSorted((one, other) => one.count - other.count)[0]
}

function tagSources(filter: TagsFilter, { tagIds }: PlanOptions): Source[] {
  const { operator, names } = filter
  const ids = names.map((name) => tagIds.get(name) ?? 0)
  if (operator === 'empty' || ids.length === 0) return []
  if (operator === 'all') {
    return ids.map((id) => joinedSource('by tag', sql`(select customer_id from customer_tags where tag_id = ${id}) as entries`, ids.length === 1 ? filter : undefined))
  }
  const entries = sql`(select distinct customer_id from customer_tags where tag_id in (select value from json_each(${JSON.stringify(ids)}))) as entries`
  return [joinedSource('by tag', entries, filter)]
}

function attributeSources(filter: NumberFilter | TextFilter, options: PlanOptions): Source[] {
  const { attribute } = filter.field
  const seeks: readonly Operator[] = [...ranges, '^']
  if (attribute === undefined || !seeks.includes(filter.test.operator)) return []
  const dialect: SearchDialect = sqliteDialect(options, 'index')
  const test = (value: Sql): Sql =>
    (filter.type === 'number' ? numberTerm(value, filter.test, dialect) : textTerm(value, filter.test, { isColumn: true, dialect }))
  const entries = sql`(select customer_id from ${attributeEntries(options.attributeIds.get(attribute) ?? 0, test)}) as entries`
  return [joinedSource('by attribute', entries, filter)]
}

/** CROSS JOIN keeps SQLite from turning the join around. */
function joinedSource(name: PlanName, entries: Sql, answers: Filter | undefined): Source {
  const source = sql`${entries} cross join customers on customers.id = entries.customer_id`
  return { name, source, entries, isSelective: false, ...(answers === undefined ? {} : { answers }) }
}
