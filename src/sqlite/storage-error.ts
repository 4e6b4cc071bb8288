import { SqliteError } from 'better-sqlite3'
import { ApiError, unavailable } from '../errors.ts'

/** Failures of the disk or of a lock, by the start of SQLite's code, and what to say of them. */
const messages = [
  ['SQLITE_FULL', 'The database has no room to write'],
  ['SQLITE_BUSY', 'The database is locked by another process'],
  ['SQLITE_LOCKED', 'The database is locked'],
  ['SQLITE_READONLY', 'The database cannot be written'],
  ['SQLITE_IOERR', 'The disk of the database failed'],
  ['SQLITE_CANTOPEN', 'The database cannot be opened'],
  ['SQLITE_PERM', 'The database may not be opened'],
  ['SQLITE_NOMEM', 'The database has no memory'],
  ['SQLITE_CORRUPT', 'The database is damaged'],
  ['SQLITE_NOTADB', 'The database is damaged']
] as const

/** The error for a caller when the database itself failed; undefined when the fault is ours. */
export function toStorageError(error: unknown): ApiError | undefined {
  if (!(error instanceof SqliteError)) return undefined
  const message = messages.find(([code]) => error.code.startsWith(code))?.[1]
  return message === undefined ? undefined : unavailable(`${message}. Nothing was changed; try again.`, { cause: error })
}

/** Whether the database itself failed, by `toStorageError`, because it is read-only. */
export function isReadOnlyError(error: unknown): boolean {
  return error instanceof ApiError && error.cause instanceof Error && 'code' in error.cause && String(error.cause.code).startsWith('SQLITE_READONLY')
}
