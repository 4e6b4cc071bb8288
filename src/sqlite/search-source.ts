import type { Sql } from 'sql-template-tag'
import sql, { join } from 'sql-template-tag'
import type { ScalarFieldName } from '../contract/search.ts'
import type { Filter, NumberFilter, NumberTest, TagsFilter, TextFilter, TextTest } from '../search.ts'
import { fieldValue, filterTerm, numberTerm, textTerm } from '../sql/search-where.ts'
import type { AttributeSource, SearchNames } from './search-dialect.ts'
import { attributeEntries, entryValue, sqliteDialect } from './search-dialect.ts'

/**
 * How customers are found: by walking an index in the order of the sort, or driven from the index that
 * answers a filter, whose hits are then sorted. `by several indexes` answers filters of which any may hold; `scan`
 * looks at everyone of the organization. Nothing is left to SQLite, which goes by all organizations' customers,
 * while an explanation tells nothing of others.
 */
export type PlanName =
  | `walk ${string}`
  | 'by id' | 'by id range' | 'by userId' | 'by email' | 'by userId range' | 'by email range'
  | 'by tag' | 'by attribute' | 'by all of an attribute' | 'by firstSeen' | 'by lastSeen' | 'by several indexes' | 'scan'

export interface PlanOptions extends SearchNames {
  readonly bounds: PlanBounds
  readonly organizationId: number
  /** How many rows a FROM clause has, or `entriesCountedMax` when they are more, or when as many are looked at to tell. */
  readonly countEntries: (from: Sql) => number
  readonly customerCount: number
  /** The ids that the organization's customers are within. */
  readonly idRange: () => IdRange
}

/** Both ends included. */
export interface IdRange {
  readonly first: number
  readonly last: number
}

/** Customers are read by id where others' in between are no more than this many for each of the organization's. */
const foreignCustomersMax = 3

/** Indexes with more entries than this for what is sought are all the same to the plan. */
export const entriesCountedMax = 20_000

export interface PlanBounds {
  /** Up to this many hits are sorted; beyond it the walk is cheaper. */
  readonly sortedHitsMax: number
  /** A walk that has not filled its page within this many entries is given up for sorting the hits. */
  readonly walkEntriesMax: number
}

export const planBounds: PlanBounds = { sortedHitsMax: 5_000, walkEntriesMax: 20_000 }

/** Everyone of an organization, or those of them who lack something. */
export interface Everyone {
  readonly source: Sql
  readonly where: Sql
}

export const indexes = {
  firstSeen: sql`customers indexed by customers_by_first_seen`,
  lastSeen: sql`customers indexed by customers_by_last_seen`,
  email: sql`customers indexed by customers_by_email`,
  userId: sql`customers indexed by customers_by_user_id`
}
export const byRowid = sql`customers not indexed`

/**
 * Those within a range of ids, read by id where the organization's customers lie close together, else by an index. That goes by
 * its own ids, which it knows: what others have must not show in an explanation.
 */
export function everyone(options: PlanOptions, within: IdRange): Everyone {
  const isNarrow = ({ first, last }: IdRange, idsMax: number): boolean => last - first < idsMax
  const start = sql`customers.organization_id = ${options.organizationId}`
  const where = ({ first, last }: IdRange): Sql => sql`${start} and customers.id between ${first} and ${last}`
  if (isNarrow(within, options.bounds.sortedHitsMax)) return { source: byRowid, where: where(within) }
  const range = both(within, options.idRange())
  if (isNarrow(range, options.customerCount * (foreignCustomersMax + 1))) return { source: byRowid, where: where(range) }
  return { source: indexes.firstSeen, where: within === allIds ? start : where(within) }
}

export const allIds: IdRange = { first: 0, last: Number.MAX_SAFE_INTEGER }

export function both(one: IdRange, other: IdRange): IdRange {
  return { first: Math.max(one.first, other.first), last: Math.min(one.last, other.last) }
}

