import { connect } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { limits } from '../../src/limits.ts'
import { openStream } from '../event-stream.ts'
import type { TestServer } from '../start-server.ts'
import { startServer } from '../start-server.ts'
import { createDatabase } from '../engines.ts'

vi.setConfig({ testTimeout: 60_000 })

interface StreamServer extends TestServer {
  readonly url: string
  /** Answers the id of the customer. */
  create(name?: string): Promise<number>
  listeners(): Promise<number>
}

async function start(database?: Parameters<typeof startServer>[1]): Promise<StreamServer> {
  const server = await startServer({}, database)
  return {
    ...server,
    url: await server.listen(),
    async create(name = 'n') {
      const { body } = await server.call('POST', '/v1/customers', { name })
      return (body as { id: number }).id
    },
    async listeners() {
      return Number(/^clientele_stream_listeners (\d+)$/m.exec(await server.metrics())?.[1])
    }
  }
}

function customersOf(events: readonly { readonly data: { readonly customerId: number | null } }[]): (number | null)[] {
  return events.map(({ data }) => data.customerId)
}

test('GET /v1/changes/stream 200: tells of each change made from then on, as the list does', async () => {
  const { url, key, create, call } = await start()
  await create()
  const reader = await openStream(url, { key })
  const { status, headers } = reader
  expect({ status, type: headers['content-type'], cache: headers['cache-control'], id: typeof headers['x-request-id'] }).toEqual({
    status: 200, type: 'text/event-stream; charset=utf-8', cache: 'no-store', id: 'string'
  })
  await vi.waitUntil(() => reader.lastId() !== '', { timeout: 30_000, interval: 5 })
  const begin = reader.lastId()
  const id = await create()
  await call('PATCH', `/v1/customers/${id}`, { name: 'line\nbreak' })
  const [created, updated] = await reader.first(2)

  const { body } = await call('GET', `/v1/changes?cursor=${begin}`)
  const { data, meta } = body as { data: unknown[]; meta: { cursor: string } }
  expect([created?.data, updated?.data]).toEqual(data)
  expect([created?.event, updated?.event]).toEqual(['customer.created', 'customer.updated'])
  expect(updated?.id).toBe(meta.cursor)
})

test('GET /v1/changes/stream 200: goes on behind Last-Event-ID, which comes before the cursor in the address', async () => {
  const { url, key, create } = await start()
  const first = await openStream(url, { key })
  await vi.waitUntil(() => first.lastId() !== '', { timeout: 30_000, interval: 5 })
  const begin = first.lastId()
  const ids = [await create(), await create(), await create()]
  const events = await first.first(3)
  expect(customersOf(events)).toEqual(ids)

  const byCursor = await openStream(url, { key, path: `/v1/changes/stream?cursor=${begin}` })
  const byHeader = await openStream(url, { key, path: `/v1/changes/stream?cursor=${begin}`, headers: { 'last-event-id': events[1]?.id ?? '' } })
  expect(await byCursor.first(3)).toEqual(events)
  expect(await byHeader.first(1)).toEqual(events.slice(2))
  const next = await create()
  expect(customersOf(await byHeader.first(2))).toEqual([ids[2], next])
  expect(customersOf(await byCursor.first(4))).toEqual([...ids, next])
})

test('GET /v1/changes/stream 200: a reader far behind gets everything once and in order, while more is being made', async () => {
  const { url, key, create, call } = await start()
  const { body } = await call('GET', '/v1/changes')
  const begin = (body as { meta: { cursor: string } }).meta.cursor
  await Promise.all(Array.from({ length: 250 }, () => create()))
  const live = await openStream(url, { key })
  await vi.waitUntil(() => live.lastId() !== '', { timeout: 30_000, interval: 5 })
  const readers = []
  for (let round = 0; round < 10; round += 1) {
    readers.push(await openStream(url, { key, path: `/v1/changes/stream?cursor=${begin}` }))
    await Promise.all(Array.from({ length: 20 }, () => create()))
  }
  const all = await vi.waitUntil(async () => {
    const answer = await call('GET', `/v1/changes?limit=1000&cursor=${begin}`)
    const { data } = answer.body as { data: { id: number }[] }
    return data.length === 450 && data
  }, { timeout: 30_000, interval: 10 })
  const ids = all.map(({ id }) => id)
  for (const reader of readers) expect((await reader.first(450)).map(({ data }) => data.id)).toEqual(ids)
  await live.first(200)
  await vi.waitUntil(() => live.events().at(-1)?.data.id === ids.at(-1), { timeout: 30_000, interval: 5 })
  expect(live.events().map(({ data }) => data.id)).toEqual(ids.slice(-live.events().length))
})

