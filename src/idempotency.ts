import { deserialize, serialize } from 'node:v8'
import type { ErrorCode } from './errors.ts'
import { ApiError } from './errors.ts'

/** A request that its client may send again, by its Idempotency-Key: it is carried out once, and answered each time as the first time. */
export interface RepeatableRequest {
  readonly key: string
  /** The same only for the same method, path and body. */
  readonly fingerprint: string
  /** Told by the store: whether what came of it is kept, in the transaction of the work, or was kept before. */
  state: 'new' | 'kept' | 'repeated'
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

type PackedError = Pick<ApiError, 'code' | 'message' | 'faults' | 'conflicts' | 'existingId' | 'path' | 'revision'>
type Packed = { readonly value: unknown } | { readonly error: PackedError } | { readonly answer: KeptAnswer }

/** Refusals that hold however often they are asked for. Whoever meets another may try again with the same key. */
const keptCodes: ReadonlySet<ErrorCode> = new Set(['not_found', 'conflict', 'precondition_failed'])

/** In a form to be stored; undefined for what is not kept. */
export function packOutcome(outcome: Outcome<unknown>): Uint8Array | undefined {
  if ('value' in outcome) return pack({ value: outcome.value })
  const { error } = outcome
  if (!(error instanceof ApiError) || !keptCodes.has(error.code)) return undefined
  const { code, message, faults, conflicts, existingId, path, revision } = error
  return pack({ error: { code, message, faults, conflicts, existingId, path, revision } })
}

export function packAnswer(answer: KeptAnswer): Uint8Array {
  return pack({ answer })
}

/** What was kept of a request like this one. Throws `conflict` when its key was used for another. */
export function readOutcome<Value>({ fingerprint, outcome }: KeptOutcome, request: RepeatableRequest): Outcome<Value> {
  const packed = unpack(fingerprint, outcome, request)
  // The same path and method, so it was the same work.
  if ('value' in packed) return { value: packed.value as Value }
  if ('answer' in packed) throw new Error('An answer was kept in place of what the work left')
  const { code, message, ...details } = packed.error
  const given = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
  return { error: new ApiError(code, message, given) }
}

/** The same for an answer; undefined when it is to be made again from what the work left. */
export function readAnswer({ fingerprint, outcome }: KeptOutcome, request: RepeatableRequest): KeptAnswer | undefined {
  const packed = unpack(fingerprint, outcome, request)
  return 'answer' in packed ? packed.answer : undefined
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

function pack(packed: Packed): Uint8Array {
  return serialize(packed)
}

function unpack(fingerprint: string, outcome: Uint8Array, request: RepeatableRequest): Packed {
  if (fingerprint !== request.fingerprint) {
    throw new ApiError('conflict', 'This Idempotency-Key was given with another method, path or body. Give each request a key of its own.')
  }
  // Only `pack` has written it.
  return deserialize(outcome) as Packed
}
