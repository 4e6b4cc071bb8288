import { deserialize, serialize } from 'node:v8'
import { ApiError } from '../errors.ts'
import type { KeptAnswer, KeptOutcome, Outcome, RepeatableRequest } from '../idempotency.ts'
import { isKept, requireSameRequest, stillUnderWay } from '../idempotency.ts'

/** What came of requests, in the form in which both engines keep it: that of structured clones, since it holds maps. */

type PackedError = Pick<ApiError, 'code' | 'message' | 'faults' | 'conflicts' | 'existingId' | 'path' | 'revision'>
type Packed = { readonly value: unknown } | { readonly error: PackedError } | { readonly answer: KeptAnswer }

/** In a form to be stored; undefined for what is not kept. */
export function packOutcome(outcome: Outcome<unknown>): Uint8Array | undefined {
  if ('value' in outcome) return pack({ value: outcome.value })
  const { error } = outcome
  if (!(error instanceof ApiError) || !isKept(error)) return undefined
  const { code, message, faults, conflicts, existingId, path, revision } = error
  return pack({ error: { code, message, faults, conflicts, existingId, path, revision } })
}

export function packAnswer(answer: KeptAnswer): Uint8Array {
  return pack({ answer })
}

/** What was kept of a request like this one. Throws `conflict` when its key was used for another, or just now by another process. */
export function readOutcome<Value>({ fingerprint, outcome }: KeptOutcome, request: RepeatableRequest): Outcome<Value> {
  const packed = unpack(fingerprint, outcome, request)
  // The same path and method, so it was the same work.
  if ('value' in packed) return { value: packed.value as Value }
  // Another process has answered it as this one began, from what was there before: a repeat finds that answer.
  if ('answer' in packed) throw stillUnderWay()
  const { code, message, ...details } = packed.error
  const given = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
  return { error: new ApiError(code, message, given) }
}

/** The same for an answer; undefined when it is to be made again from what the work left, of which the request is told. */
export function readAnswer({ fingerprint, outcome }: KeptOutcome, request: RepeatableRequest): KeptAnswer | undefined {
  const packed = unpack(fingerprint, outcome, request)
  if ('answer' in packed) return packed.answer
  request.state = 'done'
  return undefined
}

function pack(packed: Packed): Uint8Array {
  return serialize(packed)
}

function unpack(fingerprint: string, outcome: Uint8Array, request: RepeatableRequest): Packed {
  requireSameRequest({ fingerprint }, request)
  // Only `pack` has written it.
  return deserialize(outcome) as Packed
}
