import type pg from 'pg'
import { unfinishedCopy } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import type { Migration } from '../sql/migrations.ts'
import { readMigrations } from '../sql/migrations.ts'
import { inSequence, isDistributed, placeTables } from './citus.ts'
import { checkServer, endQuietly, withClient } from './connection.ts'
import { insufficientPrivilege, sqlState } from './storage-error.ts'

const migrationsFolder = new URL('migrations/', import.meta.url)

/** "Cltl" in ASCII: what processes that migrate the same database lock. */
const lockKey = 0x436c746c

/**
 * Brings the schema up to date, once, however many processes do this at the same time. Refuses a
 * database of a newer version. Answers the names of the migrations it ran.
 */
export async function migrateDatabase(url: string): Promise<string[]> {
  const migrations = readMigrations(migrationsFolder)
  return await withClient(url, async (client) => {
    await checkServer(client)
    // Looking first lets a role that may change no table start on a database that is up to date.
    if ((await readSchema(client)).version >= migrations.length) {
      await requireMigrated(client)
      return []
    }
    return await underSchemaLock(client, async () => {
      const { version } = await readSchema(client)
      const pending = migrations.slice(version)
      for (const migration of pending) await run(client, migration)
      return pending.map(({ name }) => name)
    })
  })
}

/** Throws unless this version can work on the schema: that is its own, or a newer one that breaks nothing it uses. */
export async function requireMigrated(client: pg.ClientBase): Promise<void> {
  const known = readMigrations(migrationsFolder).length
  const { version, usableFrom } = await readSchema(client)
  if (known < usableFrom) {
    throw new OperatorError(`The database was written by a newer version of Clientele (schema ${version}, this one knows ${known}). Start that version instead.`)
  }
  if (version < known) throw new OperatorError('The database has an older schema. Bring it up to date first: npx clientele migrate')
  await requireExtensions(client)
}

/** Refuses the target of a copy that has begun and not ended. */
export async function refuseHalfCopied(client: pg.ClientBase): Promise<void> {
  if (await isHalfCopied(client)) throw unfinishedCopy('this database')
}

export async function isHalfCopied(client: pg.ClientBase): Promise<boolean> {
  // It is not looked into: who owns nothing may not read it.
  return await isThere(client, 'copy_progress')
}

async function isThere(client: pg.ClientBase, table: string): Promise<boolean> {
  const { rows: [row] } = await client.query<{ is: boolean }>('select to_regclass($1) is not null as is', [table])
  return row?.is === true
}

/** Refuses a database of which no command has made anything yet, so that one that was named by mistake stays as it is. */
export async function requireMade(client: pg.ClientBase): Promise<void> {
  if ((await readSchema(client)).version > 0) return
  throw new OperatorError('There is nothing of Clientele in this database. Name another one, or make what it needs: npx clientele migrate')
}

/** Whose indexes searches by SQL go by. They come with PostgreSQL, in a package of their own on most systems. */
const extensions = ['pg_trgm', 'btree_gin']

async function requireExtensions(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'select name from unnest($1::text[]) as name where not exists (select from pg_extension where extname = name)', [extensions])
  if (rows.length === 0) return
  const statements = rows.map(({ name }) => `create extension ${name}`).join('; ')
  throw new OperatorError(`Searches lack an extension, and with it their indexes. As the owner of the database run "${statements}" in it, then npx clientele doctor.`)
}

/** Statements that drop every index that is not needed to write, and make it anew; each to be run by itself, outside a transaction. */
export function indexStatements(): string[] {
  return readMigrations(migrationsFolder).filter(({ sql }) => sql.includes('concurrently')).flatMap(({ sql }) => statementsOf(sql))
}

function statementsOf(sql: string): string[] {
  return sql.trim().split(/;$/m).filter((statement) => statement.trim() !== '')
}

interface Schema {
  /** 0 for an empty database. */
  readonly version: number
  /** Servers that know fewer migrations cannot work on it. */
  readonly usableFrom: number
}

async function readSchema(client: pg.ClientBase): Promise<Schema> {
  if (!await isThere(client, 'schema_migrations')) return { version: 0, usableFrom: 0 }
  const { rows: [schema] } = await client.query<Schema>(
    'select coalesce(max(version), 0) as version, coalesce(max(usable_from), 0) as "usableFrom" from schema_migrations')
  return schema ?? { version: 0, usableFrom: 0 }
}

/** One process at a time. */
export async function underSchemaLock<Answer>(client: pg.ClientBase, task: () => Promise<Answer>): Promise<Answer> {
  // Asked for again and again and not waited for: an index built concurrently waits for every statement
  // under way, and so for a process that waits here, which waits for the index.
  for (;;) {
    const { rows: [row] } = await client.query<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [lockKey])
    if (row?.locked === true) break
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
  try {
    return await task()
  } finally {
    await endQuietly(client, 'select pg_advisory_unlock($1)', [lockKey])
  }
}

async function run(client: pg.ClientBase, { name, version, sql }: Migration): Promise<void> {
  const keep = async (): Promise<void> => {
    await client.query('create table if not exists schema_migrations (version int primary key, name text not null, usable_from int not null)')
    // Two versions may run side by side during an upgrade, unless a migration says what it breaks.
    const usableFrom = /^-- breaks servers that do not know it$/m.test(sql) ? version : 0
    await client.query('insert into schema_migrations (version, name, usable_from) values ($1, $2, $3)', [version, name, usableFrom])
  }
  try {
    if (sql.includes('concurrently')) {
      // One at a time, since several sent together are a transaction.
      for (const statement of statementsOf(sql)) await client.query(statement)
      await keep()
      return
    }
    await client.query('begin')
    await client.query(inSequence)
    await client.query(sql)
    await keep()
    // Where customers are spread over several machines, new tables are at once.
    if (await isDistributed(client)) await placeTables(client)
    await client.query('commit')
  } catch (error) {
    await endQuietly(client, 'rollback')
    const [, missing] = /^extension "(\w+)" is not available/.exec(error instanceof Error ? error.message : '') ?? []
    if (missing !== undefined) {
      throw new OperatorError(`PostgreSQL has not got the extension ${missing} there. Install its contrib package on the machine of the database, then run npx clientele migrate.`, { cause: error })
    }
    if (sqlState(error) === insufficientPrivilege) {
      throw new OperatorError(`The database user may not run the migration ${name}: ${error instanceof Error ? error.message : ''}. Run npx clientele migrate as the owner of the database.`, { cause: error })
    }
    throw error
  }
}
