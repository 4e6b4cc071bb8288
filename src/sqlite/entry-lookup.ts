import type { Database, Statement } from 'better-sqlite3'
import type { Sql } from 'sql-template-tag'
import sql from 'sql-template-tag'
import type { ReadOn } from '../columns/database-order.ts'
import type { FieldSort } from '../columns/row-orders.ts'
import type { NumberFilter, TextFilter } from '../search.ts'
import type { SearchNames } from './search-dialect.ts'
import { indexedIds } from './search-source.ts'
import { indexedOrder } from './search-walk.ts'

/** Fewer rows are passed over in less time than it takes to ask. */
const passedRowsMin = 4_096
/** So that it takes a part of a pass also when there turn out to be more: to find an entry takes as long as to pass over some 50 rows. */
const rowsPerEntry = 256

/** How many entries are worth looking up in place of a pass over so many rows. */
export function entriesWorthFinding(passedRows: number): number {
  return passedRows < passedRowsMin ? 0 : Math.floor(passedRows / rowsPerEntry)
}

/** Shapes of filters and sorts whose statements are kept. */
const statementsKept = 100

/** Looks into the indexes of the database, for columns in memory: for those who pass a filter, where they are few, and for those who come first in an order. */
export class EntryLookup {
  readonly #db: Database
  readonly #statements = new Map<string, Statement<unknown[], number>>()

  constructor(db: Database) {
    this.#db = db
  }

  /** The ids of all who pass, whether the filter is negated or not; undefined when no index has them side by side, or more than `max` of them. */
  find(organizationId: number, filter: NumberFilter | TextFilter, { max, names }: { max: number; names: SearchNames }): readonly number[] | undefined {
    const { test } = filter
    // Each value is sought, whether anybody has it or not.
    const isWorthIt = max > 0 && (test.operator !== 'in' || test.values.length <= max)
    const ids = isWorthIt ? indexedIds(filter, { ...names, organizationId }) : undefined
    if (ids === undefined) return undefined
    // Counted first: to hand over an id takes several times as long.
    const [count = 0] = this.#all(sql`select count(*) from (${ids} limit ${max + 1})`)
    return count > max ? undefined : this.#all(ids)
  }

  /** Undefined when no index has the order. */
  readerOf(organizationId: number, { field }: FieldSort, names: SearchNames): ReadOn | undefined {
    const indexed = indexedOrder(field, { ...names, organizationId })
    if (indexed === undefined) return undefined
    const { from, value, id } = indexed
    return ({ order, after, max }) => {
      const [further, direction] = order === 'asc' ? [sql`>`, sql`asc`] : [sql`<`, sql`desc`]
      const read = (where: Sql, limit: number): number[] =>
        this.#all(sql`select ${id} from ${from} and ${where} order by ${value} ${direction}, ${id} ${direction} limit ${limit}`)
      if (after === null) return read(sql`${value} is not null`, max)
      // Two ranges where `(value, id) > (…)` would say it, since SQLite seeks by no more than the value of that.
      const same = read(sql`${value} = ${after.value} and ${id} ${further} ${after.id}`, max)
      return same.length === max ? same : [...same, ...read(sql`${value} ${further} ${after.value}`, max - same.length)]
    }
  }

  #all({ sql: text, values }: Sql): number[] {
    const kept = this.#statements.get(text)
    const statement = kept ?? this.#db.prepare<unknown[], number>(text).pluck()
    if (kept === undefined) {
      if (this.#statements.size >= statementsKept) this.#statements.clear()
      this.#statements.set(text, statement)
    }
    return statement.all(...values)
  }
}
