import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { isDeepStrictEqual } from 'node:util'
import type pg from 'pg'
import { systemClock } from '../src/clock.ts'
import { parseCreate } from '../src/command.ts'
import { renderCustomer } from '../src/customer.ts'
import { decide } from '../src/decide.ts'
import { openPool } from '../src/postgres/connection.ts'
import { attributeRow, customerRow, digestOf } from '../src/postgres/customer-row.ts'
import type { Statement } from '../src/postgres/insert-rows.ts'
import { insertRows } from '../src/postgres/insert-rows.ts'
import { answerParent } from './child.ts'
import type { BenchDatabase } from './database.ts'
import { countRows, rowsAdded } from './database.ts'
import type { DirectlyInserted } from './direct-inserts.ts'
import { below, seededRandom } from './random.ts'
import { sampleDraft } from './sample-customer.ts'

/**
 * The yardsticks on PostgreSQL: the rows that a create leaves, worked out beforehand and inserted through the driver, and
 * customers read through it, all that are asked for in one turn of the event loop in one statement.
 */

export interface DirectPostgres {
  readonly database: BenchDatabase
  /** Transactions or reads at a time. */
  readonly atOnce: number
  readonly seconds: number
  readonly inserts?: {
    readonly firstNewSample: number
    readonly rowsPerCommit: number
    /** What a create of the engine added, table by table; anything else would be no yardstick. */
    readonly rowsOfCreate: Record<string, number>
  }
  /** Customers 1 to this are read. */
  readonly customers: number
}

type Asked = { readonly id: number; readonly resolve: (rendering: string) => void }

const organizationId = 1
const keyId = 1
/** Rows worked out between timed stretches. */
const preparedGroups = 50

let pool: pg.Pool | undefined
let isChecked = false

answerParent<DirectPostgres, DirectlyInserted>(async (question) => {
  pool ??= openPool({ url: question.database.url, poolSize: 64 })
  return question.inserts === undefined ? await readDirectly(pool, question) : await insertDirectly(pool, { ...question, ...question.inserts })
})

async function insertDirectly(
  connections: pg.Pool, { database, atOnce, seconds, firstNewSample, rowsPerCommit, rowsOfCreate }: DirectPostgres & NonNullable<DirectPostgres['inserts']>
): Promise<DirectlyInserted> {
  const prepare = await rowsFrom(connections)
  const { rows: [highest] } = await connections.query<{ id: number }>('select greatest((select max(id) from customers), (select max(position) from feed)) as id')
  // Ids of their own, above those that anybody draws meanwhile.
  let id = (highest?.id ?? 0) + 1_000_000
  let sample = firstNewSample
  const group = (size: number): Statement[] => prepare(Array.from({ length: size }, () => ({ sample: sample++, id: ++id })))

  if (!isChecked) {
    const before = await countRows(database)
    await commit(connections, group(1))
    const added = rowsAdded(before, await countRows(database))
    if (!isDeepStrictEqual(added, rowsOfCreate)) throw new Error(`The yardstick inserts ${JSON.stringify(added)} where a create inserts ${JSON.stringify(rowsOfCreate)}`)
    isChecked = true
  }

  const milliseconds: number[] = []
  let elapsed = 0
  let cpu = 0
  while (elapsed < seconds * 1000) {
    const groups = Array.from({ length: preparedGroups }, () => group(rowsPerCommit))
    const cpuBefore = process.cpuUsage()
    const started = performance.now()
    const next = groups.values()
    await Promise.all(Array.from({ length: atOnce }, async () => {
      for (const statements of next) {
        const began = performance.now()
        await commit(connections, statements)
        milliseconds.push(performance.now() - began)
      }
    }))
    elapsed += performance.now() - started
    const { user, system } = process.cpuUsage(cpuBefore)
    cpu += user + system
  }
  return measured({ milliseconds, items: milliseconds.length * rowsPerCommit, elapsed, cpu })
}

async function commit(connections: pg.Pool, statements: readonly Statement[]): Promise<void> {
  const client = await connections.connect()
  try {
    await Promise.all([
      client.query('begin'), ...statements.map(({ text, values }) => client.query({ name: nameOf(text), text, values: [...values] })), client.query('commit')
    ])
  } finally {
    client.release()
  }
}

const names = new Map<string, string>()

/** Prepared once in each connection, as the best that the driver can do. */
function nameOf(text: string): string {
  const name = names.get(text) ?? `s${names.size}`
  names.set(text, name)
  return name
}

