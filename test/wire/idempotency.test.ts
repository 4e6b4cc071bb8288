import { request } from 'node:http'
import { expect, onTestFinished, test, vi } from 'vitest'
import { limits } from '../../src/limits.ts'
import type { SendOutcome, WebhookRoom } from '../../src/webhook.ts'
import { createDatabase } from '../engines.ts'
import type { Answer, TestServer } from '../start-server.ts'
import { startServer } from '../start-server.ts'
import { standInRoom } from '../webhook-room.ts'
import { customer, invalid, page, seen } from './expected.ts'

const keyed = (key: string, headers: Record<string, string> = {}): Record<string, string> => ({ 'idempotency-key': key, ...headers })
const shown = ({ status, text, headers }: Answer): object => ({ status, text, etag: headers.etag, replayed: headers['idempotency-replayed'] })

async function total({ call }: TestServer): Promise<unknown> {
  return ((await call('GET', '/v1/customers')).body as { total: number }).total
}

const conflict = (message: string): object => ({ status: 409, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, { code: 'conflict', message }] } })
const otherRequest = conflict('This Idempotency-Key was given with another method, path or body. Give each request a key of its own.')

test('POST /v1/customers 201: a repeat makes nobody, and is answered as the first time, byte for byte', async () => {
  const server = await startServer()
  const ask = async (): Promise<Answer> => await server.call('POST', '/v1/customers', { ...seen, name: 'Ann', tags: ['Lead'], customData: { plan: 'pro' } }, keyed('a'))
  const first = await ask()
  await server.call('PATCH', '/v1/customers/1', { name: 'Bo' })
  const repeats = [await ask(), await ask()]
  expect(first.status).toBe(201)
  expect(repeats.map(shown)).toEqual(repeats.map(() => ({ ...shown(first), replayed: 'true' })))
  expect(first.headers['idempotency-replayed']).toBeUndefined()
  expect(await total(server)).toBe(1)
})

test('every writing route is carried out once with one key', async () => {
  const server = await startServer()
  const { call } = server
  await call('POST', '/v1/customers', { ...seen, name: 'Ann', tags: ['Old'] })
  const requests = [
    ['PUT', '/v1/customers/1', { name: 'Bo', tags: ['Old'] }], ['PATCH', '/v1/customers/1', { name: 'Cy' }],
    ['PUT', '/v1/customers/batch', [{ customer: 1, name: 'Di' }]], ['PUT', '/v1/customers/1/tags', { tags: ['Lead'] }],
    ['DELETE', '/v1/customers/1/tags', { tags: ['Old'] }], ['POST', '/v1/events', { name: 'paid', customer: 1 }], ['DELETE', '/v1/customers/1', undefined]
  ] as const
  const firsts = new Map<string, Answer>()
  for (const [method, path, body] of requests) firsts.set(`${method} ${path}`, await call(method, path, body, keyed(`${method} ${path}`)))
  for (const [method, path, body] of requests) {
    const first = firsts.get(`${method} ${path}`)
    expect(first?.status).toBe(200)
    expect(shown(await call(method, path, body, keyed(`${method} ${path}`)))).toEqual({ ...shown(first ?? await call('GET', '/')), replayed: 'true' })
  }
  expect(await total(server)).toBe(0)
})

test('POST /v1/customers/search 200: a repeat is answered as the first time, whoever has come since', async () => {
  const { call } = await startServer()
  const search = async (): Promise<Answer> => await call('POST', '/v1/customers/search', { limit: 1 }, keyed('s'))
  const first = await search()
  await call('POST', '/v1/customers', seen)
  expect(shown(await search())).toEqual({ ...shown(first), replayed: 'true' })
  expect((await call('POST', '/v1/customers/search', { limit: 1 }, keyed('other'))).body).toEqual(page([customer(1)], { limit: 1 }).body)
})

