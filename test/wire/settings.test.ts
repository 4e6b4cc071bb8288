import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { generateSecret, hashSecret } from '../../src/api-key.ts'
import { limits } from '../../src/limits.ts'
import { createDatabase } from '../engines.ts'
import type { Exchange, WireServer } from './expected.ts'
import { customer, customerNotFound, invalid, ok, page, routeNotFound, seen, startWire, tooManyRequests, unauthorized, userIdTaken, wants } from './expected.ts'

// --error-style legacy

test('--error-style legacy: every failure has one entry, with the older codes', async () => {
  const { ask, create } = await startWire({ errorStyle: 'legacy', rateLimitPerMinute: 13 })
  const only = (status: number, code: string, message: string): Exchange => ({ status, body: { errors: [{ code, message }] } })
  const notFound = only(404, 'entity_not_found', 'Customer not found')
  const invalidRequest = only(400, 'invalid_request', 'Invalid request')
  const id = await create({ userId: 'taken' })
  await create({ userId: 'other' })

  expect(await ask('GET', '/v1/customers', undefined, { authorization: '' })).toEqual(only(401, 'invalid_token', 'Invalid token'))
  expect(await ask('GET', '/v1/customers/99')).toEqual(notFound)
  expect(await ask('PUT', '/v1/customers/batch', [{ customer: 99 }])).toEqual(notFound)
  expect(await ask('GET', '/v1/nothing')).toEqual(notFound)
  expect(await ask('PATCH', `/v1/customers/${id}`, { name: 5, email: 'none' })).toEqual(invalidRequest)
  expect(await ask('POST', '/v1/customers', 'no JSON')).toEqual(invalidRequest)
  expect(await ask('POST', '/v1/customers', { userId: 'taken' })).toEqual(userIdTaken(id))
  expect(await ask('PUT', '/v1/customers/batch', [{ customer: 2, userId: 'taken' }])).toEqual(userIdTaken(id, '[0].userId'))
  expect(await ask('POST', '/v1/customers/1')).toEqual(
    only(405, 'method_not_allowed', 'POST is not allowed here. Allowed: GET, HEAD, PUT, PATCH, DELETE'))
  expect(await ask('POST', '/v1/customers', ' '.repeat(1_048_577))).toEqual(only(413, 'too_large', 'The body is over 1048576 bytes'))
  expect(await ask('POST', '/v1/customers', '{}', { 'content-encoding': 'gzip' }))
    .toEqual(only(415, 'unsupported_media_type', 'A body with a Content-Encoding is not taken. Send plain JSON.'))
  expect(await ask('GET', '/v1/customers/1')).toEqual(ok(customer(1, { userId: 'taken' })))
  expect(await ask('GET', '/v1/customers/1')).toEqual(only(429, 'too_many_requests', 'You have exceeded your requests limit'))
})

// --put-mode merge

test('--put-mode merge: PUT /v1/customers/{id} 200: changes what is given and nothing else', async () => {
  const { ask, create } = await startWire({ putMode: 'merge' })
  const color = '#c377e0'
  const fields = { name: 'Ann', email: 'ann@example.com', userId: 'u', notes: 'n', tags: [{ name: 'Lead', color }], customData: { plan: 'pro' } }
  const id = await create(fields)
  expect(await ask('PUT', `/v1/customers/${id}`, {})).toEqual(ok(customer(id, fields)))
  expect(await ask('PUT', `/v1/customers/${id}`, { name: 'Bo', notes: null, customData: { seats: 3 } }))
    .toEqual(ok(customer(id, { ...fields, name: 'Bo', notes: null, customData: { plan: 'pro', seats: 3 } })))
  expect(await ask('PUT', `/v1/customers/${id}`, { tags: [], customData: { plan: null } }))
    .toEqual(ok(customer(id, { ...fields, name: 'Bo', notes: null, tags: [], customData: { seats: 3 } })))
  expect(await ask('PUT', `/v1/customers/${id}`, { unsubscribed: null })).toEqual(invalid(['unsubscribed', wants.boolean]))
})

// --empty-search 404

