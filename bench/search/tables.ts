import type { Database, Statement } from 'better-sqlite3'
import type { Sql } from 'sql-template-tag'
import sql, { empty, join, raw } from 'sql-template-tag'

export type Plan = 'walk' | 'scan' | 'drive'

/** Where rows of customers come from, and which of them. */
export interface Source {
  readonly from: Sql
  readonly where: Sql
}

/** A question as someone would write it who knows the tables, the data and SQLite. */
export interface HandWritten {
  /** Sorted by a field, by `customData.` and an attribute, or by how well a needle fits. */
  readonly by: string | { readonly rank: Sql }
  readonly order: 'asc' | 'desc'
  /** Of a row of customers. */
  readonly where: Sql
  /** Walk the index of the sort, read every row, or start from the index of a filter. */
  readonly plan: Plan
  readonly drive: Source | null
  readonly total: Sql
  readonly offset: number
  /** The page begins behind the customer at this place, which is known by value and id. */
  readonly behind: number | null
}

export interface HandPage {
  readonly ids: readonly number[]
  readonly ms: number
}

export interface PlannedPage extends HandPage {
  readonly plan: Plan
}

const organization = sql`customers.organization_id = 1`
const pageCustomers = 100
/** Hits that are worth sorting. */
const drivenMax = 50_000
/** Where one in so many is a hit, the walk finds a page soon. */
const walkedMin = 500
const parts: Readonly<Record<string, string>> = { countryCode: 'location.countryCode', regionCode: 'location.regionCode', city: 'location.city' }

/** The tables of a database as they are today: which columns and indexes there are is asked of it. */
export class Tables {
  readonly #db: Database
  readonly #columns: ReadonlySet<string>
  /** Indexes that sort an organization's customers, by column. */
  readonly #sortIndexes = new Map<string, string>()
  readonly #customers: number
  readonly #attributes: ReadonlyMap<string, number>
  readonly #tags: ReadonlyMap<string, number>
  readonly #statements = new Map<string, Statement<unknown[], unknown>>()

  constructor(db: Database) {
    this.#db = db
    const names = (text: string): string[] => db.prepare<[], string>(text).pluck().all()
    this.#columns = new Set(names("select name from pragma_table_info('customers')"))
    for (const index of names("select name from pragma_index_list('customers')")) {
      const [first, column] = names(`select name from pragma_index_info('${index}')`)
      if (first === 'organization_id' && column !== undefined && !this.#sortIndexes.has(column)) this.#sortIndexes.set(column, index)
    }
    this.#customers = db.prepare<[], number>('select customer_count from organizations where id = 1').pluck().get() ?? 0
    this.#attributes = new Map(db.prepare<[], [string, number]>('select name, id from attributes where organization_id = 1').raw().all())
    this.#tags = new Map(db.prepare<[], [string, number]>('select name, id from tags where organization_id = 1').raw().all())
  }

  tagId(name: string): number | undefined {
    return this.#tags.get(name)
  }

  attributeId(name: string): number {
    const id = this.#attributes.get(name)
    if (id === undefined) throw new Error(`No customer has the attribute ${name}`)
    return id
  }

  /** A field in the form in which it compares; out of the rendering when it has no column. */
  field(name: string): Sql {
    const column = name.replace('.', '_').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    const isExact = ['id', 'userId', 'integrationId', 'firstSeen', 'lastSeen', 'createdAt', 'updatedAt'].includes(name)
    if (this.#columns.has(column)) return column === 'created_from' ? sql`lower(customers.created_from)` : raw(`customers.${column}`)
    const value = raw(`json_extract(customers.rendering, '$.${parts[name] ?? name}')`)
    return isExact || name === 'blocked' || name === 'unsubscribed' ? value : sql`lower(${value})`
  }

  attribute(name: string): Sql {
    const value = raw(`json_extract(customers.rendering, '$.customData.${name}')`)
    return ['plan', 'industry', 'account_code'].includes(name) ? sql`lower(${value})` : value
  }

  /** The index that answers `column = …` of one organization. */
  index(column: string): Sql {
    const index = this.#sortIndexes.get(column)
    return index === undefined ? sql`customers` : raw(`customers indexed by ${index}`)
  }

  count(total: Sql): { total: number; ms: number } {
    const { rows: [row], ms } = this.#best<{ total: number }>(total)
    return { total: row?.total ?? 0, ms }
  }

  /** The fastest way to the page of those that could be, knowing the total. */
  page(question: HandWritten, total: number): PlannedPage {
    const isFew = total < this.#customers / walkedMin
    const plans = new Set([question.plan])
    if (typeof question.by === 'string') {
      plans.add(isFew ? 'scan' : 'walk')
      if (question.drive !== null && total <= drivenMax) plans.add('drive')
    }
    const pages = [...plans].map((plan) => ({ plan, ...this.#page({ ...question, plan }, total) }))
    const [best] = pages.toSorted((one, other) => one.ms - other.ms)
    if (best === undefined) throw new Error('A question has no plan')
    return best
  }

  #page(question: HandWritten, total: number): HandPage {
    const behind = question.behind === null ? null : this.#standing(question, question.behind)
    const valued = this.#part(question, { isNull: false, limit: pageCustomers, offset: question.offset, behind })
    const missing = Math.min(pageCustomers, total - question.offset) - valued.ids.length
    if (missing <= 0 || behind !== null || typeof question.by !== 'string') return valued
    const valuedTotal = valued.ids.length > 0 || question.offset === 0
      ? { total: question.offset + valued.ids.length, ms: 0 }
      : this.count(sql`select count(*) as total from (${this.#select(question, { isNull: false, limit: -1, offset: 0, behind: null })})`)
    const others = this.#part(question, { isNull: true, limit: missing, offset: Math.max(0, question.offset - valuedTotal.total), behind: null })
    return { ids: [...valued.ids, ...others.ids], ms: valued.ms + valuedTotal.ms + others.ms }
  }

  /** The value and id of the customer at a place. Not part of what is timed: a cursor holds them. */
  #standing(question: HandWritten, place: number): { value: unknown; id: number } {
    const { column } = this.#order(question)
    const rows = this.#all<{ id: number; value: unknown }>(
      sql`${this.#select(question, { isNull: false, limit: 1, offset: place, behind: null, extra: sql`, ${column} as value` })}`)
    const [row] = rows
    if (row === undefined) throw new Error('There is nobody at that place')
    return row
  }

  #part(question: HandWritten, options: PartOptions): HandPage {
    const { rows, ms } = this.#best<{ id: number; rendering: string }>(this.#select(question, options))
    return { ids: rows.map(({ id }) => id), ms }
  }

  #select(question: HandWritten, { isNull, limit, offset, behind, extra = empty }: PartOptions): Sql {
    const { column, source } = this.#order(question)
    const direction = raw(question.order)
    const { from, where } = source(isNull)
    const terms = [where]
    if (question.by !== 'id' && typeof question.by === 'string') terms.push(isNull ? sql`${column} is null` : sql`${column} is not null`)
    if (behind !== null) {
      const sign = raw(question.order === 'asc' ? '>' : '<')
      terms.push(question.by === 'id' ? sql`customers.id ${sign} ${behind.id}` : sql`(${column}, customers.id) ${sign} (${behind.value}, ${behind.id})`)
    }
    const tail = sql`from ${from} where ${join(terms, ' and ')} order by ${column} ${direction}, customers.id ${direction} limit ${limit} offset ${offset}`
    // Sorting renderings along would make the sort ten times as large.
    return question.plan === 'walk' || limit === -1 || extra !== empty
      ? sql`select customers.id as id, customers.rendering as rendering ${extra} ${tail}`
      : sql`select id, rendering from (select customers.id as hit ${tail}) cross join customers on customers.id = hit`
  }

