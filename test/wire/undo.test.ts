import { expect, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { defaultColor } from '../../src/tag-color.ts'
import { createDatabase } from '../engines.ts'
import type { Exchange, WireServer } from './expected.ts'
import { customer, invalid, ok, page, seen, startWire, unauthorized, wants } from './expected.ts'

interface ShownChange {
  readonly id: number | null
  readonly kind: string
  readonly at: number
  readonly customerId: number | null
  readonly requestId: string
  readonly before: Record<string, unknown> | null
  readonly after: Record<string, unknown> | null
  readonly event?: unknown
}

interface UndoServer extends WireServer {
  /** Answers the id of the request. */
  readonly request: (...request: Parameters<WireServer['call']>) => Promise<string>
  /** Takes back all that a request did. */
  readonly undo: (requestId: string, body?: object) => Promise<Exchange & { readonly requestId: string }>
  /** The ids of the changes of a request, found by taking them back without doing it. */
  readonly changesOf: (requestId: string) => Promise<number[]>
}

async function start(database?: Parameters<typeof startWire>[1]): Promise<UndoServer> {
  const server = await startWire({}, database)
  return {
    ...server,
    async request(...request) {
      const { status, headers, body } = await server.call(...request)
      if (status >= 300) throw new Error(`${status}: ${JSON.stringify(body)}`)
      return String(headers['x-request-id'])
    },
    async undo(requestId, body) {
      const { status, body: answer, headers } = await server.call('POST', `/v1/requests/${requestId}/undo`, body)
      return { status, body: answer, requestId: String(headers['x-request-id']) }
    },
    async changesOf(requestId) {
      const { organizationId } = (await server.store.keys())[0] ?? { organizationId: 0 }
      return (await server.store.changesOfRequest(organizationId, requestId, limits.requestUndoMax)).map(({ change }) => change.id)
    }
  }
}

/** What was done, without who and when. */
function done({ status, body }: Exchange): unknown {
  if (status !== 200) return { status, body }
  const { dryRun, changes } = body as { dryRun: boolean; changes: ShownChange[] }
  return { dryRun, changes: changes.map(({ kind, customerId: id, before, after, event }) => ({ kind, customerId: id, before, after, ...(event === undefined ? {} : { event }) })) }
}

const dryRun = false
const updated = (id: number, before: object, after: object) => ({ kind: 'customer.updated', customerId: id, before, after })
const message = 'Something touched the same since. Nothing was taken back; send "force": true to take it back all the same.'

function conflict(...conflicts: readonly { readonly changeId: number | undefined; readonly kind: string; readonly fields?: readonly string[] }[]): Exchange {
  const entries = conflicts.map(({ changeId, kind, fields }) => ({
    code: 'conflict',
    message: `Change ${changeId} (${kind}) touched ${fields?.join(', ') ?? 'all of it'} since.`,
    changeId, ...(fields === undefined ? {} : { fields })
  }))
  return { status: 409, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, { code: 'conflict', message }, ...entries] } }
}

function refused(status: number, code: string, text: string, more: object = {}): Exchange {
  return { status, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, { code, message: text, ...more }] } }
}

// POST /v1/changes/{id}/undo

test('POST /v1/changes/{id}/undo 200: an update is taken back as a new change, which says who did it, when and in which request', async () => {
  const { call, ask, create, request, changesOf, store } = await start()
  const id = await create({ name: 'Ann', customData: { z: 1, a: 2 } })
  const [change] = await changesOf(await request('PATCH', `/v1/customers/${id}`, { name: 'Bob', customData: { z: null } }))
  const { status, text, body, headers } = await call('POST', `/v1/changes/${change}/undo`)
  const { changes: [made] } = body as { changes: [ShownChange] }
  const [key] = await store.keys()
  expect({ status, text }).toEqual({ status: 200, text: JSON.stringify({ dryRun, changes: [{
    id: made.id, kind: 'customer.updated', at: made.at, customerId: id, key: { id: key?.id, name: 'first' }, requestId: headers['x-request-id'],
    before: { name: 'Bob', customData: { a: 2 } }, after: { name: 'Ann', customData: { z: 1, a: 2 } }
  }] }) })
  expect(made.id).toBeGreaterThan(change ?? 0)
  expect(JSON.stringify((await ask('GET', `/v1/customers/${id}`)).body)).toBe(JSON.stringify(customer(id, { name: 'Ann', customData: { z: 1, a: 2 } })))
})

