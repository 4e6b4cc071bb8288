import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import SqliteDatabase from 'better-sqlite3'
import { inject, onTestFinished } from 'vitest'
import type { Caller } from '../src/api-key.ts'
import { backUp } from '../src/cli/copy.ts'
import { systemClock } from '../src/clock.ts'
import { parseSearch } from '../src/parse-search.ts'
import { withClient } from '../src/postgres/connection.ts'
import type { PostgresOptions } from '../src/postgres/store.ts'
import { PostgresStore } from '../src/postgres/store.ts'
import type { SqliteOptions } from '../src/sqlite/store.ts'
import { SqliteStore } from '../src/sqlite/store.ts'
import type { CommitListener, Store } from '../src/store.ts'
import { emptyCitusDatabase } from './citus-database.ts'
import type { EngineName } from './engine-names.ts'
import { createPostgresDatabase } from './postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** What the project of the run tests. */
    engine: EngineName
  }
}

/** A database of one test, which may be opened several times, as several processes would. */
export interface TestDatabase {
  /** As `--database` names it. */
  readonly url: string
  /** A store on this database, closed when the test has finished. */
  openStore(options?: { readonly onCommit: CommitListener }): Promise<Store>
  /** A store on a backup of this database, closed likewise. */
  openBackup(path: string): Promise<Store>
  /** Runs SQL that every engine understands, on the tables themselves. */
  sql(text: string): Promise<Record<string, unknown>[]>
  /** Those that commands write. */
  readonly tables: readonly string[]
  readonly folder: string
  /** Resolves when searches of the organization are answered from the engine's index; at once where it has none. */
  untilIndexed(store: Store, caller: Pick<Caller, 'organizationId' | 'keyId'>): Promise<void>
}

/** An empty database of the engine that the project of the run stands for. */
export async function createDatabase(): Promise<TestDatabase> {
  return await creators[inject('engine')]()
}

/** A store on an empty database of its own, closed when the test has finished. */
export async function openStore(): Promise<Store> {
  return await (await createDatabase()).openStore()
}

const creators: Record<EngineName, () => TestDatabase | Promise<TestDatabase>> = {
  'sqlite': () => createSqlite({}),
  // Every search by SQL.
  'sqlite without index': () => createSqlite({ indexBytesMax: 0 }),
  'postgres': () => createPostgres({}),
  'postgres without index': () => createPostgres({ indexBytesMax: 0 }),
  'citus': createCitus
}

function createSqlite(options: Omit<SqliteOptions, 'path'>): TestDatabase {
  const folder = temporaryFolder()
  const path = join(folder, 'clientele.db')
  return {
    url: `sqlite:${path}`,
    tables: [...writtenTables, 'customer_tags', 'order_buckets'],
    folder,
    openStore: async (listener) => openSqlite({ path, ...options, ...listener }),
    async untilIndexed(store, caller) {
      if (options.indexBytesMax !== 0) await untilAnsweredFromIndex(store, caller)
    },
    openBackup: async (copy) => openSqlite({ path: copy, ...options }),
    async sql(text) {
      const db = new SqliteDatabase(path)
      try {
        const statement = db.prepare<[], Record<string, unknown>>(text)
        if (statement.reader) return statement.all()
        statement.run()
        return []
      } finally {
        db.close()
      }
    }
  }
}

const writtenTables = ['organizations', 'tags', 'attributes', 'customers', 'customer_attributes', 'events', 'changes']

async function createPostgres(options: Pick<PostgresOptions, 'indexBytesMax'>): Promise<TestDatabase> {
  const { url, ownerUrl, drop } = await createPostgresDatabase(inject('postgresUrl'))
  onTestFinished(drop)
  return testPostgres({ url, ownerUrl, ...options })
}

async function createCitus(): Promise<TestDatabase> {
  const url = inject('citusUrl')
  await emptyCitusDatabase(url)
  return testPostgres({ url, ownerUrl: url, indexBytesMax: 0 })
}

function testPostgres({ ownerUrl, ...options }: Pick<PostgresOptions, 'url' | 'indexBytesMax'> & { ownerUrl: string }): TestDatabase {
  const { url } = options
  return {
    url,
    tables: [...writtenTables, 'user_ids', 'feed', 'customer_counts'],
    folder: temporaryFolder(),
    async openStore(listener) {
      const store = await PostgresStore.open({ ...options, ...listener, backUp: async (path) => await backUp(url, path) })
      onTestFinished(async () => { await store.close() })
      return store
    },
    async untilIndexed(store, caller) {
      if (options.indexBytesMax !== 0) await untilAnsweredFromIndex(store, caller)
    },
    // A backup is a file, whatever the engine of the database.
    openBackup: async (path) => openSqlite({ path }),
    async sql(text) {
      return await withClient(ownerUrl, async (client) => (await client.query<Record<string, unknown>>(text)).rows)
    }
  }
}

const indexMsMax = 20_000

/** Resolves when searches of the organization are answered from the index of its store. */
export async function untilAnsweredFromIndex(store: Store, caller: Pick<Caller, 'organizationId' | 'keyId'>): Promise<void> {
  const { search } = parseSearch({ explain: true, sort: 'id', limit: 1 }, { ...await store.searchContext(caller.organizationId), now: systemClock() })
  const started = performance.now()
  for (;;) {
    const { explanation } = await store.search(caller, search)
    if (explanation?.plan.startsWith('columns') === true) return
    if (performance.now() - started > indexMsMax) {
      throw new Error(`After ${indexMsMax / 1000} s the searches of organization ${caller.organizationId} were still not answered from the index, but by "${explanation?.plan ?? 'no plan'}"`)
    }
    await setTimeout(1)
  }
}

function openSqlite(options: SqliteOptions): Store {
  const store = SqliteStore.open(options)
  onTestFinished(async () => { await store.close() })
  return store
}

/** A folder of its own for one test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}
