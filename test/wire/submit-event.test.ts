import { expect, test } from 'vitest'
import type { CustomerEvent } from '../../src/contract/event.ts'
import { customer, customerNotFound, invalid, ok, startWire, wants } from './expected.ts'

// 200

test('POST /v1/events 200: answers the event, its time in seconds as text', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  const before = Math.floor(Date.now() / 1000)
  const { status, body } = await ask('POST', '/v1/events', { name: 'order placed', data: { total: 12.5, items: ['a', null, { b: true }] }, customer: id })
  const after = Math.floor(Date.now() / 1000)
  const { createdAt } = body as CustomerEvent
  expect({ status, body }).toEqual(ok({ id: 1, name: 'order placed', data: { total: 12.5, items: ['a', null, { b: true }] }, createdAt, customer: id }))
  expect(createdAt).toMatch(/^\d+$/)
  expect(Number(createdAt)).toBeGreaterThanOrEqual(before)
  expect(Number(createdAt)).toBeLessThanOrEqual(after)
})

test('POST /v1/events 200: takes the looser forms that clients send', async () => {
  const { ask, create } = await startWire()
  const customerId = await create()
  const events: { sent: Record<string, unknown>; becomes: Partial<CustomerEvent> }[] = [
    { sent: { customer: String(customerId), createdAt: 5 }, becomes: {} },
    { sent: { customer: customerId, data: null, createdAt: '5' }, becomes: {} },
    { sent: { customer: customerId, data: {}, createdAt: 5.9, id: 77 }, becomes: {} },
    { sent: { customer: customerId, createdAt: 0 }, becomes: { createdAt: '0' } },
    { sent: { customer: customerId, createdAt: '253402300799' }, becomes: { createdAt: '253402300799' } },
    { sent: { customer: customerId, createdAt: 5, data: { constructor: 1, toJSON: 'x', '': { a: '𝒳' } } }, becomes: { data: { constructor: 1, toJSON: 'x', '': { a: '𝒳' } } } }
  ]
  for (const [index, { sent, becomes }] of events.entries()) {
    expect({ sent, ...await ask('POST', '/v1/events', { name: 'e', ...sent }) })
      .toEqual({ sent, ...ok({ id: index + 1, name: 'e', data: {}, createdAt: '5', customer: customerId, ...becomes }) })
  }
})

test('POST /v1/events 200: data may have a key __proto__, which is data like any other', async () => {
  const { call, create } = await startWire()
  const id = await create()
  const { body } = await call('POST', '/v1/events', `{"name":"e","customer":${id},"createdAt":5,"data":{"__proto__":{"a":1}}}`)
  expect(JSON.stringify(body)).toBe(`{"id":1,"name":"e","data":{"__proto__":{"a":1}},"createdAt":"5","customer":${id}}`)
})

test('POST /v1/events 200: leaves the customer as it was, lastSeen too', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  await ask('POST', '/v1/events', { name: 'e', customer: id })
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id)))
})

// 400

const bad = (body: unknown, ...faults: [string, string][]): { body: unknown; faults: [string, string][] } => ({ body, faults })
const badEvents = [
  bad({}, ['name', wants.something], ['customer', wants.something]),
  bad({ name: null, customer: null }, ['name', wants.something], ['customer', wants.something]),
  bad({ name: '', customer: '' }, ['name', wants.something], ['customer', wants.something]),
  ...[5, true, [], {}].map((name) => bad({ name, customer: 1 }, ['name', wants.text])),
  bad({ name: 'x'.repeat(256), customer: 1 }, ['name', wants.atMost(255)]),
  bad({ name: 'a\u0000', customer: 1 }, ['name', wants.noNull]),
  bad({ name: '\uD800', customer: 1 }, ['name', wants.wellFormed]),
  ...['abc', 'NaN', true, [1], {}].map((id) => bad({ name: 'e', customer: id }, ['customer', wants.number])),
  ...[1.5, '1.5'].map((id) => bad({ name: 'e', customer: id }, ['customer', wants.wholeNumber])),
  ...[0, -1, '0', 2 ** 53, '9007199254740993'].map((id) => bad({ name: 'e', customer: id }, ['customer', wants.id])),
  ...['x', 5, true, [], [{}]].map((data) => bad({ name: 'e', customer: 1, data }, ['data', wants.object])),
  bad({ name: 'e', customer: 1, data: { a: 'b\u0000', b: ['\uD800', { c: 2 ** 53 }], 'k\u0000': 1, '\uDC00': { d: -(2 ** 53) } } },
    ['data.a', wants.noNull], ['data.b[0]', wants.wellFormed], ['data.b[1].c', wants.number53], ['data.k\u0000', wants.noNull],
    ['data.\uDC00', wants.wellFormed], ['data.\uDC00.d', wants.number53]),
  ...['', 'now', '2024-01-01', 'NaN', true, [], {}].map((createdAt) => bad({ name: 'e', customer: 1, createdAt }, ['createdAt', wants.number])),
  ...[-1, '-1', 253402300800, 2 ** 53].map((createdAt) => bad({ name: 'e', customer: 1, createdAt }, ['createdAt', wants.date])),
  bad({ name: 5, customer: 'x', data: 'x', createdAt: 'x' }, ['name', wants.text], ['customer', wants.number], ['data', wants.object], ['createdAt', wants.number])
]

test('POST /v1/events 400: names every fault, and records nothing', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  for (const { body, faults } of badEvents) {
    expect({ sent: body, ...await ask('POST', '/v1/events', body) }).toEqual({ sent: body, ...invalid(...faults) })
  }
  for (const number of ['1e400', '9007199254740993']) {
    expect(await ask('POST', '/v1/events', `{"name":"e","customer":1,"data":{"n":[${number}]}}`)).toEqual(invalid(['data.n[0]', wants.number53]))
  }
  expect(await ask('POST', '/v1/events', { name: 'e', customer: id, createdAt: 5 })).toEqual(ok({ id: 1, name: 'e', data: {}, createdAt: '5', customer: id }))
})

test('POST /v1/events 400: data may have 65,536 bytes of JSON and no more', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  // {"a":""} are 8 bytes, an é two.
  const data = (bytes: number): { a: string } => ({ a: `${'é'.repeat(1000)}${'x'.repeat(bytes - 2008)}` })
  expect(await ask('POST', '/v1/events', { name: 'e', customer: id, createdAt: 5, data: data(65_536) }))
    .toEqual(ok({ id: 1, name: 'e', data: data(65_536), createdAt: '5', customer: id }))
  expect(await ask('POST', '/v1/events', { name: 'e', customer: id, data: data(65_537) }))
    .toEqual(invalid(['data', 'This value is too large. It should have 65536 bytes of JSON or less.']))
})

// 404

test('POST /v1/events 404: no such customer', async () => {
  const { ask, create } = await startWire()
  await create()
  for (const id of [2, '2', 9007199254740991]) expect({ id, ...await ask('POST', '/v1/events', { name: 'e', customer: id }) }).toEqual({ id, ...customerNotFound })
})
