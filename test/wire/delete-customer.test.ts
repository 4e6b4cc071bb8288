import { expect, test } from 'vitest'
import { customer, customerNotFound, ok, page, routeNotFound, startWire } from './expected.ts'

// 200

test('DELETE /v1/customers/{id} 200: answers the JSON string "Ok", and the customer is gone', async () => {
  const { call, ask, create, everyone } = await startWire()
  await create({ name: 'Ann' })
  const id = await create({ userId: 'u', email: 'bo@example.com', tags: ['Lead'], customData: { plan: 'pro' } })
  await ask('POST', '/v1/events', { name: 'e', customer: id })
  const { status, body, headers } = await call('DELETE', `/v1/customers/${id}`)
  expect({ status, body, contentType: headers['content-type'] }).toEqual({ ...ok('Ok'), contentType: 'application/json; charset=utf-8' })
  expect(await everyone()).toEqual(page([customer(1, { name: 'Ann' })]))
  for (const [field, value] of [['customers.userId', 'u'], ['customers.email', 'bo@example.com'], ['customers.tagsData', ['Lead']], ['customers.id', id]]) {
    expect(await ask('POST', '/v1/customers/search', { filter: [{ field, operator: '=', value }] })).toEqual(page([]))
  }
})

// 404

test('DELETE /v1/customers/{id} 404: what is gone answers nothing more', async () => {
  const { ask, create, everyone } = await startWire()
  await create()
  const id = await create()
  await ask('DELETE', `/v1/customers/${id}`)
  const before = await everyone()
  expect(await ask('DELETE', `/v1/customers/${id}`)).toEqual(customerNotFound)
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(customerNotFound)
  expect(await ask('PATCH', `/v1/customers/${id}`, { name: 'x' })).toEqual(customerNotFound)
  expect(await ask('PUT', `/v1/customers/${id}`, { name: 'x' })).toEqual(customerNotFound)
  expect(await ask('PUT', `/v1/customers/${id}/tags`, { tags: ['x'] })).toEqual(customerNotFound)
  expect(await ask('DELETE', `/v1/customers/${id}/tags`, { tags: ['x'] })).toEqual(customerNotFound)
  expect(await ask('POST', '/v1/events', { name: 'e', customer: id })).toEqual(customerNotFound)
  expect(await everyone()).toEqual(before)
})

test('DELETE /v1/customers/{id} 404: no such customer', async () => {
  const { ask, create, everyone } = await startWire()
  await create()
  const before = await everyone()
  for (const id of ['2', '0', '-1', '1.5', '01', 'abc', 'batch', '9007199254740992']) {
    expect({ id, ...await ask('DELETE', `/v1/customers/${id}`) }).toEqual({ id, ...customerNotFound })
  }
  expect(await ask('DELETE', '/v1/customers/1/nothing')).toEqual(routeNotFound)
  expect(await everyone()).toEqual(before)
})
