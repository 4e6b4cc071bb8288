import type { Database, Statement } from 'better-sqlite3'
import type { Sql } from 'sql-template-tag'
import sql, { raw } from 'sql-template-tag'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import type { CustomerSearch, Paging } from '../search.ts'
import type { FoundPage } from '../store.ts'
import type { RenderingRow } from './catalog.ts'
import { Catalog } from './catalog.ts'
import { ListReader } from './list-reader.ts'
import type { PagePart, WholeRow } from './page-part.ts'
import { joinParts, readPart, selectRows, selectWhole } from './page-part.ts'
import type { PlanOptions, SearchPlan } from './search-plan.ts'
import { planCount, planPage, sortTerms } from './search-plan.ts'

/** Shapes of searches whose statements are kept; a search of a new shape costs some 50 µs to prepare. */
const statementsKept = 200

/** Tags with more customers than this are all the same to the plan. */
const taggedCountMax = 20_000

/** Answers questions on one reading connection, inside a transaction of the caller's, so that all it reads is of one moment. */
export class Reader {
  readonly #db: Database
  readonly #catalog: Catalog
  readonly #find: Statement<[number, number], RenderingRow>
  readonly #customerCount: Statement<[number], number>
  readonly #taggedCount: Statement<[number], number>
  readonly #lists: ListReader
  readonly #statements = new Map<string, Statement<unknown[], unknown>>()

  constructor(db: Database) {
    this.#db = db
    this.#catalog = new Catalog(db)
    this.#lists = new ListReader(db, this.#catalog)
    this.#find = db.prepare(`${selectRows} from customers where id = ? and organization_id = ?`)
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
    return row && this.#catalog.render(organizationId, row)
  }

  attributeTypes(organizationId: number): ReadonlyMap<string, AttributeType> {
    return this.#catalog.of(organizationId).attributeTypes
  }

  /** Page and total of one moment. HelpCrunch: clients take a short page for the last, and read the total with a limit of 1. */
  search(organizationId: number, search: CustomerSearch): FoundPage {
    return search.filters.length === 0 ? this.#list(organizationId, search) : this.#search(organizationId, search)
  }

  /** The plan of a search's page, and SQLite's own words for it. */
  explainSearch(organizationId: number, search: CustomerSearch): { plan: SearchPlan['name']; steps: string[] } {
    const options = this.#planOptions(organizationId)
    const plan = planPage(search, { ...options, total: this.#count(planCount(search, options)) })
    const { column } = sortTerms(search, plan)
    const { sql: text, values } = pageQuery({ ...plan, where: sql`${plan.where} and ${column} is not null` }, search)
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
    const pages = search.offset >= total ? [] : this.#page(organizationId, planPage(search, { ...options, total }), search)
    return { customers: joinParts(pages), total }
  }

  #list(organizationId: number, paging: Paging): FoundPage {
    const total = this.#customerCount.get(organizationId) ?? 0
    const pages = paging.offset >= total ? [] : this.#lists.read(organizationId, paging)
    return { customers: joinParts(pages), total }
  }

  /** Customers without the sort's date come last in both orders, so they are a second query. */
  #page(organizationId: number, plan: SearchPlan, search: CustomerSearch): PagePart[] {
    const { column } = sortTerms(search, plan)
    const dated = { ...plan, where: sql`${plan.where} and ${column} is not null` }
    const first = this.#part(organizationId, dated, search)
    const missing = search.limit - first.count
    if (missing === 0) return [first]
    const datedTotal = first.count > 0 || search.offset === 0 ? search.offset + first.count : this.#count(dated)
    const undated = { ...plan, where: sql`${plan.where} and ${column} is null` }
    return [first, this.#part(organizationId, undated, { ...search, limit: missing, offset: Math.max(0, search.offset - datedTotal) })]
  }

  #part(organizationId: number, plan: SearchPlan, search: CustomerSearch): PagePart {
    const page = pageQuery(plan, search)
    return readPart(this.#catalog, organizationId, {
      whole: () => this.#all<WholeRow>(sql`${raw(selectWhole)} from (${page})`)[0],
      rows: () => this.#all<RenderingRow>(page)
    })
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

function pageQuery(plan: SearchPlan, search: CustomerSearch): Sql {
  const { column, direction } = sortTerms(search, plan)
  const tail = sql`from ${plan.source} where ${plan.where}
    order by ${column} ${direction}, customers.id ${direction} limit ${search.limit} offset ${search.offset}`
  // A walk yields the page in order. Hits that must be sorted are sorted by themselves, since
  // renderings would make the sort ten times as large.
  return plan.name === 'walk'
    ? sql`${raw(selectRows)} ${tail}`
    : sql`${raw(selectRows)} from (select customers.id as hit ${tail}) cross join customers on customers.id = hit`
}