test('404, 409 and 412 are kept: what has become possible since is not done by a repeat', async () => {
  const server = await startServer()
  const { call } = server
  const missing = async (): Promise<Answer> => await call('PATCH', '/v1/customers/1', { name: 'Bo' }, keyed('404'))
  const stale = async (): Promise<Answer> => await call('PATCH', '/v1/customers/1', { name: 'Cy' }, keyed('412', { 'if-match': '"0-0"' }))
  const first = await missing()
  const created = await call('POST', '/v1/customers', { ...seen, name: 'Ann' })
  const refused = await stale()
  expect([first.status, refused.status]).toEqual([404, 412])
  expect(shown(await missing())).toEqual({ ...shown(first), replayed: 'true' })
  expect(shown(await stale())).toEqual({ ...shown(refused), etag: created.headers.etag, replayed: 'true' })
  expect((await call('GET', '/v1/customers/1')).text).toBe(created.text)
})

test('400 is not kept: whoever mends the cause may send the same again', async () => {
  const { call } = await startServer()
  await call('POST', '/v1/customers', { ...seen, userId: 'taken' })
  const ask = async (): Promise<Answer> => await call('POST', '/v1/customers', { ...seen, userId: 'taken' }, keyed('k'))
  expect((await ask()).status).toBe(400)
  await call('PATCH', '/v1/customers/1', { userId: 'free' })
  const { status, headers } = await ask()
  expect([status, headers['idempotency-replayed']]).toEqual([201, undefined])
})

test('a key with another method, path or body is 409, and nothing is done', async () => {
  const server = await startServer()
  const { call } = server
  await call('POST', '/v1/customers', { ...seen, name: 'Ann' }, keyed('k'))
  for (const [method, path, body] of [
    ['POST', '/v1/customers', { ...seen, name: 'Bo' }], ['PATCH', '/v1/customers/1', { ...seen, name: 'Ann' }],
    ['PUT', '/v1/customers/1', { ...seen, name: 'Ann' }], ['POST', '/v1/customers/search', {}], ['DELETE', '/v1/customers/1', undefined]
  ] as const) {
    const { status, body: answered } = await call(method, path, body, keyed('k'))
    expect({ method, path, status, body: answered }).toEqual({ method, path, ...otherRequest })
  }
  expect((await call('GET', '/v1/customers')).body).toEqual(page([customer(1, { name: 'Ann' })]).body)
})

test('a key of a search is not that of a change, either', async () => {
  const server = await startServer()
  await server.call('POST', '/v1/customers/search', {}, keyed('k'))
  const { status, body } = await server.call('POST', '/v1/customers', {}, keyed('k'))
  expect({ status, body }).toEqual(otherRequest)
  expect(await total(server)).toBe(0)
})

test('keys belong to an organization', async () => {
  const server = await startServer()
  const authorization = `Bearer ${await server.createForeignKey()}`
  await server.call('POST', '/v1/customers', { ...seen, name: 'Ann' }, keyed('k'))
  const { status, headers } = await server.call('POST', '/v1/customers', { ...seen, name: 'Bo' }, keyed('k', { authorization }))
  expect([status, headers['idempotency-replayed']]).toEqual([201, undefined])
})

test('a key has 1 to 255 characters, and means nothing to a GET', async () => {
  const server = await startServer()
  const fault = invalid(['Idempotency-Key', 'This header should have 1 to 255 characters.'])
  for (const key of ['', 'k'.repeat(256)]) {
    const { status, body } = await server.call('POST', '/v1/customers', seen, keyed(key))
    expect({ status, body }).toEqual(fault)
    expect((await server.call('GET', '/v1/customers', undefined, keyed(key))).status).toBe(200)
  }
  expect((await server.call('POST', '/v1/customers', seen, keyed('k'.repeat(255)))).status).toBe(201)
  expect(await total(server)).toBe(1)
})

test('of repeats sent at the same time one is carried out, and the others are answered like it', async () => {
  const server = await startServer()
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await server.call('POST', '/v1/customers', { ...seen, name: 'Ann' }, keyed('k'))))
  expect(answers.map(({ text }) => text)).toEqual(answers.map(() => JSON.stringify(customer(1, { name: 'Ann' }))))
  expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1)
  expect(await total(server)).toBe(1)
})

test('of repeats sent to two servers of one database at the same time one is carried out', async () => {
  const database = await createDatabase()
  const one = await startServer({}, database)
  const other = await startServer({}, database)
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, index) =>
    await (index % 2 === 0 ? one : other).call('POST', '/v1/customers', { ...seen, name: 'Ann' }, keyed('k', { authorization: `Bearer ${one.key}` }))))
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1)
  expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1)
  expect(await total(one)).toBe(1)
})

