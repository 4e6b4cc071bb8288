import { Compile } from 'typebox/schema'
import { expect, onTestFinished, test } from 'vitest'
import { ErrorBody, ErrorEntry } from '../../src/contract/error.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { ApiError, customerNotFound, errorCodes, invalidRequest, unavailable, userIdTaken } from '../../src/errors.ts'
import { errorBody, statusByCode, toApiError } from '../../src/http/error-response.ts'
import { createDatabase } from '../engines.ts'
import type { Answer } from '../start-server.ts'
import { startWire } from './expected.ts'

const shape = Compile({ ErrorEntry }, ErrorBody)
const oversize = ' '.repeat(1_048_577)

const failures: { status: number; requests: Parameters<Awaited<ReturnType<typeof startWire>>['call']>[] }[] = [
  { status: 400, requests: [
    ['POST', '/v1/customers', 'no JSON'], ['POST', '/v1/customers', '[]'], ['POST', '/v1/customers', { name: 5 }], ['POST', '/v1/customers', { userId: 'taken' }],
    ['GET', '/v1/customers?limit=0'], ['POST', '/v1/customers/search', { filter: 5 }], ['PUT', '/v1/customers/batch', []],
    ['PUT', '/v1/customers/batch', [{ customer: 2, userId: 'taken' }]], ['PUT', '/v1/customers/1/tags', {}], ['POST', '/v1/events', {}]
  ] },
  { status: 401, requests: [['GET', '/v1/customers', undefined, { authorization: '' }], ['GET', '/v1/nothing', undefined, { authorization: 'Bearer wrong' }]] },
  { status: 404, requests: [
    ['GET', '/v1/customers/99'], ['DELETE', '/v1/customers/x'], ['PUT', '/v1/customers/batch', [{ customer: 99 }]], ['GET', '/v1/nothing'], ['GET', '/nothing'],
    ['GET', '/v1/%zz'], ['GET', '/docs/nothing'], ['GET', '/docs/static/nothing.js'], ['GET', '/docs/static/..%2f..%2fpackage.json'], ['PATCH', '/health']
  ] },
  { status: 405, requests: [['POST', '/v1/customers/1'], ['DELETE', '/v1/events'], ['POST', '/health/live'], ['PUT', '/openapi.json']] },
  { status: 413, requests: [['POST', '/v1/customers', oversize], ['DELETE', '/v1/customers/1', oversize]] },
  { status: 415, requests: [['POST', '/v1/customers', '{}', { 'content-encoding': 'gzip' }]] }
]

function faultsOfShape({ body, headers }: Answer): string[] {
  const [isOfShape] = shape.Errors(body)
  const faults = isOfShape ? [] : ['is not of the shape']
  const { errors = [] } = body as { errors?: { code: string; message: string }[] }
  const [first] = errors
  const beginsAsDocumented = first?.code === 'invalid_userId_value' ? errors.length === 1 : first?.code === 'invalid_request' && first.message === 'Invalid request'
  if (!beginsAsDocumented) faults.push('does not begin as documented')
  if (headers['content-type'] !== 'application/json; charset=utf-8') faults.push(`is ${String(headers['content-type'])}`)
  if (headers['x-request-id'] === undefined) faults.push('has no X-Request-Id')
  if (/\bat \S+:\d+|node_modules|SQLITE|FST_|select /i.test(JSON.stringify(body))) faults.push('tells how it is made')
  return faults
}

test.for(failures)('every path $status: has the one shape of an error', async ({ status, requests }) => {
  const { call, create } = await startWire()
  await create({ userId: 'taken' })
  await create()
  for (const request of requests) {
    const answer = await call(...request)
    expect({ request: request.slice(0, 2), status: answer.status, faults: faultsOfShape(answer) }).toEqual({ request: request.slice(0, 2), status, faults: [] })
  }
})

test('any path 429: has the one shape of an error', async () => {
  const { call } = await startWire({ rateLimitPerMinute: 1 })
  await call('GET', '/v1/customers')
  const answer = await call('GET', '/v1/customers')
  expect({ status: answer.status, faults: faultsOfShape(answer) }).toEqual({ status: 429, faults: [] })
})

const statuses: Record<ErrorCode, number> = {
  invalid_request: 400, invalid_userId_value: 400, unauthorized: 401, forbidden: 403, not_found: 404, method_not_allowed: 405, conflict: 409, gone: 410,
  precondition_failed: 412, too_large: 413, unsupported_media_type: 415, too_many_requests: 429, internal: 500, unavailable: 503
}

test('every code has its status and its entries', () => {
  expect(statusByCode).toEqual(statuses)
  const invalidEntry = { code: 'invalid_request', message: 'Invalid request' }
  const alone: readonly string[] = ['invalid_userId_value', 'internal', 'unavailable']
  for (const code of errorCodes) {
    const own = { code, message: 'Sentence' }
    const entries = code === 'invalid_request' ? [invalidEntry] : alone.includes(code) ? [own] : [invalidEntry, own]
    expect({ code, ...errorBody(new ApiError(code, 'Sentence'), 'current') }).toEqual({ code, errors: entries })
  }
})

test('further entries and keys come where they are documented', () => {
  const invalidEntry = { code: 'invalid_request', message: 'Invalid request' }
  const faults = [{ path: 'name', message: 'One.' }, { path: '[3].tags[1].color', message: 'Two.' }]
  expect(errorBody(invalidRequest(faults), 'current')).toEqual({ errors: [invalidEntry, { code: 'name', message: 'One.' }, { code: '[3].tags[1].color', message: 'Two.' }] })
  expect(errorBody(customerNotFound('[3].customer'), 'current')).toEqual({ errors: [
    invalidEntry, { code: 'not_found', message: 'Customer not found' }, { code: '[3].customer', message: 'Customer not found' }] })
  expect(errorBody(userIdTaken(7), 'current')).toEqual({ errors: [{ code: 'invalid_userId_value', message: 'userId value is invalid', existingId: 7 }] })
  expect(errorBody(userIdTaken(7, '[3].userId'), 'current')).toEqual({ errors: [
    { code: 'invalid_userId_value', message: 'userId value is invalid', existingId: 7, path: '[3].userId' }] })
  expect(errorBody(unavailable('Later.'), 'current')).toEqual({ errors: [{ code: 'unavailable', message: 'Later.' }] })
})

test('a failure that nobody foresaw is internal, and keeps its cause for the log', () => {
  for (const cause of [new Error('SQLITE_CORRUPT: select * from customers'), new TypeError('x is undefined'), 'text', null, undefined]) {
    const error = toApiError(cause)
    expect(errorBody(error, 'current')).toEqual({ errors: [{ code: 'internal', message: 'Internal error' }] })
    expect(error.cause).toBe(cause)
  }
})

test('GET /v1/customers 500: a store that fails is internal, and the log has the cause', async () => {
  const database = await createDatabase()
  const { ask, create, logged } = await startWire({}, database)
  await create()
  await database.sql('alter table customers rename to lost')
  // Other tests may have the same database after this one.
  onTestFinished(async () => { await database.sql('alter table lost rename to customers') })
  expect(await ask('GET', '/v1/customers')).toEqual({ status: 500, body: { errors: [{ code: 'internal', message: 'Internal error' }] } })
  expect(logged.at(-1)).toMatchObject({ level: 50, status: 500, code: 'internal', err: { message: expect.any(String) as string } })
})
