import { expect, test } from 'vitest'
import { generateSecret, hashSecret } from '../../src/api-key.ts'
import type { Exchange, WireServer } from './expected.ts'
import { customer, customerNotFound, customerNotFoundIn, ok, page, seen, someId, startWire, unauthorized, userIdTaken } from './expected.ts'

type Ask = WireServer['ask']

/** Two organizations on one server, each asked with its own key. */
async function startTwo(): Promise<WireServer & { foreignAsk: Ask }> {
  const server = await startWire()
  const authorization = `Bearer ${await server.createForeignKey()}`
  const foreignAsk: Ask = async (method, path, body, headers = {}) => await server.ask(method, path, body, { authorization, ...headers })
  return { ...server, foreignAsk }
}

/** A cursor holds the moment of its page, which is another a second later. */
function withoutMoment({ status, body }: Exchange): Exchange {
  const { meta, ...page } = body as { meta: { cursor: string | null } }
  return { status, body: { ...page, meta: { ...meta, cursor: meta.cursor === null ? null : 'issued' } } }
}

const operations = [
  ['GET', '/v1/customers', undefined], ['GET', '/v1/customers/1', undefined], ['POST', '/v1/customers/search', {}],
  ['POST', '/v1/customers', { name: 'new' }], ['PUT', '/v1/customers/1', { name: 'new' }], ['PATCH', '/v1/customers/1', { name: 'new' }],
  ['PUT', '/v1/customers/batch', [{ customer: 1, name: 'new' }]], ['PUT', '/v1/customers/1/tags', { tags: ['new'] }],
  ['DELETE', '/v1/customers/1/tags', { tags: ['Lead'] }], ['DELETE', '/v1/customers/1', undefined], ['POST', '/v1/events', { name: 'e', customer: 1 }]
] as const

// 401

test('every operation 401: no key, a wrong key and a revoked key are told the same, and change nothing', async () => {
  // Each wrong key comes from an address of its own, or they would be slowed down.
  const { ask, create, everyone, store } = await startWire({ trustProxy: true })
  await create({ name: 'Ann', tags: ['Lead'] })
  const before = await everyone()
  const revoked = generateSecret()
  const [first] = await store.keys()
  const { id } = await store.createKey({ organizationId: first?.organizationId ?? 0, name: 'revoked', secretHash: hashSecret(revoked) })
  const asked = await ask('GET', '/v1/customers', undefined, { authorization: `Bearer ${revoked}` })
  expect(asked).toEqual(before)
  await store.revokeKey(id)

  for (const [index, [method, path, body]] of operations.entries()) {
    for (const authorization of ['', 'Bearer wrong', `Bearer ${revoked}`]) {
      const answer = await ask(method, path, body, { authorization, 'x-forwarded-for': `10.0.0.${index}` })
      expect({ method, path, authorization, ...answer }).toEqual({ method, path, authorization, ...unauthorized })
    }
  }
  expect(await everyone()).toEqual(before)
  expect(await ask('POST', '/v1/events', { name: 'first', customer: 1, createdAt: 1 })).toEqual(ok({ id: 1, name: 'first', data: {}, createdAt: '1', customer: 1 }))
})

test('GET /v1/customers 401: a key whose letters differ in case is another key', async () => {
  const { ask, key } = await startWire()
  for (const other of [key.toUpperCase(), key.toLowerCase(), key.slice(0, -1), `${key}=`]) {
    expect(await ask('GET', '/v1/customers', undefined, { authorization: `Bearer ${other}` })).toEqual(unauthorized)
  }
})

// 404

test('every operation 404: a customer of another organization is not there, and is not changed', async () => {
  const { ask, create, everyone, foreignAsk } = await startTwo()
  const id = await create({ name: 'Ann', userId: 'u', tags: [{ name: 'Lead', color: 'red' }], customData: { plan: 'pro' } })
  const before = await everyone()
  const patch = { name: 'Eve', userId: 'u', tags: [{ name: 'Lead', color: 'blue' }], customData: { plan: 5 } }
  expect(await foreignAsk('GET', `/v1/customers/${id}`)).toEqual(customerNotFound)
  expect(await foreignAsk('PATCH', `/v1/customers/${id}`, patch)).toEqual(customerNotFound)
  expect(await foreignAsk('PUT', `/v1/customers/${id}`, patch)).toEqual(customerNotFound)
  expect(await foreignAsk('PUT', `/v1/customers/${id}/tags`, { tags: patch.tags })).toEqual(customerNotFound)
  expect(await foreignAsk('DELETE', `/v1/customers/${id}/tags`, { tags: ['Lead'] })).toEqual(customerNotFound)
  expect(await foreignAsk('POST', '/v1/events', { name: 'e', customer: id })).toEqual(customerNotFound)
  expect(await foreignAsk('DELETE', `/v1/customers/${id}`)).toEqual(customerNotFound)
  expect(await everyone()).toEqual(before)
  expect(await ask('POST', '/v1/events', { name: 'first', customer: id, createdAt: 1 })).toEqual(ok({ id: someId, name: 'first', data: {}, createdAt: '1', customer: id }))
})

