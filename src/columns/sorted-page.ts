import type { Order } from '../search.ts'
import type { Bits } from './bits.ts'
import type { Condition } from './condition.ts'
import { DatabaseOrder } from './database-order.ts'
import { decodeText, encodeText } from './encoded-text.ts'
import type { Result } from './filter-results.ts'
import { PageCollector } from './page-collector.ts'
import type { Page, PageScope } from './page-scope.ts'
import { sampledRows, testedRowsMax } from './page-scope.ts'
import type { FieldSort } from './row-orders.ts'
import { isSameSort } from './row-orders.ts'
import type { RowOrder, SortValue, Stretch, WalkStart } from './row-order.ts'

/** A search that costs more is worth as many more tests, up to three times as many: finding everyone by one long text costs three times this. */
const walkedCost = 4
const walkedTimesMax = 3

/** Sorting a match costs about as much as passing 40 rows of an order. */
const rowsPerSorted = 40

/** With so few matches they are sorted by themselves when there is no order yet: it takes less than 10 ms, and making an order up to a second. */
const sortedMatchesMax = 20_000

/** So few are sorted at once in as little time as their first are picked. */
const pickedMatchesMin = 1_024

/** To pick from a match costs about as much as passing so many rows of an order. */
const rowsPerPicked = { number: 1, text: 16 } as const

/** Where so many times as many rows are passed as would be if matches were spread evenly, they may all be at the other end. */
const unevenTimesMax = 4

/** To read an entry of an index of the database costs about as much as picking from half as many matches. */
const matchesPerEntry = { number: 64, text: 8 } as const

/** Entries of an index of the database that are read for a page: they lie on fewer pages of the file than the customers that are shown. */
const readEntriesMax = 16_384

/** Pages that begin further down are taken from an order of all. */
const pickedRowsMax = 2_000

interface BoundedWalk {
  /** Customers that are looked at; fewer when a sample shows that the page would not be full by then. */
  readonly max: number
  readonly condition: Condition
  readonly test: (row: number) => boolean
  readonly plan: string
}

/** A page by a value of the customers. `result` is given when it is known who matches. */
export class SortedPage {
  readonly #scope: PageScope<FieldSort>

  constructor(scope: PageScope<FieldSort>) {
    this.#scope = scope
  }

  findAll(condition: Condition): Result {
    return this.#scope.results.find(condition, this.#scope.tally)
  }

  find(condition: Condition, result: Result | undefined): Page {
    const walked = result === undefined ? this.#walkTesting(condition) : this.#walkDatabase(condition, result)
    return walked ?? this.#walkResult(condition, result ?? this.findAll(condition))
  }

