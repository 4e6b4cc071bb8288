import { Validator } from '@seriousme/openapi-schema-validator'
import { Compile } from 'typebox/schema'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { issueSealed } from '../../src/cursor.ts'
import { limits } from '../../src/limits.ts'
import type { Answer } from '../start-server.ts'
import type { WireServer } from './expected.ts'
import { startWire } from './expected.ts'

interface DescribedAnswer {
  readonly content?: Record<string, { readonly schema: object }>
  readonly headers?: object
}

interface Described {
  readonly openapi: string
  readonly paths: Record<string, Record<string, { readonly operationId: string; readonly responses: Record<string, DescribedAnswer> }>>
  readonly components: object
}

async function describe({ call }: WireServer): Promise<Described> {
  return (await call('GET', '/openapi.json', undefined, { authorization: '' })).body as Described
}

test('GET /openapi.json 200: is an OpenAPI 3.1 description, open to everybody', async () => {
  const { call } = await startWire()
  const { status, body, headers } = await call('GET', '/openapi.json', undefined, { authorization: '' })
  expect({ status, contentType: headers['content-type'], openapi: (body as Described).openapi })
    .toEqual({ status: 200, contentType: 'application/json; charset=utf-8', openapi: '3.1.0' })
  expect(await new Validator().validate(body as Record<string, unknown>)).toEqual({ valid: true })
})

test('GET /openapi.json 200: describes the ten operations and our own', async () => {
  const { paths } = await describe(await startWire())
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
  expect(operations.filter((operation) => operation.includes(' /v1/')).toSorted()).toEqual([
    'DELETE /v1/customers/{id}', 'DELETE /v1/customers/{id}/tags', 'GET /v1/customers', 'GET /v1/customers/{id}', 'PATCH /v1/customers/{id}', 'POST /v1/customers',
    'POST /v1/customers/search', 'POST /v1/events', 'PUT /v1/customers/batch', 'PUT /v1/customers/{id}', 'PUT /v1/customers/{id}/tags',
    'POST /v1/webhooks', 'GET /v1/webhooks', 'GET /v1/webhooks/{id}', 'PATCH /v1/webhooks/{id}', 'DELETE /v1/webhooks/{id}', 'POST /v1/webhooks/{id}/rotate-secret',
    'POST /v1/webhooks/{id}/pause', 'POST /v1/webhooks/{id}/resume', 'POST /v1/webhooks/{id}/test', 'GET /v1/webhooks/{id}/deliveries',
    'GET /v1/webhooks/{id}/deliveries/{deliveryId}', 'POST /v1/webhooks/{id}/deliveries/{deliveryId}/replay', 'POST /v1/webhooks/{id}/replay',
    'GET /v1/changes', 'GET /v1/changes/stream', 'GET /v1/changes/{id}', 'GET /v1/customers/{id}/history',
    'POST /v1/changes/{id}/undo', 'POST /v1/requests/{requestId}/undo'
  ].toSorted())
})

// The reference

const assetLinks = /(?:src|href)="([^"]*)"/g

test.for(['/docs', '/docs/'])('GET %s 200: every asset the page names comes from this server', async (path) => {
  const { call } = await startWire()
  const { status, body, headers } = await call('GET', path, undefined, { authorization: '' })
  expect(status).toBe(200)
  expect(headers['content-type']).toBe('text/html; charset=utf-8')
  const page = new URL(path, 'http://server.test')
  const links = [...String(body).matchAll(assetLinks)].map(([, link = '']) => new URL(link, page))
  expect(links.length).toBeGreaterThan(3)
  for (const link of links) {
    expect(link.origin).toBe(page.origin)
    const asset = await call('GET', link.pathname, undefined, { authorization: '' })
    expect({ link: link.pathname, status: asset.status, isEmpty: String(asset.body) === '' }).toEqual({ link: link.pathname, status: 200, isEmpty: false })
  }
})

