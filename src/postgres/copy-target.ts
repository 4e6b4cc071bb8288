import type pg from 'pg'
import type { Change } from '../change.ts'
import type { CopiedRows, CopiedTable, CopySource, CopyTarget, ProgressStep, Settings } from '../copy.ts'
import { copiedCustomer, unsound } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import { copiedDelivery, copiedHeldCustomers, copiedWebhook } from '../sql/webhook-row.ts'
import { Catalog } from './catalog.ts'
import { isDistributed, oneConnectionAMachine } from './citus.ts'
import { endQuietly, withClient } from './connection.ts'
import { naming } from './copy-error.ts'
import type { NamedDatabase } from './copy-source.ts'
import { databaseIdentity, readMoment, sequences } from './copy-source.ts'
import type { ColumnValue } from './customer-row.ts'
import { attributeRow, customerRow, digestOf } from './customer-row.ts'
import { allEvents, touchesEvents } from './group-statements.ts'
import type { Statement } from './insert-rows.ts'
import { insertRows } from './insert-rows.ts'
import { indexStatements, isHalfCopied, migrateDatabase } from './migrate.ts'

const clearedTables = [
  'deliveries', 'held_customers', 'webhook_workers', 'webhook_positions', 'webhooks',
  'customers', 'customer_attributes', 'user_ids', 'events', 'changes', 'feed', 'customer_counts', 'tags', 'attributes', 'api_keys', 'organizations'
]

/** What no copy brings, and a database may hold that is empty otherwise: it would be told of what is not there any more. */
const forgottenTables = ['idempotency_keys', 'change_horizons', 'request_leases']

/** Writes to a database, whose schema is made when it has none. */
export async function withCopyTarget<Answer>({ url, name }: NamedDatabase, use: (target: CopyTarget) => Promise<Answer>): Promise<Answer> {
  return await naming(name, async () => {
    await migrateDatabase(url)
    return await withClient(url, async (client) => await use(new PostgresTarget(client, { name, isDistributed: await isDistributed(client) })))
  }, url)
}

class PostgresTarget implements CopyTarget {
  readonly name: string
  readonly #client: pg.ClientBase
  readonly #catalog = new Catalog()
  /** What each transaction begins with. */
  readonly #begin: string

  constructor(client: pg.ClientBase, { name, isDistributed }: { name: string; isDistributed: boolean }) {
    this.name = name
    this.#client = client
    this.#begin = ['begin', 'set local statement_timeout = 0', "set local lock_timeout = '10s'", ...(isDistributed ? [oneConnectionAMachine] : [])].join(';')
  }

  async identity(): Promise<string> {
    return await databaseIdentity(this.#client, this.name)
  }

  async isEmpty(): Promise<boolean> {
    // Citus cannot do without a column.
    const [row] = await this.#rows<{ is: boolean }>(`select ${clearedTables.map((table) => `not exists (select 1 from ${table})`).join(' and ')} as is`)
    return row?.is === true
  }

  async progress(): Promise<string | undefined> {
    if (!await naming(this.name, async () => await isHalfCopied(this.#client))) return undefined
    const [row] = await this.#rows<{ progress: string }>('select progress from copy_progress')
    return row?.progress
  }

  async clear(progress: string): Promise<void> {
    await this.#transact(async () => {
      for (const table of [...clearedTables, ...forgottenTables]) await this.#rows(`truncate ${table}`)
      // A server that follows the feed forgets what it knew.
      await this.#rows('update purges set xid = pg_current_xact_id()')
      await this.#rows('drop table if exists copy_progress')
      await this.#rows('create table copy_progress (progress text not null)')
      await this.#rows('insert into copy_progress (progress) values ($1)', [progress])
    })
    // Made anew at the end, which takes a fraction of what it takes to keep them up to date with every row.
    for (const statement of indexStatements()) if (/^\s*drop/m.test(statement)) await this.#rows(statement)
  }

  async insert<Table extends CopiedTable>(table: Table, rows: readonly CopiedRows[Table][], { from, to }: ProgressStep): Promise<void> {
    if (table === 'customers') await naming(this.name, async () => { await this.#catalog.refresh(this.#client) })
    const statements = inserts(this.#catalog)[table](rows)
    await this.#transact(async () => {
      const [kept] = await this.#rows('update copy_progress set progress = $1 where progress = $2 returning 1', [to, from])
      if (kept === undefined) throw new OperatorError(`Another copy writes to ${this.name}. Wait for it, or end it.`)
      for (const { text, values } of statements) await this.#rows(text, values)
    })
  }

  async complete({ secrets, highestIds, finalBefore }: Settings): Promise<void> {
    await this.#transact(async () => {
      // What was removed for good before is gone through once more.
      await this.#rows('update trash set final_before = $1, emptied_before = 0', [finalBefore])
      await this.#rows('delete from secrets')
      for (const { name, value } of secrets) await this.#rows("insert into secrets (name, value) values ($1, decode($2, 'hex'))", [name, value])
      for (const { table, id } of highestIds) await this.#rows(`select setval('${sequences[table]}', greatest($1::bigint, 1), $1::bigint > 0)`, [id])
      await this.#rows('delete from customer_counts')
    })
    const counts = await this.#rows<{ organization_id: number; customers: number }>('select organization_id, count(*) as customers from customers group by organization_id')
    await this.#transact(async () => {
      await this.#rows('delete from customer_counts')
      for (const { text, values } of insertRows('customer_counts', counts.map((count) => ({ ...count, slot: 0 })))) await this.#rows(text, values)
    })
    for (const statement of indexStatements()) await this.#rows(statement)
    // Plans go by statistics, and reads by what is known to be visible to all.
    await this.#rows(`vacuum (analyze) ${clearedTables.join()}`)
  }

  async read<Answer>(use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
    return await readMoment(this.#client, this.name, use)
  }

  async end(): Promise<void> {
    await this.#rows('drop table copy_progress')
  }

  async #transact(change: () => Promise<void>): Promise<void> {
    await naming(this.name, async () => await this.#client.query(this.#begin))
    try {
      await change()
      await this.#rows('commit')
    } catch (error) {
      await endQuietly(this.#client, 'rollback')
      throw error
    }
  }

  async #rows<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return await naming(this.name, async () => (await this.#client.query<Row>(text, [...values])).rows)
  }
}

