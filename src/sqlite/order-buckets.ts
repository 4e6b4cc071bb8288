import type { Database, Statement } from 'better-sqlite3'
import type { RecordedFields } from '../change.ts'
import type { SortField } from '../search.ts'
import type { WriterStatements } from './writer-statements.ts'

/** Split beyond this. Smaller makes pages cheaper to find and the list of buckets longer to read. */
const bucketCustomersMax = 1_024

/** Where a customer stands in a list sorted by a date and then by id. */
interface Key {
  readonly seconds: number
  readonly id: number
}

/** A stretch of such a list: from its lowest key up to the next bucket's. */
interface Bucket extends Key {
  customers: number
}

/** Below every key there is, so that each key falls into a bucket. */
const lowest = { seconds: -1, id: 0 }

const sorts: readonly SortField[] = ['firstSeen', 'lastSeen']

interface Order {
  readonly organizationId: number
  readonly sort: SortField
  readonly buckets: Bucket[]
  readonly changed: Set<Bucket>
}

/** Keeps the counts in step with what a group of commands does, in the same transaction. */
export class OrderCounter {
  readonly #sql: WriterStatements
  readonly #orders = new Map<string, Order>()

  constructor(sql: WriterStatements) {
    this.#sql = sql
  }

  /** Forgets what it read, when another process may have changed it. */
  forget(): void {
    this.#orders.clear()
  }

  /** Follows a change of a customer, given the fields that it took away and those that it brought. */
  move(organizationId: number, id: number, { before, after }: { before: RecordedFields | null; after: RecordedFields | null }): void {
    for (const sort of sorts) {
      this.#add({ organizationId, sort, id, seconds: before?.[sort], count: -1 })
      this.#add({ organizationId, sort, id, seconds: after?.[sort], count: 1 })
    }
  }

  /** Writes the counts that changed, and splits the buckets that outgrew their size. */
  flush(): void {
    for (const order of this.#orders.values()) {
      for (const bucket of order.changed) this.#keep(order, bucket)
      order.changed.clear()
    }
  }

  #add({ organizationId, sort, id, seconds, count }: {
    organizationId: number; sort: SortField; id: number; seconds: string | null | undefined; count: number
  }): void {
    if (seconds === null || seconds === undefined) return
    const order = this.#order(organizationId, sort)
    const key = { seconds: Number(seconds), id }
    const bucket = order.buckets[findBucket(order.buckets, (other) => isAboveKey(other, key))]
    if (bucket === undefined) throw new Error('A key is below every bucket')
    bucket.customers += count
    order.changed.add(bucket)
  }

  #keep(order: Order, bucket: Bucket): void {
    const { organizationId, sort, buckets } = order
    while (bucket.customers > bucketCustomersMax) {
      const half = Math.floor(bucket.customers / 2)
      const middle = this.#sql.nthInBucket[sort].get(organizationId, bucket.seconds, bucket.id, half)
      if (middle === undefined) throw new Error('A bucket counts more customers than there are')
      const [seconds, id] = middle
      const upper = { seconds, id, customers: bucket.customers - half }
      bucket.customers = half
      buckets.splice(buckets.indexOf(bucket) + 1, 0, upper)
      this.#keep(order, upper)
    }
    this.#sql.keepOrderBucket.run(organizationId, sort, bucket.seconds, bucket.id, bucket.customers)
  }

  #order(organizationId: number, sort: SortField): Order {
    const name = `${organizationId} ${sort}`
    const known = this.#orders.get(name)
    if (known !== undefined) return known
    const rows = this.#sql.orderBuckets.all(organizationId, sort)
    const buckets = rows.map(([seconds, id, customers]) => ({ seconds, id, customers }))
    const order = { organizationId, sort, buckets: buckets.length > 0 ? buckets : [{ ...lowest, customers: 0 }], changed: new Set<Bucket>() }
    this.#orders.set(name, order)
    return order
  }
}

/** The last of ascending buckets that is not above what is sought; the first never is. */
function findBucket<Kind extends Bucket>(buckets: readonly Kind[], isAbove: (bucket: Kind) => boolean): number {
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

function isAboveKey(bucket: Key, { seconds, id }: Key): boolean {
  return bucket.seconds > seconds || (bucket.seconds === seconds && bucket.id > id)
}

/** A bucket, and how many customers stand below it. */
interface RankedBucket extends Bucket {
  readonly before: number
}

/** Where a page of an unfiltered list begins. */
export interface ListPosition {
  /** Customers that have the date, who come before those without. */
  readonly dated: number
  /** The page lies at or above this key when ascending, below it when descending; null is no bound. */
  readonly bound: Key | null
  /** How many customers within the bound come before the page. */
  readonly skip: number
}

/** Finds positions in a sorted list from the counts, within the transaction of its connection. */
export class OrderReader {
  readonly #buckets: Statement<[number, SortField], [number, number, number]>
  readonly #dataVersion: Statement<[], number>
  readonly #orders = new Map<string, readonly RankedBucket[]>()
  #seenDataVersion = -1

  constructor(db: Database) {
    this.#buckets = db.prepare<[number, SortField], [number, number, number]>(`
      select low_seconds, low_id, customers from order_buckets
      where organization_id = ? and sort = ? order by low_seconds, low_id`).raw()
    this.#dataVersion = db.prepare<[], number>('pragma data_version').pluck()
  }

  locate(organizationId: number, { sort, order, offset }: { sort: SortField; order: 'asc' | 'desc'; offset: number }): ListPosition {
    const buckets = this.#read(organizationId, sort)
    const last = buckets.at(-1)
    const dated = last === undefined ? 0 : last.before + last.customers
    if (offset >= dated) return { dated, bound: null, skip: 0 }
    // The first customer of the page, counted from the low end.
    const rank = order === 'asc' ? offset : dated - 1 - offset
    const index = findBucket(buckets, ({ before }) => before > rank)
    const bucket = buckets[index]
    if (bucket === undefined) throw new Error('A list has customers but no buckets')
    return order === 'asc'
      ? { dated, bound: bucket, skip: rank - bucket.before }
      : { dated, bound: buckets[index + 1] ?? null, skip: bucket.before + bucket.customers - 1 - rank }
  }

  #read(organizationId: number, sort: SortField): readonly RankedBucket[] {
    const dataVersion = this.#dataVersion.get() ?? 0
    if (dataVersion !== this.#seenDataVersion) this.#orders.clear()
    this.#seenDataVersion = dataVersion
    const name = `${organizationId} ${sort}`
    const known = this.#orders.get(name)
    if (known !== undefined) return known
    let before = 0
    const buckets = this.#buckets.all(organizationId, sort).map(([seconds, id, customers]) => {
      before += customers
      return { seconds, id, customers, before: before - customers }
    })
    this.#orders.set(name, buckets)
    return buckets
  }
}
