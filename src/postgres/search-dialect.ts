import type { Sql } from 'sql-template-tag'
import sql, { join } from 'sql-template-tag'
import { foldCase } from '../case-folding.ts'
import type { AttributeType } from '../custom-data.ts'
import type { EventsFilter, Filter, NumberTest } from '../search.ts'
import type { SearchDialect } from '../sql/search-where.ts'

/** What an organization's tags and attributes are called in the database. Nothing has the id 0. */
export interface SearchNames {
  readonly tagIds: ReadonlyMap<string, number>
  readonly attributeIds: ReadonlyMap<string, number>
  readonly attributeTypes: ReadonlyMap<string, AttributeType>
}

export interface DialectOptions extends SearchNames {
  readonly organizationId: number
  /** Whether the index of trigrams holds letters beyond ASCII, which is the database's locale to say. */
  readonly hasAllLetters: boolean
  /** Whether attributes and events are looked up for each customer looked at, or for all customers at once. */
  readonly isByCustomer: boolean
  /** An attribute whose rows are joined as `sorted`, so that its value is at hand. */
  readonly joined?: string | undefined
}

/** As much of a text as the indexes of long texts hold. */
const indexedCharacters = 200

/** Of a longer needle this much is looked for first: LIKE compares all of it at each place where it may begin. */
const shortNeedleCharacters = 64

/** Texts with an index of their beginnings. */
const indexedBeginnings: ReadonlySet<string> = new Set([
  'customers.user_id', 'customers.name', 'customers.integration_id', 'customer_attributes.text', 'sorted.text'
])

/** Texts with an index of their trigrams. */
const indexedTrigrams: ReadonlySet<string> = new Set(['customers.name', 'customers.email', 'customers.company', 'customers.phone', 'customers.phone_digits', 'customers.folded_user_id'])

export function postgresDialect(options: DialectOptions): SearchDialect {
  const { organizationId, tagIds, attributeIds, joined } = options
  const idsOf = (names: readonly string[]): number[] => names.map((name) => tagIds.get(name) ?? 0)
  /** The parts of a long needle that an index and LIKE are quick with, and then all of it. */
  const like = (text: Sql, needle: string, { pattern, whole }: { pattern: (escaped: string) => string; whole: Sql }): Sql => {
    const characters = [...needle]
    const part = characters.slice(0, shortNeedleCharacters).join('')
    const isFound = sql`${indexedTrigrams.has(text.sql) && !hasTrigrams(part, options) ? unindexed(text) : text} like ${pattern(escaped(part))}`
    const found = characters.length <= shortNeedleCharacters ? isFound : sql`(${isFound} and ${whole})`
    // Only the folded userId has its trigrams indexed.
    return text.sql === 'customers.user_id' && hasTrigrams(part, options)
      ? sql`(${derivedFields.foldedUserId} like ${pattern(escaped(foldCase(part)))} and ${found})`
      : found
  }
  return {
    derivedFields,
    anyOf: (terms) => sql`(${join([...terms], ' or ')})`,
    equals: (text, value) => {
      if (indexedBeginnings.has(text.sql)) return allInBeginning([value]) ? sql`${beginning(text)} = ${value}` : sql`(${beginning(text)} = ${beginningOf(value)} and ${text} = ${value})`
      return sql`${indexedTrigrams.has(text.sql) && text.sql !== 'customers.email' && !hasTrigrams(value, options, 1) ? unindexed(text) : text} = ${value}`
    },
    contains: (text, needle) => like(text, needle, { pattern: (part) => `%${part}%`, whole: sql`strpos(${text}, ${needle}) > 0` }),
    startsWith: (text, prefix) => {
      if (indexedBeginnings.has(text.sql)) {
        const starts = sql`starts_with(${beginning(text)}, ${beginningOf(prefix)})`
        return allInBeginning([prefix]) ? starts : sql`(${starts} and starts_with(${text}, ${prefix}))`
      }
      const whole = sql`starts_with(${text}, ${prefix})`
      return text.sql === 'customers.email' || !indexedTrigrams.has(text.sql) ? whole : like(text, prefix, { pattern: (part) => `${part}%`, whole })
    },
    endsWith: (text, suffix) => {
      const characters = [...suffix]
      if (characters.length > shortNeedleCharacters) return sql`right(${text}, ${characters.length}) = ${suffix}`
      return like(text, suffix, { pattern: (part) => `%${part}`, whole: sql`true` })
    },
    isOneOf: (value, values) => {
      if (!indexedBeginnings.has(value.sql)) return sql`${value} = any(${values})`
      const texts = values.map(String)
      const begins = sql`${beginning(value)} = any(${texts.map(beginningOf)})`
      return allInBeginning(texts) ? begins : sql`(${begins} and ${value} = any(${texts}))`
    },
    attributeValue: (attribute) => valueByCustomer(attribute, options),
    hasAttribute: (attribute, test) => {
      if (attribute === joined) return test(attributeColumn('sorted', attribute, options), { isColumn: true })
      // Whether it is so must be unknown to the planner: what it guesses of values by customer is far too few.
      if (options.isByCustomer) return sql`coalesce(${test(valueByCustomer(attribute, options), { isColumn: false })}, false)`
      return sql`exists (
        select 1 from customer_attributes where customer_attributes.customer_id = customers.id
        and ${attributeEntry(attributeIds.get(attribute) ?? 0, test(attributeColumn('customer_attributes', attribute, options), { isColumn: true }))})`
    },
    hasAllTags: (names) => sql`customers.tag_ids @> ${idsOf(names)}`,
    hasAnyTag: (names) => sql`customers.tag_ids && ${idsOf(names)}`,
    hasNoTag: sql`customers.tag_ids = '{}'`,
    hasEvents: (filter, test) => {
      if (options.isByCustomer) {
        return sql`coalesce(${test(sql`(select count(*) from events where events.customer_id = customers.id and ${eventEntry(organizationId, filter)})`)}, false)`
      }
      const isPassedByNone = passesZero(filter.test)
      const counted = countedEvents(organizationId, filter, isPassedByNone ? sql`(${test(sql`count(*)`)}) is not true` : test(sql`count(*)`))
      const are = sql`exists (select 1 from (${counted}) as counted where counted.customer_id = customers.id)`
      return isPassedByNone ? sql`(not ${are})` : are
    }
  }
}