test('a server started anew on the database answers a repeat as before', async () => {
  const database = await createDatabase()
  const one = await startServer({}, database)
  const first = await one.call('POST', '/v1/customers', { ...seen, name: 'Ann' }, keyed('k'))
  const other = await startServer({}, database)
  expect(shown(await other.call('POST', '/v1/customers', { ...seen, name: 'Ann' }, keyed('k', { authorization: `Bearer ${one.key}` })))).toEqual({ ...shown(first), replayed: 'true' })
})

test('what came of a request is forgotten when it is purged, however much there is', async () => {
  const { call, store } = await startServer()
  await call('POST', '/v1/customers', seen, keyed('k'))
  const others = Array.from({ length: limits.purgeGroupMax }, (_, index) => ({ key: `other ${index}`, fingerprint: 'f', state: 'new' as const }))
  await Promise.all(others.map(async (other) => { await store.keepAnswer(1, other, { status: 200, body: '"Ok"' }) }))
  await store.purgeOutcomes(Math.floor(Date.now() / 1000) + 10)
  const { headers, body } = await call('POST', '/v1/customers', seen, keyed('k'))
  expect([headers['idempotency-replayed'], (body as { id: number }).id]).toEqual([undefined, 2])
  expect(await Promise.all(others.map(async (other) => await store.recallAnswer(1, other)))).toEqual(others.map(() => undefined))
})

test('a repeat is answered as the first time also when what it was about is gone', async () => {
  const { call, store } = await startServer()
  await call('POST', '/v1/customers', { ...seen, name: 'Ann' })
  const patched = await call('PATCH', '/v1/customers/1', { name: 'Bo' })
  await call('POST', '/v1/webhooks', { url: 'https://example.com/hook' })
  const requests = [
    ['POST', '/v1/changes/1/undo', { dryRun: true, force: true }], ['POST', `/v1/requests/${String(patched.headers['x-request-id'])}/undo`, undefined],
    ['PATCH', '/v1/webhooks/1', { events: ['customer.created'] }], ['POST', '/v1/webhooks/1/rotate-secret', undefined], ['POST', '/v1/webhooks/1/pause', undefined],
    ['POST', '/v1/webhooks/1/resume', undefined], ['POST', '/v1/webhooks/1/test', undefined], ['POST', '/v1/webhooks/1/replay', { since: 0 }]
  ] as const
  const ask = async ([method, path, body]: typeof requests[number]): Promise<object> => ({ path, ...shown(await call(method, path, body, keyed(path))) })
  const firsts: object[] = []
  for (const asked of requests) firsts.push(await ask(asked))
  await call('DELETE', '/v1/webhooks/1')
  await store.purgeChanges(Math.floor(Date.now() / 1000) + 10)
  expect(firsts).toEqual(requests.map(([, path]) => ({ path, status: 200, text: expect.any(String) as string, etag: undefined, replayed: undefined })))
  for (const [index, asked] of requests.entries()) expect(await ask(asked)).toEqual({ ...firsts[index], replayed: 'true' })
})

test('a repeat is answered as the first time also when its body would not be taken by now', async () => {
  const database = await createDatabase()
  const one = await startServer({}, database, { webhooks: { ...standInRoom, allowsPrivate: true } })
  const headers = { authorization: `Bearer ${one.key}` }
  await one.call('POST', '/v1/customers', seen)
  const requests = [
    ['PATCH', '/v1/customers/999', { customData: { plan: 'gold' } }, {}], ['PATCH', '/v1/customers/1', { customData: { plan: 'gold' } }, { 'if-match': '"0-0"' }],
    ['PUT', '/v1/customers/batch', [{ customer: 999, customData: { plan: 'gold' } }], {}],
    ['POST', '/v1/customers', { ...seen, customData: [{ property: 'plan', value: 'a' }, { property: 'plan', value: null }] }, {}],
    ['POST', '/v1/webhooks', { url: 'http://10.0.0.1/hook' }, {}], ['PATCH', '/v1/webhooks/1', { url: 'http://10.0.0.2/hook' }, {}]
  ] as const
  const ask = async ({ call }: TestServer, [method, path, body, condition]: typeof requests[number]): Promise<object> => {
    const { status, text, headers: given } = await call(method, path, body, keyed(`${method} ${path}`, { ...headers, ...condition }))
    return { path, status, text, replayed: given['idempotency-replayed'] }
  }
  const firsts: object[] = []
  for (const asked of requests) firsts.push(await ask(one, asked))
  expect(firsts).toMatchObject([404, 412, 404, 201, 201, 200].map((status) => ({ status, replayed: undefined })))
  expect(await one.call('POST', '/v1/customers', { customData: { plan: 5 } })).toMatchObject({ status: 201 })
  const strict = await startServer({ strictAttributes: true }, database)
  for (const server of [one, strict]) {
    for (const [index, asked] of requests.entries()) expect(await ask(server, asked)).toEqual({ ...firsts[index], replayed: 'true' })
  }
})

