import type pg from 'pg'
import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { CustomerJson } from '../customer.ts'
import type { CustomerSearch, Position } from '../search.ts'
import type { FoundPage } from '../store.ts'
import type { RenderingRow } from './catalog.ts'
import { connectionsAsConfigured } from './citus.ts'
import type { ExplainedStep } from './explanation.ts'
import { Explanation } from './explanation.ts'
import type { SearchNames } from './search-dialect.ts'
import { asksForLetters } from './search-dialect.ts'
import type { Few, PlanOptions, Stretch } from './search-plan.ts'
import { findDrivers, planCount, planPage } from './search-plan.ts'

/** What a reader asks of the tags and attributes in memory. */
export interface SearchCatalog {
  of(organizationId: number): SearchNames
  render(organizationId: number, row: RenderingRow): CustomerJson
}

export interface PlanBounds {
  /** So many customers are looked up one by one in less time than a walk may take that meets with as many. */
  readonly fewMax: number
  /** Whether customers are spread over several machines. */
  readonly isDistributed?: boolean
}

export const planBounds: PlanBounds = { fewMax: 10_000 }

/** Each takes some milliseconds to count. */
const driversMax = 8

interface Hit {
  readonly hit: number
  readonly sort_value: Position['value']
}

/**
 * Page and total, inside a transaction of the caller's, so that both are of one moment. First come ids and what they are
 * sorted by, so that where customers are spread over several machines no more than that is brought together.
 */
export async function searchCustomers(
  client: pg.ClientBase, organizationId: number, search: CustomerSearch, catalog: SearchCatalog, bounds = planBounds
): Promise<FoundPage> {
  return await new Search({ client, organizationId, search, catalog, bounds }).run()
}

interface SearchOptions {
  readonly client: pg.ClientBase
  readonly organizationId: number
  readonly search: CustomerSearch
  readonly catalog: SearchCatalog
  readonly bounds: PlanBounds
}

class Search {
  readonly #client: pg.ClientBase
  readonly #organizationId: number
  readonly #search: CustomerSearch
  readonly #catalog: SearchCatalog
  readonly #bounds: PlanBounds
  readonly #explanation: Explanation | null

  constructor({ client, organizationId, search, catalog, bounds }: SearchOptions) {
    this.#client = client
    this.#organizationId = organizationId
    this.#search = search
    this.#catalog = catalog
    this.#bounds = bounds
    this.#explanation = search.wantsExplanation ? new Explanation() : null
  }

  async run(): Promise<FoundPage> {
    const { limit, wantsTotal } = this.#search
    const start = performance.now()
    const options = await this.#planOptions()
    // One more than the page, to see whether there is a next one.
    const hits = await this.#hits(planPage(this.#search, options), limit + 1)
    const shown = hits.slice(0, limit)
    const customers = await this.#render(shown.map(({ hit }) => hit))
    const paged = performance.now()
    const total = wantsTotal ? this.#totalKnown(hits.length) ?? await this.#count(options) : null
    const totalMs = performance.now() - paged
    const last = shown.at(-1)
    return {
      customers: Buffer.from(customers.join()),
      count: customers.length,
      total,
      next: last === undefined || hits.length <= limit ? null : { value: last.sort_value, id: last.hit },
      pageMs: paged - start,
      totalMs,
      explanation: this.#explanation?.tell(await this.#everyone()) ?? null
    }
  }

