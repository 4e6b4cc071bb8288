import { expect, inject, test } from 'vitest'
import type { Customer } from '../../src/contract/customer.ts'
import { searchFaults } from '../../src/contract/search.ts'
import { createDatabase } from '../engines.ts'
import { startServer } from '../start-server.ts'
import type { Exchange, WireServer } from './expected.ts'
import { cursorOf, customer, invalid, ok, page, startWire, walk } from './expected.ts'

// What searches may want of their answer: cursors, no total, some keys, and how it was found.

const people: Partial<Customer>[] = [
  { name: 'bo', company: 'Acme', firstSeen: '300', customData: { plan: 'pro' } },
  { name: 'Ann', company: 'Acme', firstSeen: '100', customData: { plan: 'basic' } },
  { name: 'Cleo', company: 'ACME Inc', firstSeen: null, customData: { plan: 'Pro' } },
  { name: null, company: 'my acme', firstSeen: '100' },
  { name: 'Zoe', company: null, firstSeen: '100' }
]
const shown = (...ids: number[]): Customer[] => ids.map((id) => customer(id, people[id - 1]))
const atAcme = { filter: [{ field: 'company', operator: '~', value: 'acme' }] }

async function startWithPeople(): Promise<WireServer & { search: (body: object) => Promise<Exchange> }> {
  const server = await startWire()
  for (const person of people) await server.create(person)
  return { ...server, search: async (body) => await server.ask('POST', '/v1/customers/search', body) }
}

test.for<[body: object, ids: readonly number[]]>([
  [atAcme, [2, 4, 1, 3]],
  [{ ...atAcme, order: 'desc' }, [1, 4, 2, 3]],
  [{ ...atAcme, sort: 'name' }, [2, 1, 3, 4]],
  [{ ...atAcme, sort: 'name', order: 'desc' }, [3, 1, 2, 4]],
  [{ ...atAcme, sort: 'customData.plan' }, [2, 1, 3, 4]],
  [{ ...atAcme, sort: 'blocked', order: 'desc' }, [4, 3, 2, 1]],
  [{ filter: [{ field: 'text', operator: '~', value: 'acme' }] }, [1, 2, 3, 4]],
  [{ filter: [{ field: 'createdAt', operator: '>', value: '-1h' }, { comparison: 'OR', not: true, filter: [{ field: 'company', operator: 'empty' }] }], sort: 'id', order: 'desc' }, [4, 3, 2, 1]]
])('POST /v1/customers/search 200: cursors go from page to page, %j', async ([body, ids]) => {
  const { search } = await startWithPeople()
  for (const limit of [1, 2, 3, 4, 5]) {
    const starts = Array.from({ length: Math.ceil(4 / limit) }, (_, index) => index * limit)
    expect(await walk(async (cursor) => await search({ ...body, limit, cursor })))
      .toEqual(starts.map((offset) => page(shown(...ids.slice(offset, offset + limit)), { total: 4, limit, offset })))
  }
})

test('POST /v1/customers/search 200: a cursor goes on from a page found by offset, with another limit and other keys', async () => {
  const { search } = await startWithPeople()
  const cursor = cursorOf(await search({ ...atAcme, offset: 1, limit: 1 }))
  expect(await search({ ...atAcme, cursor, limit: 1_001 })).toEqual(page(shown(1, 3), { total: 4, limit: 1_000, offset: 2 }))
  expect(await search({ ...atAcme, cursor, fields: ['id'], total: false })).toEqual(ok({ data: [{ id: 1 }, { id: 3 }], meta: { limit: 100, cursor: null } }))
  expect(await search({ ...atAcme, cursor, offset: null, sort: null })).toEqual(page(shown(1, 3), { total: 4, offset: 2 }))
})

test('POST /v1/customers/search 200: nobody found has no cursor', async () => {
  const { search } = await startWithPeople()
  for (const paging of [{}, { cursor: '' }, { offset: 5 }]) {
    expect(await search({ ...paging, filter: [{ field: 'name', operator: '=', value: 'nobody' }] })).toEqual(page([]))
  }
  expect(await search({ ...atAcme, offset: 4 })).toEqual(page([], { total: 4, offset: 4 }))
  expect(await search({ ...atAcme, offset: 3, limit: 1 })).toEqual(page(shown(3), { total: 4, limit: 1, offset: 3 }))
})