/** Works out the rows of samples, table by table. */
async function rowsFrom(connections: pg.Pool): Promise<(group: readonly { sample: number; id: number }[]) => Statement[]> {
  const { rows: tags } = await connections.query<{ id: number; name: string; color: string }>('select id, name, color from tags where organization_id = $1', [organizationId])
  const { rows: attributes } = await connections.query<{ id: number; name: string }>('select id, name from attributes where organization_id = $1', [organizationId])
  const tagIds = new Map(tags.map(({ id, name }) => [name, id]))
  const tagColors = new Map(tags.map(({ name, color }) => [name, color]))
  const attributeIds = new Map(attributes.map(({ id, name }) => [name, id]))

  return (group) => {
    const now = systemClock()
    const customers = group.map(({ sample, id }) => {
      const { command } = parseCreate(sampleDraft(sample), { attributes: new Map(), strictAttributes: false })
      const [decision] = decide(command, new Map(), { now, newId: id, userIdHolders: new Map(), tagColors, attributeTypes: new Map(), stored: new Map(), tagsVersion: 0 })
      if (decision === undefined || !('after' in decision) || decision.after === null) throw new Error('A create made no customer')
      return decision.after
    })
    return [
      ...insertRows('user_ids', customers.map(({ id, userId }) => ({ organization_id: organizationId, digest: digestOf(userId ?? ''), customer_id: id }))),
      ...insertRows('customers', customers.map((customer) => customerRow(customer.id, {
        organizationId, before: undefined, customer, rendering: renderCustomer(customer), tagVersion: 0, version: 0, createdAt: now, updatedAt: now
      }, customer.tags.map(({ name }) => known(tagIds, name))))),
      ...insertRows('customer_attributes', customers.flatMap(({ id, customData }) => [...customData].map(([name, value]) => attributeRow(id, known(attributeIds, name), value)))),
      ...insertRows('changes', customers.map(({ id }) => ({
        id, organization_id: organizationId, customer_id: id, kind: 'customer.created', at: now, key_id: keyId, request_id: randomUUID(), before: null, after: null
      }))),
      ...insertRows('feed', customers.map(({ id }) => ({ position: id, organization_id: organizationId, customer_id: id, event_id: null }))),
      {
        text: 'update customer_counts set customers = customers + $2 where organization_id = $1 and slot = (select min(slot) from customer_counts)',
        values: [organizationId, customers.length]
      }
    ]
  }
}

function known(ids: ReadonlyMap<string, number>, name: string): number {
  const id = ids.get(name)
  if (id === undefined) throw new Error(`${name} is on no loaded customer`)
  return id
}

async function readDirectly(connections: pg.Pool, { atOnce, seconds, customers }: DirectPostgres): Promise<DirectlyInserted> {
  const random = seededRandom(atOnce)
  const milliseconds: number[] = []
  let asked: Asked[] = []
  const read = async (): Promise<void> => {
    const together = asked
    asked = []
    const { rows } = await connections.query<{ id: number; rendering: string }>({
      name: 'read', text: 'select id, rendering from customers where id = any($1)', values: [together.map(({ id }) => id)]
    })
    const renderings = new Map(rows.map(({ id, rendering }) => [id, rendering]))
    for (const { id, resolve } of together) resolve(renderings.get(id) ?? '')
  }
  const find = async (id: number): Promise<string> => await new Promise((resolve) => {
    if (asked.length === 0) setImmediate(() => { void read() })
    asked.push({ id, resolve })
  })
  const cpuBefore = process.cpuUsage()
  const started = performance.now()
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (performance.now() - started < seconds * 1000) {
      const began = performance.now()
      if (await find(1 + below(random, customers)) === '') throw new Error('A customer was not there')
      milliseconds.push(performance.now() - began)
    }
  }))
  const { user, system } = process.cpuUsage(cpuBefore)
  return measured({ milliseconds, items: milliseconds.length, elapsed: performance.now() - started, cpu: user + system })
}

function measured({ milliseconds, items, elapsed, cpu }: { milliseconds: readonly number[]; items: number; elapsed: number; cpu: number }): DirectlyInserted {
  const sorted = milliseconds.toSorted((one, other) => one - other)
  return {
    customers: items,
    commits: milliseconds.length,
    customersPerSecond: items / elapsed * 1000,
    microsecondsPerCustomer: cpu / items,
    commitP50Milliseconds: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
    commitP99Milliseconds: sorted[Math.floor(sorted.length * 0.99)] ?? 0
  }
}
