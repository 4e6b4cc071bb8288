import { expect, test } from 'vitest'
import type { WireServer } from './expected.ts'
import { customer, invalid, ok, page, startWire, wants } from './expected.ts'

const notSort = 'This value should be one of "customers.firstSeen", "customers.lastSeen".'
const notOrder = 'This value should be one of "asc", "desc".'
const notLimit = 'This value should be between 1 and 9007199254740991.'
const notOffset = 'This value should be between 0 and 9007199254740991.'

// 200

test('GET /v1/customers 200: an empty organization has an empty page', async () => {
  const { ask } = await startWire()
  expect(await ask('GET', '/v1/customers')).toEqual(ok({ data: [], total: 0, meta: { total: 0, limit: 100, cursor: null } }))
})

/** Five customers whose two dates order them differently, with ties and nulls. */
async function createFive({ create }: WireServer): Promise<void> {
  await create({ firstSeen: '300', lastSeen: '10' })
  await create({ firstSeen: '100', lastSeen: null })
  await create({ firstSeen: null, lastSeen: '30' })
  await create({ firstSeen: '100', lastSeen: '20' })
  await create({ firstSeen: null, lastSeen: '10' })
}
const five = {
  1: customer(1, { firstSeen: '300', lastSeen: '10' }),
  2: customer(2, { firstSeen: '100', lastSeen: null }),
  3: customer(3, { firstSeen: null, lastSeen: '30' }),
  4: customer(4, { firstSeen: '100', lastSeen: '20' }),
  5: customer(5, { firstSeen: null, lastSeen: '10' })
} as const

const orders: { query: string; ids: (keyof typeof five)[] }[] = [
  { query: '', ids: [2, 4, 1, 3, 5] },
  { query: '?sort=customers.firstSeen', ids: [2, 4, 1, 3, 5] },
  { query: '?sort=firstSeen&order=ASC', ids: [2, 4, 1, 3, 5] },
  { query: '?order=desc', ids: [1, 4, 2, 5, 3] },
  { query: '?sort=customer.firstSeen&order=DESC', ids: [1, 4, 2, 5, 3] },
  { query: '?sort=customers.lastSeen', ids: [1, 5, 4, 3, 2] },
  { query: '?sort=lastSeen&order=Desc', ids: [3, 4, 5, 1, 2] },
  { query: '?sort=customer.lastSeen&order=desc', ids: [3, 4, 5, 1, 2] },
  { query: '?sort=&order=&limit=&offset=', ids: [2, 4, 1, 3, 5] }
]

test('GET /v1/customers 200: sorts, ties by id in the same direction, nulls last', async () => {
  const server = await startWire()
  await createFive(server)
  for (const { query, ids } of orders) {
    expect({ query, ...await server.ask('GET', `/v1/customers${query}`) }).toEqual({ query, ...page(ids.map((id) => five[id])) })
  }
})

test.for([['asc', [2, 4, 1, 3, 5]], ['desc', [1, 4, 2, 5, 3]]] as const)(
  'GET /v1/customers 200: pages in order %s hold every customer once, with the same total', async ([order, ids]) => {
    const server = await startWire()
    await createFive(server)
    for (const limit of [1, 2, 3, 4, 5]) {
      for (let offset = 0; offset <= 6; offset += 1) {
        const wanted = ids.slice(offset, offset + limit).map((id) => five[id])
        const answer = await server.ask('GET', `/v1/customers?order=${order}&limit=${limit}&offset=${offset}`)
        expect({ limit, offset, ...answer }).toEqual({ limit, offset, ...page(wanted, { total: 5, limit }) })
      }
    }
  })

test('GET /v1/customers 200: beyond the last customer is an empty page with the same total', async () => {
  const { ask, create } = await startWire()
  await create()
  expect(await ask('GET', '/v1/customers?offset=1')).toEqual(page([], { total: 1 }))
  expect(await ask('GET', '/v1/customers?offset=9007199254740991')).toEqual(page([], { total: 1 }))
})

test('GET /v1/customers 200: a page has 100 customers at most, whatever the limit', async () => {
  const { ask, create } = await startWire()
  const ids = await Promise.all(Array.from({ length: 101 }, async () => await create()))
  const all = ids.toSorted((one, other) => one - other).map((id) => customer(id))
  for (const query of ['', '?limit=100', '?limit=101', '?limit=9007199254740991']) {
    expect({ query, ...await ask('GET', `/v1/customers${query}`) }).toEqual({ query, ...page(all.slice(0, 100), { total: 101 }) })
  }
  expect(await ask('GET', '/v1/customers?limit=101&offset=100')).toEqual(page(all.slice(100), { total: 101 }))
  expect(await ask('GET', '/v1/customers?limit=99')).toEqual(page(all.slice(0, 99), { total: 101, limit: 99 }))
})

test('GET /v1/customers 200: shows each write that was answered', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  expect(await ask('GET', '/v1/customers')).toEqual(page([customer(id)]))
  await ask('PATCH', `/v1/customers/${id}`, { name: 'Ann' })
  expect(await ask('GET', '/v1/customers')).toEqual(page([customer(id, { name: 'Ann' })]))
  await ask('DELETE', `/v1/customers/${id}`)
  expect(await ask('GET', '/v1/customers')).toEqual(page([]))
})

// 400

const faults: { query: string; faults: [string, string][] }[] = [
  { query: 'limit=0', faults: [['limit', notLimit]] },
  { query: 'limit=-1', faults: [['limit', notLimit]] },
  { query: 'limit=1.5', faults: [['limit', wants.number]] },
  { query: 'limit=1e1', faults: [['limit', wants.number]] },
  { query: 'limit=NaN', faults: [['limit', wants.number]] },
  { query: 'limit=Infinity', faults: [['limit', wants.number]] },
  { query: 'limit=%201', faults: [['limit', wants.number]] },
  { query: 'limit=0x10', faults: [['limit', wants.number]] },
  { query: 'limit=9007199254740992', faults: [['limit', notLimit]] },
  { query: 'limit=9007199254740993', faults: [['limit', notLimit]] },
  { query: 'limit=1&limit=2', faults: [['limit', wants.number]] },
  { query: 'limit[]=1&limit=abc', faults: [['limit', wants.number]] },
  { query: 'offset=-1', faults: [['offset', notOffset]] },
  { query: 'offset=0.5', faults: [['offset', wants.number]] },
  { query: 'offset=9007199254740992', faults: [['offset', notOffset]] },
  { query: 'sort=name', faults: [['sort', notSort]] },
  { query: 'sort=customers.name', faults: [['sort', notSort]] },
  { query: 'sort=customerss.firstSeen', faults: [['sort', notSort]] },
  { query: 'sort=customers.customers.firstSeen', faults: [['sort', notSort]] },
  { query: 'sort=constructor', faults: [['sort', notSort]] },
  { query: 'order=up', faults: [['order', notOrder]] },
  { query: 'order=asc&order=desc', faults: [['order', notOrder]] },
  { query: 'sort=x&order=y&limit=0&offset=z', faults: [['sort', notSort], ['order', notOrder], ['limit', notLimit], ['offset', wants.number]] }
]

test('GET /v1/customers 400: names every bad parameter', async () => {
  const { ask } = await startWire()
  for (const { query, faults: named } of faults) {
    expect({ query, ...await ask('GET', `/v1/customers?${query}`) }).toEqual({ query, ...invalid(...named) })
  }
})
