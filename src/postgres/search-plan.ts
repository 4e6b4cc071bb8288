import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { CustomerSearch, Filter, Position, ScalarField } from '../search.ts'
import { fieldValue, filterTerm, numberTerm, sortValue, textTerm } from '../sql/search-where.ts'
import type { DialectOptions } from './search-dialect.ts'
import { attributeColumn, attributeEntry, beginning, beginningOf, countedEvents, passesZero, postgresDialect } from './search-dialect.ts'

/**
 * What is asked of PostgreSQL for a search. It chooses the indexes itself, as it sees every value and knows how
 * often each occurs; so what is said here is said in the forms that its indexes serve.
 */
export type PlanOptions = Omit<DialectOptions, 'joined'>

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
  const field = sort.by === 'rank' ? undefined : sort.field
  const track = field && findTrack(field, options)
  if (track === undefined) return [unindexedStretch(search, options)]

  const { source, start, keys, id, value, unvalued } = track
  const [further, direction] = order === 'asc' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`]
  const matches = filterTerm(search.filter, postgresDialect({ ...options, joined: field?.attribute }))
  const stretch = (condition: Sql): Stretch =>
    ({ source, where: sql`${start} and ${condition} and ${matches}`, hit: id, value, order: commas([...keys, id].map((key) => sql`${key} ${direction}`)) })
  const stretches: Stretch[] = []
  // Ascending, an index has those without the value last, as they are wanted.
  if (after === null && (unvalued === null || (order === 'asc' && field?.attribute === undefined))) return [stretch(sql`true`)]
  if (after === null) stretches.push(stretch(sql`${value} is not null`))
  else if (after.value !== null) {
    const wanted = keys.length === 0 ? [sql`${after.id}`] : [...keyValues(keys.length, after.value), sql`${after.id}`]
    stretches.push(stretch(sql`(${commas([...keys, id])}) ${further} (${commas(wanted)})`))
  }
  if (unvalued !== null) {
    const behind = after !== null && after.value === null ? sql` and customers.id ${further} ${after.id}` : sql``
    stretches.push({
      source: sql`customers`, hit: sql`customers.id`, value: sql`null`,
      where: sql`${ofOrganization(options)} and ${unvalued.where}${behind} and ${filterTerm(search.filter, postgresDialect(options))}`,
      // All have the same keys, which are named since the index has them before the id.
      order: commas([...unvalued.keys, sql`customers.id`].map((key) => sql`${key} ${direction}`))
    })
  }
  return stretches
}

/** Hits in an order that no index has. */
function unindexedStretch({ filter, sort, order, after }: CustomerSearch, options: PlanOptions): Stretch {
  const dialect = postgresDialect(options)
  const value = sortValue(sort, dialect)
  const [further, direction] = order === 'asc' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`]
  const matches = sql`${ofOrganization(options)} and ${filterTerm(filter, dialect)}`
  const behind = after === null ? sql`` : isBehind(value, { after, further })
  return {
    source: sql`customers`, where: sql`${matches}${behind}`, hit: sql`customers.id`, value,
    order: sql`sort_value ${direction} nulls last, hit ${direction}`
  }
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
  const value = fieldValue(name, postgresDialect(options))
  const track = { source: sql`customers`, start: ofOrganization(options), value, id: sql`customers.id` }
  switch (name) {
    case 'id': return { ...track, keys: [], unvalued: null }
    case 'firstSeen': case 'lastSeen': case 'email': return { ...track, keys: [value], unvalued: { where: sql`${value} is null`, keys: [value] } }
    case 'userId': {
      const keys = [beginning(value), value]
      return { ...track, keys, unvalued: { where: sql`${beginning(value)} is null and ${value} is null`, keys } }
    }
    default: return undefined
  }
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

function commas(parts: readonly Sql[]): Sql {
  return parts.reduce((list, part) => sql`${list}, ${part}`)
}

function ofOrganization({ organizationId }: PlanOptions): Sql {
  return sql`customers.organization_id = ${organizationId}`
}

export function planCount(filter: Filter, options: PlanOptions): CountPlan {
  const { only, isNegated } = onlyFilter(filter)
  if (only === undefined) return { from: null, isOfOthers: !isNegated }
  const { from, isOfOthers } = countOne(only, options)
  return { from, isOfOthers: isOfOthers !== isNegated }
}

/** A filter by itself, whose own negation is left to the caller. Rows of attributes go when their customer goes. */
function countOne(filter: Filter, options: PlanOptions): CountPlan {
  const dialect = postgresDialect(options)
  if (filter.type === 'events') {
    const isOfOthers = passesZero(filter.test)
    const passes = numberTerm(sql`count(*)`, filter.test, dialect)
    const counted = countedEvents(options.organizationId, filter, isOfOthers ? sql`(${passes}) is not true` : passes)
    // Events stay for a while when their customer goes.
    return { from: sql`(${counted}) as counted join customers on customers.id = counted.customer_id`, isOfOthers }
  }
  if ((filter.type === 'number' || filter.type === 'text') && filter.field.attribute !== undefined) {
    const { attribute } = filter.field
    const value = attributeColumn('customer_attributes', attribute, options)
    const entries = (condition: Sql): Sql =>
      sql`customer_attributes where ${attributeEntry(options.attributeIds.get(attribute) ?? 0, condition)}`
    if (filter.test.operator === 'empty') return { from: entries(filter.type === 'number' ? sql`${value} is not null` : sql`${value} <> ''`), isOfOthers: true }
    const passes = filter.type === 'number'
      ? numberTerm(value, filter.test, dialect)
      : textTerm(value, filter.test, { isColumn: true, dialect })
    return { from: entries(passes), isOfOthers: false }
  }
  return { from: sql`customers where ${ofOrganization(options)} and ${filterTerm({ ...filter, isNegated: false }, dialect)}`, isOfOthers: false }
}

/** The filter that a search consists of when it has no other; undefined when it has none at all. */
function onlyFilter(filter: Filter): { only: Filter | undefined; isNegated: boolean } {
  if (filter.type !== 'group' || filter.filters.length > 1) return { only: filter, isNegated: filter.isNegated }
  const [first] = filter.filters
  if (first === undefined) return { only: undefined, isNegated: filter.isNegated }
  const { only, isNegated } = onlyFilter(first)
  return { only, isNegated: isNegated !== filter.isNegated }
}