test('--empty-search 404: POST /v1/customers/search 404: when nobody matches', async () => {
  const { ask, create } = await startWire({ emptySearchStatus: 404 })
  const search = async (value: string, paging = {}): Promise<Exchange> =>
    await ask('POST', '/v1/customers/search', { filter: [{ field: 'customers.name', operator: '=', value }], ...paging })
  expect(await ask('POST', '/v1/customers/search', {})).toEqual(customerNotFound)
  expect(await ask('GET', '/v1/customers')).toEqual(page([]))
  const id = await create({ name: 'Ann' })
  expect(await search('Bo')).toEqual(customerNotFound)
  expect(await search('Ann')).toEqual(page([customer(id, { name: 'Ann' })]))
  expect(await search('Ann', { offset: 1 })).toEqual(page([], { total: 1, offset: 1 }))
  // A page behind the first may be empty though somebody was found: without a total as with one.
  const uncounted = (data: unknown[]): Exchange => ok({ data, meta: { limit: 100, cursor: null } })
  expect(await search('Ann', { total: false })).toEqual(uncounted([customer(id, { name: 'Ann' })]))
  expect(await search('Ann', { total: false, offset: 1 })).toEqual(uncounted([]))
  expect(await search('Bo', { total: false })).toEqual(customerNotFound)
  expect(await search('Bo', { total: false, cursor: '' })).toEqual(customerNotFound)
  expect([await search('Bo', { offset: 3 }), await search('Bo', { total: false, offset: 3 })]).toEqual([customerNotFound, customerNotFound])
  expect(await search('Ann', { limit: 0 })).toEqual(invalid(['limit', 'This value should be between 1 and 9007199254740991.']))
})

// --timestamps integer

test('--timestamps integer: every answer has its times as numbers, null as null', async () => {
  const { ask } = await startWire({ timestamps: 'integer' })
  // Text that looks like the keys of a customer is left alone.
  const name = ',"firstSeen":"5","lastSeen":"6",'
  const shown = (fields: Record<string, unknown> = {}): Record<string, unknown> =>
    ({ ...customer(1, { name, customData: { a: 1, firstSeen: '07', lastSeen: '8', b: 2 } }), firstSeen: 5, lastSeen: null, ...fields })
  const draft = { name, firstSeen: '5', lastSeen: null, customData: { a: 1, firstSeen: '07', lastSeen: '8', b: 2 } }
  const paged = (body: unknown): Exchange => ok({ data: [body], total: 1, meta: { total: 1, limit: 100, cursor: null } })

  expect(await ask('POST', '/v1/customers', draft)).toEqual({ status: 201, body: shown() })
  expect(await ask('GET', '/v1/customers/1')).toEqual(ok(shown()))
  expect(await ask('GET', '/v1/customers')).toEqual(paged(shown()))
  expect(await ask('POST', '/v1/customers/search', {})).toEqual(paged(shown()))
  const { id, firstSeen, lastSeen, customData } = shown()
  expect(await ask('POST', '/v1/customers/search', { fields: ['customData', 'lastSeen', 'firstSeen', 'name', 'id'] })).toEqual(paged({ id, name, firstSeen, lastSeen, customData }))
  expect(await ask('GET', '/v1/customers?fields=firstSeen')).toEqual(paged({ firstSeen }))
  expect(await ask('PATCH', '/v1/customers/1', { firstSeen: null, lastSeen: 0 })).toEqual(ok(shown({ firstSeen: null, lastSeen: 0 })))
  expect(await ask('PUT', '/v1/customers/1', { ...draft, firstSeen: '253402300799' })).toEqual(ok(shown({ firstSeen: 253402300799 })))
  expect(await ask('PUT', '/v1/customers/batch', [{ customer: 1, firstSeen: 1 }, { customer: 1, lastSeen: '2' }]))
    .toEqual(ok([shown({ firstSeen: 1 }), shown({ firstSeen: 1, lastSeen: 2 })]))
  const tags = [{ name: 'Lead', color: '#c377e0' }]
  expect(await ask('PUT', '/v1/customers/1/tags', { tags })).toEqual(ok(shown({ firstSeen: 1, lastSeen: 2, tags })))
  expect(await ask('DELETE', '/v1/customers/1/tags', { tags })).toEqual(ok(shown({ firstSeen: 1, lastSeen: 2 })))
  expect(await ask('POST', '/v1/events', { name: 'e', customer: 1, createdAt: '9' })).toEqual(ok({ id: 1, name: 'e', data: {}, createdAt: 9, customer: 1 }))

  const { body } = await ask('GET', '/v1/customers/1/history')
  const [event, ...others] = (body as { data: { id: number; before: object | null; after: object | null; event?: object }[] }).data
  expect(event?.event).toEqual({ id: 1, name: 'e', data: {}, createdAt: 9, customer: 1 })
  expect(others.at(-1)?.after).toEqual({ ...shown(), tags: [] })
  expect(others.at(-2)).toMatchObject({ before: { firstSeen: 5, lastSeen: null }, after: { firstSeen: null, lastSeen: 0 } })
  expect(await ask('POST', `/v1/changes/${others.at(-2)?.id}/undo`, { dryRun: true, force: true })).toMatchObject({ body: { changes: [{ before: { firstSeen: 1 }, after: { firstSeen: 5 } }] } })
})

