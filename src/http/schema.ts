import assert from 'node:assert/strict'
import type { TSchema } from 'typebox'
import { Type } from 'typebox'
import { schemas } from '../contract/schemas.ts'
import { limits } from '../limits.ts'

/** Names a registered schema, so that the description says `Customer` and not its shape each time. */
export function ref(name: string): TSchema {
  assert(schemas.some(({ $id }) => $id === name), `There is no schema ${name}`)
  return Type.Ref(`${name}#`)
}

const retryAfter = { headers: { 'Retry-After': { type: 'integer', description: 'Seconds.' } } }

const entityTag = { headers: { ETag: { type: 'string', description: 'The version of the customer and that of the tags.' } } }

const failures = {
  304: { description: 'The answer would be the one that `If-None-Match` names.', ...entityTag },
  400: { description: 'The request is invalid; one entry for each fault.' },
  401: { description: 'No valid API key.' },
  404: { description: 'It is not there.' },
  409: { description: 'It cannot be done as things are now; the message says why.' },
  410: { description: 'It is no longer kept.' },
  412: { description: 'The customer is of another version than `If-Match` names; `ETag` is that of now.', ...entityTag },
  413: { description: 'The body is too large.' },
  415: { description: 'The body is encoded; see Content-Encoding.' },
  429: { description: 'Over the rate limit, or too many wrong keys.', ...retryAfter },
  500: { description: 'A fault of the server, which its log explains.' },
  503: { description: 'The database cannot be used now; nothing was acknowledged.', ...retryAfter }
}

/** What an operation that reads a body may answer besides. */
export const bodyFailures = [400, 413, 415] as const

/** The answer of an operation, its own failures, and those that any operation may have. */
export function responses(
  status: number, schema: string | TSchema, ownFailures: readonly (keyof typeof failures)[]
): Record<number, TSchema> {
  const answers: Record<number, TSchema> = { [status]: typeof schema === 'string' ? describedRef(schema) : schema }
  if (schema === 'Customer') Object.assign(answers[status] ?? {}, entityTag)
  return { ...answers, ...failing([...ownFailures, 401, 429, 500, 503]) }
}

/** The same of what answers a page of customers. */
export function pageResponses(ownFailures: readonly (keyof typeof failures)[]): Record<number, TSchema> {
  const page = {
    anyOf: [ref('CustomerPage'), ref('PickedCustomerPage')],
    description: 'A page of customers. One shorter than `limit` is the last. With `fields` each customer has these keys only.',
    headers: { 'Server-Timing': { type: 'string', description: 'Milliseconds that finding the page and counting took: `page;dur=0.4, total;dur=1.2`. Without a total there is no `total`.' } }
  }
  const answers = responses(200, page, ownFailures)
  const description = `The database cannot be used now, too many searches are waiting, of this key or of all, or this one took longer than ${limits.searchSecondsMax} s and was stopped. The message says which.`
  return { ...answers, 503: { ...answers[503], description } }
}

export function failing(statuses: readonly (keyof typeof failures)[]): Record<number, TSchema> {
  return Object.fromEntries(statuses.map((status) => [status, { ...(status === 304 ? Type.Null() : ref('ErrorBody')), ...failures[status] }]))
}

/** Headers by which an operation on one customer is conditional. */
export const ifNoneMatch = Type.Object({ 'if-none-match': Type.Optional(Type.String({ description: 'ETags the client has; with the one of now the answer is 304.' })) })
export const ifMatch = Type.Object({ 'if-match': Type.Optional(Type.String({ description: 'ETags of the versions for which the request is meant; `*` for any.' })) })

function describedRef(name: string): TSchema {
  const { description } = schemas.find(({ $id }) => $id === name) as { description?: string }
  return { ...ref(name), ...(description === undefined ? {} : { description }) }
}
