import type { Sql } from 'sql-template-tag'
import sql, { join, raw } from 'sql-template-tag'
import { foldCase } from '../../src/case-folding.ts'
import type { Source, Tables } from './tables.ts'

/** A filter of a search, and what it is in SQL: of a row, from the index that answers it, and counted. */
export interface Term {
  readonly filter: Readonly<Record<string, unknown>>
  readonly where: Sql
  readonly drive: Source | null
  readonly total: Sql | null
}

export type Comparison = '=' | '>' | '<' | '>=' | '<='
export type Events = { readonly since?: number; readonly until?: number }

const customerCount = sql`(select customer_count from organizations where id = 1)`

const exactFields: readonly string[] = ['userId', 'integrationId']

/** Makes terms for the tables of one database. */
export class Terms {
  readonly #tables: Tables

  constructor(tables: Tables) {
    this.#tables = tables
  }

  text(field: string, operator: '=' | '~' | '^' | '$', asked: string): Term {
    const column = this.#tables.field(field)
    const value = exactFields.includes(field) ? asked : foldCase(asked)
    const term = { filter: { field: `customers.${field}`, operator, value: asked } }
    switch (operator) {
      case '=': return { ...term, where: sql`${column} = ${value}`, drive: this.#driveFrom(field, sql`= ${value}`), total: null }
      case '~': return { ...term, where: sql`instr(${column}, ${value}) > 0`, drive: null, total: null }
      case '^': {
        const isAt = sql`between ${value} and ${`${value}\u{10ffff}`}`
        return { ...term, where: sql`${column} ${isAt}`, drive: this.#driveFrom(field, isAt), total: null }
      }
      case '$': return { ...term, where: sql`substr(${column}, ${-[...value].length}) = ${value}`, drive: null, total: null }
    }
  }

  number(field: string, operator: Comparison, value: number | string): Term {
    const column = this.#tables.field(field)
    const test = sql`${raw(operator)} ${typeof value === 'number' ? value : relative(value)}`
    return { filter: { field: `customers.${field}`, operator, value }, where: sql`${column} ${test}`, drive: this.#driveFrom(field, test), total: null }
  }

  numberIn(field: string, values: readonly number[]): Term {
    const test = sql`in (select value from json_each(${JSON.stringify(values)}))`
    return {
      filter: { field: `customers.${field}`, operator: 'in', value: values },
      where: sql`${this.#tables.field(field)} ${test}`, drive: this.#driveFrom(field, test), total: null
    }
  }

  between(field: string, from: number, to: number): Term {
    const test = sql`between ${from} and ${to}`
    return {
      filter: { field: `customers.${field}`, operator: 'between', value: [from, to] },
      where: sql`${this.#tables.field(field)} ${test}`, drive: this.#driveFrom(field, test), total: null
    }
  }

  boolean(field: string, value: boolean): Term {
    return { filter: { field: `customers.${field}`, operator: '=', value }, where: sql`${this.#tables.field(field)} = ${Number(value)}`, drive: null, total: null }
  }

  oneOf(field: string, values: readonly string[]): Term {
    const test = sql`in (select value from json_each(${JSON.stringify(values.map(foldCase))}))`
    return {
      filter: { field: `customers.${field}`, operator: 'in', value: values },
      where: sql`${this.#tables.field(field)} ${test}`, drive: this.#driveFrom(field, test), total: null
    }
  }

  empty(field: string, { isNegated = false } = {}): Term {
    const column = this.#tables.field(field)
    const isDate = field.endsWith('Seen') || field.endsWith('At')
    const isEmpty = isDate ? sql`${column} is null` : sql`(${column} is null or ${column} = '')`
    return {
      filter: { field: `customers.${field}`, operator: isNegated ? '!empty' : 'empty' },
      where: isNegated ? sql`not ${isEmpty}` : isEmpty,
      drive: isDate && !isNegated ? this.#driveFrom(field, sql`is null`) : null, total: null
    }
  }

  /** A custom attribute. `test` is the operator and the value in SQL. */
  data(name: string, operator: string, value: unknown, test: Sql): Term {
    const entries = sql`customer_attributes as entry where entry.attribute_id = ${this.#tables.attributeId(name)} and entry.value ${test}`
    return {
      filter: { field: `customers.customData.${name}`, operator, value },
      where: sql`${this.#tables.attribute(name)} ${test}`,
      drive: {
        from: sql`customer_attributes as entry cross join customers on customers.id = entry.customer_id`,
        where: sql`entry.attribute_id = ${this.#tables.attributeId(name)} and entry.value ${test}`
      },
      total: sql`select count(*) as total from ${entries}`
    }
  }

  dataEmpty(name: string, { isNegated = false } = {}): Term {
    const count = sql`select count(*) from customer_attributes where attribute_id = ${this.#tables.attributeId(name)}`
    const has = this.data(name, '!empty', undefined, sql`is not null`)
    if (isNegated) return has
    return {
      filter: { field: `customers.customData.${name}`, operator: 'empty' },
      where: sql`${this.#tables.attribute(name)} is null`, drive: null, total: sql`select ${customerCount} - (${count}) as total`
    }
  }

  tags(operator: 'all' | 'any', names: readonly [string, ...string[]]): Term {
    const ids = names.flatMap((name) => this.#tables.tagId(name) ?? [])
    const filter = operator === 'all'
      ? { field: 'customers.tagsData', operator: '=', value: names.map((name) => ({ name })) }
      : { field: 'tags', operator, value: names }
    const has = (id: number): Sql => sql`exists (select 1 from customer_tags where tag_id = ${id} and customer_id = customers.id)`
    if (ids.length < names.length) return { filter, where: sql`false`, drive: null, total: sql`select 0 as total` }
    const list = join(ids)
    const counted = sql`select count(distinct customer_id) as total from customer_tags where tag_id in (${list})`
    const [first = 0, ...others] = ids
    switch (operator) {
      case 'all': {
        // Names are given with the rarest first.
        const rest = others.map((id) => sql` and exists (select 1 from customer_tags as other where other.tag_id = ${id} and other.customer_id = tagged.customer_id)`)
        const where = rest.length === 0 ? sql`tagged.tag_id = ${first}` : sql`tagged.tag_id = ${first} ${join(rest, '')}`
        return {
          filter, where: sql`(${join(ids.map(has), ' and ')})`,
          drive: { from: sql`customer_tags as tagged cross join customers on customers.id = tagged.customer_id`, where },
          total: sql`select count(*) as total from customer_tags as tagged where ${where}`
        }
      }
      case 'any': return {
        filter, where: sql`(${join(ids.map(has), ' or ')})`,
        drive: { from: sql`(select distinct customer_id from customer_tags where tag_id in (${list})) as tagged cross join customers on customers.id = tagged.customer_id`, where: sql`true` },
        total: counted
      }
    }
  }

  noTags(): Term {
    return {
      filter: { field: 'tags', operator: 'empty' }, where: sql`customers.tag_ids = ''`, drive: null,
      total: sql`select ${customerCount} - (select count(distinct customer_id) from customer_tags) as total`
    }
  }

  events(name: string, operator: Comparison, value: number, { since, until }: Events = {}): Term {
    const compare: Record<Comparison, (count: number) => boolean> = {
      '=': (count) => count === value, '>': (count) => count > value, '<': (count) => count < value,
      '>=': (count) => count >= value, '<=': (count) => count <= value
    }
    const window = sql`name = ${name} and created_at >= ${since ?? 0} and created_at <= ${until ?? Number.MAX_SAFE_INTEGER}`
    const passesWithoutAny = compare[operator](0)
    const passes = sql`count(*) ${raw(operator)} ${value}`
    const ids = sql`select customer_id from events where ${window} group by customer_id having ${passesWithoutAny ? sql`not ${passes}` : passes}`
    const filter = { field: `events.${name}`, operator, value, ...since === undefined ? {} : { since }, ...until === undefined ? {} : { until } }
    return passesWithoutAny
      ? { filter, where: sql`customers.id not in (${ids})`, drive: null, total: sql`select ${customerCount} - (select count(*) from (${ids})) as total` }
      : {
          filter, where: sql`customers.id in (${ids})`,
          drive: { from: sql`(${ids}) as counted cross join customers on customers.id = counted.customer_id`, where: sql`true` },
          total: sql`select count(*) as total from (${ids})`
        }
  }

  /** From one event up. */
  eventsBetween(name: string, from: number, to: number): Term {
    const ids = sql`select customer_id from events where name = ${name} group by customer_id having count(*) between ${from} and ${to}`
    return {
      filter: { field: `events.${name}`, operator: 'between', value: [from, to] },
      where: sql`customers.id in (${ids})`,
      drive: { from: sql`(${ids}) as counted cross join customers on customers.id = counted.customer_id`, where: sql`true` },
      total: sql`select count(*) as total from (${ids})`
    }
  }

  /** Digits are given where the needle is part of a phone number. */
  anyText(needle: string, digits: string | null = null): Term {
    return {
      filter: { field: 'text', operator: '~', value: needle },
      where: sql`(${join(this.#searched(needle, digits).map(({ text, part }) => sql`instr(${text}, ${part}) > 0`), ' or ')})`,
      drive: null, total: null
    }
  }

  /** How well a needle fits: 0 for the whole of a field, 1 for its beginning, 2 for a part of it. */
  rank(needle: string, digits: string | null = null): Sql {
    const searched = this.#searched(needle, digits)
    const whole = join(searched.map(({ text, part }) => sql`${text} = ${part}`), ' or ')
    const beginning = join(searched.map(({ text, part }) => sql`instr(${text}, ${part}) = 1`), ' or ')
    return sql`case when ${whole} then 0 when ${beginning} then 1 else 2 end`
  }

  all(terms: readonly Term[], { drivenBy }: { drivenBy?: Term } = {}): Term {
    const drive = drivenBy?.drive
    const others = terms.filter((term) => term !== drivenBy).map(({ where }) => where)
    return {
      filter: { comparison: 'AND', filter: terms.map(({ filter }) => filter) },
      where: sql`(${join(terms.map(({ where }) => where), ' and ')})`,
      drive: drive ? { from: drive.from, where: join([drive.where, ...others], ' and ') } : null,
      total: null
    }
  }

  any(terms: readonly Term[]): Term {
    const where = sql`(${join(terms.map((term) => term.where), ' or ')})`
    // SQLite takes an index for each of them if it can.
    const drive = terms.every((term) => term.drive !== null) ? { from: sql`customers`, where: sql`customers.organization_id = 1 and ${where}` } : null
    return { filter: { comparison: 'OR', filter: terms.map(({ filter }) => filter) }, where, drive, total: null }
  }

  /** Of a group. */
  not(group: Term): Term {
    return { ...this.#opposite(group), filter: { ...group.filter, not: true } }
  }

  /** A filter with the operator that is passed by everyone else. */
  negated(term: Term, operator: '!=' | '!~' | '!in' | '!empty' | 'none'): Term {
    return { ...this.#opposite(term), filter: { ...term.filter, operator } }
  }

  /** The ids of a channel are no columns: they are the integrationId of customers from it. */
  channelId(channel: string, value: string): Term {
    const from = this.#tables.field('createdFrom')
    return {
      filter: { field: `customers.${channel}Id`, operator: '=', value },
      where: sql`${this.#tables.field('integrationId')} = ${value} and (${from} = ${channel} or substr(${from}, 1, ${channel.length + 1}) = ${`${channel}_`})`,
      drive: null, total: null
    }
  }

  /** A row without the value passes what is negated. */
  #opposite({ where, drive, total }: Term): Omit<Term, 'filter'> {
    const counted = total ?? (drive && sql`select count(*) as total from ${drive.from} where ${drive.where}`)
    return {
      where: sql`not coalesce(${where}, false)`, drive: null,
      total: counted && sql`select ${customerCount} - (${counted}) as total`
    }
  }

  #searched(needle: string, digits: string | null): { text: Sql; part: string }[] {
    const phone = this.#tables.field('phone')
    return [
      ...['name', 'email', 'company'].map((field) => ({ text: this.#tables.field(field), part: needle })),
      digits === null ? { text: phone, part: needle } : { text: onlyDigits(phone), part: digits },
      { text: sql`lower(customers.user_id)`, part: needle }
    ]
  }

  #driveFrom(field: string, test: Sql): Source | null {
    if (field === 'id') return { from: sql`customers not indexed`, where: sql`customers.id ${test}` }
    const column = field.replace('.', '_').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    const from = this.#tables.index(column)
    if (from.sql === 'customers') return null
    return { from, where: sql`customers.organization_id = 1 and ${raw(`customers.${column}`)} ${test}` }
  }
}

/** The separators that the samples' phone numbers have. */
function onlyDigits(text: Sql): Sql {
  return [' ', '+', '(', ')', '-', '.'].reduce((inner, separator) => sql`replace(${inner}, ${separator}, '')`, text)
}

/** `-90d` as SQLite has it: of now, so that both sides mean the same. */
function relative(text: string): Sql {
  return sql`unixepoch('now', ${`-${Number.parseInt(text.slice(1), 10)} days`})`
}
