import { SqliteError } from 'better-sqlite3'
import { OperatorError } from '../errors.ts'

/** What a copy that fails on a file says of it; errors of other kinds stay as they are. */
export function toOperatorError(error: unknown, path: string): unknown {
  if (!(error instanceof SqliteError)) return error
  return new OperatorError(`${path}: ${error.message}. What was copied stays; run the same command again to go on.`, { cause: error })
}
