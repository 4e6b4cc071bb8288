import pg from 'pg'
import { ApiError, unavailable } from '../errors.ts'

export const readOnly = '25006'
export const insufficientPrivilege = '42501'

/** Failures of the database or on the way to it, by the start of their SQLSTATE, and what to say of them. */
const messages = [
  ['08', 'The connection to the database broke'],
  [readOnly, 'The database cannot be written: it is read-only, as a standby is, or set so'],
  ['25P03', 'The database ended a transaction that took too long'],
  ['28', 'The database refuses the user of its URL'],
  ['3D', 'The database of the URL is not there'],
  ['40', 'The database is busy with other writers'],
  [insufficientPrivilege, 'The database user may not do this'],
  ['53100', 'The database has no room to write'],
  ['53', 'The database has no resources left'],
  ['55', 'The database is locked'],
  ['57014', 'The database took too long'],
  ['57', 'The database is stopping or starting'],
  ['58', 'The disk of the database failed'],
  ['XX', 'The database failed']
] as const

/** The commit was asked for and not answered, so it may have happened. */
export class UnansweredCommit extends Error {
  constructor(cause: unknown) {
    super('The commit was not answered', { cause })
    this.name = 'UnansweredCommit'
  }
}

/** The error for a caller when the database itself failed; undefined when the fault is ours. */
export function toStorageError(error: unknown, consequence = 'Nothing was changed; try again.'): ApiError | undefined {
  if (error instanceof ApiError) return error
  if (error instanceof UnansweredCommit) return unavailable('The database did not answer, and it is not known whether this was written. Look before you try again.', { cause: error })
  const message = isConnectionError(error) ? 'The database cannot be reached' : messages.find(([code]) => sqlState(error).startsWith(code))?.[1]
  return message === undefined ? undefined : unavailable(`${message}. ${consequence}`, { cause: error })
}

/** What PostgreSQL calls the error; empty for those that did not come from it. */
export function sqlState(error: unknown): string {
  return error instanceof pg.DatabaseError ? error.code ?? '' : ''
}

/** Whether the connection is gone, so that nobody told what became of what was asked last. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return /^(?:08|57P0)/.test(error.code ?? '')
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return /^(?:E[A-Z]+|ERR_SSL.*|ERR_TLS.*)$/.test(code) || /^(?:Connection terminated|timeout exceeded|timeout expired|Query read timeout|Client has encountered|Client was closed|Cannot use a pool)/.test(error.message)
}

/** Whether trying again, from the first read on, may go better: others were in the way and nothing was kept. */
export function isConflict(error: unknown): boolean {
  // Serialization failure, deadlock, and a name or userId that another transaction took first.
  return ['40001', '40P01', '23505'].includes(sqlState(error))
}
