import type { RecordedFields } from '../change.ts'
import type { Bucket, Key, Sequence, SortField } from './order-buckets.ts'
import { findBucket, undated } from './order-buckets.ts'
import type { WriterStatements } from './writer-statements.ts'

/** Split beyond this. Smaller makes pages cheaper to find and the list of buckets longer to read. */
const bucketCustomersMax = 1_024

/** Neighbors that have no more together are made one, so that buckets left empty do not pile up. */
const mergedCustomersMax = bucketCustomersMax / 2

/** Below every key there is, so that each key falls into a bucket: where the first bucket begins. */
export const lowest: Key = { seconds: -1, id: 0 }

const sorts: readonly SortField[] = ['firstSeen', 'lastSeen']

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

function isAboveKey(bucket: Key, { seconds, id }: Key): boolean {
  return bucket.seconds > seconds || (bucket.seconds === seconds && bucket.id > id)
}
