import type { Database } from 'better-sqlite3'
import type { Diagnosis } from '../sql/diagnosis.ts'
import type { Key, Sequence } from './order-buckets.ts'
import { selectBuckets } from './order-buckets.ts'
import { lowest } from './order-counter.ts'

/** Customers of a bucket made anew, with room for as many again before it is split. */
const newBucketCustomers = 512

/** Takes an organization; answers seconds and id of each customer of a sequence, ascending. */
const selectKeys: Record<Sequence, string> = {
  'firstSeen': `
    select first_seen, id from customers indexed by customers_by_first_seen
    where organization_id = ? and first_seen is not null order by first_seen, id`,
  'lastSeen': `
    select last_seen, id from customers indexed by customers_by_last_seen
    where organization_id = ? and last_seen is not null order by last_seen, id`,
  'no firstSeen': `
    select 0, id from customers indexed by customers_by_first_seen where organization_id = ? and first_seen is null order by id`,
  'no lastSeen': `
    select 0, id from customers indexed by customers_by_last_seen where organization_id = ? and last_seen is null order by id`
}
const sequences = Object.keys(selectKeys) as Sequence[]

const selectWrongCounts = `
  select id from (select id, customer_count, (select count(*) from customers where organization_id = organizations.id) as customers from organizations)
  where customer_count <> customers`

const strayBuckets = `from order_buckets where sequence not in (${sequences.map(() => '?').join()})`

export function checkCounts(db: Database, diagnosis: Diagnosis): void {
  for (const id of db.prepare<[], number>(selectWrongCounts).pluck().all()) diagnosis.add('customerCounts', id)
  const strays = db.prepare<string[], number>(`select organization_id ${strayBuckets}`).pluck().all(...sequences)
  for (const organizationId of strays) diagnosis.add('orderBuckets', organizationId)
  for (const organizationId of countedOrganizations(db)) {
    for (const sequence of sequences) if (!isCountRight(db, organizationId, sequence)) diagnosis.add('orderBuckets', organizationId)
  }
}

/** Counts anew what is wrong, each sequence in a transaction of its own. */
export function recount(db: Database): void {
  db.transaction(() => {
    db.prepare(`
      update organizations set customer_count = (select count(*) from customers where organization_id = organizations.id)
      where id in (${selectWrongCounts})`).run()
    db.prepare(`delete ${strayBuckets}`).run(...sequences)
  }).immediate()
  for (const organizationId of countedOrganizations(db)) {
    for (const sequence of sequences) {
      if (isCountRight(db, organizationId, sequence)) continue
      db.transaction(() => { countAnew(db, organizationId, sequence) }).immediate()
    }
  }
}

function countedOrganizations(db: Database): number[] {
  return db.prepare<[], number>('select id from organizations union select organization_id from order_buckets').pluck().all()
}

/** In one statement or a transaction of the caller's, or a writer in between makes it look wrong. */
function isCountRight(db: Database, organizationId: number, sequence: Sequence): boolean {
  const check = db.transaction(() => {
    const buckets = db.prepare<[number, Sequence], [number, number, number]>(selectBuckets).raw().all(organizationId, sequence)
    const counts = buckets.map(() => 0)
    // Keys below the first bucket would be counted in it and not found there.
    if (!buckets.slice(0, 1).every(([seconds, id]) => seconds === lowest.seconds && id === lowest.id)) return false
    let bucket = -1
    for (const [seconds, id] of db.prepare<[number], [number, number]>(selectKeys[sequence]).raw().iterate(organizationId)) {
      while (isAtOrBelow(buckets[bucket + 1], { seconds, id })) bucket += 1
      if (bucket === -1) return false
      counts[bucket] = (counts[bucket] ?? 0) + 1
    }
    return buckets.every(([, , customers], index) => customers === counts[index])
  })
  return check()
}

function isAtOrBelow(bucket: readonly number[] | undefined, { seconds, id }: Key): boolean {
  const [lowSeconds = Infinity, lowId = Infinity] = bucket ?? []
  return lowSeconds < seconds || (lowSeconds === seconds && lowId <= id)
}

function countAnew(db: Database, organizationId: number, sequence: Sequence): void {
  const buckets: { low: Key; customers: number }[] = []
  for (const [seconds, id] of db.prepare<[number], [number, number]>(selectKeys[sequence]).raw().iterate(organizationId)) {
    const last = buckets.at(-1)
    if (last !== undefined && last.customers < newBucketCustomers) last.customers += 1
    else buckets.push({ low: last === undefined ? lowest : { seconds, id }, customers: 1 })
  }
  db.prepare<[number, Sequence]>('delete from order_buckets where organization_id = ? and sequence = ?').run(organizationId, sequence)
  const insert = db.prepare<[number, Sequence, number, number, number]>(
    'insert into order_buckets (organization_id, sequence, low_seconds, low_id, customers) values (?, ?, ?, ?, ?)')
  for (const { low, customers } of buckets) insert.run(organizationId, sequence, low.seconds, low.id, customers)
}