  async #planOptions(): Promise<PlanOptions> {
    const organizationId = this.#organizationId
    const { tagIds, attributeIds, attributeTypes } = this.#catalog.of(organizationId)
    const options = { organizationId, tagIds, attributeIds, attributeTypes, hasAllLetters: await this.#hasAllLetters(), few: null }
    return { ...options, few: await this.#few(options) }
  }

  /** The filter with the fewest customers of whom PostgreSQL could not know that they are few. */
  async #few(options: PlanOptions): Promise<Few | null> {
    let [fewest, max]: [Few | null, number] = [null, this.#bounds.fewMax + 1]
    for (const { filter, ids } of findDrivers(this.#search, options).slice(0, driversMax)) {
      const { isOne, count } = this.#bounds.isDistributed === true ? await this.#countFew(ids) : await this.#takeFew(ids, max)
      if (count < max) [fewest, max] = [{ filter, isOne }, count]
    }
    return fewest
  }

  async #takeFew(ids: Sql, max: number): Promise<{ isOne: Sql; count: number }> {
    const [row] = await this.#rows<{ few: number[] }>(sql`select coalesce(array_agg(few.customer_id), '{}') as few from (${ids} limit ${max}) as few`, 'few')
    const few = row?.few ?? []
    return { isOne: sql`customers.id = any(${few})`, count: few.length }
  }

  /** Each machine has its own, and they stay there. */
  async #countFew(ids: Sql): Promise<{ isOne: Sql; count: number }> {
    return { isOne: sql`customers.id in (${ids})`, count: await this.#countFrom(sql`(${ids}) as few`, 'few') }
  }

  async #hasAllLetters(): Promise<boolean> {
    if (!asksForLetters(this.#search.filter)) return false
    const [row] = await this.#rows<{ known: boolean }>(sql`select show_trgm('ш') <> '{}' as known`)
    return row?.known ?? false
  }

  async #hits(stretches: readonly Stretch[], wanted: number): Promise<Hit[]> {
    const hits: Hit[] = []
    let toPass = this.#search.offset
    for (const [index, stretch] of stretches.entries()) {
      const found = await this.#rows<Hit>(pageQuery(stretch, { limit: wanted - hits.length, offset: toPass }), 'page')
      hits.push(...found)
      if (hits.length === wanted || index === stretches.length - 1) break
      if (found.length > 0) toPass = 0
      else if (toPass > 0) toPass -= await this.#countFrom(sql`${stretch.source} where ${stretch.where}`, 'page')
    }
    return hits
  }

  /** In the order of the ids. Where machines answer at slightly different moments, some may be gone. */
  async #render(ids: readonly number[]): Promise<CustomerJson[]> {
    if (ids.length === 0) return []
    const rows = await this.#rows<RenderingRow & { id: number }>(sql`select id, rendering, tag_ids, tag_version from customers where id = any(${ids})`)
    const renderings = new Map(rows.map((row) => [row.id, this.#catalog.render(this.#organizationId, row)]))
    return ids.flatMap((id) => renderings.get(id) ?? [])
  }

  /** A page that ends before its limit tells the total. */
  #totalKnown(read: number): number | undefined {
    const { offset, limit, after } = this.#search
    return after === null && read <= limit && (read > 0 || offset === 0) ? offset + read : undefined
  }

  async #count(options: PlanOptions): Promise<number> {
    const { from, isOfOthers } = planCount(this.#search.filter, options)
    const counted = from === null ? 0 : await this.#countAll(from)
    return isOfOthers ? await this.#everyone() - counted : counted
  }

  /** A page asks little of each shard of customers; a total may have to read all of it. */
  async #countAll(from: Sql): Promise<number> {
    const [, counted] = await Promise.all([this.#client.query(connectionsAsConfigured), this.#countFrom(from, 'total')])
    return counted
  }

  async #everyone(): Promise<number> {
    const [row] = await this.#rows<{ total: number }>(sql`
      select coalesce(sum(customers), 0)::bigint as total from customer_counts where organization_id = ${this.#organizationId}`)
    return row?.total ?? 0
  }

  async #countFrom(from: Sql, of: ExplainedStep): Promise<number> {
    const [row] = await this.#rows<{ total: number }>(sql`select count(*) as total from ${from}`, of)
    return row?.total ?? 0
  }

  /** Explained as a step of what is being asked, when someone wants to know. */
  async #rows<Row extends object>(query: Sql, of?: ExplainedStep): Promise<Row[]> {
    const { text, values } = query
    if (of !== undefined && this.#explanation !== null) {
      const { rows: [row] } = await this.#client.query<{ 'QUERY PLAN': unknown }>(`explain (analyze, timing off, costs off, format json) ${text}`, values)
      this.#explanation.add(of, row?.['QUERY PLAN'])
    }
    const { rows } = await this.#client.query<Row>(text, values)
    return rows
  }
}

function pageQuery({ source, where, hit, value, order }: Stretch, { limit, offset }: { limit: number; offset: number }): Sql {
  return sql`select ${hit} as hit, ${value} as sort_value from ${source} where ${where} order by ${order} limit ${limit} offset ${offset}`
}
