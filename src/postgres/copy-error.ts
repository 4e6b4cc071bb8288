import pg from 'pg'
import { CopyFailure } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import { isConnectionError, sqlState } from './storage-error.ts'

const insufficientPrivilege = '42501'
const noSuchDatabase = '3D000'

/** Runs a step of a copy; when the database fails, says which one, and what to do. */
export async function naming<Answer>(name: string, step: () => Promise<Answer>): Promise<Answer> {
  try {
    return await step()
  } catch (error) {
    throw toCopyFailure(error, name)
  }
}

function toCopyFailure(error: unknown, name: string): unknown {
  if (!(error instanceof pg.DatabaseError) && !isConnectionError(error)) return error
  const { message, code } = error as Error & { code?: string }
  // That of several failed attempts to connect is empty.
  const said = `${name}: ${message === '' ? code ?? 'no connection' : message}.`
  if (sqlState(error) === insufficientPrivilege) {
    return new OperatorError(`${said} Name a user in the URL who may: to read, one who may read every table and sequence; to write, the owner of the tables.`, { cause: error })
  }
  if (sqlState(error) === noSuchDatabase) {
    return new OperatorError(`${said} Name one that is there, or make it first: create database … encoding 'UTF8' template template0`, { cause: error })
  }
  return new CopyFailure(said, { cause: error })
}