test('PUT /v1/customers/batch 404: with a customer of another organization in it, nobody is changed', async () => {
  const { create, everyone, foreignAsk } = await startTwo()
  const id = await create({ name: 'Ann' })
  const before = await everyone()
  await foreignAsk('POST', '/v1/customers', seen)
  const own = await foreignAsk('GET', '/v1/customers')
  expect(await foreignAsk('PUT', '/v1/customers/batch', [{ customer: 2, name: 'changed' }, { customer: id, name: 'changed' }])).toEqual(customerNotFoundIn('[1].customer'))
  expect(await foreignAsk('GET', '/v1/customers')).toEqual(own)
  expect(await everyone()).toEqual(before)
})

// 200, 201

test('GET /v1/customers and POST /v1/customers/search 200: find and count nobody of another organization', async () => {
  const { ask, create, foreignAsk } = await startTwo()
  const fields = { name: 'Ann', email: 'ann@example.com', userId: 'u', createdFrom: 'telegram', integrationId: 't', tags: [{ name: 'Lead', color: '#c377e0' }] }
  await create(fields)
  await create()
  const filters = [
    { field: 'customers.id', operator: '=', value: 1 }, { field: 'customers.id', operator: '>=', value: 0 }, { field: 'customers.name', operator: '~', value: '' },
    { field: 'customers.email', operator: '=', value: 'ann@example.com' }, { field: 'customers.userId', operator: '=', value: 'u' },
    { field: 'customers.userId', operator: '!=', value: 'x' }, { field: 'customers.phone', operator: '!~', value: 'x' },
    { field: 'customers.telegramId', operator: '=', value: 't' }, { field: 'customers.tagsData', operator: '=', value: ['Lead'] },
    { field: 'customers.firstSeen', operator: '>', value: 0 }, { field: 'customers.createdAt', operator: '>', value: 0 }
  ]
  const questions = [{}, ...filters.map((filter) => ({ filter: [filter] })), { comparison: 'OR', filter: filters }, { comparison: 'OR', filter: filters.slice(0, 2) }]
  const answers = async (asker: Ask): Promise<Exchange[]> => (await Promise.all([
    asker('GET', '/v1/customers'), asker('GET', '/v1/customers?sort=lastSeen&order=desc&limit=1'),
    ...questions.map(async (question) => await asker('POST', '/v1/customers/search', question))
  ])).map(withoutMoment)

  expect(await answers(foreignAsk)).toEqual((await answers(ask)).map(({ body }) => page([], { limit: (body as { meta: { limit: number } }).meta.limit })))
  const ownAnswers = await answers(ask)
  expect(await foreignAsk('POST', '/v1/customers', { ...seen, ...fields })).toEqual({ status: 201, body: customer(3, fields) })
  expect(await answers(ask)).toEqual(ownAnswers)
  expect(await foreignAsk('GET', '/v1/customers')).toEqual(page([customer(3, fields)]))
  expect(await foreignAsk('POST', '/v1/customers/search', { comparison: 'OR', filter: filters })).toEqual(page([customer(3, fields)]))
})

test('POST /v1/customers 201: two organizations may use one userId, and neither learns of the other', async () => {
  const { ask, create, foreignAsk } = await startTwo()
  await create({ userId: 'u' })
  expect(await foreignAsk('POST', '/v1/customers', { ...seen, userId: 'u' })).toEqual({ status: 201, body: customer(2, { userId: 'u' }) })
  expect(await foreignAsk('POST', '/v1/customers', { userId: 'u' })).toEqual(userIdTaken(2))
  expect(await ask('POST', '/v1/customers', { userId: 'u' })).toEqual(userIdTaken(1))
  expect(await foreignAsk('POST', '/v1/customers', { ...seen, userId: 'own' })).toEqual({ status: 201, body: customer(someId, { userId: 'own' }) })
  expect(await ask('PATCH', '/v1/customers/1', { userId: 'own' })).toEqual(ok(customer(1, { userId: 'own' })))
})

test('POST /v1/customers 201: tags, their colors and the types of attributes belong to one organization', async () => {
  const { ask, create, foreignAsk } = await startTwo()
  const red = { tags: [{ name: 'Lead', color: 'red' }], customData: { plan: 'pro' } }
  const blue = { tags: [{ name: 'Lead', color: 'blue' }], customData: { plan: 5 } }
  const id = await create(red)
  expect(await foreignAsk('POST', '/v1/customers', { ...seen, tags: ['Lead'] })).toEqual({ status: 201, body: customer(2, { tags: [{ name: 'Lead', color: '#c377e0' }] }) })
  expect(await foreignAsk('PATCH', '/v1/customers/2', blue)).toEqual(ok(customer(2, blue)))
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, red)))
})
