import { ApiError } from '../errors.ts'

/** An error on its way between threads; structured clones lose the class and its fields. */
export interface ThreadError {
  readonly api?: Pick<ApiError, 'code' | 'message' | 'faults' | 'existingId' | 'path' | 'retryAfterSeconds'>
  readonly cause: unknown
}

export function packError(error: unknown): ThreadError {
  if (!(error instanceof ApiError)) return { cause: error }
  const { code, message, faults, existingId, path, retryAfterSeconds, cause } = error
  return { api: { code, message, faults, existingId, path, retryAfterSeconds }, cause }
}

export function unpackError({ api, cause }: ThreadError): unknown {
  if (api === undefined) return cause
  const { code, message, ...rest } = api
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  return new ApiError(code, message, { ...given, cause })
}