test('POST /v1/changes/{id}/undo 200: what was taken back can be taken back in turn', async () => {
  const { ask, create, request, undo } = await start()
  const id = await create({ name: 'Ann', tags: ['Lead'] })
  const patched = await request('PATCH', `/v1/customers/${id}`, { name: 'Bob', tags: ['VIP'], city: 'Lviv' })
  const after = await ask('GET', `/v1/customers/${id}`)
  const { requestId } = await undo(patched)
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, { name: 'Ann', tags: [{ name: 'Lead', color: defaultColor }] })))
  await undo(requestId)
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(after)
})

test('POST /v1/changes/{id}/undo 200: a creation is taken back by a deletion, that by a restoration with the same id, dates, tags in colors of now and events', async () => {
  const { ask, request, undo, create } = await start()
  const other = await create({ tags: ['Lead'] })
  const created = await request('POST', '/v1/customers', { ...seen, userId: 'u', tags: ['Lead', 'VIP'], customData: { plan: 'pro' } })
  const id = other + 1
  const undone = await undo(created)
  const gone = { kind: 'customer.deleted', customerId: id, before: { ...customer(id, { userId: 'u', customData: { plan: 'pro' } }), tags: ['Lead', 'VIP'] }, after: null }
  expect(done(undone)).toEqual({ dryRun, changes: [gone] })
  expect((await ask('GET', `/v1/customers/${id}`)).status).toBe(404)

  await ask('PUT', `/v1/customers/${other}/tags`, { tags: [{ name: 'Lead', color: 'red' }] })
  expect(done(await undo(undone.requestId))).toEqual({ dryRun, changes: [{ ...gone, kind: 'customer.restored', before: null, after: gone.before }] })
  const restored = customer(id, { userId: 'u', tags: [{ name: 'Lead', color: 'red' }, { name: 'VIP', color: defaultColor }], customData: { plan: 'pro' } })
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(restored))
  for (const [field, value] of [['userId', 'u'], ['tagsData', ['VIP']], ['customData.plan', 'pro'], ['id', id]] as const) {
    expect(await ask('POST', '/v1/customers/search', { filter: [{ field: `customers.${field}`, operator: '=', value }] })).toEqual(page([restored]))
  }
  expect(await ask('GET', '/v1/customers?limit=1')).toMatchObject({ body: { total: 2 } })
  expect((await ask('POST', '/v1/customers', { userId: 'u' })).status).toBe(400)
})

test('POST /v1/changes/{id}/undo 200: a customer who is restored has the time of its creation, its events, and counts in the list at its place', async () => {
  const database = await createDatabase()
  const { ask, create, request, undo, everyone } = await start(database)
  await create()
  const id = await create({ firstSeen: 1_500_000_000 })
  await create()
  await ask('POST', '/v1/events', { name: 'bought', customer: id, createdAt: 5 })
  await ask('POST', '/v1/events', { name: 'bought', customer: id, createdAt: 6 })
  const before = await everyone()
  const creation = await database.sql(`select created_at from customers where id = ${id}`)
  await undo(await request('DELETE', `/v1/customers/${id}`))
  expect(await everyone()).toEqual(before)
  expect(await database.sql(`select created_at from customers where id = ${id}`)).toEqual(creation)
  const bought = { filter: [{ field: 'events.bought', operator: '=', value: 2, since: 5, until: 6 }] }
  expect(await ask('POST', '/v1/customers/search', bought)).toMatchObject({ body: { total: 1 } })
})

test('POST /v1/changes/{id}/undo 200: an event is deleted, and recorded again under its id', async () => {
  const { ask, call, create, undo } = await start()
  const id = await create()
  const { body: event, headers } = await call('POST', '/v1/events', { name: 'bought', customer: id, data: { price: 2 }, createdAt: 5 })
  const bought = { filter: [{ field: 'events.bought', operator: '>=', value: 1 }] }
  const undone = await undo(String(headers['x-request-id']))
  expect(done(undone)).toEqual({ dryRun, changes: [{ kind: 'event.deleted', customerId: id, before: null, after: null, event }] })
  expect(await ask('POST', '/v1/customers/search', bought)).toEqual(page([]))
  expect(done(await undo(undone.requestId))).toEqual({ dryRun, changes: [{ kind: 'event.recorded', customerId: id, before: null, after: null, event }] })
  expect(await ask('POST', '/v1/customers/search', bought)).toEqual(page([customer(id)]))
})

