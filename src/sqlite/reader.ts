import type { Database, Statement } from 'better-sqlite3'
import type { Sql } from 'sql-template-tag'
import sql, { raw } from 'sql-template-tag'
import type { AttributeType } from '../custom-data.ts'
import type { RevisedCustomer } from '../customer.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch, Position, Sort } from '../search.ts'
import { sortValue } from '../sql/search-where.ts'
import type { FoundPage } from '../store.ts'
import type { RenderingRow, VersionedRow } from './catalog.ts'
import { Catalog } from './catalog.ts'
import { isUnfiltered, listedBy, ListReader } from './list-reader.ts'
import { Meter } from './meter.ts'
import type { PagePart, WholeRow } from './page-part.ts'
import { joinParts, lastId, readPart, selectRows, selectWhole, withoutLast } from './page-part.ts'
import { sqliteDialect } from './search-dialect.ts'
import type { SearchPlan, SearchPlans, SortedPlan } from './search-plan.ts'
import { planSearch, wholePlans } from './search-plan.ts'
import type { IdRange, PlanBounds, PlanName, PlanOptions } from './search-source.ts'
import { entriesCountedMax, planBounds } from './search-source.ts'
import type { Walk, WalkRange } from './search-walk.ts'

/** Shapes of searches whose statements are kept; a search of a new shape costs some 50 µs to prepare. */
const statementsKept = 200

interface ReaderOptions extends PlanBounds {
  readonly searchSecondsMax: number
  /** What searches are timed by. */
  readonly nowMs: () => number
}

interface Counted {
  readonly total: number | null
  /** The ids of all, when they were kept. */
  readonly hits?: readonly number[] | undefined
}

interface Page {
  readonly plan: PlanName
  readonly parts: readonly PagePart[]
}

/** Answers questions on one reading connection, inside a transaction of the caller's, so that all it reads is of one moment. */
export class Reader {
  readonly #db: Database
  readonly #searchSecondsMax: number
  readonly #bounds: PlanBounds
  readonly catalog: Catalog
  readonly #meter: Meter
  readonly #find: Statement<[number, number], VersionedRow>
  readonly #customerCount: Statement<[number], number>
  readonly #highestId: Statement<[], number | null>
  readonly #newestRestoration: Statement<[], number | null>
  readonly #ids: Statement<[number], IdRange>
  readonly #cursorSecret: Statement<[], Buffer>
  #cursorSecretRead: Buffer | undefined
  readonly #lists: ListReader
  readonly #statements = new Map<string, Statement<unknown[], unknown>>()
  readonly #idRanges = new Map<number, { readonly highestId: number; readonly restoration: number; readonly range: IdRange }>()
  /** How SQLite runs what is being asked, when someone wants to know. */
  #steps: string[] | null = null

  constructor(db: Database, { searchSecondsMax = limits.searchSecondsMax, nowMs, ...bounds }: Partial<ReaderOptions> = {}) {
    this.#db = db
    this.#searchSecondsMax = searchSecondsMax
    this.#bounds = { ...planBounds, ...bounds }
    this.catalog = new Catalog(db)
    this.#meter = new Meter(db, nowMs)
    this.#lists = new ListReader(db, this.catalog)
    this.#find = db.prepare(`${selectRows}, version from customers where id = ? and organization_id = ?`)
    this.#customerCount = db.prepare<[number], number>('select customer_count from organizations where id = ?').pluck()
    this.#highestId = db.prepare<[], number | null>('select max(id) from customers').pluck()
    this.#newestRestoration = db.prepare<[], number | null>("select max(id) from changes indexed by changes_of_restorations where kind = 'customer.restored'").pluck()
    this.#ids = db.prepare('select ifnull(min(id), 0) as first, ifnull(max(id), 0) as last from customers indexed by customers_by_first_seen where organization_id = ?')
    this.#cursorSecret = db.prepare<[], Buffer>("select value from secrets where name = 'cursor'").pluck()
  }

  /** Catches up with tags and attributes that others have committed. */
  refresh(): void {
    this.catalog.refresh()
  }

