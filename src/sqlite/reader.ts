import type { Database, Statement } from 'better-sqlite3'
import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import type { CustomerSearch } from '../search.ts'
import type { FoundPage } from '../store.ts'
import type { RenderingRow, RenderingRows } from './catalog.ts'
import { Catalog } from './catalog.ts'
import { OrderReader } from './order-buckets.ts'
import type { PlanOptions, SearchPlan } from './search-plan.ts'
import { planCount, planPage, sortTerms } from './search-plan.ts'

/** Shapes of searches whose statements are kept; a search of a new shape costs some 50 µs to prepare. */
const statementsKept = 200

/** Tags with more customers than this are all the same to the plan. */
const taggedCountMax = 20_000

/** Answers questions on one reading connection. */
export class Reader {
  readonly #db: Database
  readonly #catalog: Catalog
  readonly #find: Statement<[number, number], RenderingRow>
  readonly #customerCount: Statement<[number], number>
  readonly #taggedCount: Statement<[number], number>
  readonly #order: OrderReader
  readonly #statements = new Map<string, Statement<unknown[], unknown>>()

  constructor(db: Database) {
    this.#db = db
    this.#catalog = new Catalog(db)
    this.#order = new OrderReader(db)
    this.#find = db.prepare('select rendering, tag_ids from customers where id = ? and organization_id = ?')
    this.#customerCount = db.prepare<[number], number>('select customer_count from organizations where id = ?').pluck()
    this.#taggedCount = db.prepare<[number], number>(
      `select count(*) from (select 1 from customer_tags where tag_id = ? limit ${taggedCountMax})`).pluck()
  }

  /** Catches up with tags and attributes that others have committed. */
  refresh(): void {
    this.#catalog.refresh()
  }

  find(organizationId: number, id: number): CustomerJson | undefined {
    const row = this.#find.get(id, organizationId)
    return row && this.#catalog.render(row)
  }

  attributeTypes(organizationId: number): ReadonlyMap<string, AttributeType> {
    return this.#catalog.of(organizationId).attributeTypes
  }

  /** Page and total of one moment. HelpCrunch: clients take a short page for the last, and read the total with a limit of 1. */
  search(organizationId: number, search: CustomerSearch): FoundPage {
    return this.#db.transaction(() => (search.filters.length === 0 ? this.#list(organizationId, search) : this.#search(organizationId, search)))()
  }

  /** The plan of a search's page, and SQLite's own words for it. */
  explainSearch(organizationId: number, search: CustomerSearch): { plan: SearchPlan['name']; steps: string[] } {
    const options = this.#planOptions(organizationId)
    const plan = planPage(search, { ...options, total: this.#count(planCount(search, options)) })
    const { sql: text, values } = pageQuery(plan, search, { isDated: true, offset: search.offset })
    const steps = this.#db.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...values)
    return { plan: plan.name, steps: steps.map(({ detail }) => detail) }
  }

  #planOptions(organizationId: number): PlanOptions {
    return {
      organizationId,
      tagIds: this.#catalog.of(organizationId).tagIds,
      countTagged: (tagId) => this.#taggedCount.get(tagId) ?? 0
    }
  }

  #count({ source, where }: SearchPlan): number {
    const [row] = this.#all<{ total: number }>(sql`select count(*) as total from ${source} where ${where}`)
    return row?.total ?? 0
  }

  #search(organizationId: number, search: CustomerSearch): FoundPage {
    const options = this.#planOptions(organizationId)
    const total = this.#count(planCount(search, options))
    if (search.offset >= total) return { customers: noCustomers, total }
    const plan = planPage(search, { ...options, total })
    const dated = this.#part(plan, search, { isDated: true, offset: search.offset })
    const missing = search.limit - dated.count
    if (missing === 0) return { customers: dated.customers, total }
    const { column } = sortTerms(search, plan)
    const datedTotal = dated.count > 0 || search.offset === 0
      ? search.offset + dated.count
      : this.#count({ ...plan, where: sql`${plan.where} and ${column} is not null` })
    const offset = Math.max(0, search.offset - datedTotal)
    const undated = this.#part(plan, { ...search, limit: missing }, { isDated: false, offset })
    return { customers: joinPages([dated, undated]), total }
  }

  /** Everyone, at any offset: counts kept beside the customers say where a page begins. */
  #list(organizationId: number, search: CustomerSearch): FoundPage {
    const total = this.#customerCount.get(organizationId) ?? 0
    if (search.offset >= total) return { customers: noCustomers, total }
    const { dated, bound, skip } = this.#order.locate(organizationId, search)
    const plan = planPage(search, { ...this.#planOptions(organizationId), total })
    const { column } = sortTerms(search, plan)
    const within = bound === null ? sql`` : search.order === 'asc'
      ? sql`and (${column}, customers.id) >= (${bound.seconds}, ${bound.id})`
      : sql`and (${column}, customers.id) < (${bound.seconds}, ${bound.id})`
    const first = search.offset < dated
      ? this.#part({ ...plan, where: sql`${plan.where} ${within}` }, search, { isDated: true, offset: skip })
      : { customers: noCustomers, count: 0 }
    const missing = search.limit - first.count
    if (missing === 0) return { customers: first.customers, total }
    const undated = this.#part(plan, { ...search, limit: missing }, { isDated: false, offset: Math.max(0, search.offset - dated) })
    return { customers: joinPages([first, undated]), total }
  }

  /** Customers without the sort's date come last in both orders, so they are a part of their own. */
  #part(plan: SearchPlan, search: CustomerSearch, part: { isDated: boolean; offset: number }): PagePart {
    const [rows] = this.#all<RenderingRows>(pageQuery(plan, search, part))
    if (rows === undefined) throw new Error('An aggregate answered no row')
    return { customers: this.#catalog.renderAll(rows), count: rows.count }
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
}

interface PagePart {
  readonly customers: Buffer
  readonly count: number
}

const noCustomers = Buffer.alloc(0)
const comma = Buffer.from(',')

function joinPages(parts: readonly PagePart[]): Buffer {
  const filled = parts.filter(({ count }) => count > 0).map(({ customers }) => customers)
  return Buffer.concat(filled.flatMap((customers, index) => (index === 0 ? [customers] : [comma, customers])))
}

/** One row that holds the whole page: a row for each customer costs as much again as reading it. */
function pageQuery(plan: SearchPlan, search: CustomerSearch, { isDated, offset }: { isDated: boolean; offset: number }): Sql {
  const { column, direction } = sortTerms(search, plan)
  const order = isDated ? sql`${column} ${direction}, customers.id ${direction}` : sql`customers.id ${direction}`
  const tail = sql`from ${plan.source} where ${plan.where} and ${column} is ${isDated ? sql`not null` : sql`null`}
    order by ${order} limit ${search.limit} offset ${offset}`
  // A walk yields the page in order. Hits that must be sorted are sorted by themselves, since
  // renderings would make the sort ten times as large.
  const page = plan.name === 'walk'
    ? sql`select rendering, tag_ids ${tail}`
    : sql`select rendering, tag_ids from (select customers.id as hit ${tail}) cross join customers on customers.id = hit`
  return sql`select count(*) as count, cast(group_concat(rendering, ',') as blob) as renderings, group_concat(tag_ids, ';') as tag_ids from (${page})`
}
