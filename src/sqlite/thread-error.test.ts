import { SqliteError } from 'better-sqlite3'
import { expect, test } from 'vitest'
import { isReadOnlyError, toStorageError } from './storage-error.ts'
import { packError, unpackError } from './thread-error.ts'

function sendToThread(error: unknown): unknown {
  return unpackError(structuredClone(packError(error)))
}

test('an error of the database is the same in another thread, with the code and the stack of its cause', () => {
  const cause = new SqliteError('attempt to write a readonly database', 'SQLITE_READONLY_CANTLOCK')
  const error = toStorageError(cause)
  const received = sendToThread(error)

  expect(received).toEqual(error)
  expect(received).toHaveProperty('cause.stack', cause.stack)
  expect([error, received, sendToThread(toStorageError(new SqliteError('full', 'SQLITE_FULL')))].map(isReadOnlyError)).toEqual([true, true, false])
})
