import type { CustomerSearch, Position } from '../search.ts'
import type { Condition } from './condition.ts'
import type { CustomerTable } from './customer-table.ts'
import type { Deadline } from './deadline.ts'
import { decodeText, encodeText } from './encoded-text.ts'
import type { FilterResults, Result } from './filter-results.ts'
import { PageCollector } from './page-collector.ts'
import type { FieldSort } from './row-orders.ts'
import type { WalkStart } from './row-order.ts'
import type { SearchTally } from './search-tally.ts'

/** Customers tested one by one, in order, before everyone who passes is found first: about a millisecond for one filter. */
const testedRowsMax = 4_096
/** After so many it shows whether the page will be full in time: not if fewer than half of the matches due by then were found. */
const sampledRows = 512
/** What finding everyone costs by one long text; it pays to test that many more customers before a search that costs more. */
const walkedCost = 12

/** Sorting a match costs about as much as passing 40 rows of an order. */
const rowsPerSorted = 40

/** With so few matches they are sorted by themselves when there is no order yet: it takes less than 10 ms, and making an order up to a second. */
const sortedMatchesMax = 20_000

/** Pages that begin further down are taken from an order of all. */
const pickedRowsMax = 2_000

export interface Page {
  readonly collector: PageCollector
  readonly plan: string
  readonly positionOf: (row: number) => Position
}

/** A page by a value of the customers. `result` is given when it is known who matches. */
export class SortedPage {
  readonly #table: CustomerTable
  readonly #results: FilterResults
  readonly #search: CustomerSearch
  readonly #sort: FieldSort
  readonly #tally: SearchTally
  readonly #deadline: Deadline

  constructor(table: CustomerTable, results: FilterResults, { search, sort, tally, deadline }: { search: CustomerSearch; sort: FieldSort; tally: SearchTally; deadline: Deadline }) {
    this.#table = table
    this.#results = results
    this.#search = search
    this.#sort = sort
    this.#tally = tally
    this.#deadline = deadline
  }

  findAll(condition: Condition): Result {
    return this.#results.find(condition, this.#tally)
  }

  find(condition: Condition, result: Result | undefined): Page {
    const tested = result === undefined && this.#table.orders.has(this.#sort) ? this.#walkTesting(condition) : undefined
    return tested ?? this.#walkResult(result ?? this.findAll(condition))
  }

  /** Undefined when too many would have to be tested. */
  #walkTesting(condition: Condition): Page | undefined {
    const collector = new PageCollector(this.#search, this.#search.offset)
    const { offset, limit, order } = this.#search
    const budget = testedRowsMax * Math.max(1, Math.min(2, condition.cost / walkedCost))
    const dueInSample = ((offset + limit + 1) * sampledRows) / budget / 2
    let visited = 0
    let matched = 0
    let isGivenUp = false
    this.#table.orders.find(this.#sort, this.#table.live, { deadline: this.#deadline }).walk(this.#start(0), order, (row) => {
      isGivenUp = visited === sampledRows ? matched < dueInSample : visited >= budget
      if (isGivenUp) return false
      visited += 1
      if (!condition.test(row)) return true
      matched += 1
      return collector.take(row)
    })
    this.#tally.visit(visited)
    if (isGivenUp) {
      this.#tally.note(`walk ${this.#name}: gave up after ${visited} customers`)
      return undefined
    }
    this.#tally.note(`walk ${this.#name}: tested ${visited} customers`)
    return this.#page(collector, 'walk')
  }

  #walkResult({ bits, count }: Result): Page {
    const { limit, offset, order } = this.#search
    const { live, customers, orders, rows } = this.#table
    const deadline = this.#deadline
    if (offset >= count) return this.#page(new PageCollector(this.#search, 0), 'match')
    const isEverybody = count === customers
    // Matches are a set of rows, which are in order of the ids.
    if (this.#isById && !isEverybody) {
      const collector = new PageCollector(this.#search, 0)
      orders.make(this.#sort, bits, deadline).walk(this.#start(offset), order, collector.take)
      this.#tally.visit(collector.rows.length)
      return this.#page(collector, 'match, walk')
    }
    const walkedRows = Math.min(rows, (rows * (offset + limit + 1)) / count)
    const isSorted = orders.has(this.#sort) ? count * rowsPerSorted < walkedRows : count <= sortedMatchesMax
    if (isSorted && !isEverybody) {
      const collector = new PageCollector(this.#search, 0)
      orders.make(this.#sort, bits, deadline).walk(this.#start(offset), order, collector.take)
      this.#tally.visit(count)
      this.#tally.note(`sort by ${this.#name}: ${count} matches`)
      return this.#page(collector, 'match, sort')
    }
    const size = offset + limit + 1
    if (this.#search.after === null && size <= pickedRowsMax && orders.isPicked(this.#sort)) {
      const collector = new PageCollector(this.#search, 0)
      orders.make(this.#sort, orders.pick(this.#sort, bits, { size, order, deadline }), deadline).walk(this.#start(offset), order, collector.take)
      this.#tally.visit(count)
      this.#tally.note(`first by ${this.#name}: picked from ${count} matches`)
      return this.#page(collector, 'match, pick')
    }
    const collector = new PageCollector(this.#search, isEverybody ? 0 : offset)
    let visited = 0
    orders.find(this.#sort, live, { deadline }).walk(this.#start(isEverybody ? offset : 0), order, (row) => {
      visited += 1
      deadline.count(1)
      return !bits.has(row) || collector.take(row)
    })
    this.#tally.visit(visited)
    this.#tally.note(`walk ${this.#name}: passed ${visited} customers`)
    return this.#page(collector, isEverybody ? 'walk' : 'match, walk')
  }

  #start(skip: number): WalkStart {
    const { after, order } = this.#search
    if (after === null) return { skip }
    // Upward the walk begins with the first row behind the position, downward below the first that is not before it.
    const row = this.#table.rowFrom(order === 'asc' ? after.id + 1 : after.id)
    if (this.#source === undefined) return { value: null, row }
    return { value: typeof after.value === 'string' ? encodeText(after.value) : after.value, row }
  }

  #page(collector: PageCollector, plan: string): Page {
    return {
      collector,
      plan: `${plan} ${this.#name}`,
      positionOf: (row) => {
        const id = this.#table.idOf(row)
        if (this.#isById) return { value: id, id }
        const value = this.#source?.get(row) ?? null
        return { value: typeof value === 'string' ? decodeText(value) : value, id }
      }
    }
  }

  get #name(): string {
    const { name, attribute } = this.#sort.field
    return name ?? `customData.${attribute}`
  }

  get #isById(): boolean {
    return this.#sort.field.name === 'id'
  }

  /** Undefined for ids, which the rows are in order of, and for an attribute that nobody has. */
  get #source(): { get(row: number): string | number | null } | undefined {
    if (this.#isById) return undefined
    return this.#sort.by === 'number' ? this.#table.fields.number(this.#sort.field) : this.#table.fields.text(this.#sort.field)
  }
}
