import pg from 'pg'
import { CopyFailure } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import { defaultsTaken, readOnlyRemedy } from './connection.ts'
import { insufficientPrivilege, isConnectionError, readOnly, sqlState } from './storage-error.ts'

const noSuchDatabase = '3D000'

/** Runs a step of a copy; when the database fails, says which one, and what to do. The first step comes with the URL. */
export async function naming<Answer>(name: string, step: () => Promise<Answer>, url?: string): Promise<Answer> {
  try {
    return await step()
  } catch (error) {
    throw toCopyFailure(error, name, url)
  }
}

function toCopyFailure(error: unknown, name: string, url: string | undefined): unknown {
  if (!(error instanceof pg.DatabaseError) && !isConnectionError(error)) return error
  const { message, code } = error as Error & { code?: string }
  // That of several failed attempts to connect is empty.
  const said = `${name}: ${message === '' ? code ?? 'no connection' : message}.`
  if (sqlState(error) === insufficientPrivilege) {
    return new OperatorError(`${said} Name a user in the URL who may: to read, one who may read every table and sequence; to write, the owner of the tables.`, { cause: error })
  }
  if (sqlState(error) === readOnly) return new OperatorError(`${said} ${readOnlyRemedy}`, { cause: error })
  const taken = url === undefined ? '' : defaultsTaken(url)
  if (sqlState(error) === noSuchDatabase) {
    return new OperatorError(`${said} ${taken}Name one that is there, or make it first: create database … encoding 'UTF8' template template0`, { cause: error })
  }
  return new CopyFailure(`${said} ${taken}`.trimEnd(), { cause: error })
}