test('POST /v1/changes/{id}/undo 200: with dryRun nothing is done, and the answer says what would be', async () => {
  const { ask, create, request, undo, everyone } = await start()
  const id = await create({ name: 'Ann' })
  const patched = await request('PATCH', `/v1/customers/${id}`, { name: 'Bob' })
  const before = await everyone()
  const would = await undo(patched, { dryRun: true })
  expect(done(would)).toEqual({ dryRun: true, changes: [updated(id, { name: 'Bob' }, { name: 'Ann' })] })
  expect((would.body as { changes: ShownChange[] }).changes[0]).toMatchObject({ id: null, requestId: would.requestId })
  expect(await everyone()).toEqual(before)
  expect((await ask('POST', `/v1/requests/${would.requestId}/undo`)).status).toBe(404)
  expect(done(await undo(patched))).toEqual({ dryRun, changes: [updated(id, { name: 'Bob' }, { name: 'Ann' })] })
})

test('POST /v1/changes/{id}/undo 409: later changes of the same are listed, and force overrides them', async () => {
  const { ask, create, request, undo, changesOf, everyone } = await start()
  const id = await create({ name: 'Ann', customData: { plan: 'old' } })
  const first = await request('PATCH', `/v1/customers/${id}`, { name: 'Bob', customData: { plan: 'new' } })
  const second = await request('PATCH', `/v1/customers/${id}`, { customData: { plan: 'newer', seats: 3 } })
  const third = await request('PATCH', `/v1/customers/${id}`, { name: 'Cleo', notes: 'x' })
  const changeIds = (await Promise.all([second, third].map(changesOf))).flat()
  const before = await everyone()
  const { status, body } = await undo(first)
  expect({ status, body }).toEqual(conflict(
    { changeId: changeIds[0], kind: 'customer.updated', fields: ['customData.plan'] }, { changeId: changeIds[1], kind: 'customer.updated', fields: ['name'] }))
  expect(await everyone()).toEqual(before)

  expect(done(await undo(first, { force: true }))).toEqual({ dryRun, changes: [
    updated(id, { name: 'Cleo', customData: { plan: 'newer', seats: 3 } }, { name: 'Ann', customData: { plan: 'old', seats: 3 } })] })
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, { name: 'Ann', notes: 'x', customData: { plan: 'old', seats: 3 } })))
})

test('POST /v1/changes/{id}/undo 409: nothing is taken back twice, and with force what is so already is no change', async () => {
  const { create, request, undo, changesOf } = await start()
  const id = await create({ name: 'Ann' })
  const deleted = await request('DELETE', `/v1/customers/${id}`)
  const { requestId } = await undo(deleted)
  const [restoration] = await changesOf(requestId)
  const { status, body } = await undo(deleted)
  expect({ status, body }).toEqual(conflict({ changeId: restoration, kind: 'customer.restored' }))
  expect(done(await undo(deleted, { force: true }))).toEqual({ dryRun, changes: [] })
})

test.each([{}, { force: true }])('POST /v1/changes/{id}/undo 409: a userId that somebody else has meanwhile: %o', async (options) => {
  const { ask, create, request, undo } = await start()
  const id = await create({ userId: 'u' })
  const deleted = await request('DELETE', `/v1/customers/${id}`)
  const holder = await create({ userId: 'u' })
  const changeId = Number(/Change (\d+)/.exec(JSON.stringify((await undo(deleted, options)).body))?.[1])
  const { status, body } = await undo(deleted, options)
  expect({ status, body }).toEqual(refused(409, 'conflict',
    `Change ${changeId} cannot be taken back: customer ${holder} has the userId of customer ${id} now. Give it another first.`, { existingId: holder }))
  await ask('PATCH', `/v1/customers/${holder}`, { userId: null })
  expect((await undo(deleted, options)).status).toBe(200)
})

test('POST /v1/changes/{id}/undo 410: a deletion that is final', async () => {
  const database = await createDatabase()
  const { create, request, undo } = await start(database)
  const deleted = await request('DELETE', `/v1/customers/${await create()}`)
  await database.sql('update trash set final_before = 4000000000')
  const { status, body } = await undo(deleted)
  expect({ status, body }).toEqual(refused(410, 'gone', 'This deletion is too old to be taken back: the customer is deleted for good.'))
})

