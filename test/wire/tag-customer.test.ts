import { expect, test } from 'vitest'
import { customer, customerNotFound, invalid, ok, page, startWire, wants } from './expected.ts'

const color = '#c377e0'

// 200

test('PUT /v1/customers/{id}/tags 200: adds tags in order of attachment', async () => {
  const { ask, create } = await startWire()
  const id = await create({ tags: ['b'] })
  expect(await ask('PUT', `/v1/customers/${id}/tags`, { tags: [{ name: 'c', color: 'red' }, 'b', { name: 'a' }, { name: 'B', color: null }] })).toEqual(ok(customer(id, {
    tags: [{ name: 'b', color }, { name: 'c', color: 'red' }, { name: 'a', color }, { name: 'B', color }]
  })))
})

test('PUT /v1/customers/{id}/tags 200: tags already there are no error, and an empty list does nothing', async () => {
  const { ask, create } = await startWire()
  const tags = [{ name: 'Lead', color: 'red' }, { name: 'VIP', color }]
  const id = await create({ tags })
  for (const sent of [['Lead'], ['VIP', 'Lead'], [], tags]) {
    expect({ sent, ...await ask('PUT', `/v1/customers/${id}/tags`, { tags: sent }) }).toEqual({ sent, ...ok(customer(id, { tags })) })
  }
})

test('PUT /v1/customers/{id}/tags 200: of a name given twice the last wins', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  expect(await ask('PUT', `/v1/customers/${id}/tags`, { tags: [{ name: 'a', color: 'red' }, 'b', { name: 'a', color: 'blue' }] }))
    .toEqual(ok(customer(id, { tags: [{ name: 'a', color: 'blue' }, { name: 'b', color }] })))
})

test('PUT /v1/customers/{id}/tags 200: a new color shows on everybody in the next answer, and a name alone keeps it', async () => {
  const { ask, create, everyone } = await startWire()
  await create({ tags: [{ name: 'Lead', color: 'red' }] })
  await create({ tags: ['Lead'] })
  await create()
  const red = [{ name: 'Lead', color: 'red' }]
  const blue = [{ name: 'Lead', color: 'blue' }]
  expect(await ask('PUT', '/v1/customers/3/tags', { tags: ['Lead'] })).toEqual(ok(customer(3, { tags: red })))
  expect(await ask('PUT', '/v1/customers/2/tags', { tags: blue })).toEqual(ok(customer(2, { tags: blue })))
  expect(await ask('GET', '/v1/customers/1')).toEqual(ok(customer(1, { tags: blue })))
  expect(await everyone()).toEqual(page([1, 2, 3].map((id) => customer(id, { tags: blue }))))
  const filter = [{ field: 'customers.tagsData', operator: '=', value: ['Lead'] }]
  expect(await ask('POST', '/v1/customers/search', { filter })).toEqual(page([1, 2, 3].map((id) => customer(id, { tags: blue }))))
})

test('PUT /v1/customers/{id}/tags 200: a tag that nobody has any more keeps its color', async () => {
  const { ask, create } = await startWire()
  const id = await create({ tags: [{ name: 'Lead', color: 'red' }] })
  await ask('DELETE', `/v1/customers/${id}/tags`, { tags: ['Lead'] })
  expect(await ask('PUT', `/v1/customers/${id}/tags`, { tags: ['Lead'] })).toEqual(ok(customer(id, { tags: [{ name: 'Lead', color: 'red' }] })))
})

test('PUT /v1/customers/{id}/tags 200: of many at once none is lost', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  const names = Array.from({ length: 20 }, (_, index) => `t${index}`)
  await Promise.all(names.map(async (name) => await ask('PUT', `/v1/customers/${id}/tags`, { tags: [name] })))
  const { body } = await ask('PUT', `/v1/customers/${id}/tags`, { tags: [] })
  const { tags } = body as { tags: { name: string }[] }
  expect(tags.map(({ name }) => name).toSorted()).toEqual(names.toSorted())
})

// 400

const bad = (body: unknown, ...faults: [string, string][]): { body: unknown; faults: [string, string][] } => ({ body, faults })
const badBodies = [
  bad({}, ['tags', wants.something]),
  bad({ tags: null }, ['tags', wants.something]),
  bad({ Tags: ['a'] }, ['tags', wants.something]),
  ...['Lead', 5, {}, { name: 'Lead' }].map((tags) => bad({ tags }, ['tags', wants.array])),
  bad({ tags: ['ok', '', 5, null, [], {}, { name: 5 }, { name: '' }, { name: 'a\u0000' }, '\uD800', 'x'.repeat(256)] },
    ['tags[1]', wants.something], ['tags[2]', wants.object], ['tags[3]', wants.object], ['tags[4]', wants.object], ['tags[5].name', wants.something],
    ['tags[6].name', wants.text], ['tags[7].name', wants.something], ['tags[8].name', wants.noNull], ['tags[9]', wants.wellFormed], ['tags[10]', wants.atMost(255)]),
  ...['', 'none', '#12345', 'rgb()'].map((value) => bad({ tags: ['ok', { name: 'Lead', color: value }] }, ['tags[1].color', wants.color])),
  bad({ tags: [{ name: 'Lead', color: 5 }] }, ['tags[0].color', wants.text]),
  bad({ tags: Array.from({ length: 1001 }, (_, index) => `t${index}`) }, ['tags', 'This collection should contain 1000 elements or less.'])
]

test.for(['PUT', 'DELETE'] as const)('%s /v1/customers/{id}/tags 400: names every fault, and changes nothing', async (method) => {
  const { ask, create, everyone } = await startWire()
  await create({ tags: [{ name: 'Lead', color: 'red' }, { name: 'ok', color }] })
  const before = await everyone()
  for (const { body, faults } of badBodies) {
    expect({ sent: body, ...await ask(method, '/v1/customers/1/tags', body) }).toEqual({ sent: body, ...invalid(...faults) })
  }
  expect(await everyone()).toEqual(before)
})

test('PUT /v1/customers/{id}/tags 400: a customer may have 1,000 tags and no more, and a refused tag is not made', async () => {
  const { ask, create, everyone } = await startWire()
  const names = Array.from({ length: 1000 }, (_, index) => `t${index}`)
  await create({ tags: names })
  await create({ tags: [{ name: 'Lead', color: 'red' }] })
  const before = await everyone()
  expect(await ask('PUT', '/v1/customers/1/tags', { tags: [{ name: 'Lead', color: 'blue' }] })).toEqual(invalid(['tags', 'A customer can have 1000 tags or less.']))
  expect(await everyone()).toEqual(before)
  expect(await ask('PUT', '/v1/customers/1/tags', { tags: ['t7'] })).toEqual(ok(customer(1, { tags: names.map((name) => ({ name, color })) })))
})

// 404

test('PUT /v1/customers/{id}/tags 404: no such customer, and no tag is made or recolored', async () => {
  const { ask, create } = await startWire()
  const tags = [{ name: 'Lead', color: 'red' }]
  await create({ tags })
  for (const id of ['2', '0', 'abc', '1.5', '9007199254740992']) {
    expect({ id, ...await ask('PUT', `/v1/customers/${id}/tags`, { tags: [{ name: 'Lead', color: 'blue' }, { name: 'New', color: 'blue' }] }) })
      .toEqual({ id, ...customerNotFound })
  }
  expect(await ask('PUT', '/v1/customers/1/tags', { tags: ['New'] })).toEqual(ok(customer(1, { tags: [...tags, { name: 'New', color }] })))
})
