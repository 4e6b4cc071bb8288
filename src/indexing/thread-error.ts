import { ApiError } from '../errors.ts'

/** An error on its way between threads; structured clones lose the class and its fields. */
export interface ThreadError {
  readonly api?: Pick<ApiError, 'code' | 'message' | 'faults' | 'conflicts' | 'existingId' | 'path' | 'revision' | 'retryAfterSeconds'>
  readonly cause: unknown
  /** That of the cause, which the database gave it. */
  readonly code?: string
}

export function packError(error: unknown): ThreadError {
  if (!(error instanceof ApiError)) return packCause(error)
  const { code, message, faults, conflicts, existingId, path, revision, retryAfterSeconds, cause } = error
  return { api: { code, message, faults, conflicts, existingId, path, revision, retryAfterSeconds }, ...packCause(cause) }
}

function packCause(cause: unknown): Pick<ThreadError, 'cause' | 'code'> {
  return cause instanceof Error && 'code' in cause ? { cause, code: String(cause.code) } : { cause }
}

export function unpackError({ api, ...packed }: ThreadError): unknown {
  const cause = unpackCause(packed)
  if (api === undefined) return cause
  const { code, message, ...rest } = api
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return new ApiError(code, message, { ...given, cause })
}

function unpackCause({ cause, code }: Pick<ThreadError, 'cause' | 'code'>): unknown {
  return code === undefined || !(cause instanceof Error) ? cause : Object.assign(cause, { code })
}