// Security: a cursor is a promise about one question of one organization, and nobody else can make one.
test('POST /v1/customers/search 400: a cursor of another search, altered or cut short', async () => {
  const { search, ask } = await startWithPeople()
  const refused = invalid(['cursor', searchFaults.foreignCursor])
  const body = { ...atAcme, sort: 'name', limit: 1 }
  const cursor = cursorOf(await search(body)) ?? ''
  for (const another of [
    { ...body, filter: [] }, { ...body, filter: [{ field: 'company', operator: '~', value: 'acm' }] }, { ...body, filter: [...atAcme.filter, ...atAcme.filter] },
    { ...body, filter: [atAcme] }, { ...body, comparison: 'OR' }, { ...body, not: true }, { ...body, sort: 'email' }, { ...body, sort: null }, { ...body, order: 'desc' }
  ]) {
    expect({ another, ...await search({ ...another, cursor }) }).toEqual({ another, ...refused })
  }
  const forged = Array.from(cursor, (letter, index) => `${cursor.slice(0, index)}${letter === 'A' ? 'B' : 'A'}${cursor.slice(index + 1)}`)
  const cut = Array.from(cursor, (_, length) => cursor.slice(0, length)).slice(1)
  const answers = await Promise.all([...forged, ...cut, `${cursor}A`, `${cursor}=`, ` ${cursor}`, cursor.repeat(2)].map(async (text) => await search({ ...body, cursor: text })))
  expect(answers).toEqual(answers.map(() => refused))
  expect(await ask('GET', `/v1/customers?sort=name&limit=1&cursor=${cursor}`)).toEqual(refused)
  expect(await search({ ...body, cursor })).toEqual(page(shown(1), { total: 4, limit: 1, offset: 1 }))
})

test('POST /v1/customers/search 400: a cursor of another organization, which has the same customers', async () => {
  const { ask, search, createForeignKey } = await startWithPeople()
  const authorization = `Bearer ${await createForeignKey()}`
  for (const person of people) await ask('POST', '/v1/customers', { firstSeen: '1', ...person }, { authorization })
  const cursor = cursorOf(await search({ limit: 1 }))
  expect(await ask('POST', '/v1/customers/search', { limit: 1, cursor }, { authorization })).toEqual(invalid(['cursor', searchFaults.foreignCursor]))
  expect(await ask('GET', `/v1/customers?limit=1&cursor=${cursor}`, undefined, { authorization })).toEqual(invalid(['cursor', searchFaults.foreignCursor]))
})

test('POST /v1/customers/search 200: a cursor is good on every server of the database', async () => {
  const database = await createDatabase()
  const first = await startServer({}, database)
  for (const name of ['a', 'b']) await first.call('POST', '/v1/customers', { name, firstSeen: '1', lastSeen: '1' })
  const { status, body } = await first.call('POST', '/v1/customers/search', { limit: 1 })
  const second = await startServer({}, database)
  const answer = await second.call('POST', '/v1/customers/search', { limit: 1, cursor: cursorOf({ status, body }) }, { authorization: `Bearer ${first.key}` })
  expect(answer.body).toEqual(page([customer(2, { name: 'b', firstSeen: '1', lastSeen: '1' })], { total: 2, limit: 1, offset: 1 }).body)
})

test('POST /v1/customers/search 200: total: false leaves out both totals', async () => {
  const { search } = await startWithPeople()
  const cursor: unknown = expect.any(String)
  expect(await search({ ...atAcme, total: false })).toEqual(ok({ data: shown(2, 4, 1, 3), meta: { limit: 100, cursor: null } }))
  expect(await search({ ...atAcme, total: false, limit: 3 })).toEqual(ok({ data: shown(2, 4, 1), meta: { limit: 3, cursor } }))
  expect(await search({ ...atAcme, total: false, limit: 4 })).toEqual(ok({ data: shown(2, 4, 1, 3), meta: { limit: 4, cursor: null } }))
  expect(await search({ ...atAcme, total: false, offset: 5 })).toEqual(ok({ data: [], meta: { limit: 100, cursor: null } }))
  expect(await search({ ...atAcme, total: true })).toEqual(page(shown(2, 4, 1, 3)))
})

test('POST /v1/customers/search 200: fields answers these keys only, in the order of a customer', async () => {
  const { search } = await startWithPeople()
  for (const fields of [['id'], ['customData', 'name', 'id', 'name'], ['location', 'tags', 'device']]) {
    const data = shown(2, 4, 1, 3).map((one) => Object.fromEntries(Object.entries(one).filter(([key]) => fields.includes(key))))
    const answer = await search({ ...atAcme, fields })
    expect({ fields, ...answer }).toEqual({ fields, ...page(data) })
    expect(JSON.stringify((answer.body as { data: unknown }).data)).toBe(JSON.stringify(data))
  }
  expect(await search({ ...atAcme, fields: null })).toEqual(page(shown(2, 4, 1, 3)))
})

