import type { ErrorEntry } from '../contract/error.ts'
import type { ErrorCode } from '../errors.ts'
import { ApiError, invalidRequest } from '../errors.ts'
import { limits } from '../limits.ts'
import type { HttpSettings } from './settings.ts'

export const statusByCode = {
  invalid_request: 400,
  invalid_userId_value: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  gone: 410,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  internal: 500,
  unavailable: 503
} as const satisfies Record<ErrorCode, number>

const invalid: ErrorEntry = { code: 'invalid_request', message: 'Invalid request' }

/** HelpCrunch: clients branch on the first entry, which is the same in all but these cases. */
const standsAlone: ReadonlySet<ErrorCode> = new Set(['invalid_userId_value', 'internal', 'unavailable'])

// HelpCrunch: the older codes, one entry in all.
const legacyEntries: Partial<Record<ErrorCode, ErrorEntry>> = {
  unauthorized: { code: 'invalid_token', message: 'Invalid token' },
  not_found: { code: 'entity_not_found', message: 'Customer not found' },
  too_many_requests: { code: 'too_many_requests', message: 'You have exceeded your requests limit' }
}

export function errorBody(error: ApiError, style: HttpSettings['errorStyle']): { errors: ErrorEntry[] } {
  if (style === 'legacy') return { errors: [legacyEntries[error.code] ?? ownEntry(error)] }
  if (standsAlone.has(error.code)) return { errors: [ownEntry(error)] }
  const faults = error.faults.map(({ path, message }) => ({ code: path, message }))
  const conflicts = error.conflicts.map(({ changeId, fields, message }) =>
    ({ code: error.code, message, changeId, ...(fields === undefined ? {} : { fields: [...fields] }) }))
  return { errors: [invalid, ...(error.code === 'invalid_request' ? [] : [ownEntry(error)]), ...faults, ...conflicts] }
}

function ownEntry({ code, message, existingId, path }: ApiError): ErrorEntry {
  return { code, message, ...(existingId === undefined ? {} : { existingId }), ...(path === undefined ? {} : { path }) }
}

/** Any failure as one of ours. What was not thrown on purpose is internal, its cause for the log alone. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('FST_')) return internal(error)
  // Fastify's own refusals are the caller's to mend.
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError('too_large', `The body is over ${limits.bodyBytesMax} bytes`)
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return invalidRequest([{ path: 'body', message: 'The body does not have the length that Content-Length says.' }])
    case 'FST_ERR_BAD_URL': return new ApiError('not_found', 'Not found')
    default: return internal(error)
  }
}

function internal(cause: unknown): ApiError {
  return new ApiError('internal', 'Internal error', { cause })
}
