import type { ErrorCode } from './errors.ts'
import { ApiError } from './errors.ts'

/** A request that its client may send again, by its Idempotency-Key: it is carried out once, and answered each time as the first time. */
export interface RepeatableRequest {
  readonly key: string
  /** The same only for the same method, path and body. */
  readonly fingerprint: string
  /**
   * Told by the store. When it was asked to recall an answer: whether what came of the work is kept, and makes the answer. When it was
   * given the work: whether that is kept now, in the transaction of the work, or was kept before.
   */
  state: 'new' | 'done' | 'kept' | 'repeated'
}

/** What came of a request. */
export type Outcome<Value> = { readonly value: Value } | { readonly error: unknown }

/** An answer that was kept as it was sent, of a request that changes nothing by itself. */
export interface KeptAnswer {
  readonly status: number
  readonly body: string
}

/** What a store keeps of a request. */
export interface KeptOutcome {
  readonly fingerprint: string
  readonly outcome: Uint8Array
}

/** Refusals that hold however often they are asked for. Whoever meets another may try again with the same key. */
const keptCodes: ReadonlySet<ErrorCode> = new Set(['not_found', 'conflict', 'precondition_failed'])

export function isKept(refusal: ApiError): boolean {
  return keptCodes.has(refusal.code)
}

/** Throws `conflict` when the key of a request was used for another. */
export function requireSameRequest({ fingerprint }: Pick<KeptOutcome, 'fingerprint'>, request: RepeatableRequest): void {
  if (fingerprint === request.fingerprint) return
  throw new ApiError('conflict', 'This Idempotency-Key was given with another method, path or body. Give each request a key of its own.')
}

/** The first request with this key is still being worked on. */
export class RequestUnderWay extends Error {
  constructor() {
    super('The first request with this Idempotency-Key is still under way')
    this.name = 'RequestUnderWay'
  }
}

export function stillUnderWay(): ApiError {
  return new ApiError('conflict', 'The first request with this Idempotency-Key is still under way. Try again later, with the same key.')
}