test('GET /v1/changes/stream 200: tells of the kinds asked for, and of no other organization', async () => {
  const { url, key, call, create, createForeignKey } = await start()
  const foreignKey = await createForeignKey()
  const reader = await openStream(url, { key, path: '/v1/changes/stream?kinds=event.recorded,customer.deleted' })
  const foreign = await openStream(url, { key: foreignKey })
  await vi.waitUntil(() => reader.lastId() !== '' && foreign.lastId() !== '', { timeout: 30_000, interval: 5 })
  const id = await create()
  await call('POST', '/v1/events', { name: 'paid', customer: id })
  await call('POST', '/v1/customers', {}, { authorization: `Bearer ${foreignKey}` })
  await call('DELETE', `/v1/customers/${id}`)

  expect((await reader.first(2)).map(({ event }) => event)).toEqual(['event.recorded', 'customer.deleted'])
  expect(customersOf(await foreign.first(1))).toEqual([id + 1])
})

test('GET /v1/changes/stream 400: what is not known is refused before anything is streamed', async () => {
  const { call } = await start()
  const faults = async (path: string, headers?: Record<string, string>): Promise<unknown> =>
    ((await call('GET', path, undefined, headers)).body as { errors: { code: string }[] }).errors.map(({ code }) => code)

  expect(await faults('/v1/changes/stream?kind=x&limit=5')).toEqual(['invalid_request', 'kind', 'limit'])
  expect(await faults('/v1/changes/stream?cursor=x')).toEqual(['invalid_request', 'cursor'])
  expect(await faults('/v1/changes/stream', { 'last-event-id': 'x' })).toEqual(['invalid_request', 'cursor'])
})

test('HEAD /v1/changes/stream 200: what GET answers, ended before anything is streamed', async () => {
  const { url, key, listeners } = await start()
  const head = async (query: string): Promise<unknown> => {
    const answer = await fetch(`${url}/v1/changes/stream${query}`, { method: 'HEAD', headers: { authorization: `Bearer ${key}` } })
    return { status: answer.status, type: answer.headers.get('content-type'), length: answer.headers.get('content-length'), body: await answer.text() }
  }

  expect(await head('')).toEqual({ status: 200, type: 'text/event-stream; charset=utf-8', length: null, body: '' })
  expect(await head('?cursor=x')).toMatchObject({ status: 400, type: 'application/json; charset=utf-8', body: '' })
  expect(await listeners()).toBe(0)
})

test('changes of another process on the same database are told of too', async () => {
  const database = await createDatabase()
  const [one, two] = [await start(database), await start(database)]
  const reader = await openStream(two.url, { key: one.key })
  await vi.waitUntil(() => reader.lastId() !== '', { timeout: 30_000, interval: 5 })
  const ids = [await one.create(), await one.create()]
  expect(customersOf(await reader.first(2))).toEqual(ids)
})

test('a stream ends at once when the server closes', async () => {
  const { url, key, close, create, listeners } = await start()
  const readers = await Promise.all(Array.from({ length: 5 }, () => openStream(url, { key })))
  const id = await create()
  for (const reader of readers) expect(customersOf(await reader.first(1))).toEqual([id])
  expect(await listeners()).toBe(5)
  await close()
  await Promise.all(readers.map(({ closed }) => closed))
})