test('a repeat is answered as the first time also when the secret before the last has ceased to hold', async () => {
  const { call } = await startServer()
  await call('POST', '/v1/webhooks', { url: 'https://example.com/hook' }, keyed('first'))
  const until = ({ body }: Answer): number | null => (body as { previousSecretUntil: number | null }).previousSecretUntil
  onTestFinished(() => { vi.useRealTimers() })
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - limits.previousSecretSeconds * 1000 / 2 })
  const promised = until(await call('POST', '/v1/webhooks/1/rotate-secret'))
  vi.useRealTimers()
  const ask = async (): Promise<Answer> => await call('PATCH', '/v1/webhooks/1', {}, keyed('k'))
  const first = await ask()
  expect([until(first), promised]).toEqual([promised, expect.any(Number)])
  vi.useFakeTimers({ toFake: ['Date'], now: ((promised ?? 0) + 1) * 1000 })
  expect(shown(await ask())).toEqual({ ...shown(first), replayed: 'true' })
  expect(until(await call('GET', '/v1/webhooks/1'))).toBeNull()
})

/** A room whose ping ends when it is told to. */
function holdPing(): { room: WebhookRoom; isAsked: Promise<void>; end: () => void } {
  const isAsked = Promise.withResolvers<void>()
  const ping = Promise.withResolvers<SendOutcome>()
  return {
    room: { ...standInRoom, ping: async () => { isAsked.resolve(); return await ping.promise } },
    isAsked: isAsked.promise,
    end: () => { ping.resolve({ status: 200, text: 'late', error: null, durationMs: 1 }) }
  }
}

test('a repeat that has waited long enough for the first is 409, and can be sent again', async () => {
  const { room, isAsked, end } = holdPing()
  const { call } = await startServer({}, undefined, { webhooks: room, repeatWaitMs: 50 })
  await call('POST', '/v1/webhooks', { url: 'https://example.com/hook' })
  const ask = async (): Promise<Answer> => await call('POST', '/v1/webhooks/1/test', undefined, keyed('k'))
  const first = ask()
  await isAsked
  const early = await Promise.all([ask(), ask()])
  const underWay = conflict('The first request with this Idempotency-Key is still under way. Try again later, with the same key.')
  expect(early.map(({ status, body }) => ({ status, body }))).toEqual([underWay, underWay])
  end()
  const answer = await first
  expect(shown(await ask())).toEqual({ ...shown(answer), replayed: 'true' })
})

test('a client that goes while it waits for the first leaves nobody waiting', async () => {
  const { room, isAsked, end } = holdPing()
  const { call, key, listen } = await startServer({}, undefined, { webhooks: room })
  await call('POST', '/v1/webhooks', { url: 'https://example.com/hook' })
  const ask = async (): Promise<Answer> => await call('POST', '/v1/webhooks/1/test', undefined, keyed('k'))
  const first = ask()
  await isAsked
  const address = await listen()
  const impatient = request(`${address}/v1/webhooks/1/test`, { method: 'POST', headers: keyed('k', { authorization: `Bearer ${key}` }) })
  const hangUp = Promise.withResolvers<unknown>()
  impatient.on('error', hangUp.resolve).end()
  // Each comes behind what was sent before.
  await fetch(`${address}/health/live`)
  impatient.destroy()
  await hangUp.promise
  await fetch(`${address}/health/live`)
  end()
  const answer = await first
  expect(answer.status).toBe(200)
  expect(shown(await ask())).toEqual({ ...shown(answer), replayed: 'true' })
})
