import type { Database, Statement } from 'better-sqlite3'
import type { CustomerSearch, Order, Position } from '../search.ts'
import type { Catalog, RenderingRow } from './catalog.ts'
import type { ListPage, ListPosition, SortField } from './order-buckets.ts'
import { OrderReader } from './order-buckets.ts'
import type { PagePart, WholeRow } from './page-part.ts'
import { readPart, selectRows, selectWhole } from './page-part.ts'

const columns: Record<SortField, { column: string; index: string }> = {
  firstSeen: { column: 'first_seen', index: 'customers_by_first_seen' },
  lastSeen: { column: 'last_seen', index: 'customers_by_last_seen' }
}

export function isUnfiltered({ filter }: CustomerSearch): boolean {
  return filter.filters.length === 0 && !filter.isNegated
}

/** The date that a search lists everyone by; undefined when it is no such list. */
export function listedBy(search: CustomerSearch): SortField | undefined {
  const { sort } = search
  const name = isUnfiltered(search) && sort.by === 'number' ? sort.field.name : undefined
  return name === 'firstSeen' || name === 'lastSeen' ? name : undefined
}

/** Whether a search is answered here, for the same small cost at any offset. */
export function isList(search: CustomerSearch): boolean {
  return listedBy(search) !== undefined
}

/** A part of a sorted list, read in its order from an offset. */
interface Range {
  /** These take the organization, the values, a limit and an offset. */
  readonly whole: Statement<number[], WholeRow>
  readonly rows: Statement<number[], RenderingRow>
  /** Takes the organization and the values. */
  readonly count: Statement<number[], number>
}

/** The ranges of one sort and order. Those without the date come last in both orders. */
interface Ranges {
  readonly dated: Range
  /** Of the bound's date, from its id on. */
  readonly sameDate: Range
  /** Past the bound's date. */
  readonly furtherDates: Range
  readonly undated: Range
  /** Without the date, from the bound's id on. */
  readonly undatedFrom: Range
}

type OnRead = (query: { readonly sql: string; readonly values: number[] }) => void

/** Pages of everyone, sorted, at any offset for the same cost. Its statements are fixed, so they are prepared once. */
export class ListReader {
  readonly #catalog: Catalog
  readonly #order: OrderReader
  readonly #ranges: Record<SortField, Record<Order, Ranges>>

  constructor(db: Database, catalog: Catalog) {
    this.#catalog = catalog
    this.#order = new OrderReader(db)
    const bothOrders = (sort: SortField): Record<Order, Ranges> =>
      ({ asc: prepareRanges(db, sort, 'asc'), desc: prepareRanges(db, sort, 'desc') })
    this.#ranges = { firstSeen: bothOrders('firstSeen'), lastSeen: bothOrders('lastSeen') }
  }

  /** The page in one part or several, one after the other. `onRead` is told of the statements that read it. */
  read(organizationId: number, page: ListPage, onRead?: OnRead): PagePart[] {
    const { isDated, bound, offset } = page.after === null ? this.#order.locate(organizationId, page) : positionBehind(page.after, page.order)
    const ranges = this.#ranges[page.sort][page.order]
    const all = [organizationId]
    const undated = bound === null || isDated
      ? { range: ranges.undated, values: all }
      : { range: ranges.undatedFrom, values: [organizationId, bound.id] }
    if (!isDated) return this.#readAcross(organizationId, [undated], { limit: page.limit, offset, onRead })
    // Two ranges where `(date, id) >= (…)` would say it, since SQLite seeks by no more than the date of that.
    const dated = bound === null
      ? [{ range: ranges.dated, values: all }]
      : [
          { range: ranges.sameDate, values: [organizationId, bound.seconds, bound.id] },
          { range: ranges.furtherDates, values: [organizationId, bound.seconds] }
        ]
    return this.#readAcross(organizationId, [...dated, undated], { limit: page.limit, offset, onRead })
  }

  #readAcross(
    organizationId: number, ranges: readonly { range: Range; values: readonly number[] }[],
    { limit, offset, onRead }: { limit: number; offset: number; onRead: OnRead | undefined }
  ): PagePart[] {
    const parts: PagePart[] = []
    let missing = limit
    let toPass = offset
    for (const { range, values } of ranges) {
      onRead?.({ sql: range.rows.source, values: [...values, missing, toPass] })
      const part = readPart(this.#catalog, organizationId, {
        whole: () => range.whole.get(...values, missing, toPass),
        rows: () => range.rows.all(...values, missing, toPass)
      })
      parts.push(part)
      missing -= part.count
      if (missing === 0) break
      toPass = part.count > 0 || toPass === 0 ? 0 : toPass - (range.count.get(...values) ?? 0)
    }
    return parts
  }
}

/** Bounds include their key when ascending and not when descending. */
function positionBehind({ value, id }: Position, order: Order): ListPosition {
  return { isDated: value !== null, bound: { seconds: Number(value), id: order === 'asc' ? id + 1 : id }, offset: 0 }
}

function prepareRanges(db: Database, sort: SortField, order: Order): Ranges {
  const { column, index } = columns[sort]
  const range = (condition: string): Range => {
    const from = `from customers indexed by ${index} where organization_id = ? and ${condition}`
    return {
      whole: db.prepare(`${selectWhole} from (${selectRows} ${from} order by ${column} ${order}, id ${order} limit ? offset ?)`),
      rows: db.prepare(`${selectRows} ${from} order by ${column} ${order}, id ${order} limit ? offset ?`),
      count: db.prepare<number[], number>(`select count(*) ${from}`).pluck()
    }
  }
  return {
    dated: range(`${column} is not null`),
    sameDate: range(`${column} = ? and id ${order === 'asc' ? '>=' : '<'} ?`),
    furtherDates: range(`${column} ${order === 'asc' ? '>' : '<'} ?`),
    undated: range(`${column} is null`),
    undatedFrom: range(`${column} is null and id ${order === 'asc' ? '>=' : '<'} ?`)
  }
}