// --strict-attributes on

const undeclared = 'This attribute does not exist.'

test('--strict-attributes on: POST, PATCH, PUT and batch 400: an attribute not seen before is refused where it stands', async () => {
  const { ask, create, everyone } = await startWire({ strictAttributes: true })
  await create()
  const before = await everyone()
  for (const [method, path, at, wrap] of [
    ['POST', '/v1/customers', '', (body: unknown) => body],
    ['PATCH', '/v1/customers/1', '', (body: unknown) => body],
    ['PUT', '/v1/customers/1', '', (body: unknown) => body],
    ['PUT', '/v1/customers/batch', '[0].', (body: object) => [{ customer: 1, ...body }]]
  ] as const) {
    expect(await ask(method, path, wrap({ customData: { plan: 'x', seats: 1 } })))
      .toEqual(invalid([`${at}customData.plan`, undeclared], [`${at}customData.seats`, undeclared]))
    expect(await ask(method, path, wrap({ customData: [{ property: 'plan', value: 'x' }, { name: 'seats', value: null }] })))
      .toEqual(invalid([`${at}customData[0].property`, undeclared], [`${at}customData[1].name`, undeclared]))
  }
  expect(await everyone()).toEqual(before)
})

test('--strict-attributes off: an attribute not seen before is created', async () => {
  const { ask } = await startWire({ strictAttributes: false })
  expect(await ask('POST', '/v1/customers', { ...seen, customData: { plan: 'x' } })).toEqual({ status: 201, body: customer(1, { customData: { plan: 'x' } }) })
})

// --rate-limit

/** A clock that stands still until it is told otherwise, for the minute that the limit counts. */
function stopClock(): (seconds: number) => void {
  const start = Date.UTC(2030, 0, 1)
  vi.useFakeTimers({ toFake: ['Date'], now: start })
  onTestFinished(() => { vi.useRealTimers() })
  return (seconds) => { vi.setSystemTime(start + seconds * 1000) }
}

async function pace({ call }: WireServer, authorization?: string): Promise<{ status: number; retryAfter: unknown }> {
  const { status, headers } = await call('GET', '/v1/customers', undefined, authorization === undefined ? {} : { authorization })
  return { status, retryAfter: headers['retry-after'] }
}
const granted = { status: 200, retryAfter: undefined }
const refusedFor = (seconds: number): { status: number; retryAfter: string } => ({ status: 429, retryAfter: String(seconds) })

test('--rate-limit 2/min: 429: over the limit, with the seconds to wait', async () => {
  const server = await startWire({ rateLimitPerMinute: 2 })
  expect([await pace(server), await pace(server)]).toEqual([granted, granted])
  expect(await server.ask('GET', '/v1/customers')).toEqual(tooManyRequests)
  const { status, retryAfter } = await pace(server)
  expect(status).toBe(429)
  expect(Number(retryAfter)).toBeGreaterThan(0)
  expect(Number(retryAfter)).toBeLessThanOrEqual(60)
})

