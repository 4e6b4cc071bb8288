import { expect, test } from 'vitest'
import { searchFaults } from '../../src/contract/search.ts'
import { customerKeys } from '../../src/customer.ts'
import type { WireServer } from './expected.ts'
import { cursorOf, customer, invalid, ok, page, seen, startWire, walk, wants } from './expected.ts'

const notSort = (sort: string, meant?: string): string => `"${sort}" is not a field to sort by${meant === undefined ? '' : `; did you mean "${meant}"?`}`
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
        expect({ limit, offset, ...answer }).toEqual({ limit, offset, ...page(wanted, { total: 5, limit, offset }) })
      }
    }
  })

test('GET /v1/customers 200: beyond the last customer is an empty page with the same total', async () => {
  const { ask, create } = await startWire()
  await create()
  expect(await ask('GET', '/v1/customers?offset=1')).toEqual(page([], { total: 1, offset: 1 }))
  expect(await ask('GET', '/v1/customers?offset=9007199254740991')).toEqual(page([], { total: 1, offset: 1 }))
})

test('GET /v1/customers 200: a page has 100 customers at most, whatever the limit', async () => {
  const { ask, create } = await startWire()
  const ids = await Promise.all(Array.from({ length: 101 }, async () => await create()))
  const all = ids.toSorted((one, other) => one - other).map((id) => customer(id))
  for (const query of ['', '?limit=100', '?limit=101', '?limit=9007199254740991']) {
    expect({ query, ...await ask('GET', `/v1/customers${query}`) }).toEqual({ query, ...page(all.slice(0, 100), { total: 101 }) })
  }
  expect(await ask('GET', '/v1/customers?limit=101&offset=100')).toEqual(page(all.slice(100), { total: 101, offset: 100 }))
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

test('GET /v1/customers 200: sorts by any field with one value', async () => {
  const { ask, create } = await startWire()
  const people = [
    { name: 'bo', email: 'c@x', blocked: true, device: { id: 1, ip: null, timezone: 'UTC', platform: null, userAgent: null }, customData: { plan: 'pro', seats: 10 } },
    { name: 'Émile', email: 'A@x', notes: '', customData: { plan: 'Basic', seats: 9.5 } },
    { name: 'Ann', notes: 'b', customData: { plan: 'pro' } },
    { email: 'b@x', notes: 'B', customData: { seats: -1 } }
  ]
  for (const person of people) await create(person)
  const shown = (ids: readonly number[]): unknown => page(ids.map((id) => customer(id, people[id - 1])))
  for (const [sort, ascending, descending] of [
    ['id', [1, 2, 3, 4], [4, 3, 2, 1]],
    ['customers.name', [3, 1, 2, 4], [2, 1, 3, 4]],
    ['email', [2, 4, 1, 3], [1, 4, 2, 3]],
    ['notes', [2, 3, 4, 1], [4, 3, 2, 1]],
    ['blocked', [2, 3, 4, 1], [1, 4, 3, 2]],
    ['device.timezone', [1, 2, 3, 4], [1, 4, 3, 2]],
    ['customData.plan', [2, 1, 3, 4], [3, 1, 2, 4]],
    ['customers.customData.seats', [4, 2, 1, 3], [1, 2, 4, 3]]
  ] as const) {
    expect([sort, await ask('GET', `/v1/customers?sort=${sort}`), await ask('GET', `/v1/customers?sort=${sort}&order=desc`)])
      .toEqual([sort, shown(ascending), shown(descending)])
  }
})

// 200, from page to page by cursor

test.for([
  ['', [2, 4, 1, 3, 5]], ['order=desc', [1, 4, 2, 5, 3]], ['sort=customers.lastSeen', [1, 5, 4, 3, 2]], ['sort=lastSeen&order=desc', [3, 4, 5, 1, 2]],
  ['sort=id&order=desc', [5, 4, 3, 2, 1]], ['sort=name', [1, 2, 3, 4, 5]]
] as const)('GET /v1/customers 200: cursors go from page to page, %s', async ([query, ids]) => {
  const server = await startWire()
  await createFive(server)
  for (const limit of [1, 2, 3, 4, 5, 6]) {
    const starts = Array.from({ length: Math.ceil(5 / limit) }, (_, index) => index * limit)
    expect(await walk(async (cursor) => await server.ask('GET', `/v1/customers?${query}&limit=${limit}&cursor=${cursor}`)))
      .toEqual(starts.map((offset) => page(ids.slice(offset, offset + limit).map((id) => five[id]), { total: 5, limit, offset })))
  }
})

test('GET /v1/customers 200: the cursor of a page found by offset goes on from there, and so does that of a search', async () => {
  const server = await startWire()
  await createFive(server)
  const { ask } = server
  const rest = page([five[3], five[5]], { total: 5, offset: 3 })
  const byOffset = cursorOf(await ask('GET', '/v1/customers?offset=1&limit=2'))
  const bySearch = cursorOf(await ask('POST', '/v1/customers/search', { limit: 3 }))
  for (const cursor of [byOffset, bySearch]) {
    expect(await ask('GET', `/v1/customers?cursor=${cursor}`)).toEqual(rest)
    expect(await ask('POST', '/v1/customers/search', { cursor })).toEqual(rest)
  }
})

test('GET /v1/customers 200: with a cursor a page has up to 1000 customers', async () => {
  const { ask, create } = await startWire()
  const ids = await Promise.all(Array.from({ length: 101 }, async () => await create()))
  const all = ids.toSorted((one, other) => one - other).map((id) => customer(id))
  expect(await ask('GET', '/v1/customers?cursor=')).toEqual(page(all.slice(0, 100), { total: 101 }))
  expect(await ask('GET', '/v1/customers?cursor=&limit=101')).toEqual(page(all, { limit: 101 }))
  expect(await ask('GET', '/v1/customers?cursor=&limit=1001')).toEqual(page(all, { limit: 1_000 }))
  const cursor = cursorOf(await ask('GET', '/v1/customers?limit=1'))
  expect(await ask('GET', `/v1/customers?limit=5000&cursor=${cursor}`)).toEqual(page(all.slice(1), { total: 101, limit: 1_000, offset: 1 }))
})

test('GET /v1/customers 200: a walk meets every customer that stays, once, while others come and go', async () => {
  const { ask, create } = await startWire()
  for (const firstSeen of ['100', '200', '300', '400']) await create({ firstSeen })
  const list = async (cursor: string | null): ReturnType<typeof ask> => await ask('GET', `/v1/customers?limit=2&cursor=${cursor}`)
  const first = await list('')
  // The customer that the cursor stands on is gone, one comes before it and one behind it.
  await ask('DELETE', '/v1/customers/2')
  await create({ firstSeen: '150' })
  await create({ firstSeen: '350' })
  const second = await list(cursorOf(first))
  const third = await list(cursorOf(second))
  const shown = (id: number, firstSeen: string): unknown => customer(id, { firstSeen })
  expect([first, second, third]).toEqual([
    page([shown(1, '100'), shown(2, '200')], { total: 4, limit: 2 }),
    page([shown(3, '300'), shown(6, '350')], { total: 5, limit: 2, offset: 2 }),
    page([shown(4, '400')], { total: 5, limit: 2, offset: 4 })
  ])
})

// 200, some keys only

test('GET /v1/customers 200: fields answers these keys only, in the order of a customer', async () => {
  const { ask, create } = await startWire()
  const text = '],"customData":{"id":1},{"id":2,"tags":[]}'
  const people = [{ name: text, notes: '{"id":', customData: { customData: text, id: 5 }, tags: [{ name: text, color: 'red' }] }, {}]
  for (const person of people) await create(person)
  const all = people.map((person, index) => customer(index + 1, person))
  for (const fields of ['id', 'email,id', 'customData', 'tags,name', 'device,location', 'notes,customData,notes', customerKeys.join()]) {
    const names = new Set(fields.split(','))
    const data = all.map((one) => Object.fromEntries(Object.entries(one).filter(([key]) => names.has(key))))
    const { status, body } = await ask('GET', `/v1/customers?fields=${fields}`)
    expect({ fields, status, body }).toEqual({ fields, ...page(data) })
    expect(JSON.stringify((body as { data: unknown }).data)).toBe(JSON.stringify(data))
  }
  expect(await ask('GET', '/v1/customers?fields=id&fields=blocked,name&limit=1&cursor=')).toEqual(page([{ id: 1, name: text, blocked: false }], { total: 2, limit: 1 }))
  expect(await ask('GET', '/v1/customers?fields=id,%20blocked&limit=1')).toEqual(page([{ id: 1, blocked: false }], { total: 2, limit: 1 }))
  expect(await ask('GET', '/v1/customers?fields=&limit=1')).toEqual(page(all.slice(0, 1), { total: 2, limit: 1 }))
})

test('GET /v1/customers 200: a long page is whole, whatever is made of its customers', async () => {
  const people = Array.from({ length: 250 }, (_, index) => ({ name: `{"id":${index}`, notes: index % 50 === 0 ? 'é'.repeat(65_000) : null, firstSeen: String(index) }))
  const { ask, create } = await startWire({ timestamps: 'integer' })
  await Promise.all(people.map((person) => create(person)))
  const list = async (query: string): Promise<unknown> => await ask('GET', `/v1/customers?limit=1000&cursor=&${query}`)
  const named = people.map(({ name, firstSeen }) => ({ name, firstSeen: Number(firstSeen) }))
  const whole = people.map((person, index) => ({ ...customer(index + 1, person), id: expect.any(Number) as number, firstSeen: index, lastSeen: Number(seen.lastSeen) }))
  expect([await list('fields=name,firstSeen'), await list('')]).toEqual([page(named, { limit: 1_000 }), page(whole, { limit: 1_000 })])
})

test('GET /v1/customers 200: Server-Timing tells what the page and the total took', async () => {
  const { call } = await startWire()
  expect((await call('GET', '/v1/customers')).headers['server-timing']).toMatch(/^page;dur=\d+(\.\d+)?, total;dur=\d+(\.\d+)?$/)
})

// 400

const faults: { query: string; faults: [string, string][] }[] = [
  { query: 'limit=0', faults: [['limit', notLimit]] },
  { query: 'limit=-1', faults: [['limit', notLimit]] },
  { query: 'limit=1.5', faults: [['limit', wants.wholeNumber]] },
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
  { query: 'offset=0.5', faults: [['offset', wants.wholeNumber]] },
  { query: 'offset=9007199254740992', faults: [['offset', notOffset]] },
  { query: 'sort=nmae', faults: [['sort', notSort('nmae', 'customers.name')]] },
  { query: 'sort=customerss.firstSeen', faults: [['sort', notSort('customerss.firstSeen', 'customers.firstSeen')]] },
  { query: 'sort=customers.customers.firstSeen', faults: [['sort', notSort('customers.customers.firstSeen', 'customers.firstSeen')]] },
  { query: 'sort=constructor', faults: [['sort', notSort('constructor')]] },
  { query: 'sort=tags', faults: [['sort', notSort('tags')]] },
  { query: 'sort=text', faults: [['sort', notSort('text')]] },
  { query: 'sort=events.Visit', faults: [['sort', notSort('events.Visit')]] },
  { query: 'sort=customData.plan', faults: [['sort', notSort('customData.plan')]] },
  { query: 'cursor=x', faults: [['cursor', searchFaults.foreignCursor]] },
  { query: 'cursor=%00', faults: [['cursor', searchFaults.foreignCursor]] },
  { query: 'cursor=&cursor=', faults: [['cursor', wants.text]] },
  { query: 'cursor=&offset=0', faults: [['cursor', searchFaults.cursorWithOffset]] },
  { query: 'fields=id,Email,&fields=x', faults: [1, 2, 3].map((index) => [`fields[${index}]`, `This value should be one of ${customerKeys.join(', ')}.`]) },
  { query: 'cursr=&limits=5&Sort=id', faults: [['cursr', 'cursor'], ['limits', 'limit'], ['Sort', 'sort']].map(([key = '', meant = '']) => [key, `This key is not known. Did you mean "${meant}"?`]) },
  { query: 'order=up', faults: [['order', notOrder]] },
  { query: 'order=asc&order=desc', faults: [['order', notOrder]] },
  { query: 'sort=x&order=y&limit=0&offset=z', faults: [['sort', notSort('x')], ['order', notOrder], ['limit', notLimit], ['offset', wants.number]] }
]

test('GET /v1/customers 400: names every bad parameter', async () => {
  const { ask } = await startWire()
  for (const { query, faults: named } of faults) {
    expect({ query, ...await ask('GET', `/v1/customers?${query}`) }).toEqual({ query, ...invalid(...named) })
  }
})
