import { expect, test } from 'vitest'
import { ApiError } from '../errors.ts'
import type { RepeatableRequest } from '../idempotency.ts'
import { packAnswer, packOutcome, readAnswer, readOutcome } from './kept-outcome.ts'

const request = (fingerprint = 'f'): RepeatableRequest => ({ key: 'k', fingerprint, state: 'new' })

function kept(outcome: Uint8Array | undefined): { fingerprint: string; outcome: Uint8Array } {
  if (outcome === undefined) throw new Error('It is not kept')
  return { fingerprint: 'f', outcome }
}

function failure(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error instanceof ApiError ? [error.code, error.message] : error
  }
}

test('what the work left comes back as it was, maps and all', () => {
  const value = { customers: [], changes: [{ before: { customData: new Map([['2024', 1], ['plan', 2]]) } }], none: undefined }
  expect(readOutcome(kept(packOutcome({ value })), request())).toEqual({ value })
})

test('a refusal comes back with all that it says', () => {
  const error = new ApiError('precondition_failed', 'Changed', { revision: { version: 3, tagsVersion: 4 }, faults: [{ path: 'a', message: 'b' }] })
  expect(readOutcome(kept(packOutcome({ error })), request())).toEqual({ error })
})

test.each(['invalid_request', 'unavailable', 'internal', 'too_many_requests', 'gone'] as const)('a refusal by %s is not kept', (code) => {
  expect(packOutcome({ error: new ApiError(code, 'No') })).toBeUndefined()
  expect(packOutcome({ error: new Error('unexpected') })).toBeUndefined()
})

test('another request with the same key is a conflict, whatever was kept', () => {
  const refused = ['conflict', 'This Idempotency-Key was given with another method, path or body. Give each request a key of its own.']
  expect(failure(() => readOutcome(kept(packOutcome({ value: 1 })), request('other')))).toEqual(refused)
  expect(failure(() => readAnswer(kept(packAnswer({ status: 200, body: '' })), request('other')))).toEqual(refused)
})

test('work that finds an answer kept by another process is to be asked for again', () => {
  expect(failure(() => readOutcome(kept(packAnswer({ status: 404, body: '' })), request())))
    .toEqual(['conflict', 'The first request with this Idempotency-Key is still under way. Try again later, with the same key.'])
})
