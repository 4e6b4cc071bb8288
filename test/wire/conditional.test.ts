import { expect, test } from 'vitest'
import type { Answer, TestServer } from '../start-server.ts'
import { startServer } from '../start-server.ts'
import { customer, ok, seen, someId } from './expected.ts'

const changed = { status: 412, body: { errors: [
  { code: 'invalid_request', message: 'Invalid request' },
  { code: 'precondition_failed', message: 'The customer has changed since. Get it again, and decide anew what to change; its ETag of now is in the answer.' }
] } }

const exchange = ({ status, body }: Answer): { status: number; body: unknown } => ({ status, body })

function etagOf({ headers }: Answer): string {
  expect(headers.etag).toMatch(/^"\d+-\d+"$/)
  return String(headers.etag)
}

const versionOf = (answer: Answer): number => Number(/\d+/.exec(etagOf(answer))?.[0])

async function startWithAnn(): Promise<TestServer & { readonly created: Answer }> {
  const server = await startServer()
  return { ...server, created: await server.call('POST', '/v1/customers', { ...seen, name: 'Ann' }) }
}

/** Every route that writes one customer, with a body that changes it. */
const writes = [
  ['PUT', '/v1/customers/1', { ...seen, name: 'Bo' }], ['PATCH', '/v1/customers/1', { name: 'Bo' }],
  ['PUT', '/v1/customers/1/tags', { tags: ['Lead'] }], ['DELETE', '/v1/customers/1/tags', { tags: ['Old'] }], ['DELETE', '/v1/customers/1', undefined]
] as const

test('every answer with one customer has the ETag that a GET then has', async () => {
  const { call, created } = await startWithAnn()
  expect(etagOf(await call('GET', '/v1/customers/1'))).toBe(etagOf(created))
  for (const [method, path, body] of writes.slice(0, -1)) {
    const answer = await call(method, path, body)
    expect(answer.status).toBe(200)
    expect({ path, etag: etagOf(await call('GET', '/v1/customers/1')) }).toEqual({ path, etag: etagOf(answer) })
  }
})

test('the version grows with every change of the customer, and not when nothing changes or an event is recorded', async () => {
  const { call, created } = await startWithAnn()
  const patched = await call('PATCH', '/v1/customers/1', { name: 'Bo' })
  const same = await call('PATCH', '/v1/customers/1', { name: 'Bo' })
  await call('POST', '/v1/events', { name: 'paid', customer: 1 })
  const tagged = await call('PUT', '/v1/customers/1/tags', { tags: ['Lead'] })
  expect(versionOf(patched)).toBeGreaterThan(versionOf(created))
  expect(versionOf(same)).toBe(versionOf(patched))
  expect(versionOf(tagged)).toBeGreaterThan(versionOf(patched))
})

test('PUT /v1/customers/batch: a customer that stands in it twice has the version of the last', async () => {
  const { call, created } = await startWithAnn()
  await call('PUT', '/v1/customers/batch', [{ customer: 1, name: 'Bo' }, { customer: 1, name: 'Cy' }, { customer: 1, name: 'Cy' }])
  const got = await call('GET', '/v1/customers/1')
  expect(versionOf(got)).toBeGreaterThan(versionOf(created))
  expect(exchange(await call('PATCH', '/v1/customers/1', { name: 'Di' }, { 'if-match': etagOf(got) }))).toEqual(ok(customer(1, { name: 'Di' })))
})

test('GET /v1/customers/{id} 304: with the ETag in If-None-Match, also a weakened one or one of several, there is no body', async () => {
  const { call, created } = await startWithAnn()
  const etag = etagOf(created)
  for (const header of [etag, `W/${etag}`, `"0-0", ${etag}`, '*']) {
    const answer = await call('GET', '/v1/customers/1', undefined, { 'if-none-match': header })
    expect({ header, status: answer.status, text: answer.text, etag: answer.headers.etag }).toEqual({ header, status: 304, text: '', etag })
  }
  for (const header of ['"0-0"', etag.slice(1, -1), `"${versionOf(created)}"`]) {
    expect(exchange(await call('GET', '/v1/customers/1', undefined, { 'if-none-match': header }))).toEqual(ok(customer(1, { name: 'Ann' })))
  }
})

