import { existsSync } from 'node:fs'
import { ApiError, OperatorError } from '../errors.ts'
import type { SqliteOptions } from '../sqlite/store.ts'
import { SqliteStore } from '../sqlite/store.ts'
import type { Store } from '../store.ts'
import { sqlitePath } from './config.ts'

/** The engine that a database URL names, with its schema up to date. */
export function openStore(database: string, options: Omit<SqliteOptions, 'path'> = {}): Store {
  return SqliteStore.open({ path: sqlitePath(database), ...options })
}

/** Runs `use` with a store that is closed afterwards, however it went. */
export async function withStore<Answer>(database: string, use: (store: Store) => Promise<Answer>): Promise<Answer> {
  const store = openStore(database)
  try {
    return await use(store)
  } catch (error) {
    throw nameDatabase(error, database)
  } finally {
    await store.close()
  }
}

/** The same for what makes no sense on a new database, so that a misspelt path does not make one. */
export async function withExistingStore<Answer>(database: string, use: (store: Store) => Promise<Answer>): Promise<Answer> {
  if (!existsSync(sqlitePath(database))) throw new OperatorError(`There is no database ${sqlitePath(database)}. Name it with --database.`)
  return await withStore(database, use)
}

/** What a client is told of a failing database does not name its file; who runs the server wants to know. */
export function nameDatabase(error: unknown, database: string): unknown {
  if (!(error instanceof ApiError) || error.code !== 'unavailable') return error
  return new OperatorError(`${sqlitePath(database)}: ${error.message}`, { cause: error })
}