/** The ids of those who pass filters. */
export function idsAsked(filters: readonly Filter[]): IdRange {
  return filters.reduce((range, filter) => {
    if (filter.type !== 'number' || filter.isNegated || filter.field.name !== 'id') return range
    const { test } = filter
    switch (test.operator) {
      case '=': return both(range, { first: test.value, last: test.value })
      case '>': case '>=': return both(range, { ...allIds, first: test.value })
      case '<': case '<=': return both(range, { ...allIds, last: test.value })
      case 'in': return both(range, { first: Math.min(...test.values), last: Math.max(...test.values) })
      case 'between': return both(range, { first: test.from, last: test.to })
      case 'empty': return range
    }
  }, allIds)
}

/** The ids of those who pass one filter, whether it is negated or not, when an index has them side by side. */
export function indexedIds(filter: NumberFilter | TextFilter, options: SearchNames & { readonly organizationId: number }): Sql | undefined {
  const { field, test } = filter
  if (field.attribute !== undefined && [...ranges, '^'].includes(test.operator)) {
    return sql`select customer_id from ${attributeEntries(options.attributeIds.get(field.attribute) ?? 0, attributeTerm(filter, options))}`
  }
  if (filter.type !== 'text' || (field.name !== 'userId' && field.name !== 'email') || ![...equalities, '^'].includes(test.operator)) return undefined
  const dialect = sqliteDialect(options, 'row')
  const passes = textTerm(fieldValue(field.name, dialect), filter.test, { isColumn: true, dialect })
  return sql`select customers.id from ${indexes[field.name]} where customers.organization_id = ${options.organizationId} and ${passes}`
}

/** The condition on rows of a source for a filter. */
export function sourceWhere(filter: Filter, { where, isSelective, answers }: Source, options: PlanOptions): Sql {
  const matches = whereOf(filter, options, { attributeSource: isSelective ? 'row' : 'index', leftOut: answers })
  return where === undefined ? matches : sql`${where} and ${matches}`
}

/** Other organizations' rows are passed over before they are counted. */
export function whereOf(filter: Filter, options: PlanOptions, { attributeSource, leftOut, walked }: WhereOptions): Sql {
  const matches = filterTerm(filter, sqliteDialect(options, attributeSource, walked), leftOut)
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
  /** What everyone from the source passes, said so that they are found by it. */
  readonly where?: Sql
}

/** Filters that all must hold can be driven by one of them; ORed ones only by all. */
export function chooseSource(filter: Filter, options: PlanOptions): Source {
  const all = conjuncts(filter)
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
  if (asks(filters, 'id', ranges)) return { name: 'by id range', ...everyone(options, idsAsked(filters)), isSelective: false }
  if (entries !== undefined) return entries.source
  const [lookedThrough] = filters.flatMap((one) => (isScalar(one) ? attributeSources(one, options, { name: 'by all of an attribute', operators: ['~', '$'] }) : []))
  return lookedThrough ?? eitherSource(all, options) ?? { name: 'scan', ...scanned(all, options), isSelective: false }
}

/** The first of the groups of which any filter may hold, when each of them finds few. */
function eitherSource(all: readonly Filter[], options: PlanOptions): Source | undefined {
  for (const group of all) {
    const branches = group.type === 'group' && !group.isNegated ? group.filters.map((filter) => findFew(filter, options)) : [undefined]
    const found = branches.filter((branch) => branch !== undefined)
    if (found.length === branches.length) {
      return joinedSource('by several indexes', sql`(${join(found, ' union ')}) as entries`, group)
    }
  }
  return undefined
}

/** The ids of those who pass a filter; undefined when they may be many. */
function findFew(filter: Filter, options: PlanOptions): Sql | undefined {
  const found = chooseSource(filter, options)
  if (found.name === 'scan' || found.name === 'by all of an attribute') return undefined
  const from = sql`${found.source} where ${sourceWhere(filter, found, options)}`
  return found.isSelective || options.countEntries(from) <= options.bounds.sortedHitsMax ? sql`select customers.id as customer_id from ${from}` : undefined
}

