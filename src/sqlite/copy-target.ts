import type { Database, Statement } from 'better-sqlite3'
import type { CopiedRows, CopiedTable, CopySource, CopyTarget, Horizon, ProgressStep, Settings } from '../copy.ts'
import { copiedCustomer, unsound } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import { columnValues, indexedValue } from '../sql/customer-row.ts'
import { copiedDelivery, copiedHeldCustomers, copiedWebhook, copiedWebhookColumns, deliveryColumns, heldColumns } from '../sql/webhook-row.ts'
import { Catalog } from './catalog.ts'
import { recount } from './check-counts.ts'
import { toCopyFailure } from './copy-error.ts'
import { fileIdentity, readMoment } from './copy-source.ts'
import { openWriter, prepareDatabase, readCopyProgress } from './open.ts'
import { prepareWriterStatements } from './writer-statements.ts'

/** In an order in which none refers to what is gone. */
const clearedTables = [
  'deliveries', 'held_customers', 'webhook_workers', 'webhook_positions', 'webhooks', 'customer_tags', 'customer_attributes', 'order_buckets', 'events', 'changes', 'customers', 'tags', 'attributes', 'api_keys', 'organizations', 'sqlite_sequence'
]

/** What no copy brings, and a database may hold that is empty otherwise: it would be told of what is not there any more. */
const forgottenTables = ['idempotency_keys', 'change_horizons']

const mebibyte = 1024 * 1024

/** Writes to a database, which is made when there is none. */
export async function withCopyTarget<Answer>(path: string, use: (target: CopyTarget) => Promise<Answer>): Promise<Answer> {
  prepareDatabase(path)
  const db = openWriter(path)
  try {
    // Entries of customers go to places all over the indexes.
    db.pragma(`cache_size = ${-256 * 1024}`)
    db.pragma(`journal_size_limit = ${64 * mebibyte}`)
    return await use(new SqliteTarget(db, path))
  } finally {
    db.close()
  }
}

class SqliteTarget implements CopyTarget {
  readonly name: string
  readonly #db: Database
  readonly #inserts: Inserts

  constructor(db: Database, path: string) {
    this.name = path
    this.#db = db
    this.#inserts = prepareInserts(db)
  }

  async identity(): Promise<string> {
    return fileIdentity(this.name)
  }

  async isEmpty(): Promise<boolean> {
    return this.#run(() => clearedTables.every((table) => this.#db.prepare(`select 1 from ${table} limit 1`).get() === undefined))
  }

  async progress(): Promise<string | undefined> {
    return this.#run(() => readCopyProgress(this.#db))
  }

  async clear(progress: string): Promise<void> {
    this.#transact(() => {
      for (const table of [...clearedTables, ...forgottenTables]) this.#db.exec(`delete from ${table}`)
      this.#db.exec('drop table if exists copy_progress; create table copy_progress (progress text not null) strict')
      this.#db.prepare('insert into copy_progress (progress) values (?)').run(progress)
    })
  }

  async insert<Table extends CopiedTable>(table: Table, rows: readonly CopiedRows[Table][], { from, to }: ProgressStep): Promise<void> {
    this.#transact(() => {
      const { changes } = this.#db.prepare('update copy_progress set progress = ? where progress = ?').run(to, from)
      if (changes !== 1) throw new OperatorError(`Another copy writes to ${this.name}. Wait for it, or end it.`)
      for (const row of rows) this.#inserts[table](row)
    })
  }

  async complete({ secrets, highestIds, finalBefore, horizons }: Settings): Promise<void> {
    this.#transact(() => {
      // What was removed for good before is gone through once more.
      this.#db.prepare('update trash set final_before = ?, emptied_before = 0').run(finalBefore)
      this.#db.exec('delete from change_horizons')
      const insertHorizon = this.#db.prepare<[Horizon]>('insert into change_horizons (organization_id, change_id, request_id) values (:organizationId, :changeId, :requestId)')
      for (const horizon of horizons) insertHorizon.run(horizon)
      this.#db.exec('delete from secrets')
      const insertSecret = this.#db.prepare("insert into secrets (name, value) values (?, unhex(?))")
      for (const { name, value } of secrets) insertSecret.run(name, value)
      this.#db.exec('delete from sqlite_sequence')
      const insertHighest = this.#db.prepare('insert into sqlite_sequence (name, seq) values (?, ?)')
      for (const { table, id } of highestIds) insertHighest.run(table, id)
    })
    this.#run(() => { recount(this.#db) })
  }

  async read<Answer>(use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
    return await readMoment(this.#db, this.name, use)
  }

  async end(): Promise<void> {
    this.#run(() => this.#db.exec('drop table copy_progress'))
  }

  #transact(change: () => void): void {
    this.#run(() => { this.#db.transaction(change).immediate() })
  }

  #run<Answer>(run: () => Answer): Answer {
    try {
      return run()
    } catch (error) {
      throw toCopyFailure(error, this.name)
    }
  }
}

