import type { Database, Statement } from 'better-sqlite3'
import type { Paging, SortField } from '../search.ts'
import type { Catalog, RenderingRow } from './catalog.ts'
import { OrderReader } from './order-buckets.ts'
import type { PagePart, WholeRow } from './page-part.ts'
import { readPart, selectRows, selectWhole } from './page-part.ts'

const columns: Record<SortField, { column: string; index: string }> = {
  firstSeen: { column: 'first_seen', index: 'customers_by_first_seen' },
  lastSeen: { column: 'last_seen', index: 'customers_by_last_seen' }
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

/** Pages of everyone, sorted, at any offset for the same cost. Its statements are fixed, so they are prepared once. */
export class ListReader {
  readonly #catalog: Catalog
  readonly #order: OrderReader
  readonly #ranges: Record<SortField, Record<Paging['order'], Ranges>>

  constructor(db: Database, catalog: Catalog) {
    this.#catalog = catalog
    this.#order = new OrderReader(db)
    const bothOrders = (sort: SortField): Record<Paging['order'], Ranges> =>
      ({ asc: prepareRanges(db, sort, 'asc'), desc: prepareRanges(db, sort, 'desc') })
    this.#ranges = { firstSeen: bothOrders('firstSeen'), lastSeen: bothOrders('lastSeen') }
  }

  /** The page in one part or several, one after the other. */
  read(organizationId: number, paging: Paging): PagePart[] {
    const { isDated, bound, offset } = this.#order.locate(organizationId, paging)
    const ranges = this.#ranges[paging.sort][paging.order]
    const all = [organizationId]
    const undated = bound === null || isDated
      ? { range: ranges.undated, values: all }
      : { range: ranges.undatedFrom, values: [organizationId, bound.id] }
    if (!isDated) return this.#readAcross(organizationId, [undated], { limit: paging.limit, offset })
    // Two ranges where `(date, id) >= (…)` would say it, since SQLite seeks by no more than the date of that.
    const dated = bound === null
      ? [{ range: ranges.dated, values: all }]
      : [
          { range: ranges.sameDate, values: [organizationId, bound.seconds, bound.id] },
          { range: ranges.furtherDates, values: [organizationId, bound.seconds] }
        ]
    return this.#readAcross(organizationId, [...dated, undated], { limit: paging.limit, offset })
  }

  #readAcross(
    organizationId: number, ranges: readonly { range: Range; values: readonly number[] }[], { limit, offset }: { limit: number; offset: number }
  ): PagePart[] {
    const parts: PagePart[] = []
    let missing = limit
    let toPass = offset
    for (const { range, values } of ranges) {
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

function prepareRanges(db: Database, sort: SortField, order: Paging['order']): Ranges {
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
