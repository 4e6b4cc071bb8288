import type { Sql } from 'sql-template-tag'
import sql, { join } from 'sql-template-tag'
import type { AnyTextFilter, CustomerSearch, Filter, NumberFilter, Position, ScalarField, Sort, TextFilter } from '../search.ts'
import { fieldValue, filterTerm, numberTerm, rankTerms, sortValue, textTerm } from '../sql/search-where.ts'
import type { DialectOptions } from './search-dialect.ts'
import { attributeColumn, attributeEntry, beginning, beginningOf, countedEvents, passesZero, postgresDialect } from './search-dialect.ts'

/**
 * What is asked of PostgreSQL for a search. It chooses the indexes itself, as it sees every value and knows how
 * often each occurs; so what is said here is said in the forms that its indexes serve.
 */
export interface PlanOptions extends Omit<DialectOptions, 'joined' | 'isByCustomer'> {
  /** A filter that all hits and few others pass; null where none is known. */
  readonly few: Few | null
}

export interface Few {
  readonly filter: Filter
  /** The customers who pass it, as a condition. */
  readonly isOne: Sql
}

/** One stretch of the list of hits, in its order. Those without a value to sort by come last in both orders. */
export interface Stretch {
  readonly source: Sql
  readonly where: Sql
  readonly hit: Sql
  readonly value: Sql
  /** ORDER BY. */
  readonly order: Sql
}

/** How all hits are counted. */
export interface CountPlan {
  /** A FROM clause, and what is counted of it; null for nobody. */
  readonly from: Sql | null
  /** Whether those are the ones who are no hits. */
  readonly isOfOthers: boolean
}

export function planPage(search: CustomerSearch, options: PlanOptions): Stretch[] {
  const { sort, order, after } = search
  // Few are better sorted than met with on a walk.
  if (options.few !== null) return [unindexedStretch(search, options)]
  if (sort.by === 'rank') return rankStretches(search, sort, options)
  const track = findTrack(sort.field, options)
  if (track === undefined) return [unindexedStretch(search, options)]

  const { attribute } = sort.field
  const { source, start, keys, id, value, unvalued } = track
  const [further, direction] = order === 'asc' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`]
  const matches = filterTerm(search.filter, postgresDialect({ ...options, isByCustomer: true, joined: attribute }))
  const stretch = (condition: Sql): Stretch =>
    ({ source, where: sql`${start} and ${condition} and ${matches}`, hit: id, value, order: join([...keys, id].map((key) => sql`${key} ${direction}`)) })
  // Ascending, an index has those without the value last, as they are wanted.
  if (after === null && (unvalued === null || (order === 'asc' && attribute === undefined))) return [stretch(sql`true`)]
  const stretches: Stretch[] = []
  if (after === null) stretches.push(stretch(sql`${value} is not null`))
  else if (after.value !== null) {
    const wanted = keys.length === 0 ? [sql`${after.id}`] : [...keyValues(keys.length, after.value), sql`${after.id}`]
    stretches.push(stretch(sql`(${join([...keys, id])}) ${further} (${join(wanted)})`))
  }
  if (unvalued !== null) {
    const behind = after !== null && after.value === null ? sql` and customers.id ${further} ${after.id}` : sql``
    stretches.push({
      source: sql`customers`, hit: sql`customers.id`, value: sql`null`,
      where: sql`${ofOrganization(options)} and ${unvalued.where}${behind} and ${filterTerm(search.filter, postgresDialect({ ...options, isByCustomer: true }))}`,
      // All have the same keys, which are named since the index has them before the id.
      order: join([...unvalued.keys, sql`customers.id`].map((key) => sql`${key} ${direction}`))
    })
  }
  return stretches
}

/** Hits in an order that no index has. */
function unindexedStretch({ filter, sort, order, after }: CustomerSearch, options: PlanOptions): Stretch {
  const dialect = postgresDialect({ ...options, isByCustomer: options.few !== null })
  const value = sortValue(sort, dialect)
  const [further, direction] = order === 'asc' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`]
  const behind = after === null ? sql`` : isBehind(value, { after, further })
  return {
    source: sql`customers`, where: sql`${ofOrganization(options)} and ${filterTerm(filter, dialect, options.few?.filter)}${behind}`, hit: sql`customers.id`, value,
    order: sql`sort_value ${direction} nulls last, hit ${direction}`
  }
}

