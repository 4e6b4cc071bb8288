import { expect } from 'vitest'
import type { Customer } from '../../src/contract/customer.ts'
import type { HttpSettings } from '../../src/http/settings.ts'
import type { Answer, TestServer } from '../start-server.ts'
import { startServer } from '../start-server.ts'

/** What of an answer the contract settles; headers are asked for where they matter. */
export type Exchange = Pick<Answer, 'status' | 'body'>

export interface WireServer extends TestServer {
  readonly ask: (...request: Parameters<TestServer['call']>) => Promise<Exchange>
  /** Makes a customer first seen and last seen at 1700000000 unless told otherwise, and answers its id. */
  readonly create: (fields?: Record<string, unknown>) => Promise<number>
  /** Every customer there is, to compare before and after. */
  readonly everyone: () => Promise<Exchange>
}

export async function startWire(settings: Partial<HttpSettings> = {}, database?: Parameters<typeof startServer>[1]): Promise<WireServer> {
  const server = await startServer(settings, database)
  const ask: WireServer['ask'] = async (...request) => {
    const { status, body } = await server.call(...request)
    return { status, body }
  }
  return {
    ...server,
    ask,
    async create(fields = {}) {
      const { status, body } = await ask('POST', '/v1/customers', { ...seen, ...fields })
      expect({ status, body }).toMatchObject({ status: 201, body: { id: expect.any(Number) as number } })
      return (body as Customer).id
    },
    everyone: async () => await ask('GET', '/v1/customers')
  }
}

/** Whose value cannot be foreseen after a refusal: an engine may draw ids before it refuses. */
export const someId = expect.any(Number) as number

/** Dates that a test can foresee. */
export const seen = { firstSeen: '1700000000', lastSeen: '1700000000' } as const

/** A customer of whom nothing is known but these fields, seen at the dates `create` gives. */
export function customer(id: number, fields: Partial<Omit<Customer, 'location'>> & { location?: Partial<Customer['location']> } = {}): Customer {
  const { location, ...others } = fields
  return {
    id,
    name: null,
    email: null,
    userId: null,
    company: null,
    phone: null,
    ...seen,
    location: { regionCode: null, countryCode: null, city: null, ...location },
    device: null,
    unsubscribed: false,
    blocked: false,
    source: null,
    referer: null,
    lastPage: null,
    locale: null,
    createdFrom: null,
    integrationId: null,
    notes: null,
    tags: [],
    customData: {},
    ...others
  }
}

export function ok(body: unknown): Exchange {
  return { status: 200, body }
}

/** A page from `offset` on, with a cursor when there is more. Cursors are not to be read: that they go on is tested where they are used. */
export function page(customers: readonly unknown[], { total = customers.length, limit = 100, offset = 0 } = {}): Exchange {
  const cursor: unknown = offset + customers.length < total ? expect.any(String) : null
  return ok({ data: customers, total, meta: { total, limit, cursor } })
}

/** The answers from the first page to the last, each asked for with the cursor of the one before. */
export async function walk(ask: (cursor: string) => Promise<Exchange>): Promise<Exchange[]> {
  const answers: Exchange[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const answer = await ask(cursor)
    answers.push(answer)
    cursor = cursorOf(answer)
    if (answers.length > 1_000) throw new Error('The walk does not end')
  }
  return answers
}

/** The cursor that an answer gives; null at the end. */
export function cursorOf({ status, body }: Exchange): string | null {
  if (status !== 200) throw new Error(`There is no page: ${JSON.stringify(body)}`)
  return (body as { meta: { cursor: string | null } }).meta.cursor
}

const invalidEntry = { code: 'invalid_request', message: 'Invalid request' }

/** A 400 with an entry for each fault, in this order. */
export function invalid(...faults: readonly (readonly [code: string, message: string])[]): Exchange {
  return { status: 400, body: { errors: [invalidEntry, ...faults.map(([code, message]) => ({ code, message }))] } }
}

export function userIdTaken(existingId: number, path?: string): Exchange {
  const entry = { code: 'invalid_userId_value', message: 'userId value is invalid', existingId, ...(path === undefined ? {} : { path }) }
  return { status: 400, body: { errors: [entry] } }
}

export const unauthorized = refusal(401, 'unauthorized', 'Unauthorized')
export const customerNotFound = refusal(404, 'not_found', 'Customer not found')
export const routeNotFound = refusal(404, 'not_found', 'Not found')
export const tooLarge = refusal(413, 'too_large', 'The body is over 1048576 bytes')
export const tooManyRequests = refusal(429, 'too_many_requests', 'Too many requests')
export const unsupportedEncoding = refusal(
  415, 'unsupported_media_type', 'A body with a Content-Encoding is not taken. Send plain JSON.')

export function customerNotFoundIn(path: string): Exchange {
  return {
    status: 404,
    body: { errors: [invalidEntry, { code: 'not_found', message: 'Customer not found' }, { code: path, message: 'Customer not found' }] }
  }
}

export function refusal(status: number, code: string, message: string): Exchange {
  return { status, body: { errors: [invalidEntry, { code, message }] } }
}

/** Sentences that many faults share. */
export const wants = {
  text: 'This value should be of type string.',
  number: 'This value should be of type numeric.',
  boolean: 'This value should be of type bool.',
  object: 'This value should be of type object.',
  array: 'This value should be of type array.',
  something: 'This value should not be blank.',
  wholeNumber: 'This value should be a whole number.',
  noNull: 'This value should not contain the character U+0000.',
  wellFormed: 'This value should be well-formed Unicode, without lone surrogates.',
  date: 'This value should be between 0 and 253402300799.',
  id: 'This value should be between 1 and 9007199254740991.',
  email: 'This value is not a valid email address.',
  color: 'This value is not a valid color.',
  json: 'This value should be valid JSON.',
  attributeValue: 'This value should be text, a number, a boolean or null.',
  number53: 'This value should be between -9007199254740991 and 9007199254740991. Send larger numbers as text.',
  notReserved: 'This name is reserved.',
  atMost: (characters: number) => `This value is too long. It should have ${characters} characters or less.`
} as const
