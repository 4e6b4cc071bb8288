import type { Database, Statement } from 'better-sqlite3'
import type { CustomerSearch } from '../search.ts'

/** The dates that customers are listed by. */
export type SortField = 'firstSeen' | 'lastSeen'

/** A page of everyone. */
export interface ListPage extends Pick<CustomerSearch, 'order' | 'limit' | 'offset' | 'after'> {
  readonly sort: SortField
}

/** The sequences a list consists of: customers by date and id, then those without the date by id. */
export type Sequence = SortField | `no ${SortField}`

export function undated(sort: SortField): Sequence {
  return `no ${sort}`
}

/** Where a customer stands in a sequence. Without a date, `seconds` is 0. */
export interface Key {
  readonly seconds: number
  readonly id: number
}

/** A stretch of a sequence: from its lowest key up to the next bucket's. */
export interface Bucket extends Key {
  customers: number
}

/** Takes an organization and a sequence; answers seconds, id and customers of each bucket, ascending. */
export const selectBuckets = `
  select low_seconds, low_id, customers from order_buckets
  where organization_id = ? and sequence = ? order by low_seconds, low_id`

/** The last of ascending buckets that is not above what is sought; the first never is. */
export function findBucket<Kind extends Bucket>(buckets: readonly Kind[], isAbove: (bucket: Kind) => boolean): number {
  let from = 0
  let to = buckets.length
  while (to - from > 1) {
    const middle = (from + to) >> 1
    const bucket = buckets[middle]
    if (bucket !== undefined && isAbove(bucket)) to = middle
    else from = middle
  }
  return from
}

/** A bucket, and how many customers of its sequence stand below it. */
interface RankedBucket extends Bucket {
  readonly before: number
}

/** Where a page of an unfiltered list begins. */
export interface ListPosition {
  /** Whether it begins among customers that have the date. */
  readonly isDated: boolean
  /** The page lies at or above this key when ascending, below it when descending; null is no bound. */
  readonly bound: Key | null
  /** How many customers within the bound come before the page. */
  readonly offset: number
}

/** Finds positions in a sorted list from the counts, within the transaction of its connection. */
export class OrderReader {
  readonly #buckets: Statement<[number, Sequence], [number, number, number]>
  readonly #dataVersion: Statement<[], number>
  readonly #sequences = new Map<string, readonly RankedBucket[]>()
  #seenDataVersion = -1

  constructor(db: Database) {
    this.#buckets = db.prepare<[number, Sequence], [number, number, number]>(selectBuckets).raw()
    this.#dataVersion = db.prepare<[], number>('pragma data_version').pluck()
  }

  locate(organizationId: number, { sort, order, offset }: Pick<ListPage, 'sort' | 'order' | 'offset'>): ListPosition {
    const dated = this.#read(organizationId, sort)
    const datedTotal = totalOf(dated)
    if (offset < datedTotal) return { isDated: true, ...positionIn(dated, { order, offset }) }
    return { isDated: false, ...positionIn(this.#read(organizationId, undated(sort)), { order, offset: offset - datedTotal }) }
  }

  #read(organizationId: number, sequence: Sequence): readonly RankedBucket[] {
    const dataVersion = this.#dataVersion.get() ?? 0
    if (dataVersion !== this.#seenDataVersion) this.#sequences.clear()
    this.#seenDataVersion = dataVersion
    const name = `${organizationId} ${sequence}`
    const known = this.#sequences.get(name)
    if (known !== undefined) return known
    let before = 0
    const buckets = this.#buckets.all(organizationId, sequence).map(([seconds, id, customers]) => {
      before += customers
      return { seconds, id, customers, before: before - customers }
    })
    this.#sequences.set(name, buckets)
    return buckets
  }
}

function totalOf(buckets: readonly RankedBucket[]): number {
  const last = buckets.at(-1)
  return last === undefined ? 0 : last.before + last.customers
}

function positionIn(
  buckets: readonly RankedBucket[], { order, offset }: Pick<ListPage, 'order' | 'offset'>
): Pick<ListPosition, 'bound' | 'offset'> {
  // The first customer of the page, counted from the low end.
  const rank = order === 'asc' ? offset : totalOf(buckets) - 1 - offset
  const index = findBucket(buckets, ({ before }) => before > rank)
  const bucket = buckets[index]
  if (bucket === undefined || rank < 0) return { bound: null, offset }
  return order === 'asc'
    ? { bound: bucket, offset: rank - bucket.before }
    : { bound: buckets[index + 1] ?? null, offset: bucket.before + bucket.customers - 1 - rank }
}
