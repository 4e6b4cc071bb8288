import { expect, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { limits } from '../../src/limits.ts'
import { createDatabase } from '../engines.ts'
import type { Exchange, WireServer } from './expected.ts'
import { customer, customerNotFound, ok, startWire } from './expected.ts'

interface ChangeJson {
  readonly id: number
  readonly kind: string
  readonly customerId: number | null
}

interface PageJson {
  readonly data: readonly ChangeJson[]
  readonly meta: { readonly cursor: string | null; readonly hasMore?: boolean }
}

type Ask = WireServer['ask']

/** The ids of changes have gaps on PostgreSQL, and who made a change is told of where it matters. */
const made = { id: expect.any(Number) as number, at: expect.any(Number) as number, key: { id: 1, name: 'first' }, requestId: expect.any(String) as string }

function pageOf({ body }: Exchange): PageJson {
  return body as PageJson
}

/** Asked for again and again: on PostgreSQL what other tests do on the same server may hold the feed up for a moment. */
async function feed(ask: Ask, count: number, query = ''): Promise<PageJson> {
  return await vi.waitUntil(async () => {
    const page = pageOf(await ask('GET', `/v1/changes${query}`))
    return page.data.length >= count && page
  }, { timeout: 30_000, interval: 10 })
}

function faulty(...faults: readonly [path: string, message: string][]): Exchange {
  return { status: 400, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, ...faults.map(([code, message]) => ({ code, message }))] } }
}

const noChange: Exchange = {
  status: 404,
  body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, { code: 'not_found', message: 'There is no such change, or it is no longer kept.' }] }
}

const gone: Exchange = {
  status: 410,
  body: { errors: [
    { code: 'invalid_request', message: 'Invalid request' },
    { code: 'gone', message: 'Changes behind this cursor are no longer kept, or the database was restored from a backup. Read what you need anew, and begin without a cursor.' }
  ] }
}

const foreignCursor = 'This cursor belongs to another question or was altered. Take it from an answer to this one, or leave it out to begin.'

test('GET /v1/changes 200: tells of everything, oldest first, and where to go on', async () => {
  const { ask, create } = await startWire()
  const id = await create({ name: 'Ann', tags: ['Lead'], customData: { plan: 'Pro' } })
  await ask('PATCH', `/v1/customers/${id}`, { name: 'Bea' })
  await ask('POST', '/v1/events', { name: 'paid', data: { total: 12.5 }, customer: id, createdAt: 7 })
  await ask('PUT', `/v1/customers/${id}/tags`, { tags: [{ name: 'Lead', color: 'red' }] })
  await ask('DELETE', `/v1/customers/${id}`)
  const page = await feed(ask, 5)
  const ann = { ...customer(id, { customData: { plan: 'Pro' } }), tags: ['Lead'] }

  expect(page).toEqual({
    data: [
      { ...made, kind: 'customer.created', customerId: id, before: null, after: { ...ann, name: 'Ann' } },
      { ...made, kind: 'customer.updated', customerId: id, before: { name: 'Ann' }, after: { name: 'Bea' } },
      {
        ...made, kind: 'event.recorded', customerId: id, before: null, after: null,
        event: { id: 1, name: 'paid', data: { total: 12.5 }, createdAt: '7', customer: id }
      },
      { ...made, kind: 'tag.updated', customerId: null, before: { name: 'Lead', color: '#c377e0' }, after: { name: 'Lead', color: 'red' } },
      { ...made, kind: 'customer.deleted', customerId: id, before: { ...ann, name: 'Bea' }, after: null }
    ],
    meta: { limit: 100, cursor: expect.any(String) as string, hasMore: false }
  })
  const end = await ask('GET', `/v1/changes?cursor=${page.meta.cursor}`)
  expect(end).toEqual(ok({ data: [], meta: { limit: 100, cursor: page.meta.cursor, hasMore: false } }))
  await create()
  expect((await feed(ask, 1, `?cursor=${page.meta.cursor}`)).data.map(({ kind }) => kind)).toEqual(['customer.created'])
})

test('GET /v1/changes 200: before anything was done there is a cursor too, behind which everything comes', async () => {
  const { ask, create } = await startWire()
  const { meta: { cursor } } = pageOf(await ask('GET', '/v1/changes'))
  const id = await create()
  expect((await feed(ask, 1, `?cursor=${cursor}`)).data.map((change) => change.customerId)).toEqual([id])
})