type Inserts = { readonly [Table in CopiedTable]: (rows: readonly CopiedRows[Table][]) => Statement[] }

/** Rows as the engine keeps them, with what it derives from each. */
function inserts(catalog: Catalog): Inserts {
  return {
    organizations: (rows) => insertRows('organizations', rows.map(({ id, name, createdAt }) => ({ id, name, created_at: createdAt })), '', 'overriding system value'),
    tags: (rows) => insertRows('tags', rows.map(({ id, organizationId, name, color, version, isRecolored }) =>
      ({ id, organization_id: organizationId, name, color, version, is_recolored: String(isRecolored === 1) }))),
    attributes: (rows) => insertRows('attributes', rows.map(({ id, organizationId, name, type }) => ({ id, organization_id: organizationId, name, type }))),
    customers: (rows) => customerStatements(rows, catalog),
    events: (rows) => insertRows('events', rows.map(({ id, organizationId, customerId, name, data, createdAt }) =>
      ({ id, organization_id: organizationId, customer_id: customerId, name, data, created_at: createdAt }))),
    changes: (rows) => [
      ...insertRows('changes', rows.map(({ id, organizationId, customerId, kind, at, keyId, requestId, before, after }) =>
        ({ id, organization_id: organizationId, customer_id: customerId ?? 0, kind, at, key_id: keyId, request_id: requestId, before, after }))),
      ...insertRows('feed', rows.map((row) =>
        ({ position: row.id, organization_id: row.organizationId, customer_id: row.customerId ?? 0, event_id: touchesEvents(row.kind) ? allEvents : recordedEvent(row) })))
    ],
    webhooks: (rows) => [
      ...insertRows('webhooks', rows.map(copiedWebhook)),
      ...rows.map(insertPosition),
      ...insertRows('held_customers', rows.flatMap(copiedHeldCustomers))
    ],
    deliveries: (rows) => insertRows('deliveries', rows.map(copiedDelivery)),
    api_keys: (rows) => insertRows('api_keys', rows.map(({ id, organizationId, name, secretHash, createdAt, revokedAt }) =>
      ({ id, organization_id: organizationId, name, secret_hash: secretHash, created_at: createdAt, revoked_at: revokedAt })), '', 'overriding system value')
  }
}

/** A copy writes changes in the order of their ids, so that their order in the feed is the same. */
function insertPosition({ id, organizationId, settledId, succeededAt, failingSince }: CopiedRows['webhooks']): Statement {
  return {
    text: `
      insert into webhook_positions (webhook_id, stamp, position, succeeded_at, failing_since)
      values ($1, coalesce((select stamp from feed where organization_id = $2 and position <= $3 order by position desc limit 1), 0), $3, $4, $5)`,
    values: [id, organizationId, settledId, succeededAt, failingSince]
  }
}

function recordedEvent({ kind, after }: CopiedRows['changes']): number | null {
  return kind === 'event.recorded' && after !== null ? (JSON.parse(after) as Extract<Change, { kind: typeof kind }>['after']).event : null
}

function customerStatements(rows: readonly CopiedRows['customers'][], catalog: Catalog): Statement[] {
  const customers: Record<string, ColumnValue>[] = []
  const userIds: Record<string, ColumnValue>[] = []
  const attributes: Record<string, ColumnValue>[] = []
  for (const row of rows) {
    const { id, organizationId, createdAt, updatedAt, tagVersion, rendering, version } = row
    const customer = copiedCustomer(row)
    const tagIds = row.tagIds === '' ? [] : row.tagIds.split(',').map(Number)
    customers.push(customerRow(id, { organizationId, before: undefined, customer, rendering, tagVersion, version, createdAt, updatedAt }, tagIds))
    if (customer.userId !== null) userIds.push({ organization_id: organizationId, digest: digestOf(customer.userId), customer_id: id })
    const { attributeIds } = catalog.of(organizationId)
    for (const [name, value] of customer.customData) {
      const attributeId = attributeIds.get(name)
      if (attributeId === undefined) throw unsound(id)
      attributes.push(attributeRow(id, attributeId, value))
    }
  }
  return [...insertRows('customers', customers), ...insertRows('user_ids', userIds), ...insertRows('customer_attributes', attributes)]
}
