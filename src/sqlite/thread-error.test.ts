import { SqliteError } from 'better-sqlite3'
import { expect, test } from 'vitest'
import { unavailable } from '../errors.ts'
import { isReadOnlyError, toStorageError } from './storage-error.ts'
import { packError, unpackError } from '../indexing/thread-error.ts'

function sendToThread(error: unknown): unknown {
  return unpackError(structuredClone(packError(error)))
}

test('an error of the database is the same in another thread, with the code and the stack of its cause', () => {
  const cause = new SqliteError('attempt to write a readonly database', 'SQLITE_READONLY_CANTLOCK')
  const error = toStorageError(cause)
  const received = sendToThread(error)

  const sent = Object.assign(new Error(cause.message), { code: cause.code })
  expect(received).toEqual(unavailable('The database cannot be written. Nothing was changed; try again.', { cause: sent }))
  expect(received).toHaveProperty('cause.stack', cause.stack)
  expect([error, received, sendToThread(toStorageError(new SqliteError('full', 'SQLITE_FULL')))].map(isReadOnlyError)).toEqual([true, true, false])
})
