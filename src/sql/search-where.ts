import type { Sql } from 'sql-template-tag'
import sql, { join, raw } from 'sql-template-tag'
import type { Channel } from '../channel.ts'
import { channelPrefix } from '../channel.ts'
import type { ScalarFieldName } from '../contract/search.ts'
import type { AnyTextFilter, EventsFilter, Filter, NumberTest, ScalarField, Sort, TextTest } from '../search.ts'

/** Fields with a column in every engine. Text that compares without regard to letter case is stored folded. */
const storedFields = {
  id: sql`customers.id`,
  name: sql`customers.name`,
  email: sql`customers.email`,
  userId: sql`customers.user_id`,
  company: sql`customers.company`,
  phone: sql`customers.phone`,
  countryCode: sql`customers.country_code`,
  regionCode: sql`customers.region_code`,
  city: sql`customers.city`,
  firstSeen: sql`customers.first_seen`,
  lastSeen: sql`customers.last_seen`,
  createdAt: sql`customers.created_at`,
  updatedAt: sql`customers.updated_at`,
  integrationId: sql`customers.integration_id`
} satisfies Partial<Record<ScalarFieldName, Sql>>

const channelFields = {
  telegramId: 'telegram',
  facebookId: 'facebook',
  instagramId: 'instagram',
  viberId: 'viber',
  whatsappId: 'whatsapp'
} satisfies Partial<Record<ScalarFieldName, Channel>>

function isChannelField(name: ScalarFieldName | undefined): name is keyof typeof channelFields {
  return name !== undefined && Object.hasOwn(channelFields, name)
}

/** The rule of isFromChannel, in SQL. */
function isFrom(channel: Channel): Sql {
  const prefix = channelPrefix(channel)
  return sql`(customers.created_from = ${channel} or substr(customers.created_from, 1, ${prefix.length}) = ${prefix})`
}

/** What each engine derives in its own way from what it has stored, in the form in which it compares. */
type DerivedField = Exclude<ScalarFieldName, keyof typeof storedFields | keyof typeof channelFields> | 'foldedUserId' | 'phoneDigits'

/** What each engine says in its own words. */
export interface SearchDialect {
  readonly derivedFields: Record<DerivedField, Sql>
  /** Any of several terms, some of which may be null. */
  readonly anyOf: (terms: readonly Sql[]) => Sql
  /** Of texts. */
  readonly equals: (text: Sql, value: string) => Sql
  readonly contains: (text: Sql, needle: string) => Sql
  /** `isColumn`: an index may serve it. */
  readonly startsWith: (text: Sql, prefix: string, options: { isColumn: boolean }) => Sql
  readonly endsWith: (text: Sql, suffix: string) => Sql
  readonly isOneOf: (value: Sql, values: readonly (string | number)[]) => Sql
  /** The value of a custom attribute as an expression on a row of customers, for sorting. */
  readonly attributeValue: (attribute: string) => Sql
  /** The customer has the attribute, with a value that passes the test. */
  readonly hasAttribute: (attribute: string, test: (value: Sql, options: { isColumn: boolean }) => Sql) => Sql
  readonly hasAllTags: (names: readonly string[]) => Sql
  readonly hasAnyTag: (names: readonly string[]) => Sql
  readonly hasNoTag: Sql
  /** How many events the customer has passes the filter's test. */
  readonly hasEvents: (filter: EventsFilter, test: (count: Sql) => Sql) => Sql
}

/**
 * A filter as a condition on a row of customers. One may be left out, when customers are found by it alone.
 * A term may be null where a value is missing. That counts as false in AND and in OR, and at the end;
 * `is not true` makes true of it. So no term needs to say what becomes of null.
 */
export function filterTerm(filter: Filter, dialect: SearchDialect, leftOut?: Filter): Sql {
  if (filter === leftOut) return sql`true`
  // Said of rows: where a plan begins with "false", Citus does not find how the tables of the rest are joined. Where all must pass,
  // the one that nobody passes says so itself, and the others are still there for the index that a plan begins with.
  if (constantOf(filter) === false && !asksForAll(filter)) return sql`customers.id < 0`
  const term = positiveTerm(filter, dialect, leftOut)
  return filter.isNegated ? sql`((${term}) is not true)` : term
}

function asksForAll(filter: Filter): boolean {
  return filter.type === 'group' && !filter.isNegated && (filter.comparison === 'AND' || filter.filters.length === 1)
}

/** What a filter says of everyone, whoever that is; only groups of nothing say something. */
function constantOf(filter: Filter): boolean | undefined {
  if (filter.type !== 'group') return undefined
  const constants = filter.filters.map(constantOf)
  const decisive = filter.comparison === 'OR' && constants.length > 0
  const value = constants.includes(decisive) ? decisive : constants.every((one) => one === !decisive) ? !decisive : undefined
  return value === undefined ? undefined : value !== filter.isNegated
}