test('POST /v1/changes/{id}/undo 404: no such change, or one of another organization', async () => {
  const { ask, create, request, changesOf, createForeignKey, everyone } = await start()
  const id = await create({ name: 'Ann' })
  const [change] = await changesOf(await request('PATCH', `/v1/customers/${id}`, { name: 'Bob' }))
  const authorization = `Bearer ${await createForeignKey()}`
  const before = await everyone()
  const none = refused(404, 'not_found', 'There is no such change, or it is no longer kept.')
  for (const wrong of ['0', '999999', '-1', 'x', '1.5', '9007199254740993']) expect(await ask('POST', `/v1/changes/${wrong}/undo`)).toEqual(none)
  expect(await ask('POST', `/v1/changes/${change}/undo`, {}, { authorization })).toEqual(none)
  expect(await everyone()).toEqual(before)
})

test('POST /v1/changes/{id}/undo 400: what is not known or of another type', async () => {
  const { ask } = await start()
  const unknown = 'This key is not known. Did you mean "dryRun"?'
  expect(await ask('POST', '/v1/changes/1/undo', { dryrun: true, force: 1 })).toEqual(invalid(['dryrun', unknown], ['force', wants.boolean]))
  expect(await ask('POST', '/v1/changes/1/undo?force=true', {})).toEqual(invalid(['force', 'This parameter is not known.']))
  expect(await ask('POST', '/v1/requests/x/undo', [])).toEqual(invalid(['body', wants.object]))
  expect(await ask('POST', '/v1/requests/x/undo', '{')).toEqual(invalid(['body', wants.json]))
})

test('POST /v1/changes/{id}/undo 401: no key', async () => {
  const { ask } = await start()
  expect(await ask('POST', '/v1/changes/1/undo', {}, { authorization: '' })).toEqual(unauthorized)
  expect(await ask('POST', '/v1/requests/x/undo', {}, { authorization: '' })).toEqual(unauthorized)
})

// POST /v1/requests/{requestId}/undo

test('POST /v1/requests/{requestId}/undo 200: a batch with a recoloring is taken back whole, in reverse', async () => {
  const { ask, create, request, undo, everyone } = await start()
  const one = await create({ name: 'Ann', tags: ['Lead'], userId: 'u1' })
  const two = await create({ name: 'Bob', userId: 'u2' })
  const before = await everyone()
  const batch = await request('PUT', '/v1/customers/batch', [
    { customer: one, userId: null, tags: [{ name: 'Lead', color: 'red' }, 'VIP'] }, { customer: two, userId: 'u1' }, { customer: one, name: 'Cleo' }])
  const after = await everyone()
  const undone = await undo(batch)
  expect(done(undone)).toEqual({ dryRun, changes: [
    updated(one, { name: 'Cleo' }, { name: 'Ann' }),
    updated(two, { userId: 'u1' }, { userId: 'u2' }),
    updated(one, { userId: null, tags: ['Lead', 'VIP'] }, { userId: 'u1', tags: ['Lead'] }),
    { kind: 'tag.updated', customerId: null, before: { name: 'Lead', color: 'red' }, after: { name: 'Lead', color: defaultColor } }
  ] })
  expect(await everyone()).toEqual(before)
  expect(await ask('GET', `/v1/customers/${one}`)).toEqual(ok(customer(one, { name: 'Ann', userId: 'u1', tags: [{ name: 'Lead', color: defaultColor }] })))
  expect((await undo(undone.requestId)).status).toBe(200)
  expect(await everyone()).toEqual(after)
})

test('POST /v1/requests/{requestId}/undo 409: one conflict, and nothing is taken back', async () => {
  const { create, request, undo, changesOf, everyone } = await start()
  const one = await create({ name: 'Ann' })
  const two = await create({ name: 'Bob' })
  const batch = await request('PUT', '/v1/customers/batch', [{ customer: one, name: 'x' }, { customer: two, name: 'y' }])
  const [later] = await changesOf(await request('PATCH', `/v1/customers/${two}`, { name: 'z' }))
  const before = await everyone()
  const { status, body } = await undo(batch)
  expect({ status, body }).toEqual(conflict({ changeId: later, kind: 'customer.updated', fields: ['name'] }))
  expect(await everyone()).toEqual(before)
})

test('POST /v1/requests/{requestId}/undo 409: more changes than can be taken back together', async () => {
  const database = await createDatabase()
  const { create, request, undo, changesOf } = await start(database)
  const id = await create({ name: 'Ann' })
  const patched = await request('PATCH', `/v1/customers/${id}`, { name: 'Bob' })
  const [change = 0] = await changesOf(patched)
  const rows = Array.from({ length: limits.requestUndoMax }, (_, index) => `(${change + 1 + index}, 1, ${id}, 'customer.updated', 5, 1, '${patched}', '{}', '{}')`)
  await database.sql(`insert into changes (id, organization_id, customer_id, kind, at, key_id, request_id, before, after) values ${rows.join()}`)
  // Another process has written those; this one learns of them with its next commit.
  await create()
  const { status, body } = await undo(patched)
  expect({ status, body }).toEqual(refused(409, 'conflict', 'This request made more than 1000 changes, too many to take back together. Take them back one by one.'))
})

