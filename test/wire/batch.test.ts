import { expect, test } from 'vitest'
import type { WireServer } from './expected.ts'
import { customer, customerNotFoundIn, invalid, ok, page, startWire, userIdTaken, wants } from './expected.ts'

const color = '#c377e0'
const path = '/v1/customers/batch'

/** Customers 1 to `count`, each with its id as userId. */
async function startWithCustomers(count: number): Promise<WireServer> {
  const server = await startWire()
  for (let id = 1; id <= count; id += 1) await server.create({ userId: `u${id}` })
  return server
}

// 200

test('PUT /v1/customers/batch 200: changes each customer as PATCH does, and answers in the order of the request', async () => {
  const { ask, everyone } = await startWithCustomers(3)
  const changed = {
    1: customer(1, { userId: 'u1', tags: [{ name: 'Lead', color }], customData: { plan: 'pro' } }),
    2: customer(2, { userId: null, name: 'Bo', location: { regionCode: null, countryCode: null, city: 'Köln' } }),
    3: customer(3, { userId: 'u3', blocked: true })
  }
  expect(await ask('PUT', path, [
    { customer: 3, blocked: true },
    { customer: '1', tags: ['Lead'], customData: { plan: 'pro' } },
    { customer: 2, id: 9, userId: '', name: 'Bo', city: 'Köln' }
  ])).toEqual(ok([changed[3], changed[1], changed[2]]))
  expect(await everyone()).toEqual(page([changed[1], changed[2], changed[3]]))
})

test('PUT /v1/customers/batch 200: takes one item and ten', async () => {
  const { ask } = await startWithCustomers(10)
  expect(await ask('PUT', path, [{ customer: 7 }])).toEqual(ok([customer(7, { userId: 'u7' })]))
  const items = Array.from({ length: 10 }, (_, index) => ({ customer: index + 1, name: `n${index}` }))
  expect(await ask('PUT', path, items)).toEqual(ok(items.map(({ customer: id, name }) => customer(id, { userId: `u${id}`, name }))))
})

test('PUT /v1/customers/batch 200: one customer twice is changed in order, each element as it was after its item', async () => {
  const { ask, everyone } = await startWithCustomers(2)
  expect(await ask('PUT', path, [
    { customer: 1, name: 'A', tags: ['x'], customData: { n: 1 } },
    { customer: 2, name: 'B' },
    { customer: 1, name: null, phone: '1', customData: { m: 2 } },
    { customer: 1, tags: [], customData: { n: null } }
  ])).toEqual(ok([
    customer(1, { userId: 'u1', name: 'A', tags: [{ name: 'x', color }], customData: { n: 1 } }),
    customer(2, { userId: 'u2', name: 'B' }),
    customer(1, { userId: 'u1', phone: '1', tags: [{ name: 'x', color }], customData: { n: 1, m: 2 } }),
    customer(1, { userId: 'u1', phone: '1', customData: { m: 2 } })
  ]))
  expect(await everyone()).toEqual(page([customer(1, { userId: 'u1', phone: '1', customData: { m: 2 } }), customer(2, { userId: 'u2', name: 'B' })]))
})

test('PUT /v1/customers/batch 200: a userId given up by an item is free for a later one', async () => {
  const { ask } = await startWithCustomers(2)
  expect(await ask('PUT', path, [{ customer: 1, userId: 'tmp' }, { customer: 2, userId: 'u1' }, { customer: 1, userId: 'u2' }])).toEqual(ok([
    customer(1, { userId: 'tmp' }), customer(2, { userId: 'u1' }), customer(1, { userId: 'u2' })]))
})

test('PUT /v1/customers/batch 200: a color given by an item shows on every customer that has the tag', async () => {
  const { ask, create, everyone } = await startWire()
  await create({ tags: [{ name: 'Lead', color: 'red' }] })
  await create({ tags: ['Lead'] })
  await create({ tags: ['Lead'] })
  const red = [{ name: 'Lead', color: 'red' }]
  const blue = [{ name: 'Lead', color: 'blue' }]
  expect(await ask('PUT', path, [{ customer: 1, name: 'A' }, { customer: 2, tags: blue }, { customer: 1, phone: '1' }])).toEqual(ok([
    customer(1, { name: 'A', tags: red }), customer(2, { tags: blue }), customer(1, { name: 'A', phone: '1', tags: blue })]))
  expect(await everyone()).toEqual(page([customer(1, { name: 'A', phone: '1', tags: blue }), customer(2, { tags: blue }), customer(3, { tags: blue })]))
})

test('PUT /v1/customers/batch 200: a tag made by one item and recolored by the next has its last color', async () => {
  const { ask, everyone } = await startWithCustomers(2)
  const tags = [{ name: 'New', color: 'blue' }]
  expect(await ask('PUT', path, [{ customer: 1, tags: [{ name: 'New', color: 'red' }] }, { customer: 2, tags }])).toEqual(ok([
    customer(1, { userId: 'u1', tags: [{ name: 'New', color: 'red' }] }), customer(2, { userId: 'u2', tags })]))
  expect(await everyone()).toEqual(page([customer(1, { userId: 'u1', tags }), customer(2, { userId: 'u2', tags })]))
})

// 400

