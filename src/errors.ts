import { limits } from './limits.ts'
import type { Revision } from './revision.ts'

/** Every error code, spelled as on the wire. Each has a section in docs/errors.md. */
export const errorCodes = [
  'invalid_request', 'invalid_userId_value', 'unauthorized', 'forbidden', 'not_found',
  'method_not_allowed', 'conflict', 'gone', 'precondition_failed', 'too_large',
  'unsupported_media_type', 'too_many_requests', 'internal', 'unavailable'
] as const
export type ErrorCode = (typeof errorCodes)[number]

/** One bad property of a request: where it stands and what is wanted of it. */
export interface Fault {
  readonly path: string
  readonly message: string
}

/** A later change that is in the way of an undo. */
export interface ChangeConflict {
  readonly changeId: number
  readonly message: string
  /** What both touched; absent when that is everything. */
  readonly fields?: readonly string[]
}

interface ApiErrorOptions {
  readonly faults?: readonly Fault[]
  readonly conflicts?: readonly ChangeConflict[]
  /** With `invalid_userId_value`, and with the `conflict` of an undo: the customer that has the userId. */
  readonly existingId?: number
  /** With `invalid_userId_value`, in a batch: where the taken userId stands. */
  readonly path?: string
  /** With `precondition_failed`: what the customer is at. */
  readonly revision?: Revision
  /** After how many seconds it is worth trying again. */
  readonly retryAfterSeconds?: number
  readonly cause?: unknown
}

/** A failure with a code for machines, a message that is safe to show, and a cause for the log only. */
export class ApiError extends Error {
  readonly code: ErrorCode
  readonly faults: readonly Fault[]
  readonly conflicts: readonly ChangeConflict[]
  readonly existingId: number | undefined
  readonly path: string | undefined
  readonly revision: Revision | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, message: string, options: ApiErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'ApiError'
    this.code = code
    this.faults = options.faults ?? []
    this.conflicts = options.conflicts ?? []
    this.existingId = options.existingId
    this.path = options.path
    this.revision = options.revision
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

export function invalidRequest(faults: readonly Fault[]): ApiError {
  return new ApiError('invalid_request', 'Invalid request', { faults })
}

/** `path` is given in a batch, whose answer says which item it was. */
export function customerNotFound(path?: string): ApiError {
  const faults = path === undefined ? [] : [{ path, message: 'Customer not found' }]
  return new ApiError('not_found', 'Customer not found', { faults })
}

export function userIdTaken(existingId: number, path?: string): ApiError {
  return new ApiError('invalid_userId_value', 'userId value is invalid', {
    existingId, ...(path === undefined ? {} : { path })
  })
}

export function preconditionFailed(revision: Revision): ApiError {
  return new ApiError('precondition_failed', 'The customer has changed since. Get it again, and decide anew what to change; its ETag of now is in the answer.', { revision })
}

/** What a reader of the feed that has fallen behind can do. */
export function cursorGone(): ApiError {
  return new ApiError('gone', 'Changes behind this cursor are no longer kept, or the database was restored from a backup. Read what you need anew, and begin without a cursor.')
}

/** A failure that whoever runs the server can mend; its message says what is wrong and what to do. */
export class OperatorError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OperatorError'
  }
}

/** A command was not given what it needs. */
export class UsageError extends OperatorError {}

export function unavailable(message: string, options: { cause?: unknown } = {}): ApiError {
  return new ApiError('unavailable', message, { retryAfterSeconds: limits.retryAfterSeconds, ...options })
}

/** A search was stopped, whichever way it was being answered. */
export function searchTookTooLong(secondsMax: number): ApiError {
  return unavailable(`This search took longer than ${secondsMax} s and was stopped. Narrow it, or try again.`)
}