  /** Undefined when there is no order to walk, or too many would have to be tested. */
  #walkTesting(condition: Condition): Page | undefined {
    const { table, sort, deadline } = this.#scope
    const order = table.orders.has(sort) ? table.orders.find(sort, table.live, { deadline }) : this.#databaseOrder(table.live)
    const max = testedRowsMax * Math.max(1, Math.min(walkedTimesMax, condition.cost / walkedCost))
    return order && this.#walkWithin(order, { max, condition, test: (row) => condition.test(row), plan: 'walk' })
  }

  /** Undefined when an order is in memory, when the database has none, and when it is likely that the matches are sooner gone through. */
  #walkDatabase(condition: Condition, { bits, count }: Result): Page | undefined {
    const { table, search, sort } = this.#scope
    const max = Math.min(readEntriesMax, count / (this.#mayPick ? matchesPerEntry[sort.by] : 1))
    if (table.orders.has(sort) || search.offset >= count || this.#size > max) return undefined
    const order = this.#databaseOrder(bits)
    return order && this.#walkWithin(order, { max, condition, test: (row) => bits.has(row), plan: count === table.customers ? 'walk' : 'match, walk' })
  }

  #databaseOrder(among: Bits): DatabaseOrder | undefined {
    const { table, sort, search, readerOf, deadline } = this.#scope
    // On the way through those without a value the database is no help, and an order in memory is.
    if (search.after?.value === null) return undefined
    const readOn = readerOf?.(sort)
    return readOn && new DatabaseOrder({ table, sort, readOn, deadline }, among)
  }

  #walkWithin(order: RowOrder | DatabaseOrder, { max, condition, test, plan }: BoundedWalk): Page | undefined {
    const { search, tally } = this.#scope
    const [where, done] = order instanceof DatabaseOrder ? [' in the database', 'read'] : ['', 'tested']
    const collector = new PageCollector(search, search.offset)
    let visited = 0
    let matched = 0
    let nextLook = sampledRows
    let isGivenUp = false
    order.walk(this.#start(0, condition), search.order, (row) => {
      if (visited === nextLook) {
        // The more were looked at, the closer to those due by then must be those found.
        isGivenUp = matched < ((this.#size * visited) / max) * (1 - sampledRows / visited / 2)
        nextLook *= 2
      }
      isGivenUp ||= visited >= max
      if (isGivenUp) return false
      visited += 1
      if (!test(row)) return true
      matched += 1
      return collector.take(row)
    })
    tally.visit(visited)
    tally.note(`walk ${this.#name}${where}: ${isGivenUp ? 'gave up after' : done} ${visited} customers`)
    return isGivenUp ? undefined : this.#page(collector, `${plan}${where}`)
  }

  #walkResult(condition: Condition, { bits, count }: Result): Page {
    const { table, search, sort, tally, deadline } = this.#scope
    const { limit, offset, order } = search
    const { live, customers, orders, rows } = table
    if (offset >= count) return this.#page(new PageCollector(search, 0), 'match')
    const isEverybody = count === customers
    // Matches are a set of rows, which are in order of the ids.
    if (this.#isById && !isEverybody) {
      const collector = new PageCollector(search, 0)
      orders.make(sort, bits, deadline).walk(this.#start(offset), order, collector.take)
      tally.visit(collector.rows.length)
      return this.#page(collector, 'match, walk')
    }
    const walkedRows = Math.min(rows, (rows * (offset + limit + 1)) / count)
    const isSorted = orders.has(sort) ? count * rowsPerSorted < walkedRows : count <= sortedMatchesMax
    if (isSorted && !isEverybody) {
      if (this.#mayPick && count > Math.max(this.#size, pickedMatchesMin)) return this.#pick({ bits, count })
      const collector = new PageCollector(search, 0)
      orders.make(sort, bits, deadline).walk(this.#start(offset), order, collector.take)
      tally.visit(count)
      tally.note(`sort by ${this.#name}: ${count} matches`)
      return this.#page(collector, 'match, sort')
    }
    if (this.#mayPick && orders.isPicked(sort)) return this.#pick({ bits, count })
    const collector = new PageCollector(search, isEverybody ? 0 : offset)
    const isSoonerPicked = !isEverybody && this.#mayPick && orders.has(sort) && count * rowsPerPicked[sort.by] < rows
    const max = isSoonerPicked ? walkedRows * unevenTimesMax + sampledRows : Infinity
    let visited = 0
    orders.find(sort, live, { deadline }).walk(this.#start(isEverybody ? offset : 0, condition), order, (row) => {
      visited += 1
      deadline.count(1)
      return visited <= max && (!bits.has(row) || collector.take(row))
    })
    tally.visit(visited)
    if (visited > max) {
      tally.note(`walk ${this.#name}: gave up after ${visited} customers`)
      return this.#pick({ bits, count })
    }
    tally.note(`walk ${this.#name}: passed ${visited} customers`)
    return this.#page(collector, isEverybody ? 'walk' : 'match, walk')
  }

  #pick({ bits, count }: Result): Page {
    const { table: { orders }, search, sort, tally, deadline } = this.#scope
    const { offset, order } = search
    const collector = new PageCollector(search, 0)
    orders.make(sort, orders.pick(sort, bits, { size: this.#size, order, deadline }), deadline).walk(this.#start(offset), order, collector.take)
    tally.visit(count)
    tally.note(`first by ${this.#name}: picked from ${count} matches`)
    return this.#page(collector, 'match, pick')
  }

  /** The page, with what is passed over and with one more. */
  get #size(): number {
    const { offset, limit } = this.#scope.search
    return offset + limit + 1
  }

  /** Whether the page may be picked from matches: not from an end of their order that is not known, nor far down. */
  get #mayPick(): boolean {
    return this.#scope.search.after === null && this.#size <= pickedRowsMax
  }

  /** Nobody who passes the condition, if one is given, comes before. */
  #start(skip: number, condition?: Condition): WalkStart {
    const { sort, table, search: { after, order } } = this.#scope
    if (after === null) {
      const starts = skip > 0 ? [] : (condition?.ranges ?? []).flatMap(({ sort: its, stretch }) => (isSameSort(its, sort) ? [startOf(stretch, order)] : []))
      const [first] = starts
      if (first === undefined) return { skip }
      // Of several the one that lies furthest on.
      const value = starts.reduce((one, other) => (isBehind(other, one, order) ? other : one), first)
      if (!this.#isById) return { value, row: order === 'asc' ? 0 : table.rows }
      return { value: null, row: table.rowFrom(order === 'asc' ? Number(value) : Number(value) + 1) }
    }
    // Upward the walk begins with the first row behind the position, downward below the first that is not before it.
    const row = table.rowFrom(order === 'asc' ? after.id + 1 : after.id)
    if (this.#source === undefined) return { value: null, row }
    return { value: typeof after.value === 'string' ? encodeText(after.value) : after.value, row }
  }

  #page(collector: PageCollector, plan: string): Page {
    return {
      collector,
      plan: `${plan} ${this.#name}`,
      positionOf: (row) => {
        const id = this.#scope.table.idOf(row)
        if (this.#isById) return { value: id, id }
        const value = this.#source?.get(row) ?? null
        return { value: typeof value === 'string' ? decodeText(value) : value, id }
      }
    }
  }

  get #name(): string {
    const { name, attribute } = this.#scope.sort.field
    return name ?? `customData.${attribute}`
  }

  get #isById(): boolean {
    return this.#scope.sort.field.name === 'id'
  }

  /** Undefined for ids, which the rows are in order of, and for an attribute that nobody has. */
  get #source(): { get(row: number): string | number | null } | undefined {
    if (this.#isById) return undefined
    return this.#scope.sort.by === 'number' ? this.#scope.table.fields.number(this.#scope.sort.field) : this.#scope.table.fields.text(this.#scope.sort.field)
  }
}

/** The value at which a walk through a stretch begins; null where those without a value do. */
function startOf(stretch: Stretch | null, order: Order): SortValue | null {
  return stretch === null ? null : order === 'asc' ? stretch.from : stretch.to
}

function isBehind(one: SortValue | null, other: SortValue | null, order: Order): boolean {
  if (one === null || other === null) return one === null
  return order === 'asc' ? one > other : one < other
}