  #order({ by, plan, where, drive }: HandWritten): { column: Sql; source: (isNull: boolean) => Source } {
    const scan: Source = { from: sql`customers not indexed`, where: sql`${organization} and ${where}` }
    if (typeof by !== 'string') return { column: by.rank, source: () => drive ?? scan }
    const isAttribute = by.startsWith('customData.')
    const attribute = by.slice('customData.'.length)
    const value = isAttribute ? this.attribute(attribute) : this.field(by)
    if (plan === 'scan') return { column: value, source: () => scan }
    if (plan === 'drive') {
      if (drive === null) throw new Error('There is nothing to drive from')
      return { column: sql`+${value}`, source: () => drive }
    }
    if (by === 'id') return { column: value, source: () => scan }
    if (!isAttribute) return { column: value, source: () => ({ ...scan, from: this.index(by.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)) }) }
    const id = this.attributeId(attribute)
    return {
      column: sql`sorted.value`,
      source: (isNull) => isNull
        ? {
            from: sql`(select null as value) as sorted cross join customers`,
            where: sql`${scan.where} and not exists (select 1 from customer_attributes where attribute_id = ${id} and customer_id = customers.id and value is not null)`
          }
        : { from: sql`customer_attributes as sorted cross join customers on customers.id = sorted.customer_id`, where: sql`sorted.attribute_id = ${id} and ${scan.where}` }
    }
  }

  /** The fastest of up to three runs; what takes long is not run again. */
  #best<Row>(query: Sql): { rows: Row[]; ms: number } {
    let rows: Row[] = []
    let ms = Infinity
    for (let run = 0; run < 3 && (run === 0 || ms < 300); run += 1) {
      const started = performance.now()
      rows = this.#all<Row>(query)
      ms = Math.min(ms, performance.now() - started)
    }
    return { rows, ms }
  }

  #all<Row>({ sql: text, values }: Sql): Row[] {
    const known = this.#statements.get(text)
    const statement = known ?? this.#db.prepare(text)
    if (known === undefined) this.#statements.set(text, statement)
    return statement.all(...values) as Row[]
  }
}

interface PartOptions {
  readonly isNull: boolean
  readonly limit: number
  readonly offset: number
  readonly behind: { readonly value: unknown; readonly id: number } | null
  readonly extra?: Sql
}