const length = 'This collection should contain 1 to 10 elements.'
const good = { customer: 1, name: 'changed' }
const bad = (items: unknown[], ...faults: [string, string][]): { items: unknown[]; faults: [string, string][] } => ({ items, faults })
const badBatches = [
  bad([], ['body', length]),
  bad(Array.from({ length: 11 }, () => good), ['body', length]),
  bad([good, null, 5, 'x', []], ['[1]', wants.object], ['[2]', wants.object], ['[3]', wants.object], ['[4]', wants.object]),
  bad([good, {}, { customer: null }, { customer: '' }, { id: 1 }], ['[1].customer', wants.something], ['[2].customer', wants.something],
    ['[3].customer', wants.something], ['[4].customer', wants.something]),
  bad([good, { customer: 'abc' }, { customer: 1.5 }, { customer: 0 }, { customer: -1 }, { customer: '1.5' }, { customer: 2 ** 53 }, { customer: [1] }],
    ['[1].customer', wants.number], ['[2].customer', wants.wholeNumber], ['[3].customer', wants.id], ['[4].customer', wants.id],
    ['[5].customer', wants.wholeNumber], ['[6].customer', wants.id], ['[7].customer', wants.number]),
  bad([good, { customer: 1, name: 5, email: 'x', blocked: null, city: 5, location: { city: [] }, device: { ip: 5 }, tags: [{}], customData: { a: [] } }],
    ['[1].name', wants.text], ['[1].email', wants.email], ['[1].blocked', wants.boolean], ['[1].location.city', wants.text], ['[1].device.ip', wants.text],
    ['[1].tags[0].name', wants.something], ['[1].customData.a', wants.attributeValue]),
  bad([good, { customer: 1, customData: [{ property: 'constructor', value: 1 }, { property: 'known', value: 1 }] }],
    ['[1].customData[0].property', wants.notReserved], ['[1].customData[1].value', 'This value should be of type text.']),
  bad([{ customer: 1, customData: { fresh: 1 } }, { customer: 2, customData: { fresh: 'x' } }], ['[1].customData.fresh', 'This value should be of type number.']),
  bad([good, { customer: 99, name: 5 }, { customer: 2, userId: 'u1' }], ['[1].name', wants.text])
]

test('PUT /v1/customers/batch 400: names every fault, and changes nobody', async () => {
  const { ask, everyone } = await startWithCustomers(2)
  await ask('PATCH', '/v1/customers/2', { customData: { known: 'text' } })
  const before = await everyone()
  for (const { items, faults } of badBatches) {
    expect({ items, ...await ask('PUT', path, items) }).toEqual({ items, ...invalid(...faults) })
  }
  expect(await ask('PUT', path, '[{"customer":1,"customData":{"__proto__":1}}]')).toEqual(invalid(['[0].customData.__proto__', wants.notReserved]))
  expect(await everyone()).toEqual(before)
})

test('PUT /v1/customers/batch 400: a taken userId is named with its holder and its place, and nobody is changed', async () => {
  const { ask, everyone } = await startWithCustomers(3)
  const before = await everyone()
  const changed = { customer: 1, name: 'changed', tags: ['New'], customData: { plan: 'x' } }
  expect(await ask('PUT', path, [changed, { customer: 2, userId: 'u3' }])).toEqual(userIdTaken(3, '[1].userId'))
  expect(await ask('PUT', path, [changed, { customer: 1, userId: 'new' }, { customer: 2, userId: 'new' }])).toEqual(userIdTaken(1, '[2].userId'))
  expect(await ask('PUT', path, [{ customer: 1, userId: 'u2' }, { customer: 2, userId: 'u1' }])).toEqual(userIdTaken(2, '[0].userId'))
  expect(await ask('PUT', path, [changed, { customer: 2, userId: 'u3' }, { customer: 3, userId: 'u1' }])).toEqual(userIdTaken(3, '[1].userId'))
  expect(await everyone()).toEqual(before)
})

test('PUT /v1/customers/batch 400: a customer may have 500 attributes and no more', async () => {
  const { ask, create, everyone } = await startWire()
  await create()
  await create({ customData: Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`a${index}`, index])) })
  const before = await everyone()
  expect(await ask('PUT', path, [{ customer: 1, name: 'changed' }, { customer: 2, customData: { b: 1 } }]))
    .toEqual(invalid(['[1].customData', 'A customer can have 500 attributes or less.']))
  expect(await everyone()).toEqual(before)
})

// 404

test('PUT /v1/customers/batch 404: an unknown customer is named by its place, the first of several, and nobody is changed', async () => {
  const { ask, everyone } = await startWithCustomers(2)
  const before = await everyone()
  expect(await ask('PUT', path, [{ customer: 1, name: 'changed', tags: ['New'] }, { customer: 2 }, { customer: 99 }, { customer: 98 }]))
    .toEqual(customerNotFoundIn('[2].customer'))
  expect(await ask('PUT', path, [{ customer: 9007199254740991 }])).toEqual(customerNotFoundIn('[0].customer'))
  // A customer that is not there is answered before a userId that is taken.
  expect(await ask('PUT', path, [{ customer: 1, userId: 'u2' }, { customer: 99 }])).toEqual(customerNotFoundIn('[1].customer'))
  expect(await everyone()).toEqual(before)
})
