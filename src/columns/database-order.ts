import type { Order, Position } from '../search.ts'
import type { Bits } from './bits.ts'
import type { CustomerTable } from './customer-table.ts'
import type { Deadline } from './deadline.ts'
import { decodeText, textSeparator } from './encoded-text.ts'
import { numberProbe } from './number-probe.ts'
import type { SortValue, Visit, WalkStart } from './row-order.ts'
import { RowOrder } from './row-order.ts'
import type { FieldSort } from './row-orders.ts'

/** Behind a position, or from the beginning. */
interface ReadStretch {
  readonly order: Order
  readonly after: Position | null
  readonly max: number
}

/** The ids of the next customers who have a value, fewer than `max` when nobody comes behind them: as an index of the database has them side by side. */
export type ReadOn = (stretch: ReadStretch) => readonly number[]

/** Read first, then twice as many each time, since a page is often filled by few. */
const firstRead = 512

interface Source {
  readonly table: CustomerTable
  readonly sort: FieldSort
  readonly readOn: ReadOn
  readonly deadline: Deadline
}

/** Customers in the order of a sort, as the database has it where no order is in memory. */
export class DatabaseOrder {
  readonly #source: Source
  /** Of these are the customers without a value, who come last. */
  readonly #among: Bits

  constructor(source: Source, among: Bits) {
    this.#source = source
    this.#among = among
  }

  /** As of an order in memory, but from its beginning or beside a place. Those who have a value are visited whether they are `among` others or not. */
  walk(start: WalkStart, order: Order, visit: Visit): void {
    if ('skip' in start || start.value !== null) {
      if (!this.#walkValued('skip' in start ? null : this.#positionAt(start, order), order, visit)) return
      this.#missing().walk({ skip: 0 }, order, visit)
    } else this.#missing().walk(start, order, visit)
  }

  /** Answers whether the visitor wants more. */
  #walkValued(first: Position | null, order: Order, visit: Visit): boolean {
    const { table, readOn, deadline } = this.#source
    let after = first
    for (let max = firstRead; ; max *= 2) {
      deadline.look()
      let row = -1
      const ids = readOn({ order, after, max })
      for (const id of ids) {
        row = table.rowFrom(id)
        if (row === table.rows || table.idOf(row) !== id) throw new Error('The database has customers that the index has not')
        if (!visit(row)) return false
      }
      if (ids.length < max) return true
      after = { value: this.#valueOf(row), id: table.idOf(row) }
    }
  }

  /** The position that a walk from a place begins behind. */
  #positionAt({ value, row }: { value: SortValue | null; row: number }, order: Order): Position | null {
    // No text of the database has this; whoever comes behind is found from the end.
    if (typeof value === 'string' && value.endsWith(textSeparator)) return null
    const { table } = this.#source
    const id = row < table.rows ? table.idOf(row) : Number.MAX_SAFE_INTEGER
    return { value: typeof value === 'string' ? decodeText(value) : value, id: order === 'asc' ? id - 1 : id }
  }

  #valueOf(row: number): SortValue | null {
    const { table, sort: { by, field } } = this.#source
    const value = by === 'number' ? table.fields.number(field)?.get(row) : table.fields.text(field)?.get(row)
    return typeof value === 'string' ? decodeText(value) : value ?? null
  }

  #missing(): RowOrder {
    const { table, sort: { by, field }, deadline } = this.#source
    const missing = this.#among.clone()
    const valued = this.#among.clone()
    valued.clear()
    if (by === 'number') table.fields.number(field)?.select(numberProbe({ operator: 'empty' }), valued)
    else table.fields.text(field)?.select({ kind: 'present' }, valued, deadline)
    missing.andNot(valued)
    return new RowOrder(() => null, new Uint32Array(0), missing)
  }
}
