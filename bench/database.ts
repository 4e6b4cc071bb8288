import { constants, copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { withClient } from '../src/postgres/connection.ts'
import { openReader, openWriter } from '../src/sqlite/open.ts'
import { startPostgres } from '../test/postgres-server.ts'

/** Engines that are measured. */
export const benchEngines = ['sqlite', 'postgres'] as const
export type BenchEngine = (typeof benchEngines)[number]

/** A database of one bench, as processes of the bench are told of it. */
export interface BenchDatabase {
  readonly engine: BenchEngine
  readonly url: string
  /** The file of SQLite; empty on PostgreSQL. */
  readonly path: string
}

/** An empty database, which is gone when the bench ends. */
export async function createDatabase(engine: BenchEngine, folder: string): Promise<BenchDatabase> {
  if (engine === 'sqlite') {
    const path = join(folder, 'clientele.db')
    return { engine, path, url: `sqlite:${path}` }
  }
  // Durable, as no test is; the rest is what a small machine is given.
  const { url } = await startPostgres({
    fsync: 'on', full_page_writes: 'on', shared_buffers: '2GB', work_mem: '64MB', maintenance_work_mem: '1GB', max_wal_size: '8GB', random_page_cost: '1.1', jit: 'off'
  })
  await withClient(url, async (client) => await client.query('create database bench'))
  return { engine, path: '', url: databaseOf(url, 'bench') }
}

/** A copy of a database that nobody has open. */
export async function copyDatabase(database: BenchDatabase, folder: string): Promise<BenchDatabase> {
  if (database.engine === 'sqlite') {
    const path = join(folder, 'copy.db')
    copyFileSync(database.path, path, constants.COPYFILE_FICLONE)
    return { ...database, path, url: `sqlite:${path}` }
  }
  await withClient(databaseOf(database.url, 'postgres'), async (client) => await client.query('create database copied template bench'))
  return { ...database, url: databaseOf(database.url, 'copied') }
}

function databaseOf(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** The last connection to close empties the write-ahead log of SQLite into the file if it may write. */
export function emptyLog({ engine, path }: BenchDatabase): void {
  if (engine === 'sqlite') openWriter(path).close()
}

/** How many rows each table has. */
export async function countRows(database: BenchDatabase): Promise<Map<string, number>> {
  if (database.engine === 'postgres') {
    return await withClient(database.url, async (client) => {
      const { rows: tables } = await client.query<{ name: string }>("select tablename as name from pg_tables where schemaname = 'public'")
      const counts = new Map<string, number>()
      for (const { name } of tables) {
        const { rows: [row] } = await client.query<{ count: number }>(`select count(*) as count from ${name}`)
        counts.set(name, row?.count ?? 0)
      }
      return counts
    })
  }
  const db = openReader(database.path)
  const tables = db.prepare<[], string>("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'").pluck().all()
  const counts = new Map(tables.map((table) => [table, db.prepare<[], number>(`select count(*) from "${table}"`).pluck().get() ?? 0]))
  db.close()
  return counts
}

export function rowsAdded(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Record<string, number> {
  const added = [...after].map(([table, rows]) => [table, rows - (before.get(table) ?? 0)] as const)
  return Object.fromEntries(added.filter(([, rows]) => rows !== 0).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}
