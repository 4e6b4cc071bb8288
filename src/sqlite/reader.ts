import type { Database, Statement } from 'better-sqlite3'
import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import type { CustomerSearch } from '../search.ts'
import type { FoundPage } from '../store.ts'
import type { RenderingRow } from './catalog.ts'
import { Catalog } from './catalog.ts'
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
  readonly #statements = new Map<string, Statement<unknown[], unknown>>()

  constructor(db: Database) {
    this.#db = db
    this.#catalog = new Catalog(db)
    this.#find = db.prepare('select rendering, tags_offset, tag_ids from customers where id = ? and organization_id = ?')
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
    return this.#db.transaction(() => {
      const options = this.#planOptions(organizationId)
      const total = search.filters.length === 0
        ? this.#customerCount.get(organizationId) ?? 0
        : this.#count(planCount(search, options))
      const customers = search.offset >= total ? [] : this.#page(planPage(search, { ...options, total }), search)
      return { customers, total }
    })()
  }

  /** The plan of a search's page, and SQLite's own words for it. */
  explainSearch(organizationId: number, search: CustomerSearch): { plan: SearchPlan['name']; steps: string[] } {
    const options = this.#planOptions(organizationId)
    const plan = planPage(search, { ...options, total: this.#count(planCount(search, options)) })
    const { sql: text, values } = pageQuery(plan, search, { isNull: false, offset: search.offset })
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

  /** Customers without the sort's date come last in both orders, so they are a second query. */
  #page(plan: SearchPlan, search: CustomerSearch): CustomerJson[] {
    const dated = this.#part(plan, search, { isNull: false, offset: search.offset })
    const missing = search.limit - dated.length
    if (missing === 0) return dated
    const { column } = sortTerms(search, plan)
    const datedTotal = dated.length > 0 || search.offset === 0
      ? search.offset + dated.length
      : this.#count({ ...plan, where: sql`${plan.where} and ${column} is not null` })
    const offset = Math.max(0, search.offset - datedTotal)
    return [...dated, ...this.#part(plan, { ...search, limit: missing }, { isNull: true, offset })]
  }

  #part(plan: SearchPlan, search: CustomerSearch, part: { isNull: boolean; offset: number }): CustomerJson[] {
    const rows = this.#all<RenderingRow>(pageQuery(plan, search, part))
    return rows.map((row) => this.#catalog.render(row))
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

function pageQuery(plan: SearchPlan, search: CustomerSearch, { isNull, offset }: { isNull: boolean; offset: number }): Sql {
  const { column, direction } = sortTerms(search, plan)
  const order = isNull ? sql`customers.id ${direction}` : sql`${column} ${direction}, customers.id ${direction}`
  const tail = sql`from ${plan.source} where ${plan.where} and ${column} is ${isNull ? sql`null` : sql`not null`}
    order by ${order} limit ${search.limit} offset ${offset}`
  // A walk yields the page in order. Hits that must be sorted are sorted by themselves, since
  // renderings would make the sort ten times as large.
  return plan.name === 'walk'
    ? sql`select rendering, tags_offset, tag_ids ${tail}`
    : sql`select rendering, tags_offset, tag_ids from (select customers.id as hit ${tail}) cross join customers on customers.id = hit`
}
