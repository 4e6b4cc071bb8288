import type { Sql } from 'sql-template-tag'
import sql, { join, raw } from 'sql-template-tag'
import type { SearchDialect } from '../sql/search-where.ts'

/** What an organization's tags and attributes are called in the database. Nothing has the id 0. */
export interface SearchNames {
  readonly tagIds: ReadonlyMap<string, number>
  readonly attributeIds: ReadonlyMap<string, number>
}

/**
 * Where filters look for custom attributes: in the index, which finds all who pass at once; or in the
 * rendering of each row, which is cheaper when few rows are looked at.
 */
export type AttributeSource = 'index' | 'row'

/** The attribute whose entries are being walked, so that its value is at hand. */
interface WalkedAttribute {
  readonly attribute: string | undefined
  readonly value: Sql
}

/** Beyond it `instr` takes too long where much of a needle is found again and again: it compares all of it at each place. */
const shortNeedleMax = 64

/** Lists are one value however long they are: a term for each would outgrow SQLite's expressions. */
export function sqliteDialect({ tagIds, attributeIds }: SearchNames, attributeSource: AttributeSource, walked?: WalkedAttribute): SearchDialect {
  const idsOf = (names: readonly string[]): string => JSON.stringify(names.map((name) => tagIds.get(name) ?? 0))
  const attributeValue = (attribute: string): Sql => timely(sql`attribute_of(customers.rendering, ${attribute})`)
  return {
    derivedFields,
    // `is true` keeps SQLite from finding rows by the terms, which is the plan's to say.
    anyOf: (terms) => sql`((${join([...terms], ' or ')}) is true)`,
    equals: (text, value) => sql`${text} = ${value}`,
    contains: (text, needle) => (needle.length > shortNeedleMax ? sql`has_inside(${text}, ${needle})` : sql`instr(${text}, ${needle}) > 0`),
    startsWith: (text, prefix, { isColumn }) =>
      (isColumn ? sql`(${text} >= ${prefix} and ${text} < ${prefixEnd(prefix)})` : sql`substr(${text}, 1, ${characters(prefix)}) = ${prefix}`),
    endsWith: (text, suffix) => sql`substr(${text}, ${-characters(suffix)}, ${characters(suffix)}) = ${suffix}`,
    isOneOf: (value, values) => sql`${value} in (select value from json_each(${JSON.stringify(values)}))`,
    attributeValue,
    hasAttribute: (attribute, test) => {
      if (attribute === walked?.attribute) return test(walked.value, { isColumn: true })
      if (attributeSource === 'row') return test(attributeValue(attribute), { isColumn: false })
      const passes = sql`within_bounds() and ${test(entryValue, { isColumn: true })}`
      const holders = sql`select customer_id from ${attributeEntries(attributeIds.get(attribute) ?? 0, passes)}`
      // Behind a plus, so that SQLite keeps to what the customers are found by.
      return sql`+customers.id in (${holders})`
    },
    hasAllTags: (names) => sql`not exists (
      select 1 from json_each(${idsOf(names)}) as wanted
      where not exists (select 1 from customer_tags where tag_id = wanted.value and customer_id = customers.id))`,
    hasAnyTag: (names) => sql`exists (
      select 1 from json_each(${idsOf(names)}) as wanted cross join customer_tags on tag_id = wanted.value and customer_id = customers.id)`,
    hasNoTag: sql`customers.tag_ids = ''`,
    hasEvents: ({ name, since, until }, test) => test(sql`(
      select count(*) from events indexed by events_by_customer
      where customer_id = customers.id and created_at between ${since} and ${until} and within_bounds() and name = ${name})`)
  }
}

/** The index entries of those who have an attribute, for a FROM clause. */
export function attributeEntries(attributeId: number, passes: Sql): Sql {
  return sql`customer_attributes where attribute_id = ${attributeId} and ${passes}`
}

export const entryValue = sql`customer_attributes.value`

const derivedFields: SearchDialect['derivedFields'] = {
  unsubscribed: rendered('unsubscribed'),
  blocked: rendered('blocked'),
  source: folded(rendered('source')),
  referer: folded(rendered('referer')),
  lastPage: folded(rendered('lastPage')),
  locale: folded(rendered('locale')),
  createdFrom: folded(sql`customers.created_from`),
  notes: folded(rendered('notes')),
  'device.platform': folded(rendered('device.platform')),
  'device.timezone': folded(rendered('device.timezone')),
  foldedUserId: folded(sql`customers.user_id`),
  phoneDigits: sql`digits(customers.phone)`
}

function rendered(path: string): Sql {
  return timely(sql`(customers.rendering ->> ${raw(`'$.${path}'`)})`)
}

/** A value taken from a rendering, which may be large, so that many filters on one of them can take long. */
function timely(value: Sql): Sql {
  return sql`case when in_time() then ${value} end`
}

function folded(text: Sql): Sql {
  return sql`fold_case(${text})`
}

/** As SQLite counts them. */
function characters(text: string): number {
  return [...text].length
}

const [beforeSurrogates, afterSurrogates] = [0xd7ff, 0xe000]

/**
 * What comes right after all texts with a prefix, in the order of their bytes in UTF-8, which is that of their
 * code points. Nothing does when the prefix has only the highest there is: then a blob, as all blobs come after text.
 */
function prefixEnd(prefix: string): string | Buffer {
  const kept = prefix.replace(/\u{10ffff}+$/u, '')
  const last = [...kept].at(-1)
  if (last === undefined) return Buffer.from([0])
  const point = last.codePointAt(0) ?? 0
  return kept.slice(0, -last.length) + String.fromCodePoint(point === beforeSurrogates ? afterSurrogates : point + 1)
}