  find(organizationId: number, id: number): RevisedCustomer | undefined {
    const row = this.#find.get(id, organizationId)
    return row && this.catalog.revised(organizationId, row)
  }

  attributeTypes(organizationId: number): ReadonlyMap<string, AttributeType> {
    return this.catalog.of(organizationId).attributeTypes
  }

  /** What cursors are signed with. */
  cursorSecret(): Buffer {
    this.#cursorSecretRead ??= this.#cursorSecret.get()
    if (this.#cursorSecretRead === undefined) throw new Error('The database has no secret for cursors')
    return this.#cursorSecretRead
  }

  /** Page and total of one moment. HelpCrunch: clients take a short page for the last, and read the total with a limit of 1. */
  search(organizationId: number, search: CustomerSearch): FoundPage {
    this.#meter.start(this.#searchSecondsMax)
    this.#steps = search.wantsExplanation ? [] : null
    const start = performance.now()
    const plans = once(() => planSearch(search, this.#planOptions(organizationId)))
    const { total, hits } = search.wantsTotal ? this.#total(organizationId, search, plans) : { total: null }
    const counted = performance.now()
    // With the total at hand the page need not be read past its end to see whether there is more.
    const known = search.after === null ? total : null
    const wanted = known === null ? search.limit + 1 : Math.min(search.limit, known - search.offset)
    const { plan, parts }: Page = wanted > 0
      ? this.#page(organizationId, { ...search, limit: wanted }, { plans, total, hits })
      : { plan: plans().count.name, parts: [] }
    const read = parts.reduce((sum, part) => sum + part.count, 0)
    const hasMore = known === null ? read > search.limit : search.offset + read < known
    const joined = joinParts(parts)
    const customers = known === null && hasMore ? withoutLast(joined) : joined
    const next = hasMore && customers.length > 0 ? this.#position(organizationId, search.sort, lastId(customers)) : null
    const steps = this.#steps
    this.#steps = null
    return {
      customers,
      count: Math.min(read, search.limit),
      total,
      next,
      pageMs: performance.now() - counted,
      totalMs: counted - start,
      // Rows and index entries that reached the conditions, and those of a list read from its index; a seek in between is none.
      explanation: steps && { plan, steps, entriesVisited: Math.max(this.#meter.entries, read) }
    }
  }

  #planOptions(organizationId: number): PlanOptions {
    const { tagIds, attributeIds } = this.catalog.of(organizationId)
    return {
      bounds: this.#bounds,
      organizationId,
      tagIds,
      attributeIds,
      customerCount: this.#customerCount.get(organizationId) ?? 0,
      countEntries: (from) => this.#countEntries(from),
      idRange: () => this.#idRange(organizationId)
    }
  }

  #countEntries(from: Sql): number {
    const counted = this.#meter.within(entriesCountedMax, () =>
      this.#first<{ count: number }>(sql`select count(*) as count from (select 1 from ${from} limit ${entriesCountedMax})`))
    return counted?.count ?? entriesCountedMax
  }

  #idRange(organizationId: number): IdRange {
    const known = this.#idRanges.get(organizationId)
    const highestId = this.#highestId.get() ?? 0
    const restoration = this.#newestRestoration.get() ?? 0
    // New customers have higher ids, so without one, and without one restored, nobody is outside the range.
    const isKnown = known?.highestId === highestId && known.restoration === restoration
    const range = (isKnown ? known.range : this.#ids.get(organizationId)) ?? { first: 0, last: 0 }
    this.#idRanges.set(organizationId, { highestId, restoration, range })
    return range
  }

  /** All matches, and their ids where finding them again would cost as much. */
  #total(organizationId: number, search: CustomerSearch, plans: () => SearchPlans): Counted {
    if (isUnfiltered(search)) return { total: this.#customerCount.get(organizationId) ?? 0 }
    const { count } = plans()
    if (!wholePlans.has(count.name)) return { total: this.#count(count) }
    const { result, ids } = this.#meter.keeping(this.#bounds.sortedHitsMax, () => this.#count(count, sql`kept(customers.id)`))
    return { total: result, hits: ids.length === result ? ids : undefined }
  }

  #count({ source, where }: Pick<SearchPlan, 'source' | 'where'>, counted = sql`*`): number {
    const query = sql`select count(${counted}) as total from ${source} where ${where}`
    this.#explain('total', query)
    return this.#first<{ total: number }>(query)?.total ?? 0
  }

  #page(organizationId: number, search: CustomerSearch, { plans, total, hits }: { plans: () => SearchPlans } & Partial<Counted>): Page {
    const isEveryone = isUnfiltered(search)
    const listed = listedBy(search)
    if (listed !== undefined) {
      const parts = this.#lists.read(organizationId, { ...search, sort: listed }, this.#steps === null ? undefined : (query) => { this.#explain('page', query) })
      return { plan: `walk ${listed}`, parts }
    }
    const { count, isInOrder, sorted, walk } = plans()
    const areFew = count.isSelective || (typeof total === 'number' && total <= this.#bounds.sortedHitsMax)
    const walked = isEveryone || isInOrder || !areFew ? walk() : null
    if (walked !== null) {
      const entriesMax = this.#bounds.walkEntriesMax + search.offset
      const parts = this.#meter.within(entriesMax, () => this.#walk(organizationId, walked, search))
      if (parts !== undefined) return { plan: walked.name, parts }
      this.#steps?.push(`page: gave up the ${walked.name} after ${entriesMax} entries`)
    }
    const plan = sorted(hits)
    return { plan: plan.name, parts: [this.#part(organizationId, sortedQuery(plan, search))] }
  }

  #walk(organizationId: number, { ranges }: Walk, { limit, offset }: CustomerSearch): PagePart[] {
    const parts: PagePart[] = []
    let missing = limit
    let toPass = offset
    for (const range of ranges()) {
      const part = this.#part(organizationId, rangeQuery(range, { limit: missing, offset: toPass }))
      parts.push(part)
      missing -= part.count
      if (missing === 0) break
      toPass = part.count > 0 || toPass === 0 ? 0 : toPass - this.#count(range)
    }
    return parts
  }

  #part(organizationId: number, rows: Sql): PagePart {
    this.#explain('page', rows)
    return readPart(this.catalog, organizationId, {
      whole: () => this.#first<WholeRow>(sql`${raw(selectWhole)} from (${rows})`),
      rows: () => this.#all<RenderingRow>(rows)
    })
  }

  #position(organizationId: number, sort: Sort, id: number): Position {
    const value = sortValue(sort, sqliteDialect(this.catalog.of(organizationId), 'row'))
    const row = this.#first<{ value: Position['value'] }>(sql`select ${value} as value from customers where customers.id = ${id}`)
    return { value: row?.value ?? null, id }
  }

  #first<Row>(query: Sql): Row | undefined {
    return this.#all<Row>(query)[0]
  }

  #all<Row>({ sql: text, values }: Sql): Row[] {
    const kept = this.#statements.get(text)
    const statement = kept ?? this.#db.prepare(text)
    if (kept === undefined) {
      if (this.#statements.size >= statementsKept) this.#statements.clear()
      this.#statements.set(text, statement)
    }
    return statement.all(...values) as Row[]
  }

  #explain(of: 'page' | 'total', { sql: text, values }: Pick<Sql, 'sql' | 'values'>): void {
    if (this.#steps === null) return
    const steps = this.#db.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...values)
    this.#steps.push(...steps.map(({ detail }) => `${of}: ${detail}`))
  }
}

function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined
  return () => (made ??= make())
}

function rangeQuery({ source, where, order }: WalkRange, { limit, offset }: { limit: number; offset: number }): Sql {
  return sql`${raw(selectRows)} from ${source} where ${where} order by ${order} limit ${limit} offset ${offset}`
}

/** Hits are sorted by themselves, since renderings would make the sort ten times as large. */
function sortedQuery({ source, where, value }: SortedPlan, { order, limit, offset }: CustomerSearch): Sql {
  const direction = raw(order)
  return sql`${raw(selectRows)} from (
    select customers.id as hit, ${value} as sort_value from ${source} where ${where}
    order by sort_value ${direction} nulls last, +customers.id ${direction} limit ${limit} offset ${offset})
    cross join customers on customers.id = hit`
}