test('--rate-limit 2/min: 429: the minute slides', async ({ skip }) => {
  skip(!inject('engine').startsWith('sqlite'), 'where processes share the limit, the clock is the database’s, which no test sets')
  const setSeconds = stopClock()
  const server = await startWire({ rateLimitPerMinute: 2 })
  const at = async (seconds: number): Promise<{ status: number; retryAfter: unknown }> => {
    setSeconds(seconds)
    return await pace(server)
  }
  expect(await at(0)).toEqual(granted)
  expect(await at(20)).toEqual(granted)
  expect(await at(20)).toEqual(refusedFor(40))
  expect(await server.ask('GET', '/v1/customers')).toEqual(tooManyRequests)
  expect(await at(30.5)).toEqual(refusedFor(30))
  expect(await at(59.999)).toEqual(refusedFor(1))
  // What was refused does not count.
  expect(await at(60)).toEqual(granted)
  expect(await at(60)).toEqual(refusedFor(20))
  expect(await at(80)).toEqual(granted)
  expect(await at(500)).toEqual(granted)
  expect(await at(500)).toEqual(granted)
  expect(await at(500)).toEqual(refusedFor(60))
})

test('--rate-limit 1/min: 429: a refused write changes nothing', async () => {
  const database = await createDatabase()
  const { ask, create, key } = await startWire({ rateLimitPerMinute: 1 }, database)
  await create()
  expect(await ask('POST', '/v1/customers', {})).toEqual(tooManyRequests)
  expect(await ask('DELETE', '/v1/customers/1')).toEqual(tooManyRequests)
  const unlimited = await startWire({}, database)
  expect(await unlimited.ask('GET', '/v1/customers', undefined, { authorization: `Bearer ${key}` })).toEqual(page([customer(1)]))
})

test('--rate-limit 2/min: 401: requests without a valid key are not counted', async () => {
  stopClock()
  const server = await startWire({ rateLimitPerMinute: 2 })
  for (const authorization of ['', 'Bearer wrong', 'Basic x', 'Bearer wrong', '']) {
    expect(await server.ask('GET', '/v1/customers', undefined, { authorization })).toEqual(unauthorized)
  }
  expect([await pace(server), await pace(server), await pace(server)]).toEqual([granted, granted, refusedFor(60)])
  expect(await server.ask('GET', '/v1/customers', undefined, { authorization: 'Bearer wrong' })).toEqual(unauthorized)
})

test('--rate-limit 2/min: counts an organization, not a key, and each for itself', async () => {
  stopClock()
  const server = await startWire({ rateLimitPerMinute: 2 })
  const [first] = await server.store.keys()
  const second = generateSecret()
  await server.store.createKey({ organizationId: first?.organizationId ?? 0, name: 'second', secretHash: hashSecret(second) })
  const foreign = `Bearer ${await server.createForeignKey()}`
  expect(await pace(server)).toEqual(granted)
  expect(await pace(server, `Bearer ${second}`)).toEqual(granted)
  expect(await pace(server, `Bearer ${second}`)).toEqual(refusedFor(60))
  expect(await pace(server)).toEqual(refusedFor(60))
  expect(await pace(server, foreign)).toEqual(granted)
  expect(await pace(server, foreign)).toEqual(granted)
  expect(await pace(server, foreign)).toEqual(refusedFor(60))
})

test('--rate-limit 1/min: counts requests for routes that are not there, and none outside /v1', async () => {
  stopClock()
  const server = await startWire({ rateLimitPerMinute: 1 })
  for (const path of ['/health/live', '/openapi.json', '/nothing']) await server.call('GET', path)
  expect(await server.ask('GET', '/v1/nothing')).toEqual(routeNotFound)
  expect(await server.ask('GET', '/v1/nothing')).toEqual(tooManyRequests)
  expect((await server.call('GET', '/health/live')).status).toBe(200)
})

test('--rate-limit off: no request is refused', async () => {
  stopClock()
  const server = await startWire()
  const answers = await Promise.all(Array.from({ length: limits.readQueueKeyMax }, async () => await pace(server)))
  expect(answers).toEqual(answers.map(() => granted))
})
