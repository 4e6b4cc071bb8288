import { statSync } from 'node:fs'
import type { Database } from 'better-sqlite3'
import type { CopiedRows, CopiedTable, CopySource, HighestId, Horizon, Secret, Settings } from '../copy.ts'
import { selectCopiedDeliveries, selectCopiedWebhooks } from '../sql/webhook-row.ts'
import { openReader, refuseHalfCopied, requirePrepared } from './open.ts'
import { toCopyFailure } from './copy-error.ts'

/** Each takes an id; answers rows with a higher one, ascending. */
const selects: Record<CopiedTable, string> = {
  organizations: 'select id, name, created_at as createdAt from organizations where id > ? order by id',
  tags: `
    select id, organization_id as organizationId, name, color, version, is_recolored as isRecolored from tags where id > ? order by id`,
  attributes: 'select id, organization_id as organizationId, name, type from attributes where id > ? order by id',
  customers: `
    select id, organization_id as organizationId, created_at as createdAt, updated_at as updatedAt, tag_ids as tagIds, tag_version as tagVersion, rendering, version
    from customers where id > ? order by id`,
  events: `
    select id,
      coalesce(
        (select organization_id from customers where id = customer_id),
        (select organization_id from temp.deleted_customers where id = customer_id), 0) as organizationId,
      customer_id as customerId, name, data, created_at as createdAt
    from events where id > ? order by id`,
  changes: `
    select id, organization_id as organizationId, customer_id as customerId, kind, at, key_id as keyId, request_id as requestId, before, after
    from changes where id > ? order by id`,
  // A position begins with the id of a change.
  webhooks: selectCopiedWebhooks({
    settledId: `coalesce(
      (select min(id) - 1 from changes where changes.organization_id = webhooks.organization_id and changes.id > cast(position as integer)),
      (select max(id) from changes), 0)`,
    after: '?'
  }),
  deliveries: selectCopiedDeliveries('?'),
  api_keys: `
    select id, organization_id as organizationId, name, secret_hash as secretHash, created_at as createdAt, revoked_at as revokedAt
    from api_keys where id > ? order by id`
}

const batchRowsMax = 1_000
const batchCharactersMax = 4 * 1024 * 1024

/** Reads a database in one read transaction. */
export async function withCopySource<Answer>(path: string, use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
  requirePrepared(path)
  refuseHalfCopied(path)
  const db = openReader(path)
  try {
    return await readMoment(db, path, use)
  } finally {
    db.close()
  }
}

/** The same with a connection that is open, outside a transaction. */
export async function readMoment<Answer>(db: Database, path: string, use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
  db.exec('begin')
  try {
    return await use(new SqliteSource(db, path))
  } finally {
    // Unmakes the temporary table too.
    if (db.inTransaction) db.exec('rollback')
  }
}

class SqliteSource implements CopySource {
  readonly #db: Database
  readonly #path: string

  constructor(db: Database, path: string) {
    this.#db = db
    this.#path = path
  }

  async identity(): Promise<string> {
    return fileIdentity(this.#path)
  }

  async count(table: CopiedTable): Promise<number> {
    return this.#read(() => this.#db.prepare<[], number>(`select count(*) from ${table}`).pluck().get() ?? 0)
  }

  async *batches<Table extends CopiedTable>(table: Table, afterId: number): AsyncGenerator<readonly CopiedRows[Table][]> {
    if (table === 'events') this.#findDeleted()
    const rows = this.#read(() => this.#db.prepare<[number], CopiedRows[Table]>(selects[table]).iterate(afterId))
    try {
      for (;;) {
        const batch = this.#read(() => take(rows))
        if (batch.length === 0) return
        yield batch
      }
    } finally {
      rows.return?.()
    }
  }

  async settings(): Promise<Settings> {
    return this.#read(() => {
      const highest = this.#db.prepare<[string], number>('select seq from sqlite_sequence where name = ?').pluck()
      return {
        secrets: this.#db.prepare<[], Secret>('select name, lower(hex(value)) as value from secrets order by name').all(),
        finalBefore: this.#db.prepare<[], number>('select final_before from trash').pluck().get() ?? 0,
        horizons: this.#db.prepare<[], Horizon>(
          'select organization_id as organizationId, change_id as changeId, request_id as requestId from change_horizons').all(),
        highestIds: (Object.keys(selects) as CopiedTable[]).map((table): HighestId => ({ table, id: highest.get(table) ?? 0 }))
      }
    })
  }

  async version(): Promise<string> {
    return this.#read(() => JSON.stringify([
      this.#db.prepare<[], [number, number | null, number | null]>('select count(*), min(id), max(id) from changes').raw().get(),
      // Doctor draws an id where it changes what is not in the changes.
      this.#db.prepare<[], number>("select seq from sqlite_sequence where name = 'changes'").pluck().get(),
      this.#db.prepare<[], number[]>('select count(*), max(number), sum(attempts), sum(is_replay) from deliveries').raw().get()
    ]))
  }

  /** A deleted customer's events stay for a while, and only the change tells whose customer it was. */
  #findDeleted(): void {
    this.#read(() => {
      this.#db.exec(`
        create temp table if not exists deleted_customers (id integer primary key, organization_id integer not null);
        insert or replace into temp.deleted_customers
          select customer_id, organization_id from changes where kind = 'customer.deleted' and customer_id is not null`)
    })
  }

  #read<Answer>(read: () => Answer): Answer {
    try {
      return read()
    } catch (error) {
      throw toCopyFailure(error, this.#path)
    }
  }
}

/** That of the file itself, which may have several names. */
export function fileIdentity(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true })
  return `file ${dev} ${ino}`
}

function take<Row extends object>(rows: Iterator<Row>): Row[] {
  const batch: Row[] = []
  let characters = 0
  while (batch.length < batchRowsMax && characters < batchCharactersMax) {
    const next = rows.next()
    if (next.done === true) break
    batch.push(next.value)
    for (const column of Object.values(next.value)) if (typeof column === 'string') characters += column.length
  }
  return batch
}