test('GET /v1/customers/{id} 200: If-None-Match notices a recoloring of its tag, which If-Match passes over', async () => {
  const { call } = await startWithAnn()
  const before = etagOf(await call('PUT', '/v1/customers/1/tags', { tags: [{ name: 'Lead', color: 'red' }] }))
  await call('POST', '/v1/customers', { ...seen, tags: [{ name: 'Lead', color: 'blue' }] })
  const blue = customer(1, { name: 'Ann', tags: [{ name: 'Lead', color: 'blue' }] })
  const got = await call('GET', '/v1/customers/1', undefined, { 'if-none-match': before })
  expect(exchange(got)).toEqual(ok(blue))
  expect(etagOf(got)).not.toBe(before)
  expect(versionOf(got)).toBe(Number(/\d+/.exec(before)?.[0]))
  expect(exchange(await call('PATCH', '/v1/customers/1', { name: 'Bo' }, { 'if-match': before }))).toEqual(ok({ ...blue, name: 'Bo' }))
})

test('a new tag elsewhere leaves the ETag of a customer as it is', async () => {
  const { call, created } = await startWithAnn()
  await call('POST', '/v1/customers', { ...seen, tags: [{ name: 'Lead', color: 'blue' }] })
  expect(etagOf(await call('GET', '/v1/customers/1'))).toBe(etagOf(created))
})

test.for(writes)('%s %s 412: with the ETag of an older version nothing changes, and the answer has that of now', async ([method, path, body]) => {
  const { call, created } = await startWithAnn()
  const now = await call('PATCH', '/v1/customers/1', { name: 'Cy', tags: ['Old'] })
  for (const header of [etagOf(created), '"x"', 'unquoted', '']) {
    const answer = await call(method, path, body, { 'if-match': header })
    expect({ header, ...exchange(answer), etag: answer.headers.etag }).toEqual({ header, ...changed, etag: etagOf(now) })
  }
  expect((await call('GET', '/v1/customers/1')).text).toBe(now.text)
})

test.for(writes)('%s %s 200: with the ETag of now, one of several, or any', async ([method, path, body]) => {
  for (const headerOf of [(etag: string) => etag, (etag: string) => `"0-0", W/${etag}`, () => '*']) {
    const { call } = await startWithAnn()
    const now = await call('PATCH', '/v1/customers/1', { name: 'Cy', tags: ['Old'] })
    expect((await call(method, path, body, { 'if-match': headerOf(etagOf(now)) })).status).toBe(200)
  }
})

test('what would be refused without If-Match is refused for what it is', async () => {
  const { call } = await startWithAnn()
  await call('POST', '/v1/customers', { ...seen, userId: 'taken' })
  const headers = { 'if-match': '"0-0"' }
  expect((await call('PATCH', '/v1/customers/99', { name: 'Bo' }, headers)).status).toBe(404)
  expect((await call('PATCH', '/v1/customers/1', { email: 'x' }, headers)).status).toBe(400)
  expect(exchange(await call('PATCH', '/v1/customers/1', { userId: 'taken' }, headers)))
    .toEqual({ status: 400, body: { errors: [{ code: 'invalid_userId_value', message: 'userId value is invalid', existingId: someId }] } })
})

test('of two that change the version they saw, one is refused', async () => {
  const { call, created } = await startWithAnn()
  const headers = { 'if-match': etagOf(created) }
  const answers = await Promise.all(['Bo', 'Cy', 'Di', 'Ed'].map(async (name) => await call('PATCH', '/v1/customers/1', { name }, headers)))
  expect(answers.map(({ status }) => status).toSorted((one, other) => one - other)).toEqual([200, 412, 412, 412])
})
