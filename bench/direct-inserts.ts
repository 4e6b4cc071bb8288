import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import type { Database } from 'better-sqlite3'
import { systemClock } from '../src/clock.ts'
import { parseCreate } from '../src/command.ts'
import { renderCustomer } from '../src/customer.ts'
import { decide } from '../src/decide.ts'
import { columnValues, indexedValue } from '../src/sql/customer-row.ts'
import { openWriter } from '../src/sqlite/open.ts'
import { answerParent } from './child.ts'
import type { BenchDatabase } from './database.ts'
import { countRows, rowsAdded } from './database.ts'
import { sampleDraft } from './sample-customer.ts'

/**
 * The yardstick of creating: the rows that a create leaves, worked out beforehand and inserted by one
 * loop on one connection that is opened as the engine opens its own.
 */

export interface DirectInserts {
  readonly database: BenchDatabase
  readonly firstNewSample: number
  readonly rowsPerCommit: number
  readonly seconds: number
  /** What a create of the engine added, table by table; anything else would be no yardstick. */
  readonly rowsOfCreate: Record<string, number>
}

export interface DirectlyInserted {
  readonly customers: number
  readonly commits: number
  readonly customersPerSecond: number
  readonly microsecondsPerCustomer: number
  readonly commitP50Milliseconds: number
  readonly commitP99Milliseconds: number
}

type Value = string | number | null

interface CustomerRows {
  readonly customer: readonly Value[]
  readonly tags: readonly (readonly [number, number])[]
  readonly attributes: readonly (readonly [number, string | number, number])[]
  readonly change: readonly Value[]
}

const organizationId = 1
const keyId = 1
/** Rows worked out between timed stretches. */
const preparedCustomers = 3200

let db: Database | undefined

answerParent<DirectInserts, DirectlyInserted>(async ({ database, firstNewSample, rowsPerCommit, seconds, rowsOfCreate }) => {
  const isFirst = db === undefined
  db ??= openWriter(database.path)
  const prepareRows = rowsFrom(db)
  const insertGroup = groupInserter(db)
  let sample = firstNewSample
  let id = db.prepare<[], number>('select max(id) from customers').pluck().get() ?? 0

  if (isFirst) {
    const before = await countRows(database)
    insertGroup([prepareRows(sample++, ++id)])
    const added = rowsAdded(before, await countRows(database))
    if (!isDeepStrictEqual(added, rowsOfCreate)) {
      throw new Error(`The yardstick inserts ${JSON.stringify(added)} where a create inserts ${JSON.stringify(rowsOfCreate)}`)
    }
  }

  const milliseconds: number[] = []
  let elapsed = 0
  let cpu = 0
  while (elapsed < seconds * 1000) {
    const prepared = Array.from({ length: preparedCustomers }, () => prepareRows(sample++, ++id))
    const cpuBefore = process.cpuUsage()
    for (let first = 0; first < prepared.length && elapsed < seconds * 1000; first += rowsPerCommit) {
      const group = prepared.slice(first, first + rowsPerCommit)
      const started = performance.now()
      insertGroup(group)
      const took = performance.now() - started
      milliseconds.push(took)
      elapsed += took
    }
    const { user, system } = process.cpuUsage(cpuBefore)
    cpu += user + system
  }
  const commits = milliseconds.length
  const customers = commits * rowsPerCommit
  const sorted = milliseconds.toSorted((one, other) => one - other)
  return {
    customers,
    commits,
    customersPerSecond: customers / elapsed * 1000,
    microsecondsPerCustomer: cpu / customers,
    commitP50Milliseconds: sorted[Math.floor(commits * 0.5)] ?? 0,
    commitP99Milliseconds: sorted[Math.floor(commits * 0.99)] ?? 0
  }
})

/** Works out the rows of a sample. */
function rowsFrom(database: Database): (sample: number, id: number) => CustomerRows {
  const tags = database.prepare<[number], { id: number; name: string; color: string }>(
    'select id, name, color from tags where organization_id = ?').all(organizationId)
  const attributeRows = database.prepare<[number], { id: number; name: string }>(
    'select id, name from attributes where organization_id = ?').all(organizationId)
  const tagIds = new Map(tags.map(({ id, name }) => [name, id]))
  const tagColors = new Map(tags.map(({ name, color }) => [name, color]))
  const attributeIds = new Map(attributeRows.map(({ id, name }) => [name, id]))

  return (sample, id) => {
    const { command } = parseCreate(sampleDraft(sample), { attributes: new Map(), strictAttributes: false })
    const now = systemClock()
    const [decision] = decide(command, new Map(), { now, newId: id, userIdHolders: new Map(), tagColors, attributeTypes: new Map(), stored: new Map(), tagsVersion: 0 })
    if (decision === undefined || !('after' in decision) || decision.after === null) throw new Error('A create made no customer')
    const customer = decision.after
    const itsTagIds = customer.tags.map(({ name }) => known(tagIds, name))
    return {
      customer: [id, organizationId, ...Object.values(columnValues(customer)), now, now, itsTagIds.join(), 0, renderCustomer(customer)],
      tags: itsTagIds.map((tagId) => [tagId, id] as const),
      attributes: [...customer.customData].map(([name, value]) => [known(attributeIds, name), indexedValue(value), id] as const),
      change: [organizationId, id, 'customer.created', now, keyId, randomUUID(), null, null]
    }
  }
}

function known(ids: ReadonlyMap<string, number>, name: string): number {
  const id = ids.get(name)
  if (id === undefined) throw new Error(`${name} is on no loaded customer`)
  return id
}

function groupInserter(database: Database): (group: readonly CustomerRows[]) => void {
  const insertCustomer = database.prepare(`
    insert into customers (
      id, organization_id, user_id, email, name, company, phone, country_code, city, region_code,
      created_from, integration_id, first_seen, last_seen, created_at, updated_at, tag_ids, tag_version, rendering
    ) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
  const insertTag = database.prepare('insert into customer_tags (tag_id, customer_id) values (?, ?)')
  const insertAttribute = database.prepare('insert into customer_attributes (attribute_id, value, customer_id) values (?, ?, ?)')
  const insertChange = database.prepare(
    'insert into changes (organization_id, customer_id, kind, at, key_id, request_id, before, after) values (?, ?, ?, ?, ?, ?, ?, ?)')
  const addCustomers = database.prepare('update organizations set customer_count = customer_count + ? where id = ?')
  const countInOrder = database.prepare(`
    update order_buckets set customers = customers + ?
    where organization_id = ? and (sequence, low_seconds) in (select sequence, max(low_seconds) from order_buckets group by sequence)`)
  const begin = database.prepare('begin immediate')
  const commit = database.prepare('commit')

  return (group) => {
    begin.run()
    for (const { customer, tags, attributes, change } of group) {
      insertCustomer.run(...customer)
      for (const tag of tags) insertTag.run(...tag)
      for (const attribute of attributes) insertAttribute.run(...attribute)
      insertChange.run(...change)
    }
    addCustomers.run(group.length, organizationId)
    countInOrder.run(group.length, organizationId)
    commit.run()
  }
}
