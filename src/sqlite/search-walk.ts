import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { CustomerSearch, ScalarField } from '../search.ts'
import { fieldValue } from '../sql/search-where.ts'
import type { SearchNames } from './search-dialect.ts'
import { attributeEntries, entryValue, sqliteDialect } from './search-dialect.ts'
import type { Everyone, IdRange, PlanName, PlanOptions } from './search-source.ts'
import { allIds, both, conjuncts, everyone, idsAsked, indexes, whereOf } from './search-source.ts'

/** One stretch of a walk, read in its order. Those without the value come last in both orders. */
export interface WalkRange {
  readonly source: Sql
  readonly where: Sql
  /** ORDER BY. */
  readonly order: Sql
}

export interface Walk {
  readonly name: PlanName
  /** Planned one by one, as the first often fills the page. */
  readonly ranges: () => Iterable<WalkRange>
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
  readonly unvalued: (() => Everyone) | null
}

/** The stretches of a walk for a page; null when no index has the order of the sort. */
export function planWalk(search: CustomerSearch, options: PlanOptions): Walk | null {
  const track = findTrack(search, options)
  return track && { name: `walk ${track.name}`, ranges: () => walkRanges(track, search, options) }
}

function* walkRanges({ source, start, value, id, unvalued }: Track, search: CustomerSearch, options: PlanOptions): Generator<WalkRange> {
  const { after, order, sort } = search
  const [further, direction] = order === 'asc' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`]
  const walked = { attribute: sort.by === 'rank' ? undefined : sort.field.attribute, value }
  const matches = whereOf(search.filter, options, { attributeSource: 'row', walked: walked.attribute === undefined ? undefined : walked })
  const valued = (condition: Sql): WalkRange =>
    ({ source, where: sql`${start} and ${condition} and ${matches}`, order: sql`${value} ${direction}, ${id} ${direction}` })
  if (after === null || unvalued === null) yield valued(sql`${value} is not null`)
  else if (after.value !== null) {
    // Two ranges where `(value, id) > (…)` would say it, since SQLite seeks by no more than the value of that.
    yield valued(sql`${value} = ${after.value} and ${id} ${further} ${after.id}`)
    yield valued(sql`${value} ${further} ${after.value}`)
  }
  if (unvalued !== null) {
    const from = after !== null && after.value === null ? sql` and customers.id ${further} ${after.id}` : sql``
    const those = unvalued()
    const where = sql`${those.where}${from} and ${whereOf(search.filter, options, { attributeSource: 'row' })}`
    yield { source: those.source, where, order: sql`customers.id ${direction}` }
  }
}

function findTrack(search: CustomerSearch, options: PlanOptions): Track | null {
  const { sort, after } = search
  if (sort.by === 'rank') return null
  const { name, attribute } = sort.field
  const id = sql`customers.id`
  const start = sql`customers.organization_id = ${options.organizationId}`
  const lacking = (value: Sql) => (): Everyone => {
    const { source, where } = everyone(options, after !== null && after.value === null ? idsBehind(search) : allIds)
    return { source, where: sql`${where} and ${value} is null` }
  }
  if (attribute !== undefined) {
    return {
      name: 'custom attribute',
      source: sql`customer_attributes as entries cross join customers on customers.id = entries.customer_id`,
      start: sql`entries.attribute_id = ${options.attributeIds.get(attribute) ?? 0}`,
      value: sql`entries.value`, id: sql`entries.customer_id`,
      unvalued: lacking(sqliteDialect(options, 'row').attributeValue(attribute))
    }
  }
  const value = fieldValue(name, sqliteDialect(options, 'row'))
  if (name === 'id') {
    const asked = idsAsked(conjuncts(search.filter))
    const { source, where } = everyone(options, after === null ? asked : both(asked, idsBehind(search)))
    return { name, source, start: where, value, id, unvalued: null }
  }
  if (name === 'firstSeen' || name === 'lastSeen') {
    return { name, source: indexes[name], start, value, id, unvalued: () => ({ source: indexes[name], where: sql`${start} and ${value} is null` }) }
  }
  // Their indexes leave out those without the value.
  return name === 'email' || name === 'userId' ? { name, source: indexes[name], start, value, id, unvalued: lacking(value) } : null
}

/** Ids in the order of a field, of those who have a value: FROM and WHERE, to which more conditions may be added. */
interface IndexedOrder {
  readonly from: Sql
  readonly value: Sql
  readonly id: Sql
}

/** Undefined when no index has them side by side. */
export function indexedOrder({ name, attribute }: ScalarField, options: SearchNames & { readonly organizationId: number }): IndexedOrder | undefined {
  if (attribute !== undefined) {
    return { from: attributeEntries(options.attributeIds.get(attribute) ?? 0, sql`true`), value: entryValue, id: sql`customer_attributes.customer_id` }
  }
  if (name !== 'firstSeen' && name !== 'lastSeen' && name !== 'email' && name !== 'userId') return undefined
  const from = sql`${indexes[name]} where customers.organization_id = ${options.organizationId}`
  return { from, value: fieldValue(name, sqliteDialect(options, 'row')), id: sql`customers.id` }
}

/** The ids behind a position in an order. */
function idsBehind({ after, order }: Pick<CustomerSearch, 'after' | 'order'>): IdRange {
  if (after === null) return allIds
  return order === 'asc' ? { ...allIds, first: after.id + 1 } : { ...allIds, last: after.id - 1 }
}