test('a reader whose key was revoked is disconnected at the next heartbeat, others hear that theirs lives', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => { vi.useRealTimers() })
  const { url, key, store, createForeignKey, listeners } = await start()
  const revoked = await createForeignKey()
  const [kept, lost] = [await openStream(url, { key }), await openStream(url, { key: revoked })]
  await vi.waitUntil(() => kept.lastId() !== '' && lost.lastId() !== '', { timeout: 30_000, interval: 5 })
  const keys = await store.keys()
  await store.revokeKey(keys.at(-1)?.id ?? 0)
  vi.advanceTimersByTime(limits.streamHeartbeatSeconds * 1000)

  await lost.closed
  await vi.waitUntil(() => kept.text().endsWith('\n\n:\n\n'), { timeout: 30_000, interval: 5 })
  await vi.waitUntil(async () => await listeners() === 1, { timeout: 30_000, interval: 5 })
})

test('a heartbeat takes a reader of few kinds along, so that it does not fall behind what is kept', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => { vi.useRealTimers() })
  const { url, key, create, call } = await start()
  const [few, all] = [await openStream(url, { key, path: '/v1/changes/stream?kinds=tag.updated' }), await openStream(url, { key })]
  await vi.waitUntil(() => few.lastId() !== '' && all.lastId() !== '', { timeout: 30_000, interval: 5 })
  await create()
  await all.first(1)
  vi.advanceTimersByTime(limits.streamHeartbeatSeconds * 1000)

  await vi.waitUntil(() => few.lastId() === all.lastId(), { timeout: 30_000, interval: 5 })
  expect(few.events()).toEqual([])
  const { body } = await call('GET', `/v1/changes?cursor=${few.lastId()}`)
  expect(body).toMatchObject({ data: [] })
})

test('a reader that does not read is disconnected, and nobody else waits for it', async () => {
  const { url, key, call, create, listeners } = await start()
  const { port } = new URL(url)
  const slow = connect({ host: '127.0.0.1', port: Number(port) })
  onTestFinished(() => { slow.destroy() })
  slow.on('error', () => undefined)
  slow.write(`GET /v1/changes/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`)
  slow.pause()
  const quick = await openStream(url, { key })
  await vi.waitUntil(async () => await listeners() === 2 && quick.lastId() !== '', { timeout: 30_000, interval: 5 })
  const id = await create()
  const notes = 'x'.repeat(limits.longTextCharactersMax)
  let written = 0
  while (await listeners() === 2 && written < 200) {
    written += 1
    await call('PATCH', `/v1/customers/${id}`, { notes: `${written}${notes}`.slice(0, limits.longTextCharactersMax) })
  }

  await vi.waitUntil(async () => await listeners() === 1, { timeout: 30_000, interval: 5 })
  expect((await quick.first(written + 1)).map(({ event }) => event)).toEqual(['customer.created', ...Array<string>(written).fill('customer.updated')])
})

test('a reader that reads is sent many long changes at once, and stays', async () => {
  const { url, key, call, create, listeners } = await start()
  const reader = await openStream(url, { key })
  await vi.waitUntil(() => reader.lastId() !== '', { timeout: 30_000, interval: 5 })
  const ids = await Promise.all(Array.from({ length: 40 }, () => create()))
  const notes = 'x'.repeat(limits.longTextCharactersMax)
  await Promise.all(ids.map((id) => call('PATCH', `/v1/customers/${id}`, { notes })))

  const updated = (await reader.first(80)).filter(({ event }) => event === 'customer.updated')
  expect(customersOf(updated).toSorted((one, other) => (one ?? 0) - (other ?? 0))).toEqual(ids.toSorted((one, other) => one - other))
  expect(await listeners()).toBe(1)
})

test('five hundred readers on one process each get every change, once and in order', async () => {
  const { url, key, create, listeners } = await start()
  const readers = await Promise.all(Array.from({ length: 500 }, () => openStream(url, { key })))
  await vi.waitUntil(() => readers.every((reader) => reader.lastId() !== ''), { timeout: 30_000, interval: 5 })
  expect(await listeners()).toBe(500)
  const ids = await Promise.all(Array.from({ length: 50 }, () => create()))
  for (const reader of readers) expect(customersOf(await reader.first(50)).toSorted((one, other) => (one ?? 0) - (other ?? 0))).toEqual(ids.toSorted((one, other) => one - other))
  const [first] = readers
  for (const reader of readers) expect(reader.events()).toEqual(first?.events())
  for (const reader of readers.slice(0, 250)) reader.close()
  await vi.waitUntil(async () => await listeners() === 250, { timeout: 30_000, interval: 5 })
})
