import { existsSync } from 'node:fs'
import { ApiError, OperatorError } from '../errors.ts'
import type { PostgresOptions } from '../postgres/store.ts'
import type { SqliteOptions } from '../sqlite/store.ts'
import type { Store } from '../store.ts'
import { sqlitePath, withoutPassword } from './config.ts'

/** What each engine takes of these is its own. */
type StoreOptions = Omit<SqliteOptions, 'path'> & Omit<PostgresOptions, 'url' | 'backUp'>

/** The engine that a database URL names, with its schema up to date. */
export async function openStore(database: string, { poolSize, ...options }: StoreOptions = {}): Promise<Store> {
  const path = sqlitePath(database)
  // Each loads a driver, which takes its time, and one is enough.
  if (path !== undefined) {
    const { SqliteStore } = await import('../sqlite/store.ts')
    return SqliteStore.open({ path, ...options })
  }
  const { PostgresStore } = await import('../postgres/store.ts')
  return await PostgresStore.open({
    url: database,
    backUp: async (path) => {
      const { backUp } = await import('./copy.ts')
      return await backUp(database, path)
    },
    ...options,
    ...(poolSize === undefined ? {} : { poolSize })
  })
}

/** Runs `use` with a store that is closed afterwards, however it went. */
export async function withStore<Answer>(database: string, use: (store: Store) => Promise<Answer>): Promise<Answer> {
  const store = await openStore(database)
  try {
    return await use(store)
  } catch (error) {
    throw await nameDatabase(error, database)
  } finally {
    await store.close()
  }
}

/** The same for what makes no sense on a new database, so that a misspelt path does not make one. */
export async function withExistingStore<Answer>(database: string, use: (store: Store) => Promise<Answer>): Promise<Answer> {
  const path = sqlitePath(database)
  if (path === undefined) await requireMade(database)
  else if (!existsSync(path)) throw new OperatorError(`There is no database ${path}. Name it with --database.`)
  return await withStore(database, use)
}

async function requireMade(url: string): Promise<void> {
  const [engine, { cannotBeUsed, withClient }] = await Promise.all([import('../postgres/migrate.ts'), import('../postgres/connection.ts')])
  await withClient(url, engine.requireMade).catch((error: unknown) => { throw cannotBeUsed(error, url) })
}

/** What a client is told of a failing database does not name it; who runs the server wants to know. */
export async function nameDatabase(error: unknown, database: string): Promise<unknown> {
  if (!(error instanceof ApiError) || error.code !== 'unavailable') return error
  const path = sqlitePath(database)
  if (path !== undefined) return new OperatorError(`${path}: ${error.message}`, { cause: error })
  const { cause } = error
  const { operatorRemedy } = await import('../postgres/connection.ts')
  const remedy = operatorRemedy(cause)
  const said = cause instanceof Error && remedy !== undefined ? `${cause.message}. ${remedy}` : error.message
  return new OperatorError(`${withoutPassword(database)}: ${said}`, { cause: error })
}