test('GET /v1/changes 200: pages of any limit and kinds meet each change once', async () => {
  const { ask, create } = await startWire()
  for (const name of ['a', 'b', 'c']) {
    const id = await create({ name })
    await ask('POST', '/v1/events', { name: 'paid', customer: id })
    await ask('PATCH', `/v1/customers/${id}`, { company: name })
  }
  const { data: all } = await feed(ask, 9)
  const walk = async (query: string): Promise<ChangeJson[]> => {
    const read: ChangeJson[] = []
    for (let [cursor, hasMore] = ['', true]; hasMore;) {
      const { data, meta } = pageOf(await ask('GET', `/v1/changes?${query}${cursor}`))
      read.push(...data)
      cursor = `&cursor=${meta.cursor}`
      hasMore = meta.hasMore === true
    }
    return read
  }

  expect(await walk('limit=2')).toEqual(all)
  expect(await walk('limit=1&kinds=event.recorded')).toEqual(all.filter(({ kind }) => kind === 'event.recorded'))
  expect(await walk('limit=2&kinds=customer.created,customer.updated')).toEqual(all.filter(({ kind }) => kind !== 'event.recorded'))
})

test('GET /v1/changes 400: what is not known, out of range, or altered is refused and named', async () => {
  const { ask } = await startWire()
  const { meta: { cursor } } = pageOf(await ask('GET', '/v1/changes'))

  expect(await ask('GET', '/v1/changes?curser=x&limit=1001&kinds=customer.create&offset=2')).toEqual(faulty(
    ['curser', 'This parameter is not known. Did you mean "cursor"?'], ['offset', 'This parameter is not known.'],
    ['limit', 'This value should be between 1 and 1000.'],
    ['kinds', '"customer.create" is none of customer.created, customer.updated, customer.deleted, customer.restored, event.recorded, event.deleted, tag.updated. Did you mean "customer.created"?']
  ))
  expect(await ask('GET', `/v1/changes?cursor=${cursor}x`)).toEqual(faulty(['cursor', foreignCursor]))
  expect(await ask('GET', '/v1/changes?limit=0')).toEqual(faulty(['limit', 'This value should be between 1 and 1000.']))
  expect(await ask('GET', `/v1/changes?cursor=${cursor}&cursor=${cursor}`)).toEqual(faulty(['cursor', 'This parameter should be given once.']))
  expect(await ask('GET', '/v1/changes/1?x=1')).toEqual(faulty(['x', 'This parameter is not known.']))
  expect(await ask('GET', '/v1/customers/1/history?kinds=x')).toEqual(faulty(['kinds', 'This parameter is not known.']))
})

test('GET /v1/changes 410: a cursor before what was purged is gone, and the newest one is not', async () => {
  const { ask, create, store } = await startWire()
  const { meta: { cursor: begin } } = pageOf(await ask('GET', '/v1/changes'))
  await create()
  await create()
  const { meta: { cursor: first } } = await feed(ask, 1, '?limit=1')
  const { meta: { cursor: last } } = await feed(ask, 2)
  await store.purgeChanges(systemClock() + 10)

  expect(await ask('GET', `/v1/changes?cursor=${begin}`)).toEqual(gone)
  expect(await ask('GET', `/v1/changes?cursor=${first}`)).toEqual(gone)
  expect(await ask('GET', `/v1/changes/stream?cursor=${first}`)).toEqual(gone)
  expect(await ask('GET', '/v1/changes/stream', undefined, { 'last-event-id': first ?? '' })).toEqual(gone)
  expect(await ask('GET', `/v1/changes?cursor=${last}`)).toEqual(ok({ data: [], meta: { limit: 100, cursor: last, hasMore: false } }))
  const id = await create()
  expect((await feed(ask, 1, `?cursor=${last}`)).data.map((change) => change.customerId)).toEqual([id])
})

test('GET /v1/changes 400: a cursor of another organization, or of a history, is refused', async () => {
  const { ask, create, createForeignKey } = await startWire()
  const id = await create()
  await ask('PATCH', `/v1/customers/${id}`, { name: 'n' })
  const { meta: { cursor } } = await feed(ask, 2)
  const history = pageOf(await ask('GET', `/v1/customers/${id}/history?limit=1`)).meta.cursor
  const authorization = `Bearer ${await createForeignKey()}`

  expect(await ask('GET', `/v1/changes?cursor=${cursor}`, undefined, { authorization })).toEqual(faulty(['cursor', foreignCursor]))
  expect(await ask('GET', `/v1/changes?cursor=${history}`)).toEqual(faulty(['cursor', foreignCursor]))
  expect(await ask('GET', `/v1/customers/${id + 1}/history?cursor=${history}`)).toEqual(faulty(['cursor', foreignCursor]))
})

test('GET /v1/changes/{id} 200: one change, which says which request made it', async () => {
  const { ask, call, create } = await startWire()
  const id = await create({ name: 'Ann' })
  const { headers } = await call('PATCH', `/v1/customers/${id}`, { name: 'Bea' })
  const changeId = (await feed(ask, 2)).data.at(-1)?.id

  expect(await ask('GET', `/v1/changes/${changeId}`)).toEqual(ok({
    ...made, id: changeId, kind: 'customer.updated', customerId: id, requestId: headers['x-request-id'], before: { name: 'Ann' }, after: { name: 'Bea' }
  }))
})