type Inserts = { readonly [Table in CopiedTable]: (row: CopiedRows[Table]) => void }

/** Rows as the engine keeps them, with what it derives from each. */
function prepareInserts(db: Database): Inserts {
  const sql = prepareWriterStatements(db)
  const insert = <Table extends CopiedTable>(text: string): ((row: CopiedRows[Table]) => void) => {
    const statement = db.prepare<[CopiedRows[Table]]>(text)
    return (row) => { statement.run(row) }
  }
  const catalog = new Catalog(db)
  const columns = (table: string, names: readonly string[]): Statement<[object]> =>
    db.prepare(`insert into ${table} (${names.join()}) values (${names.map((name) => `:${name}`).join()})`)
  const webhook = columns('webhooks', copiedWebhookColumns)
  const held = columns('held_customers', heldColumns)
  const delivery = columns('deliveries', ['number', ...deliveryColumns])
  // Behind the last change that was told of, which its request tells apart from another one of the same id; or before all.
  const position = db.prepare<[CopiedRows['webhooks']]>(`
    insert into webhook_positions (webhook_id, succeeded_at, failing_since, position) values (:id, :succeededAt, :failingSince, coalesce(
      (select id || '.' || request_id from changes where organization_id = :organizationId and id <= :settledId order by id desc limit 1), '0.'))`)
  return {
    organizations: insert<'organizations'>('insert into organizations (id, name, created_at) values (:id, :name, :createdAt)'),
    tags: insert<'tags'>(`
      insert into tags (id, organization_id, name, color, version, is_recolored) values (:id, :organizationId, :name, :color, :version, :isRecolored)`),
    attributes: insert<'attributes'>('insert into attributes (id, organization_id, name, type) values (:id, :organizationId, :name, :type)'),
    customers: (row) => {
      const { id, organizationId, createdAt, updatedAt, tagIds, tagVersion, rendering, version } = row
      const customer = copiedCustomer(row)
      sql.insert.run({
        ...columnValues(customer), id, organization_id: organizationId, created_at: createdAt, updated_at: updatedAt, tag_ids: tagIds, tag_version: tagVersion, rendering, version
      })
      if (tagIds !== '') for (const tagId of tagIds.split(',')) sql.insertTagEntry.run(Number(tagId), id)
      for (const [name, value] of customer.customData) {
        // All attributes are there before the first customer.
        if (!catalog.of(organizationId).attributeIds.has(name)) catalog.load()
        const attributeId = catalog.of(organizationId).attributeIds.get(name)
        if (attributeId === undefined) throw unsound(id)
        sql.insertAttributeEntry.run(attributeId, indexedValue(value), id)
      }
    },
    events: ({ id, customerId, name, data, createdAt }) => { sql.insertEvent.run(id, customerId, name, data, createdAt) },
    changes: insert<'changes'>(`
      insert into changes (id, organization_id, customer_id, kind, at, key_id, request_id, before, after)
      values (:id, :organizationId, :customerId, :kind, :at, :keyId, :requestId, :before, :after)`),
    webhooks: (row) => {
      webhook.run(copiedWebhook(row))
      position.run(row)
      for (const customer of copiedHeldCustomers(row)) held.run(customer)
    },
    deliveries: (row) => { delivery.run(copiedDelivery(row)) },
    api_keys: insert<'api_keys'>(`
      insert into api_keys (id, organization_id, name, secret_hash, created_at, revoked_at)
      values (:id, :organizationId, :name, :secretHash, :createdAt, :revokedAt)`)
  }
}