/** One rank after the other, each by id, as the first are found by indexes and many are of the last. */
function rankStretches({ filter, after }: CustomerSearch, sort: Extract<Sort, { by: 'rank' }>, options: PlanOptions): Stretch[] {
  const dialect = postgresDialect({ ...options, isByCustomer: true })
  const sought = conjuncts(filter).find((one): one is AnyTextFilter => one.type === 'anyText' && !one.isNegated && one.needle === sort.needle)
  const { whole, start, inside } = rankTerms(sort, dialect)
  const ranked = [whole, sql`${start} and (${whole}) is not true`, sql`${inside} and (${start}) is not true`, sql`(${inside}) is not true`]
  const others = sql`${ofOrganization(options)} and ${filterTerm(filter, dialect, sought)}`
  return ranked.slice(0, sought === undefined ? 4 : 3).flatMap((isOfRank, rank) => {
    if (after !== null && rank < Number(after.value)) return []
    const behind = after !== null && rank === after.value ? sql` and customers.id > ${after.id}` : sql``
    return [{ source: sql`customers`, where: sql`${others} and ${isOfRank}${behind}`, hit: sql`customers.id`, value: sql`${rank}::int`, order: sql`customers.id` }]
  })
}

function isBehind(value: Sql, { after, further }: { after: Position; further: Sql }): Sql {
  if (after.value === null) return sql` and ${value} is null and customers.id ${further} ${after.id}`
  return sql` and ((${value}, customers.id) ${further} (${after.value}, ${after.id}) or ${value} is null)`
}

/** An index in whose order customers can be read by the value of a sort. */
interface Track {
  readonly source: Sql
  /** What the index begins with. */
  readonly start: Sql
  /** What the index goes on with, and what refines that, before the id. */
  readonly keys: readonly Sql[]
  readonly value: Sql
  readonly id: Sql
  /** Those who lack the value; null when nobody does. */
  readonly unvalued: { readonly where: Sql; readonly keys: readonly Sql[] } | null
}

function findTrack({ name, attribute }: ScalarField, options: PlanOptions): Track | undefined {
  if (attribute !== undefined) return attributeTrack(attribute, options)
  const value = fieldValue(name, postgresDialect({ ...options, isByCustomer: true }))
  const track = { source: sql`customers`, start: ofOrganization(options), value, id: sql`customers.id` }
  if (name === 'id') return { ...track, keys: [], unvalued: null }
  if (name === 'firstSeen' || name === 'lastSeen' || name === 'email') return { ...track, keys: [value], unvalued: { where: sql`${value} is null`, keys: [value] } }
  if (name !== 'userId' && name !== 'name') return undefined
  const keys = [beginning(value), value]
  return { ...track, keys, unvalued: { where: sql`${beginning(value)} is null and ${value} is null`, keys } }
}

function attributeTrack(attribute: string, options: PlanOptions): Track {
  const attributeId = options.attributeIds.get(attribute) ?? 0
  const value = attributeColumn('sorted', attribute, options)
  const isText = options.attributeTypes.get(attribute) === 'text'
  return {
    source: sql`customer_attributes as sorted join customers on customers.id = sorted.customer_id`,
    start: sql`sorted.attribute_id = ${attributeId} and ${ofOrganization(options)}`,
    keys: isText ? [beginning(value), value] : [value],
    value,
    id: sql`sorted.customer_id`,
    unvalued: {
      where: sql`not exists (
        select 1 from customer_attributes as held where held.customer_id = customers.id and held.attribute_id = ${attributeId})`,
      keys: []
    }
  }
}

/** What the keys of a position are. */
function keyValues(count: number, value: string | number): Sql[] {
  return count === 1 ? [sql`${value}`] : [sql`${beginningOf(String(value))}`, sql`${value}`]
}

function ofOrganization({ organizationId, few }: PlanOptions): Sql {
  return few === null ? sql`customers.organization_id = ${organizationId}` : sql`customers.organization_id = ${organizationId} and ${few.isOne}`
}

export function planCount(filter: Filter, options: PlanOptions): CountPlan {
  // Among few, all of a filter is asked at once.
  if (options.few !== null) return { from: customersWho(filter, options), isOfOthers: false }
  const { only, isNegated } = onlyFilter(filter)
  if (only === undefined) return { from: null, isOfOthers: !isNegated }
  const { from, isOfOthers } = countOne(only, options)
  return { from, isOfOthers: isOfOthers !== isNegated }
}