test('POST /v1/customers/search 200: Server-Timing tells what the page and the total took', async () => {
  const { call } = await startWire()
  const timing = async (body: object): Promise<unknown> => (await call('POST', '/v1/customers/search', body)).headers['server-timing']
  expect(await timing({})).toMatch(/^page;dur=\d+(\.\d+)?, total;dur=\d+(\.\d+)?$/)
  expect(await timing({ total: false })).toMatch(/^page;dur=\d+(\.\d+)?$/)
})

const explained = {
  plan: expect.stringMatching(/./) as unknown, steps: expect.any(Array) as unknown, entriesVisited: expect.any(Number) as unknown,
  pageMs: expect.any(Number) as unknown, totalMs: expect.any(Number) as unknown
}

test('POST /v1/customers/search 200: explain adds how the customers were found', async () => {
  const { search } = await startWithPeople()
  const { body } = page(shown(2, 4, 1, 3))
  expect(await search({ ...atAcme, explain: true })).toEqual(ok({ ...body as object, explain: explained }))
  expect(await search({ ...atAcme, explain: true, total: false, limit: 1 }))
    .toEqual(ok({ data: shown(2), meta: { limit: 1, cursor: expect.any(String) as unknown }, explain: explained }))
  expect(await search({ ...atAcme, explain: false })).toEqual(page(shown(2, 4, 1, 3)))
})

// Security: neither in words nor in numbers.
test('POST /v1/customers/search 200: explain shows nothing of other organizations', async () => {
  const database = await createDatabase()
  const { call, store, createForeignKey } = await startServer({}, database)
  const authorization = `Bearer ${await createForeignKey()}`
  for (const person of people) await call('POST', '/v1/customers', { ...person, tags: ['Lead'] })
  const foreign = { name: 'Acme secret', company: 'Acme secret', userId: 'secret', tags: ['Lead', 'secret'], customData: { secret: 'Acme' } }
  const questions = [
    {}, atAcme, { ...atAcme, sort: 'name' }, { filter: [{ field: 'tags', operator: 'any', value: ['Lead', 'secret'] }] }, { filter: [{ field: 'userId', operator: '=', value: 'secret' }] },
    { filter: [{ field: 'text', operator: '~', value: 'secret' }] }, { filter: [{ field: 'events.secret', operator: '>', value: 0 }] },
    { comparison: 'OR', filter: [{ field: 'customData.plan', operator: '~', value: 'pro' }, { field: 'email', operator: '=', value: 'secret' }] },
    { comparison: 'OR', filter: [{ field: 'userId', operator: '=', value: 'secret0' }, { field: 'id', operator: '<', value: 3 }] },
    ...['id', 'firstSeen', 'lastSeen', 'email', 'userId', 'name', 'notes', 'createdAt', 'customData.plan'].flatMap((sort) => ['asc', 'desc'].flatMap((order) => [
      { sort, order }, { sort, order, limit: 1, total: false },
      { sort, order, filter: [{ field: 'name', operator: '!~', value: 'zzz' }], limit: 2, total: false }, { ...atAcme, sort, order, cursor: '' }
    ]))
  ]
  // PostgreSQL chooses by what all rows together are like, which may change by itself.
  const choices = ['citus', 'postgres without index'].includes(inject('engine')) ? { plan: '', steps: [], entriesVisited: 0 } : {}
  const answers = async (): Promise<unknown[]> => await Promise.all(questions.map(async (question) => {
    const { status, body } = await call('POST', '/v1/customers/search', { ...question, explain: true })
    expect({ status, body }).toEqual({ status: 200, body: { ...body as object, explain: explained } })
    const { data, total, meta, explain } = body as { data: unknown; total?: number; meta: { cursor: string | null }; explain: object }
    // A cursor holds the second of its first page.
    return { data, total, isLast: meta.cursor === null, explain: { ...explain, ...choices, pageMs: 0, totalMs: 0 } }
  }))

  await database.untilIndexed(store, { organizationId: 1, keyId: 1 })
  // Asked again, what is known from before may spare some work.
  await answers()
  const before = await answers()
  for (let index = 0; index < 4 * people.length; index += 1) await call('POST', '/v1/customers', { ...foreign, userId: `secret${index}` }, { authorization })
  await call('POST', '/v1/events', { name: 'secret', customer: 7 }, { authorization })
  expect(await answers()).toEqual(before)
})
