import type { Database, Statement } from 'better-sqlite3'
import type { RecordedFields } from '../change.ts'
import type { Paging, SortField } from '../search.ts'
import type { WriterStatements } from './writer-statements.ts'

/** Split beyond this. Smaller makes pages cheaper to find and the list of buckets longer to read. */
const bucketCustomersMax = 1_024

/** Neighbors that have no more together are made one, so that buckets left empty do not pile up. */
const mergedCustomersMax = bucketCustomersMax / 2

/** The sequences a list consists of: customers by date and id, then those without the date by id. */
export type Sequence = SortField | `no ${SortField}`

function undated(sort: SortField): Sequence {
  return `no ${sort}`
}

/** Where a customer stands in a sequence. Without a date, `seconds` is 0. */
interface Key {
  readonly seconds: number
  readonly id: number
}

/** A stretch of a sequence: from its lowest key up to the next bucket's. */
interface Bucket extends Key {
  customers: number
}

/** Below every key there is, so that each key falls into a bucket. */
const lowest: Key = { seconds: -1, id: 0 }

const sorts: readonly SortField[] = ['firstSeen', 'lastSeen']

/** Takes an organization and a sequence; answers seconds, id and customers of each bucket, ascending. */
export const selectBuckets = `
  select low_seconds, low_id, customers from order_buckets
  where organization_id = ? and sequence = ? order by low_seconds, low_id`

interface CountedSequence {
  readonly organizationId: number
  readonly sequence: Sequence
  readonly buckets: Bucket[]
  readonly changed: Set<Bucket>
}

/** Keeps the counts in step with what a group of commands does, in the same transaction. */
export class OrderCounter {
  readonly #sql: WriterStatements
  readonly #sequences = new Map<string, CountedSequence>()

  constructor(sql: WriterStatements) {
    this.#sql = sql
  }

  /** Forgets what it read, when another process may have changed it. */
  forget(): void {
    this.#sequences.clear()
  }

  /** Follows a change of a customer, given the fields that it took away and those that it brought. */
  move(organizationId: number, id: number, { before, after }: { before: RecordedFields | null; after: RecordedFields | null }): void {
    for (const sort of sorts) {
      this.#add(-1, { organizationId, sort, id, seconds: before?.[sort] })
      this.#add(1, { organizationId, sort, id, seconds: after?.[sort] })
    }
  }

  /** Writes the counts that changed, splits the buckets that outgrew their size and joins those that shrank. */
  flush(): void {
    for (const counted of this.#sequences.values()) {
      for (const bucket of counted.changed) this.#keep(counted, bucket)
      counted.changed.clear()
    }
  }

  /** Undefined seconds are a field that the change does not touch. */
  #add(count: number, { organizationId, sort, id, seconds }: {
    organizationId: number; sort: SortField; id: number; seconds: string | null | undefined
  }): void {
    if (seconds === undefined) return
    const counted = this.#sequence(organizationId, seconds === null ? undated(sort) : sort)
    const key = { seconds: Number(seconds), id }
    const bucket = counted.buckets[findBucket(counted.buckets, (other) => isAboveKey(other, key))]
    if (bucket === undefined) throw new Error('A key is below every bucket')
    bucket.customers += count
    counted.changed.add(bucket)
  }

  #keep(counted: CountedSequence, bucket: Bucket): void {
    const { organizationId, sequence, buckets } = counted
    const index = buckets.indexOf(bucket)
    // A neighbor that was joined with it already.
    if (index === -1) return
    const below = buckets[index - 1]
    if (below !== undefined && below.customers + bucket.customers <= mergedCustomersMax) {
      below.customers += bucket.customers
      buckets.splice(index, 1)
      this.#sql.deleteOrderBucket.run(organizationId, sequence, bucket.seconds, bucket.id)
      this.#keep(counted, below)
      return
    }
    while (bucket.customers > bucketCustomersMax) {
      const half = Math.floor(bucket.customers / 2)
      const middle = this.#sql.nthInBucket[sequence].get({ organizationId, seconds: bucket.seconds, id: bucket.id, nth: half })
      if (middle === undefined) throw new Error('A bucket counts more customers than there are')
      const upper = { ...middle, customers: bucket.customers - half }
      bucket.customers = half
      buckets.splice(buckets.indexOf(bucket) + 1, 0, upper)
      this.#keep(counted, upper)
    }
    this.#sql.keepOrderBucket.run(organizationId, sequence, bucket.seconds, bucket.id, bucket.customers)
  }

  #sequence(organizationId: number, sequence: Sequence): CountedSequence {
    const name = `${organizationId} ${sequence}`
    const known = this.#sequences.get(name)
    if (known !== undefined) return known
    const rows = this.#sql.orderBuckets.all(organizationId, sequence)
    const buckets = rows.map(([seconds, id, customers]) => ({ seconds, id, customers }))
    const counted = { organizationId, sequence, buckets: buckets.length > 0 ? buckets : [{ ...lowest, customers: 0 }], changed: new Set<Bucket>() }
    this.#sequences.set(name, counted)
    return counted
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

  locate(organizationId: number, { sort, order, offset }: Pick<Paging, 'sort' | 'order' | 'offset'>): ListPosition {
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
  buckets: readonly RankedBucket[], { order, offset }: Pick<Paging, 'order' | 'offset'>
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