/** A filter by itself, whose own negation is left to the caller. Rows of attributes go when their customer goes. */
function countOne(filter: Filter, options: PlanOptions): CountPlan {
  if (filter.type === 'events') {
    const isOfOthers = passesZero(filter.test)
    const passes = numberTerm(sql`count(*)`, filter.test, postgresDialect({ ...options, isByCustomer: false }))
    const counted = countedEvents(options.organizationId, filter, isOfOthers ? sql`(${passes}) is not true` : passes)
    // Events stay for a while when their customer goes.
    return { from: sql`(${counted}) as counted join customers on customers.id = counted.customer_id where ${ofOrganization(options)}`, isOfOthers }
  }
  if (isOfAttribute(filter)) return { from: attributeEntries(filter, options), isOfOthers: filter.test.operator === 'empty' }
  return { from: customersWho({ ...filter, isNegated: false }, options), isOfOthers: false }
}

function customersWho(filter: Filter, options: PlanOptions): Sql {
  return sql`customers where ${ofOrganization(options)} and ${filterTerm(filter, postgresDialect({ ...options, isByCustomer: options.few !== null }), options.few?.filter)}`
}

/** The filter that a search consists of when it has no other; undefined when it has none at all. */
function onlyFilter(filter: Filter): { only: Filter | undefined; isNegated: boolean } {
  if (filter.type !== 'group' || filter.filters.length > 1) return { only: filter, isNegated: filter.isNegated }
  const [first] = filter.filters
  if (first === undefined) return { only: undefined, isNegated: filter.isNegated }
  const { only, isNegated } = onlyFilter(first)
  return { only, isNegated: isNegated !== filter.isNegated }
}

type AttributeFilter = (NumberFilter | TextFilter) & { readonly field: { readonly attribute: string } }

function isOfAttribute(filter: Filter): filter is AttributeFilter {
  return (filter.type === 'number' || filter.type === 'text') && filter.field.attribute !== undefined
}

/** The rows of an attribute that pass a filter; of `empty`, those that do not. A FROM clause. */
function attributeEntries(filter: AttributeFilter, options: PlanOptions): Sql {
  const { attribute } = filter.field
  const value = attributeColumn('customer_attributes', attribute, options)
  const dialect = postgresDialect({ ...options, isByCustomer: false })
  const passes = (): Sql => {
    if (filter.type === 'number') return filter.test.operator === 'empty' ? sql`${value} is not null` : numberTerm(value, filter.test, dialect)
    return filter.test.operator === 'empty' ? sql`${value} <> ''` : textTerm(value, filter.test, { isColumn: true, dialect })
  }
  return sql`customer_attributes where ${attributeEntry(options.attributeIds.get(attribute) ?? 0, passes())}`
}

/** A filter, and a query for the ids of the customers who pass it. */
export interface Driver {
  readonly filter: Filter
  readonly ids: Sql
}

/**
 * Filters that every hit passes and that may be passed by few, by the rows of attributes and events. None where
 * PostgreSQL itself knows how few there are.
 */
export function findDrivers({ filter, sort }: CustomerSearch, options: PlanOptions): Driver[] {
  const filters = conjuncts(filter)
  if (filters.some(isOfKey)) return []
  return filters.flatMap((one): Driver[] => {
    if (one.type === 'events' && passesZero(one.test) === one.isNegated) {
      const passes = numberTerm(sql`count(*)`, one.test, postgresDialect({ ...options, isByCustomer: false }))
      return [{ filter: one, ids: countedEvents(options.organizationId, one, one.isNegated ? sql`(${passes}) is not true` : passes) }]
    }
    if (!isOfAttribute(one) || one.isNegated !== (one.test.operator === 'empty') || one.test.operator === '~' || one.test.operator === '$') return []
    // A walk in the order of the attribute is within the range of its index already.
    if (sort.by !== 'rank' && sort.field.attribute === one.field.attribute) return []
    return [{ filter: one, ids: sql`select customer_attributes.customer_id from ${attributeEntries(one, options)}` }]
  })
}

/** Whether no more than a few customers pass. */
function isOfKey(filter: Filter): boolean {
  return (filter.type === 'number' || filter.type === 'text') && !filter.isNegated
    && ['id', 'email', 'userId'].includes(filter.field.name ?? '') && ['=', 'in'].includes(filter.test.operator)
}

/** The filters that each hit passes, as far as groups can be taken apart. */
function conjuncts(filter: Filter): Filter[] {
  if (filter.type !== 'group' || filter.isNegated) return [filter]
  return filter.comparison === 'AND' || filter.filters.length <= 1 ? filter.filters.flatMap(conjuncts) : [filter]
}