test('GET /docs 200: its style sheets and its start load nothing from elsewhere', async () => {
  const { call } = await startWire()
  const { body } = await call('GET', '/docs/')
  const links = [...String(body).matchAll(assetLinks)].map(([, link = '']) => new URL(link, 'http://server.test/docs/').pathname)
  for (const link of links.filter((path) => path.endsWith('.css'))) {
    const { body: css } = await call('GET', link)
    const loaded = [...String(css).matchAll(/(?:url\(|@import)\s*["']?([^"')\s]+)/g)].map(([, url = '']) => url)
    expect({ link, foreign: loaded.filter((url) => !url.startsWith('data:') && !url.startsWith('#')) }).toEqual({ link, foreign: [] })
  }
  const { body: start } = await call('GET', '/docs/static/swagger-initializer.js')
  expect(start).toContain('"validatorUrl":null')
  expect(start).toContain("resolveUrl('./json')")
  expect((await call('GET', '/docs/json')).body).toEqual((await call('GET', '/openapi.json')).body)
})

test('GET /docs 200: its policy lets a browser load from this server only, by http too', async () => {
  const { call } = await startWire()
  const { headers } = await call('GET', '/docs')
  const policy = Object.fromEntries(String(headers['content-security-policy']).split(';').map((directive) => {
    const [name = '', ...sources] = directive.trim().split(/\s+/)
    return [name, sources]
  }))
  expect(policy).not.toHaveProperty('upgrade-insecure-requests')
  expect(Object.keys(policy)).toContain('default-src')
  const foreign = Object.values(policy).flat().filter((source) => !["'self'", "'none'", 'data:'].includes(source))
  expect(foreign).toEqual([])
})

// What is answered is what is described

type Request = Parameters<WireServer['call']>
interface Documented { readonly method: string; readonly path: string; readonly status: number; readonly request: Request }
const deliveryId = '00000000-0000-8000-8000-000000000001'
const deliveryPath = '/v1/webhooks/{id}/deliveries/{deliveryId}'
const bodied = { oversize: ' '.repeat(1_048_577), gzip: { 'content-encoding': 'gzip' }, stranger: { authorization: '' } } as const

/** One request for each answer that one server can be brought to give. */
const documented: Documented[] = [
  answer(201, 'POST', '/v1/customers', { userId: 'new', email: 'a@example.com', device: {}, location: { city: 'x' }, tags: ['a'], customData: { plan: 'x', seats: 1.5, active: true } }),
  answer(201, 'POST', '/v1/customers', { firstSeen: null, lastSeen: null }),
  answer(200, 'GET', '/v1/customers/{id}'),
  answer(200, 'GET', '/v1/customers?limit=2'),
  answer(200, 'GET', '/v1/customers?offset=99'),
  answer(200, 'GET', '/v1/customers?fields=id,device'),
  answer(200, 'POST', '/v1/customers/search', {}),
  answer(200, 'POST', '/v1/customers/search', { fields: ['email'], total: false, explain: true, limit: 1 }),
  answer(200, 'PUT', '/v1/customers/{id}', { userId: 'taken', device: { platform: 'mobile', ip: '::1' } }),
  answer(200, 'PATCH', '/v1/customers/{id}', { lastSeen: 253402300799 }),
  answer(200, 'PUT', '/v1/customers/batch', [{ customer: 1, name: 'x' }, { customer: 2 }]),
  answer(200, 'PUT', '/v1/customers/{id}/tags', { tags: ['b'] }),
  answer(200, 'DELETE', '/v1/customers/{id}/tags', { tags: ['b'] }),
  answer(200, 'POST', '/v1/events', { name: 'e', customer: 1, data: { a: [1] } }),
  answer(200, 'DELETE', '/v1/customers/{id}', undefined, { id: '2' }),
  answer(304, 'GET', '/v1/customers/{id}', undefined, { headers: { 'if-none-match': '*' } }),
  ...([
    ['PUT', '/v1/customers/{id}', { userId: 'taken' }], ['PATCH', '/v1/customers/{id}', {}], ['PUT', '/v1/customers/{id}/tags', { tags: [] }],
    ['DELETE', '/v1/customers/{id}/tags', { tags: [] }], ['DELETE', '/v1/customers/{id}', undefined]
  ] as const).map(([method, path, body]) => answer(412, method, path, body, { headers: { 'if-match': '"0-0"' } })),
  answer(400, 'GET', '/v1/customers?limit=0'),
  answer(400, 'POST', '/v1/customers', { userId: 'taken' }),
  answer(400, 'PUT', '/v1/customers/batch', [{ customer: 3, userId: 'taken' }]),
  ...(['POST /v1/customers', 'POST /v1/customers/search', 'PUT /v1/customers/{id}', 'PATCH /v1/customers/{id}', 'PUT /v1/customers/batch',
    'PUT /v1/customers/{id}/tags', 'DELETE /v1/customers/{id}/tags', 'POST /v1/events'] as const).flatMap((operation) => {
    const [method, path] = operation.split(' ') as [Request[0], string]
    return [
      answer(400, method, path, 'no JSON'), answer(401, method, path, {}, { headers: bodied.stranger }),
      answer(413, method, path, bodied.oversize), answer(415, method, path, '{}', { headers: bodied.gzip })
    ]
  }),
  ...(['GET', 'DELETE'] as const).flatMap((method) => [answer(401, method, '/v1/customers/{id}', undefined, { headers: bodied.stranger }), answer(404, method, '/v1/customers/{id}', undefined, { id: '99' })]),
  answer(401, 'GET', '/v1/customers', undefined, { headers: bodied.stranger }),
  answer(413, 'DELETE', '/v1/customers/{id}', bodied.oversize),
  answer(404, 'POST', '/v1/customers/search', { filter: [{ field: 'customers.id', operator: '=', value: 99 }] }),
  answer(404, 'PUT', '/v1/customers/{id}', {}, { id: '99' }),
  answer(404, 'PATCH', '/v1/customers/{id}', {}, { id: '99' }),
  answer(404, 'PUT', '/v1/customers/batch', [{ customer: 99 }]),
  answer(404, 'PUT', '/v1/customers/{id}/tags', { tags: [] }, { id: '99' }),
  answer(404, 'DELETE', '/v1/customers/{id}/tags', { tags: [] }, { id: '99' }),
  answer(404, 'POST', '/v1/events', { name: 'e', customer: 99 }),
  answer(201, 'POST', '/v1/webhooks', { url: 'https://example.com/', filter: { filter: [{ field: 'tags', operator: 'any', value: ['a'] }] } }),
  answer(200, 'GET', '/v1/webhooks'),
  answer(200, 'GET', '/v1/webhooks/{id}'),
  answer(200, 'PATCH', '/v1/webhooks/{id}', { url: 'https://example.com/b', filter: null }),
  answer(200, 'POST', '/v1/webhooks/{id}/rotate-secret', { now: false }),
  answer(409, 'POST', '/v1/webhooks/{id}/rotate-secret', { now: false }),
  answer(200, 'POST', '/v1/webhooks/{id}/pause'),
  answer(200, 'POST', '/v1/webhooks/{id}/resume'),
  answer(200, 'POST', '/v1/webhooks/{id}/test'),
  answer(200, 'GET', '/v1/webhooks/{id}/deliveries'),
  answer(200, 'GET', '/v1/webhooks/{id}/deliveries?status=failed&limit=1'),
  answer(200, 'GET', deliveryPath),
  answer(200, 'POST', `${deliveryPath}/replay`),
  answer(409, 'POST', `${deliveryPath}/replay`),
  answer(200, 'POST', '/v1/webhooks/{id}/replay', { since: 0 }),
  answer(200, 'DELETE', '/v1/webhooks/{id}', undefined, { id: '2' }),
  ...(['GET /v1/webhooks', 'GET /v1/webhooks/{id}', 'GET /v1/webhooks/{id}/deliveries', `GET ${deliveryPath}`] as const).flatMap((operation) => {
    const [method, path] = operation.split(' ') as [Request[0], string]
    return [
      answer(400, method, `${path}?x=1`), answer(401, method, path, undefined, { headers: bodied.stranger }),
      ...(path === '/v1/webhooks' ? [] : [answer(404, method, path, undefined, { id: '99' })])
    ]
  }),
  ...([
    'POST /v1/webhooks', 'PATCH /v1/webhooks/{id}', 'DELETE /v1/webhooks/{id}', 'POST /v1/webhooks/{id}/rotate-secret', 'POST /v1/webhooks/{id}/pause', 'POST /v1/webhooks/{id}/resume',
    'POST /v1/webhooks/{id}/test', 'POST /v1/webhooks/{id}/replay', `POST ${deliveryPath}/replay`
  ] as const).flatMap((operation) => {
    const [method, path] = operation.split(' ') as [Request[0], string]
    return [
      answer(400, method, path, 'no JSON'), answer(401, method, path, {}, { headers: bodied.stranger }),
      answer(413, method, path, bodied.oversize), answer(415, method, path, '{}', { headers: bodied.gzip }),
      ...(path === '/v1/webhooks' ? [] : [answer(404, method, path, path === '/v1/webhooks/{id}/replay' ? { since: 0 } : {}, { id: '99' })])
    ]
  }),
  ...(['/v1/changes/{id}/undo', '/v1/requests/{requestId}/undo'] as const).flatMap((path) => [
    answer(200, 'POST', path, { force: true }, { id: '<plain>' }), answer(409, 'POST', path, {}, { id: '<touched>' }), answer(410, 'POST', path, {}, { id: '<final>' }),
    answer(404, 'POST', path, {}, { id: '99999' }), answer(400, 'POST', path, 'no JSON'), answer(401, 'POST', path, {}, { headers: bodied.stranger }),
    answer(413, 'POST', path, bodied.oversize), answer(415, 'POST', path, '{}', { headers: bodied.gzip })
  ]),
  answer(200, 'GET', '/v1/changes?limit=1000'),
  answer(200, 'GET', '/v1/changes?kinds=tag.updated'),
  answer(200, 'GET', '/v1/changes/{id}', undefined, { id: '<plain>' }),
  answer(200, 'GET', '/v1/customers/{id}/history?limit=1'),
  answer(404, 'GET', '/v1/changes/{id}', undefined, { id: '99999' }),
  answer(404, 'GET', '/v1/customers/{id}/history', undefined, { id: '99999' }),
  ...(['/v1/changes', '/v1/changes/stream'] as const).map((path) => answer(410, 'GET', `${path}?cursor=<cursor>`)),
  ...(['/v1/changes', '/v1/changes/stream', '/v1/changes/{id}', '/v1/customers/{id}/history'] as const).flatMap((path) => [
    answer(400, 'GET', `${path}?x=1`), answer(401, 'GET', path, undefined, { headers: bodied.stranger })
  ]),
  ...Array.from({ length: limits.webhooksMax - 1 }, () => answer(201, 'POST', '/v1/webhooks', { url: 'https://example.com/' })),
  answer(409, 'POST', '/v1/webhooks', { url: 'https://example.com/' }),
  answer(200, 'POST', '/v1/customers/search', {}, { headers: { 'idempotency-key': 'used' } }),
  answer(400, 'DELETE', '/v1/customers/{id}', undefined, { headers: { 'idempotency-key': '' } })
]
const repeatable = new Set(documented.filter(({ method }) => method !== 'get').map(({ method, path }) => `${method.toUpperCase()} ${path}`))
for (const operation of repeatable) {
  const [method, path] = operation.split(' ') as [Request[0], string]
  documented.push(answer(409, method, path, { limit: 1 }, { headers: { 'idempotency-key': 'used' } }))
}

function answer(status: number, method: Request[0], path: string, body?: unknown, { id = '1', headers = {} } = {}): Documented {
  return { status, method: method.toLowerCase(), path: path.replace(/\?.*/, ''), request: [method, path.replace(/\{id\}|\{requestId\}/, id).replace('{deliveryId}', deliveryId), body, headers] }
}

/** Of webhook 1. */
async function createFailedDelivery({ ask, store }: WireServer): Promise<void> {
  await ask('POST', '/v1/webhooks', { url: 'https://example.com/' })
  const [claim] = await store.claimWebhooks('test', 60)
  await store.keepProgress('test', 1, {
    position: claim?.position ?? '', held: [], released: [], succeededAt: null, failingSince: 1, pauseReason: null,
    deliveries: [{
      id: deliveryId, changeId: 1, part: 0, customerId: 1, event: 'customer.created', status: 'failed', attempts: 10, firstAttemptAt: 1, lastAttemptAt: 2, nextAttemptAt: null,
      responseStatus: null, responseText: null, error: 'reset', durationMs: 1, isReplay: false
    }]
  })
}

/** By name: what can be taken back, what something touched since, and a deletion that is final. Answers how to put ids into a path. */
async function createChanges({ call, create, store }: WireServer): Promise<(path: string) => string> {
  const id = await create()
  const gone = await create()
  const requests = new Map<string, string>()
  const run = async (name: string, ...request: Request): Promise<void> => { requests.set(name, String((await call(...request)).headers['x-request-id'])) }
  await run('touched', 'PATCH', `/v1/customers/${id}`, { name: 'Ann' })
  await run('final', 'DELETE', `/v1/customers/${gone}`)
  await run('plain', 'PATCH', `/v1/customers/${id}`, { name: 'Bob' })
  await store.emptyTrash(systemClock() + 60)
  const [key] = await store.keys()
  const changes = new Map<string, number>()
  for (const [name, requestId] of requests) {
    const [item] = await store.changesOfRequest(key?.organizationId ?? 0, requestId, 1)
    changes.set(name, item?.change.id ?? 0)
  }
  // Of no place in the feed.
  const cursor = issueSealed('x', { secret: await store.cursorSecret(), question: JSON.stringify([key?.organizationId, 'changes']) })
  return (path) => path.replace('<cursor>', cursor).replace(/<(\w+)>/, (_, name: string) => String((path.startsWith('/v1/changes') ? changes : requests).get(name)))
}

/** What is wrong with an answer, by its description. */
function faultsOf({ paths, components }: Described, { method, path }: Documented, { status, body }: Answer): unknown {
  const described = paths[path]?.[method]?.responses[String(status)]
  // A body that is not there is not described either.
  if (status === 304 && described !== undefined) return body === '' ? [] : 'there is a body'
  const schema = described?.content?.['application/json']?.schema
  if (schema === undefined) return `${method} ${path} ${status} is not described`
  const [conforms, errors] = Compile({ ...schema, components }).Errors(body)
  return conforms ? [] : errors
}

test('every documented operation: answers bodies of the documented shape', async () => {
  const server = await startWire({ emptySearchStatus: 404 })
  const described = await describe(server)
  await server.create({ userId: 'taken' })
  await server.create()
  await createFailedDelivery(server)
  const withIds = await createChanges(server)
  for (const exchange of documented) {
    const [method, path, ...rest] = exchange.request
    const answered = await server.call(method, withIds(path), ...rest)
    const name = `${exchange.method} ${exchange.path}`
    expect({ name, status: answered.status, faults: faultsOf(described, exchange, answered) }).toEqual({ name, status: exchange.status, faults: [] })
  }
})

test('every documented operation: describes the headers that tell of an answer, where they are sent', async () => {
  const server = await startWire({ emptySearchStatus: 404 })
  const { paths } = await describe(server)
  await server.create({ userId: 'taken' })
  await server.create()
  await createFailedDelivery(server)
  const withIds = await createChanges(server)
  for (const { method: verb, path: described, status, request: [method, path, ...rest] } of documented) {
    const { headers } = await server.call(method, withIds(path), ...rest)
    const sent = ['ETag', 'Retry-After', 'Server-Timing'].filter((name) => headers[name.toLowerCase()] !== undefined)
    const headersDescribed = Object.keys(paths[described]?.[verb]?.responses[status]?.headers ?? {})
    expect({ method, path, status, described: headersDescribed }).toEqual({ method, path, status, described: sent })
  }
})

test('GET /v1/customers and POST /v1/customers/search: are described as refused where searches wait or were stopped, and when to come again', async () => {
  const { paths } = await describe(await startWire())
  const refusal = {
    description: 'The database cannot be used now, too many searches are waiting, of this key or of all, or this one took longer than 10 s and was stopped. The message says which.',
    headers: { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds.' } },
    content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorBody' } } }
  }
  expect([paths['/v1/customers']?.['get'], paths['/v1/customers/search']?.['post']].map((operation) => operation?.responses['503'])).toEqual([refusal, refusal])
})

test('every documented operation: the checks above cover each answer but 429, 500 and 503, and see a wrong body', async () => {
  const described = await describe(await startWire())
  const answers = Object.entries(described.paths).filter(([path]) => path.startsWith('/v1/')).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { responses }]) => Object.keys(responses).map((status) => `${method} ${path} ${status}`)))
  const covered = new Set(documented.map(({ method, path, status }) => `${method} ${path} ${status}`))
  // A stream has no end that could be waited for.
  covered.add('get /v1/changes/stream 200')
  expect(answers.filter((name) => !covered.has(name) && !/ (429|500|503)$/.test(name))).toEqual([])
  for (const exchange of documented) {
    const { status } = exchange
    const wrong = faultsOf(described, exchange, { status, body: { id: 'x' }, text: '{"id":"x"}', headers: {} })
    expect(wrong).not.toEqual([])
  }
})
