import { expect, test } from 'vitest'
import { customer, customerNotFound, ok, startWire } from './expected.ts'

// Bad input is the same as for tagging: see tag-customer.test.ts.

const color = '#c377e0'
const tagged = (...names: string[]): { tags: { name: string; color: string }[] } => ({ tags: names.map((name) => ({ name, color })) })

// 200

test('DELETE /v1/customers/{id}/tags 200: removes tags by name, in any of their forms', async () => {
  const { ask, create } = await startWire()
  const id = await create({ tags: ['a', 'b', 'c', 'd'] })
  expect(await ask('DELETE', `/v1/customers/${id}/tags`, { tags: ['c', { name: 'a' }] })).toEqual(ok(customer(id, tagged('b', 'd'))))
  expect(await ask('DELETE', `/v1/customers/${id}/tags`, { tags: [{ name: 'b', color: 'red' }, 'b'] })).toEqual(ok(customer(id, tagged('d'))))
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, tagged('d'))))
})

test('DELETE /v1/customers/{id}/tags 200: tags that are not there are no error, and an empty list does nothing', async () => {
  const { ask, create } = await startWire()
  const id = await create({ tags: ['Lead'] })
  for (const tags of [['lead'], ['never heard of'], []]) {
    expect({ sent: tags, ...await ask('DELETE', `/v1/customers/${id}/tags`, { tags }) }).toEqual({ sent: tags, ...ok(customer(id, tagged('Lead'))) })
  }
})

test('DELETE /v1/customers/{id}/tags 200: neither makes a tag nor changes a color', async () => {
  const { ask, create } = await startWire()
  await create({ tags: ['Lead'] })
  const id = await create({ tags: ['Lead'] })
  await ask('DELETE', `/v1/customers/${id}/tags`, { tags: [{ name: 'Lead', color: 'red' }, { name: 'New', color: 'red' }] })
  expect(await ask('GET', '/v1/customers/1')).toEqual(ok(customer(1, tagged('Lead'))))
  expect(await ask('PUT', `/v1/customers/${id}/tags`, { tags: ['New'] })).toEqual(ok(customer(id, tagged('New'))))
})

test('DELETE /v1/customers/{id}/tags 200: a tag taken off and put on again comes last', async () => {
  const { ask, create } = await startWire()
  const id = await create({ tags: ['a', 'b'] })
  await ask('DELETE', `/v1/customers/${id}/tags`, { tags: ['a'] })
  expect(await ask('PUT', `/v1/customers/${id}/tags`, { tags: ['a'] })).toEqual(ok(customer(id, tagged('b', 'a'))))
})

// 404

test('DELETE /v1/customers/{id}/tags 404: no such customer', async () => {
  const { ask, create } = await startWire()
  await create({ tags: ['Lead'] })
  for (const id of ['2', '0', '-1', 'abc', '1.5', '9007199254740992']) {
    expect({ id, ...await ask('DELETE', `/v1/customers/${id}/tags`, { tags: ['Lead'] }) }).toEqual({ id, ...customerNotFound })
  }
  expect(await ask('GET', '/v1/customers/1')).toEqual(ok(customer(1, tagged('Lead'))))
})
