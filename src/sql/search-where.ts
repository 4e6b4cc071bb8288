import type { Sql } from 'sql-template-tag'
import sql, { join, raw } from 'sql-template-tag'
import type { CustomerSearch, FieldName, Filter, NumberOperator, TextOperator } from '../search.ts'

/** HelpCrunch: an id of a channel is the integrationId of customers from it, `telegram_bot` included. */
function channelId(channel: string): Sql {
  const prefix = `${channel}_`
  return sql`case when customers.created_from = ${channel} or substr(customers.created_from, 1, ${prefix.length}) = ${prefix} then customers.integration_id end`
}

/** Text that compares without regard to letter case is stored folded. */
export const columns: Record<Exclude<FieldName, 'tagsData'>, Sql> = {
  id: sql`customers.id`,
  name: sql`customers.name`,
  email: sql`customers.email`,
  company: sql`customers.company`,
  phone: sql`customers.phone`,
  countryCode: sql`customers.country_code`,
  city: sql`customers.city`,
  regionCode: sql`customers.region_code`,
  userId: sql`customers.user_id`,
  telegramId: channelId('telegram'),
  facebookId: channelId('facebook'),
  instagramId: channelId('instagram'),
  viberId: channelId('viber'),
  whatsappId: channelId('whatsapp'),
  firstSeen: sql`customers.first_seen`,
  lastSeen: sql`customers.last_seen`,
  createdAt: sql`customers.created_at`
}

/** What each engine says in its own words. */
export interface SearchDialect {
  readonly contains: (text: Sql, needle: string) => Sql
  /** The customer has all the tags of these names. */
  readonly hasTags: (names: readonly string[]) => Sql
}

const comparisons: Record<Exclude<NumberOperator, '!='>, Sql> = {
  '=': raw('='), '>': raw('>'), '<': raw('<'), '>=': raw('>='), '<=': raw('<=')
}

/** The filters of a search as a condition on a row of customers; undefined when everyone matches. */
export function searchWhere({ comparison, filters }: Pick<CustomerSearch, 'comparison' | 'filters'>, dialect: SearchDialect): Sql | undefined {
  if (filters.length === 0) return undefined
  const terms = filters.map((filter) => filterTerm(filter, dialect))
  return sql`(${join(terms, comparison === 'AND' ? ' and ' : ' or ')})`
}

function filterTerm(filter: Filter, dialect: SearchDialect): Sql {
  if (filter.type === 'tags') return dialect.hasTags(filter.names)
  const column = columns[filter.field]
  return filter.type === 'text'
    ? textTerm(column, { ...filter, contains: dialect.contains })
    : numberTerm(column, filter)
}

function textTerm(
  column: Sql, { operator, value, contains }: { operator: TextOperator; value: string; contains: SearchDialect['contains'] }
): Sql {
  switch (operator) {
    case '=': return sql`${column} = ${value}`
    case '!=': return sql`(${column} is null or ${column} <> ${value})`
    case '~': return contains(column, value)
    case '!~': return sql`(${column} is null or not ${contains(column, value)})`
  }
}

function numberTerm(column: Sql, { operator, value }: { operator: NumberOperator; value: number }): Sql {
  if (operator === '!=') return sql`(${column} is null or ${column} <> ${value})`
  return sql`${column} ${comparisons[operator]} ${value}`
}