function positiveTerm(filter: Filter, dialect: SearchDialect, leftOut?: Filter): Sql {
  switch (filter.type) {
    case 'group': {
      if (filter.filters.length === 0) return sql`true`
      const terms = filter.filters.map((one) => filterTerm(one, dialect, leftOut))
      return filter.comparison === 'AND' || terms.length === 1 ? sql`(${join(terms, ' and ')})` : dialect.anyOf(terms)
    }
    case 'number': case 'text': {
      const { field } = filter
      if (field.attribute !== undefined && filter.test.operator === 'empty') return sql`((${hasValue(field.attribute, filter.type, dialect)}) is not true)`
      const passes = (its: ScalarField): Sql => scalarTerm(its, dialect, (value, options) => (
        filter.type === 'number' ? numberTerm(value, filter.test, dialect) : textTerm(value, filter.test, { ...options, dialect })))
      if (filter.test.operator === 'empty' || !isChannelField(field.name)) return passes(field)
      // Said apart, so that an index of one can serve.
      return sql`(${passes({ name: 'integrationId' })} and ${isFrom(channelFields[field.name])})`
    }
    case 'tags':
      if (filter.operator === 'empty') return dialect.hasNoTag
      return filter.operator === 'all' ? dialect.hasAllTags(filter.names) : dialect.hasAnyTag(filter.names)
    case 'events': return dialect.hasEvents(filter, (count) => numberTerm(count, filter.test, dialect))
    case 'anyText': return anyTextTerm(filter, dialect)
  }
}

function scalarTerm(field: ScalarField, dialect: SearchDialect, test: (value: Sql, options: { isColumn: boolean }) => Sql): Sql {
  if (field.attribute !== undefined) return dialect.hasAttribute(field.attribute, test)
  return test(fieldValue(field.name, dialect), { isColumn: Object.hasOwn(storedFields, field.name) })
}

function hasValue(attribute: string, type: 'number' | 'text', dialect: SearchDialect): Sql {
  return dialect.hasAttribute(attribute, (value) => (type === 'number' ? sql`${value} is not null` : sql`${value} <> ''`))
}

export function fieldValue(name: ScalarFieldName, { derivedFields }: Pick<SearchDialect, 'derivedFields'>): Sql {
  if (isChannelField(name)) return sql`case when ${isFrom(channelFields[name])} then customers.integration_id end`
  const fields: Record<Exclude<ScalarFieldName, keyof typeof channelFields>, Sql> = { ...storedFields, ...derivedFields }
  return fields[name]
}

const comparisons = { '=': raw('='), '>': raw('>'), '<': raw('<'), '>=': raw('>='), '<=': raw('<=') }

export function numberTerm(value: Sql, test: NumberTest, { isOneOf }: SearchDialect): Sql {
  switch (test.operator) {
    case 'in': return isOneOf(value, test.values)
    case 'between': return sql`${value} between ${test.from} and ${test.to}`
    case 'empty': return sql`${value} is null`
    case '=': case '>': case '<': case '>=': case '<=': return sql`${value} ${comparisons[test.operator]} ${test.value}`
  }
}

export function textTerm(value: Sql, test: TextTest, { isColumn, dialect }: { isColumn: boolean; dialect: SearchDialect }): Sql {
  switch (test.operator) {
    case '=': return dialect.equals(value, test.value)
    case '~': return dialect.contains(value, test.value)
    case '^': return dialect.startsWith(value, test.value, { isColumn })
    case '$': return dialect.endsWith(value, test.value)
    case 'in': return dialect.isOneOf(value, test.values)
    case 'empty': return sql`coalesce(${value}, '') = ''`
  }
}

/** The texts that `text` looks into, each with what it is looked for. */
function anyTexts(
  { needle, digits }: Pick<AnyTextFilter, 'needle' | 'digits'>, { derivedFields }: SearchDialect
): { text: Sql; sought: string }[] {
  const { name, email, company, phone } = storedFields
  // Those that an engine may have to compute come last, as often one before them decides.
  return [
    ...[name, email, company].map((text) => ({ text, sought: needle })),
    digits === null ? { text: phone, sought: needle } : { text: derivedFields.phoneDigits, sought: digits },
    { text: derivedFields.foldedUserId, sought: needle }
  ]
}

function anyTextTerm(filter: Pick<AnyTextFilter, 'needle' | 'digits'>, dialect: SearchDialect): Sql {
  return sql`(${join(anyTexts(filter, dialect).map(({ text, sought }) => dialect.contains(text, sought)), ' or ')})`
}

/** What a search is sorted by, as an expression on a row of customers; null comes last. */
export function sortValue(sort: Sort, dialect: SearchDialect): Sql {
  if (sort.by !== 'rank') {
    return sort.field.attribute === undefined ? fieldValue(sort.field.name, dialect) : dialect.attributeValue(sort.field.attribute)
  }
  const { whole, start, inside } = rankTerms(sort, dialect)
  return sql`case when ${whole} then 0 when ${start} then 1 when ${inside} then 2 else 3 end`
}

/** Where a needle is: the whole of a field, the start of one, inside one. Each holds where one before it does. */
export function rankTerms(sought: Pick<AnyTextFilter, 'needle' | 'digits'>, dialect: SearchDialect): { whole: Sql; start: Sql; inside: Sql } {
  const texts = anyTexts(sought, dialect)
  return {
    whole: sql`(${join(texts.map((one) => dialect.equals(one.text, one.sought)), ' or ')})`,
    start: sql`(${join(texts.map((one) => dialect.startsWith(one.text, one.sought, { isColumn: false })), ' or ')})`,
    inside: anyTextTerm(sought, dialect)
  }
}
