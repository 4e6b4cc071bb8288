import { SqliteError } from 'better-sqlite3'
import { CopyFailure } from '../copy.ts'

/** What a copy that fails on a file says of it; errors of other kinds stay as they are. */
export function toCopyFailure(error: unknown, path: string): unknown {
  if (!(error instanceof SqliteError)) return error
  return new CopyFailure(`${path}: ${error.message}.`, { cause: error })
}