test('GET /v1/changes/{id} 404: no such change, or one of another organization', async () => {
  const { ask, create, createForeignKey } = await startWire()
  await create()
  const [{ id } = { id: 0 }] = (await feed(ask, 1)).data
  const authorization = `Bearer ${await createForeignKey()}`

  for (const path of [id + 1, 0, 'x', '9'.repeat(17), limits.integerMax]) expect(await ask('GET', `/v1/changes/${path}`)).toEqual(noChange)
  expect(await ask('GET', `/v1/changes/${id}`, undefined, { authorization })).toEqual(noChange)
})

test('GET /v1/customers/{id}/history 200: newest first, page by page, also once the customer is deleted', async () => {
  const { ask, create } = await startWire()
  const id = await create({ name: 'Ann' })
  await create()
  await ask('PATCH', `/v1/customers/${id}`, { name: 'Bea' })
  await ask('PATCH', `/v1/customers/${id}`, { name: 'Cora', tags: ['x'] })
  const whole = await ask('GET', `/v1/customers/${id}/history`)
  const ann = { ...customer(id), tags: [], name: 'Ann' }

  expect(whole).toEqual(ok({
    data: [
      { ...made, kind: 'customer.updated', customerId: id, before: { name: 'Bea', tags: [] }, after: { name: 'Cora', tags: ['x'] } },
      { ...made, kind: 'customer.updated', customerId: id, before: { name: 'Ann' }, after: { name: 'Bea' } },
      { ...made, kind: 'customer.created', customerId: id, before: null, after: ann }
    ],
    meta: { limit: 100, cursor: null }
  }))
  const { data } = pageOf(whole)
  const first = pageOf(await ask('GET', `/v1/customers/${id}/history?limit=2`))
  expect(first).toEqual({ data: data.slice(0, 2), meta: { limit: 2, cursor: expect.any(String) as string } })
  expect(await ask('GET', `/v1/customers/${id}/history?limit=2&cursor=${first.meta.cursor}`)).toEqual(ok({ data: data.slice(2), meta: { limit: 2, cursor: null } }))
  await ask('DELETE', `/v1/customers/${id}`)
  const after = pageOf(await ask('GET', `/v1/customers/${id}/history`))
  expect(after.data.slice(1)).toEqual(data)
  expect(after.data.map(({ kind }) => kind)).toEqual(['customer.deleted', 'customer.updated', 'customer.updated', 'customer.created'])
})

test('GET /v1/customers/{id}/history 200: is empty for a customer of whom no change is kept', async () => {
  const { ask, create, store } = await startWire()
  const id = await create()
  await store.purgeChanges(systemClock() + 10)
  expect(await ask('GET', `/v1/customers/${id}/history`)).toEqual(ok({ data: [], meta: { limit: 100, cursor: null } }))
})

test('GET /v1/customers/{id}/history 404: there is neither such a customer nor a change of one', async () => {
  const { ask, create, createForeignKey } = await startWire()
  const id = await create()
  const authorization = `Bearer ${await createForeignKey()}`

  for (const other of [id + 1, 0, 'x', '9'.repeat(17)]) expect(await ask('GET', `/v1/customers/${other}/history`)).toEqual(customerNotFound)
  expect(await ask('GET', `/v1/customers/${id}/history`, undefined, { authorization })).toEqual(customerNotFound)
})

test('GET /v1/customers/{id}/history 200: attributes stand in the order in which they were set', async () => {
  const { ask, call, create } = await startWire()
  const id = await create({ customData: { b: 1 } })
  await ask('PATCH', `/v1/customers/${id}`, { customData: { 2024: 1 } })
  const { text } = await call('GET', `/v1/customers/${id}/history?limit=1`)
  expect(text).toContain('"before":{"customData":{"b":1}},"after":{"customData":{"b":1,"2024":1}}')
})

test('a server on a backup restored from before a cursor says that it is gone, and goes on from others', async () => {
  const database = await createDatabase()
  if (!database.url.startsWith('sqlite:')) return
  const server = await startWire({}, database)
  await server.create()
  const { meta: { cursor: first } } = await feed(server.ask, 1)
  await server.store.backup(`${database.folder}/copy.db`)
  await server.create()
  const { meta: { cursor: lost } } = await feed(server.ask, 2)
  const restored = await startWire({}, { openStore: async () => await database.openBackup(`${database.folder}/copy.db`) })
  const authorization = `Bearer ${server.key}`
  const ask: Ask = async (method, path) => await restored.ask(method, path, undefined, { authorization })

  expect(await ask('GET', `/v1/changes?cursor=${lost}`)).toEqual(gone)
  await restored.ask('POST', '/v1/customers', {}, { authorization })
  expect(await ask('GET', `/v1/changes?cursor=${lost}`)).toEqual(gone)
  expect(pageOf(await ask('GET', `/v1/changes?cursor=${first}`)).data.map((change) => change.customerId)).toEqual([2])
})
