import assert from 'node:assert/strict'
import type { TSchema } from 'typebox'
import { Type } from 'typebox'
import { schemas } from '../contract/schemas.ts'

/** Names a registered schema, so that the description says `Customer` and not its shape each time. */
export function ref(name: string): TSchema {
  assert(schemas.some(({ $id }) => $id === name), `There is no schema ${name}`)
  return Type.Ref(`${name}#`)
}

const failures = {
  400: 'The request is invalid; one entry for each fault.',
  401: 'No valid API key.',
  404: 'No such customer.',
  429: 'Over the rate limit; see Retry-After.',
  503: 'The database cannot be used now; nothing was changed; see Retry-After.'
}

/** The answer of an operation, and the failures that any operation may have. */
export function responses(status: number, schema: string | TSchema): Record<number, TSchema> {
  const failed = Object.entries(failures).map(([code, description]) => [code, { ...ref('ErrorBody'), description }])
  const success = typeof schema === 'string' ? ref(schema) : schema
  return { [status]: { ...success, description: 'Done.' }, ...Object.fromEntries(failed) }
}