/** Narrow indexes have all that some filters need. */
function scanned(all: readonly Filter[], options: PlanOptions): Everyone {
  if (all.some(readsRow)) return everyone(options, allIds)
  return { source: indexes.lastSeen, where: sql`customers.organization_id = ${options.organizationId}` }
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
  return filters.some((filter) => isScalar(filter) && filter.field.name === name && operators.includes(filter.test.operator))
}

function isScalar(filter: Filter): filter is NumberFilter | TextFilter {
  return filter.type === 'number' || filter.type === 'text'
}

/** The filters that each customer found passes, as far as groups can be taken apart. */
export function conjuncts(filter: Filter): Filter[] {
  if (filter.type !== 'group' || filter.isNegated) return [filter]
  return filter.comparison === 'AND' || filter.filters.length <= 1 ? filter.filters.flatMap(conjuncts) : [filter]
}

/** The filter that a search consists of when it has no other. */
export function onlyFilter(filter: Filter): Filter | undefined {
  if (filter.type !== 'group') return filter
  const [only] = filter.filters
  return filter.isNegated || filter.filters.length > 1 || only === undefined ? undefined : onlyFilter(only)
}

/** Of the tags and attributes that are sought, the one with the fewest entries. */
function fewestEntries(filters: readonly Filter[], options: PlanOptions): { source: Source; count: number } | undefined {
  const sources = filters.flatMap((filter) => {
    if (filter.type === 'tags') return tagSources(filter, options)
    return isScalar(filter) ? attributeSources(filter, options, { name: 'by attribute', operators: [...ranges, '^'] }) : []
  })
  const counted = sources.map((source) => ({ source, count: source.entries === undefined ? entriesCountedMax : options.countEntries(source.entries) }))
  return counted.toSorted((one, other) => one.count - other.count)[0]
}

function tagSources(filter: TagsFilter, { tagIds }: PlanOptions): Source[] {
  const { operator, names } = filter
  const ids = names.map((name) => tagIds.get(name) ?? 0)
  if (operator === 'empty' || ids.length === 0) return []
  if (operator === 'all' || ids.length === 1) {
    return ids.map((id) => joinedSource('by tag', sql`(select customer_id from customer_tags where tag_id = ${id}) as entries`, ids.length === 1 ? filter : undefined))
  }
  const entries = sql`(select distinct customer_id from customer_tags where within_bounds() and tag_id in (select value from json_each(${JSON.stringify(ids)}))) as entries`
  return [joinedSource('by tag', entries, filter)]
}

function attributeSources(
  filter: NumberFilter | TextFilter, options: PlanOptions, { name, operators }: { name: PlanName; operators: readonly Operator[] }
): Source[] {
  const { attribute } = filter.field
  if (attribute === undefined || !operators.includes(filter.test.operator)) return []
  const passes = sql`within_bounds() and ${attributeTerm(filter, options)}`
  const entries = sql`(select customer_id from ${attributeEntries(options.attributeIds.get(attribute) ?? 0, passes)}) as entries`
  return [joinedSource(name, entries, filter)]
}

/** Of the value of an entry. */
function attributeTerm(filter: NumberFilter | TextFilter, names: SearchNames): Sql {
  const dialect = sqliteDialect(names, 'index')
  return filter.type === 'number' ? numberTerm(entryValue, filter.test, dialect) : textTerm(entryValue, filter.test, { isColumn: true, dialect })
}

/** CROSS JOIN keeps SQLite from turning the join around. */
function joinedSource(name: PlanName, entries: Sql, answers: Filter | undefined): Source {
  const source = sql`${entries} cross join customers on customers.id = entries.customer_id`
  return { name, source, entries, isSelective: false, ...(answers === undefined ? {} : { answers }) }
}