function valueByCustomer(attribute: string, options: SearchNames): Sql {
  const column = attributeColumn('customer_attributes', attribute, options)
  return sql`(
    select ${column} from customer_attributes
    where customer_attributes.customer_id = customers.id and customer_attributes.attribute_id = ${options.attributeIds.get(attribute) ?? 0})`
}

/** The rows of an attribute that pass a condition; the values of one type have an index. */
export function attributeEntry(attributeId: number, condition: Sql): Sql {
  return sql`customer_attributes.attribute_id = ${attributeId} and ${condition}`
}

/** Where the values of an attribute are, in the rows of a table or alias. */
export function attributeColumn(table: 'customer_attributes' | 'sorted', attribute: string, { attributeTypes }: SearchNames): Sql {
  const isText = attributeTypes.get(attribute) === 'text'
  if (table === 'sorted') return isText ? sql`sorted.text` : sql`sorted.number`
  return isText ? sql`customer_attributes.text` : sql`customer_attributes.number`
}

/** The customers of whom the number of events passes a condition, those without any left out. */
export function countedEvents(organizationId: number, filter: EventsFilter, condition: Sql): Sql {
  return sql`select events.customer_id from events where ${eventEntry(organizationId, filter)} group by events.customer_id having ${condition}`
}

function eventEntry(organizationId: number, { name, since, until }: EventsFilter): Sql {
  return sql`events.organization_id = ${organizationId} and events.name = ${name} and events.created_at between ${since} and ${until}`
}

/** Whether customers without any events of the name pass. */
export function passesZero(test: Exclude<NumberTest, { operator: 'empty' }>): boolean {
  switch (test.operator) {
    case '=': return test.value === 0
    case '>': return 0 > test.value
    case '<': return 0 < test.value
    case '>=': return 0 >= test.value
    case '<=': return 0 <= test.value
    case 'in': return test.values.includes(0)
    case 'between': return test.from <= 0 && test.to >= 0
  }
}

/** The part of a long text that its index holds and sorts by, and of what is compared with it. */
export function beginning(text: Sql): Sql {
  return sql`left(${text}, 200)`
}

export function beginningOf(value: string): string {
  return [...value].slice(0, indexedCharacters).join('')
}

/** Whether what begins with the texts, or is one of them, is told by the beginnings alone. */
function allInBeginning(texts: readonly string[]): boolean {
  return texts.every((text) => text.length < indexedCharacters)
}

/** Another name of the same collation keeps an index away, and not the statistics by which plans are made. */
function unindexed(text: Sql): Sql {
  return sql`(${text} collate "POSIX")`
}

/**
 * Whether the index of trigrams has anything to find by; without, it would be read as a whole. Inside a word that takes
 * three letters in a row, and one where the words are whole, as the index has them with what is before and behind them.
 */
function hasTrigrams(needle: string, { hasAllLetters }: Pick<DialectOptions, 'hasAllLetters'>, lettersMin: 1 | 3 = 3): boolean {
  const runs = needle.match(hasAllLetters ? /[\p{L}0-9]+/gu : /[a-z0-9]+/gi) ?? []
  return runs.some((run) => [...run].length >= lettersMin)
}

/** Whether it depends on the database's locale how a search is best asked. */
export function asksForLetters(filter: Filter): boolean {
  switch (filter.type) {
    case 'group': return filter.filters.some(asksForLetters)
    case 'anyText': return isBeyondAscii(filter.needle)
    case 'text': return 'value' in filter.test && isBeyondAscii(filter.test.value)
    case 'number': case 'tags': case 'events': return false
  }
}

function isBeyondAscii(text: string): boolean {
  return /[^\0-\x7f]/.test(text)
}

/** For LIKE. */
function escaped(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}

const derivedFields: SearchDialect['derivedFields'] = {
  unsubscribed: sql`customers.unsubscribed`,
  blocked: sql`customers.blocked`,
  source: sql`customers.source`,
  referer: sql`customers.referer`,
  lastPage: sql`customers.last_page`,
  locale: sql`customers.locale`,
  createdFrom: sql`customers.folded_created_from`,
  notes: sql`customers.notes`,
  'device.platform': sql`customers.device_platform`,
  'device.timezone': sql`customers.device_timezone`,
  foldedUserId: sql`customers.folded_user_id`,
  phoneDigits: sql`customers.phone_digits`
}