test('POST /v1/requests/{requestId}/undo 404: a request that changed nothing, or of another organization', async () => {
  const { call, ask, create, request, createForeignKey } = await start()
  const id = await create({ name: 'Ann' })
  const none = refused(404, 'not_found', 'This request changed nothing, or its changes are no longer kept.')
  const { headers } = await call('GET', `/v1/customers/${id}`)
  const patched = await request('PATCH', `/v1/customers/${id}`, { name: 'Bob' })
  const authorization = `Bearer ${await createForeignKey()}`
  expect(await ask('POST', `/v1/requests/${String(headers['x-request-id'])}/undo`)).toEqual(none)
  for (const wrong of ['whatever', '%00', `${patched}%00`]) expect(await ask('POST', `/v1/requests/${wrong}/undo`)).toEqual(none)
  expect(await ask('POST', `/v1/requests/${patched}/undo`, {}, { authorization })).toEqual(none)
})

test('POST /v1/changes/{id}/undo 409: more changes since than can be looked through', async () => {
  const database = await createDatabase()
  const { ask, create, request, changesOf } = await start(database)
  const id = await create({ name: 'Ann' })
  const [change = 0] = await changesOf(await request('PATCH', `/v1/customers/${id}`, { name: 'Bob' }))
  // Far from those that a sequence gives next.
  const first = change + 1_000_000
  const rows = Array.from({ length: limits.undoLaterChangesMax + 1 }, (_, index) => `(${first + index}, 1, ${id}, 'customer.updated', 5, 1, 'other', '{}', '{}')`)
  await database.sql(`insert into changes (id, organization_id, customer_id, kind, at, key_id, request_id, before, after) values ${rows.join()}`)
  const message = 'More than 10000 changes came since, too many to tell what they touched. Nothing was taken back; send "force": true to take it back all the same.'
  expect(await ask('POST', `/v1/changes/${change}/undo`)).toEqual(refused(409, 'conflict', message))
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, { name: 'Bob' })))
  expect(await ask('POST', `/v1/changes/${change}/undo`, { force: true })).toMatchObject({ status: 200 })
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, { name: 'Ann' })))
})

test('an undo with an Idempotency-Key is done once, and its refusal told again whole', async () => {
  const { call, create, request } = await start()
  const id = await create({ name: 'Ann' })
  const first = await request('PATCH', `/v1/customers/${id}`, { name: 'Bob' })
  const second = await request('PATCH', `/v1/customers/${id}`, { name: 'Cleo' })
  for (const requestId of [first, second]) {
    const ask = async () => await call('POST', `/v1/requests/${requestId}/undo`, {}, { 'idempotency-key': requestId })
    const [{ status, text }, again] = [await ask(), await ask()]
    expect({ status: again.status, text: again.text, replayed: again.headers['idempotency-replayed'] }).toEqual({ status, text, replayed: 'true' })
    expect(status).toBe(requestId === first ? 409 : 200)
  }
})

test('undos of one deletion at the same time restore the customer once', async () => {
  const { create, request, ask, undo } = await start()
  const id = await create({ userId: 'u' })
  const deleted = await request('DELETE', `/v1/customers/${id}`)
  const answers = await Promise.all(Array.from({ length: 8 }, async () => await undo(deleted)))
  expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, ...Array<number>(7).fill(409)])
  expect(await ask('GET', '/v1/customers')).toEqual(page([customer(id, { userId: 'u' })]))
})

test('a customer restored below the lowest id is found by a search that had forgotten it', async () => {
  const { ask, call, create } = await startWire()
  const byId = { sort: 'id', filter: [{ field: 'customers.id', operator: '>', value: 0 }] }
  const first = await create()
  const gone = await call('DELETE', `/v1/customers/${first}`)
  const second = await create()
  expect(await ask('POST', '/v1/customers/search', byId)).toEqual(page([customer(second)]))
  expect((await call('POST', `/v1/requests/${String(gone.headers['x-request-id'])}/undo`)).status).toBe(200)
  expect(await ask('POST', '/v1/customers/search', byId)).toEqual(page([customer(first), customer(second)]))
})
