import { expect, test } from 'vitest'
import type { Customer } from '../../src/contract/customer.ts'
import { searchFaults } from '../../src/contract/search.ts'
import { customerKeys } from '../../src/customer.ts'
import type { Exchange, WireServer } from './expected.ts'
import { customer, invalid, page, startWire, wants } from './expected.ts'

type Filter = readonly [field: string, operator: string, value: unknown]

async function search({ ask }: WireServer, ...filters: Filter[]): Promise<Exchange> {
  return await ask('POST', '/v1/customers/search', { filter: filters.map(([field, operator, value]) => ({ field, operator, value })) })
}

// 200: whom a question finds

const people: Partial<Customer>[] = [
  { name: 'Émile Σίσυφος', email: 'Emile@Example.com', company: '100%_a\\b', userId: 'U-1', phone: '+49 30', location: { countryCode: 'DE', city: 'Köln', regionCode: 'NW' }, firstSeen: '100', lastSeen: '400', tags: [{ name: 'Lead', color: '#c377e0' }, { name: 'VIP', color: '#c377e0' }] },
  { name: 'straße', email: 'ann@example.com', company: '100', userId: '42', location: { countryCode: 'de', city: null, regionCode: null }, firstSeen: '200', lastSeen: '300', createdFrom: 'telegram', integrationId: 'T1', tags: [{ name: 'Lead', color: '#c377e0' }] },
  { name: '', createdFrom: 'telegram_bot', integrationId: 't1', firstSeen: '300', lastSeen: null, tags: [{ name: 'lead', color: '#c377e0' }] },
  { name: 'İstanbul', createdFrom: 'whatsapp', integrationId: '777', firstSeen: '400', lastSeen: '100' },
  { createdFrom: 'telegrambot', integrationId: 'T1', firstSeen: '500', lastSeen: '200' },
  { createdFrom: 'facebook', integrationId: 'f', firstSeen: '600', lastSeen: '0' },
  { createdFrom: 'instagram', integrationId: 'g', firstSeen: '700', lastSeen: '600' },
  { createdFrom: 'viber', integrationId: null, firstSeen: null, lastSeen: '700' }
]
const everyone = [1, 2, 3, 4, 5, 6, 7, 8]
const everyoneBut = (...ids: number[]): number[] => everyone.filter((id) => !ids.includes(id))

const questions: { filters: Filter[]; ids: number[] }[] = [
  { filters: [], ids: everyone },

  // id
  { filters: [['customers.id', '=', 2]], ids: [2] },
  { filters: [['customers.id', '=', '2']], ids: [2] },
  { filters: [['customers.id', '=', 99]], ids: [] },
  { filters: [['customers.id', '=', 0]], ids: [] },
  { filters: [['customers.id', '!=', 2]], ids: everyoneBut(2) },
  { filters: [['customers.id', '>', 6]], ids: [7, 8] },
  { filters: [['customers.id', '>=', 6]], ids: [6, 7, 8] },
  { filters: [['customers.id', '<', '3']], ids: [1, 2] },
  { filters: [['customers.id', '<=', 3]], ids: [1, 2, 3] },
  { filters: [['customers.id', '>', -5]], ids: everyone },

  // text: letter case, null, empty text, signs that mean something to SQL
  { filters: [['customers.name', '=', 'éMILE ΣΊΣΥΦΟΣ']], ids: [1] },
  { filters: [['customers.name', '=', 'ÉMILE σίσυφος']], ids: [1] },
  { filters: [['customers.name', '=', 'Émile']], ids: [] },
  { filters: [['customers.name', '=', 'Émile Σίσυφος']], ids: [1] },
  { filters: [['customers.name', '~', 'Σίσυφοσ']], ids: [1] },
  { filters: [['customers.name', '~', 'Emile']], ids: [] },
  { filters: [['customers.name', '~', 'e\u0301mile']], ids: [] },
  { filters: [['customers.name', '=', 'STRASSE']], ids: [] },
  { filters: [['customers.name', '=', 'STRAẞE']], ids: [2] },
  { filters: [['customers.name', '~', 'istanbul']], ids: [] },
  { filters: [['customers.name', '~', 'İSTANBUL']], ids: [4] },
  { filters: [['customers.name', '=', '']], ids: [3] },
  { filters: [['customers.name', '!=', '']], ids: everyoneBut(3) },
  { filters: [['customers.name', '~', '']], ids: [1, 2, 3, 4] },
  { filters: [['customers.name', '!~', '']], ids: [5, 6, 7, 8] },
  { filters: [['customers.name', '!=', 'STRAẞE']], ids: everyoneBut(2) },
  { filters: [['customers.name', '!~', 'a']], ids: everyoneBut(2, 4) },
  { filters: [['customers.email', '=', 'emile@EXAMPLE.COM']], ids: [1] },
  { filters: [['customers.email', '=', '']], ids: [] },
  { filters: [['customers.email', '~', '@example']], ids: [1, 2] },
  { filters: [['customers.email', '!~', '@example']], ids: everyoneBut(1, 2) },
  { filters: [['customers.email', '!=', 'ann@example.com']], ids: everyoneBut(2) },
  { filters: [['customers.company', '~', '%']], ids: [1] },
  { filters: [['customers.company', '~', '_']], ids: [1] },
  { filters: [['customers.company', '~', '\\']], ids: [1] },
  { filters: [['customers.company', '=', '100%']], ids: [] },
  { filters: [['customers.company', '~', "' or 1=1 --"]], ids: [] },
  { filters: [['customers.phone', '~', '+49']], ids: [1] },
  { filters: [['customers.countryCode', '=', 'De']], ids: [1, 2] },
  { filters: [['customers.city', '=', 'KÖLN']], ids: [1] },
  { filters: [['customers.city', '!=', 'Köln']], ids: everyoneBut(1) },
  { filters: [['customers.regionCode', '~', 'w']], ids: [1] },

  // text compared exactly
  { filters: [['customers.userId', '=', 'U-1']], ids: [1] },
  { filters: [['customers.userId', '=', 'u-1']], ids: [] },
  { filters: [['customers.userId', '~', 'u']], ids: [] },
  { filters: [['customers.userId', '~', 'U']], ids: [1] },
  { filters: [['customers.userId', '=', 42]], ids: [2] },
  { filters: [['customers.userId', '=', '42']], ids: [2] },
  { filters: [['customers.userId', '!=', '42']], ids: everyoneBut(2) },
  { filters: [['customers.userId', '!~', '-']], ids: everyoneBut(1) },
  { filters: [['customers.telegramId', '=', 'T1']], ids: [2] },
  { filters: [['customers.telegramId', '=', 't1']], ids: [3] },
  { filters: [['customers.telegramId', '~', '1']], ids: [2, 3] },
  { filters: [['customers.telegramId', '!=', 'T1']], ids: everyoneBut(2) },
  { filters: [['customers.telegramId', '!~', '']], ids: everyoneBut(2, 3) },
  { filters: [['customers.whatsappId', '=', '777']], ids: [4] },
  { filters: [['customers.facebookId', '=', 'f']], ids: [6] },
  { filters: [['customers.instagramId', '=', 'g']], ids: [7] },
  { filters: [['customers.viberId', '~', '']], ids: [] },

  // tags
  { filters: [['customers.tagsData', '=', [{ name: 'Lead' }]]], ids: [1, 2] },
  { filters: [['customers.tagsData', '=', ['Lead']]], ids: [1, 2] },
  { filters: [['customers.tagsData', '=', ['lead']]], ids: [3] },
  { filters: [['customers.tagsData', '=', ['LEAD']]], ids: [] },
  { filters: [['customers.tagsData', '=', ['Lead', 'VIP']]], ids: [1] },
  { filters: [['customers.tagsData', '=', [{ name: 'VIP', color: 'red' }, 'VIP']]], ids: [1] },
  { filters: [['customers.tagsData', '=', ['Lead', 'unheard of']]], ids: [] },
  { filters: [['customers.tagsData', '=', ['Lead']], ['customers.tagsData', '=', ['VIP']]], ids: [1] },

  // dates
  { filters: [['customers.lastSeen', '=', 300]], ids: [2] },
  { filters: [['customers.lastSeen', '=', '300']], ids: [2] },
  { filters: [['customers.lastSeen', '=', 300.9]], ids: [2] },
  { filters: [['customers.lastSeen', '!=', 300]], ids: everyoneBut(2) },
  { filters: [['customers.lastSeen', '<', 200]], ids: [4, 6] },
  { filters: [['customers.lastSeen', '<=', 200]], ids: [4, 5, 6] },
  { filters: [['customers.lastSeen', '>', 600]], ids: [8] },
  { filters: [['customers.lastSeen', '>=', 0]], ids: everyoneBut(3) },
  { filters: [['customers.firstSeen', '>=', 200], ['customers.firstSeen', '<', 400]], ids: [2, 3] },
  { filters: [['customers.firstSeen', '!=', 100]], ids: everyoneBut(1) },
  { filters: [['customers.createdAt', '>', 1_500_000_000]], ids: everyone },
  { filters: [['customers.createdAt', '<', 1_500_000_000]], ids: [] },

  // several
  { filters: [['customers.countryCode', '=', 'de'], ['customers.firstSeen', '>', 100]], ids: [2] },
  { filters: [['customers.tagsData', '=', ['Lead']], ['customers.name', '~', 'str']], ids: [2] },
  { filters: [['customers.id', '=', 1], ['customers.id', '=', 2]], ids: [] }
]

async function startWithPeople(): Promise<WireServer & { found: (ids: readonly number[]) => Exchange }> {
  const server = await startWire()
  for (const person of people) await server.create(person)
  return { ...server, found: (ids) => page(ids.map((id) => customer(id, people[id - 1]))) }
}

test('POST /v1/customers/search 200: each operator on each field finds whom the contract says', async () => {
  const server = await startWithPeople()
  for (const { filters, ids } of questions) {
    expect({ filters, ...await search(server, ...filters) }).toEqual({ filters, ...server.found(ids) })
  }
})

test('POST /v1/customers/search 200: OR finds whoever matches one filter, AND whoever matches all', async () => {
  const { ask, found } = await startWithPeople()
  const filter = [
    { field: 'customers.tagsData', operator: '=', value: ['VIP'] },
    { field: 'customers.lastSeen', operator: '>=', value: 600 },
    { field: 'customers.telegramId', operator: '=', value: 't1' }
  ]
  for (const comparison of ['OR', 'or', 'Or']) {
    expect(await ask('POST', '/v1/customers/search', { comparison, filter })).toEqual(found([1, 3, 7, 8]))
  }
  for (const comparison of [undefined, null, '', 'AND', 'and']) {
    expect(await ask('POST', '/v1/customers/search', { comparison, filter })).toEqual(found([]))
  }
  expect(await ask('POST', '/v1/customers/search', { comparison: 'OR', filter: [] })).toEqual(found(everyone))
  expect(await ask('POST', '/v1/customers/search', { comparison: 'OR', filter: filter.slice(0, 1) })).toEqual(found([1]))
})

test('POST /v1/customers/search 200: sorts and pages as the list does, in any letter case of order, with numeric strings', async () => {
  const { ask } = await startWithPeople()
  const someone = (id: number): Customer => customer(id, people[id - 1])
  const filter = [{ field: 'customers.id', operator: '<=', value: 4 }]
  const byLastSeen = [1, 2, 4, 3].map(someone)
  expect(await ask('POST', '/v1/customers/search', { filter, sort: 'customers.lastSeen', order: 'DESC' })).toEqual(page(byLastSeen))
  for (const sort of ['lastSeen', 'customer.lastSeen']) {
    expect(await ask('POST', '/v1/customers/search', { filter, sort, order: 'desc', limit: '2', offset: '1' }))
      .toEqual(page(byLastSeen.slice(1, 3), { total: 4, limit: 2, offset: 1 }))
  }
  expect(await ask('POST', '/v1/customers/search', { filter, sort: 'lastSeen', order: 'asc' })).toEqual(page([4, 2, 1, 3].map(someone)))
  expect(await ask('POST', '/v1/customers/search', { filter, sort: null, order: null, limit: null, offset: null })).toEqual(page([1, 2, 3, 4].map(someone)))
  expect(await ask('POST', '/v1/customers/search', { filter, limit: 101 })).toEqual(page([1, 2, 3, 4].map(someone)))
  expect(await ask('POST', '/v1/customers/search', { filter, limit: 1 })).toEqual(page([someone(1)], { total: 4, limit: 1 }))
  expect(await ask('POST', '/v1/customers/search', { filter, offset: 4 })).toEqual(page([], { total: 4, offset: 4 }))
  expect(await ask('POST', '/v1/customers/search', {})).toEqual(page([1, 2, 3, 4, 5, 6, 7, 8].map(someone)))
})

test('POST /v1/customers/search 200: pages by any limit hold every match once', async () => {
  const { ask } = await startWithPeople()
  const filter = [{ field: 'customers.name', operator: '!~', value: 'zzz' }]
  for (const order of ['asc', 'desc'] as const) {
    for (const [sort, ids] of [['firstSeen', [1, 2, 3, 4, 5, 6, 7]], ['lastSeen', [6, 4, 5, 2, 1, 7, 8]]] as const) {
      const undated = sort === 'firstSeen' ? 8 : 3
      const sorted = [...(order === 'asc' ? ids : ids.toReversed()), undated]
      for (const limit of [1, 3, 7]) {
        const pages = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(async (index) =>
          await ask('POST', '/v1/customers/search', { filter, sort, order, limit, offset: index * limit })))
        expect(pages).toEqual(pages.map((_, index) => page(
          sorted.slice(index * limit, (index + 1) * limit).map((id) => customer(id, people[id - 1])), { total: 8, limit, offset: index * limit })))
      }
    }
  }
})

test('POST /v1/customers/search 200: sees every write that was answered', async () => {
  const server = await startWire()
  const { ask, create } = server
  const byEmail: Filter = ['customers.email', '=', 'ann@example.com']
  const byTag: Filter = ['customers.tagsData', '=', ['Lead']]
  expect(await search(server, byEmail)).toEqual(page([]))
  const id = await create({ email: 'Ann@example.com' })
  const fields = { email: 'Ann@example.com' }
  expect(await search(server, byEmail)).toEqual(page([customer(id, fields)]))
  expect(await search(server, byTag)).toEqual(page([]))
  await ask('PUT', `/v1/customers/${id}/tags`, { tags: ['Lead'] })
  expect(await search(server, byTag)).toEqual(page([customer(id, { ...fields, tags: [{ name: 'Lead', color: '#c377e0' }] })]))
  await ask('DELETE', `/v1/customers/${id}/tags`, { tags: ['Lead'] })
  expect(await search(server, byTag)).toEqual(page([]))
  await ask('PUT', '/v1/customers/batch', [{ customer: id, email: 'bo@example.com' }])
  expect(await search(server, byEmail)).toEqual(page([]))
  await ask('PUT', `/v1/customers/${id}`, fields)
  expect(await search(server, byEmail)).toEqual(page([customer(id, fields)]))
  await ask('DELETE', `/v1/customers/${id}`)
  expect(await search(server, byEmail)).toEqual(page([]))
})

test('POST /v1/customers/search 200: finds a customer as soon as its creation was answered, so that clients make it once', async () => {
  const server = await startWire()
  for (let index = 0; index < 20; index += 1) {
    const email = `${index}@example.com`
    const id = await server.create({ email })
    expect(await search(server, ['customers.email', '=', email])).toEqual(page([customer(id, { email })]))
  }
})

// 400

const group = (...filter: object[]): object => ({ filter })
const notNumberOperator = (operator: string, field: string): string => `${operator} cannot be used on customers.${field}`
const bad = (body: unknown, ...faults: [string, string][]): { body: unknown; faults: [string, string][] } => ({ body, faults })
const badSearches = [
  ...[null, {}, 'customers.id = 1', 1, true, { field: 'customers.id', operator: '=', value: 1 }].map((filter) =>
    bad({ filter }, ['filter', wants.array])),
  ...[null, 'x', 1, []].map((item) => bad({ filter: [item] }, ['filter[0]', wants.object])),
  bad({ filter: [{}] }, ['filter[0].field', wants.something], ['filter[0].value', wants.something], ['filter[0].operator', wants.something]),
  bad({ filter: [{ field: 'customers.emial', operator: '=', value: 'a' }, { field: 'customers.id', operator: '~', value: 1 }] },
    ['filter[0].field', '"customers.emial" is not a searchable field; did you mean "customers.email"?'], ['filter[1].operator', '~ cannot be used on customers.id']),
  ...['customers.customData', 'customers.', 'customers.constructor', 'customers.__proto__', 'customers.x', '__proto__', 'events.', 'customData.plan'].map((field) =>
    bad({ filter: [{ field, operator: '=', value: 'a' }] }, ['filter[0].field', `"${field}" is not a searchable field`])),
  bad({ filter: [{ field: 5, operator: '=', value: 'a' }] }, ['filter[0].field', '5 is not a searchable field']),
  bad({ filter: [{ field: ['customers.id'], operator: '=', value: 1 }] }, ['filter[0].field', '["customers.id"] is not a searchable field']),
  bad({ filter: [{ field: 'customers.Name', operator: '=', value: 'a' }] }, ['filter[0].field', '"customers.Name" is not a searchable field; did you mean "customers.name"?']),
  ...['~', '!~', 'IN', '==', '=>', '<>', 'constructor'].map((operator) =>
    bad({ filter: [{ field: 'customers.lastSeen', operator, value: 1 }] }, ['filter[0].operator', notNumberOperator(operator, 'lastSeen')])),
  ...['>', '<', '>=', '<='].map((operator) =>
    bad({ filter: [{ field: 'customers.email', operator, value: 'a' }] }, ['filter[0].operator', notNumberOperator(operator, 'email')])),
  ...['!=', '~', '!~', '>'].map((operator) =>
    bad({ filter: [{ field: 'customers.tagsData', operator, value: ['a'] }] }, ['filter[0].operator', notNumberOperator(operator, 'tagsData')])),
  bad({ filter: [{ field: 'customers.id', operator: null, value: 1 }] }, ['filter[0].operator', wants.something]),
  bad({ filter: [{ field: 'customers.id', operator: 1, value: 1 }] }, ['filter[0].operator', notNumberOperator('1', 'id')]),

  ...['customers.id', 'customers.name', 'customers.lastSeen', 'customers.tagsData'].flatMap((field) => [
    bad({ filter: [{ field, operator: '=' }] }, ['filter[0].value', wants.something]),
    bad({ filter: [{ field, operator: '=', value: null }] }, ['filter[0].value', wants.something])
  ]),
  ...['', 'abc', 'NaN', 'Infinity', '1e3', ' 1', true, [1], {}].map((value) =>
    bad({ filter: [{ field: 'customers.id', operator: '=', value }] }, ['filter[0].value', wants.number])),
  bad({ filter: [{ field: 'customers.id', operator: '=', value: 1.5 }] }, ['filter[0].value', wants.wholeNumber]),
  ...[2 ** 53, -(2 ** 53), '9007199254740993', '-9007199254740993'].map((value) =>
    bad({ filter: [{ field: 'customers.id', operator: '=', value }] }, ['filter[0].value', 'This value should be between -9007199254740991 and 9007199254740991.'])),
  ...['', 'yesterday', '2024-01-01', '7d', '1.2.3'].map((value) =>
    bad({ filter: [{ field: 'customers.lastSeen', operator: '>', value }] }, ['filter[0].value', searchFaults.relativeDate])),
  ...[true, []].map((value) =>
    bad({ filter: [{ field: 'customers.lastSeen', operator: '>', value }] }, ['filter[0].value', wants.number])),
  ...[-1, 253_402_300_800, '253402300800', 2 ** 53].map((value) =>
    bad({ filter: [{ field: 'customers.firstSeen', operator: '>', value }] }, ['filter[0].value', wants.date])),
  ...[5, true, ['a'], {}].map((value) =>
    bad({ filter: [{ field: 'customers.name', operator: '=', value }] }, ['filter[0].value', wants.text])),
  bad({ filter: [{ field: 'customers.telegramId', operator: '=', value: 5 }] }, ['filter[0].value', wants.text]),
  bad({ filter: [{ field: 'customers.userId', operator: '=', value: 1.5 }] }, ['filter[0].value', wants.text]),
  bad({ filter: [{ field: 'customers.name', operator: '~', value: 'a\u0000' }] }, ['filter[0].value', wants.noNull]),
  bad({ filter: [{ field: 'customers.name', operator: '~', value: '\uD83D' }] }, ['filter[0].value', wants.wellFormed]),
  bad({ filter: [{ field: 'customers.tagsData', operator: '=', value: [] }] }, ['filter[0].value', wants.something]),
  ...['Lead', 5, { name: 'Lead' }].map((value) =>
    bad({ filter: [{ field: 'customers.tagsData', operator: '=', value }] }, ['filter[0].value', wants.array])),
  bad({ filter: [{ field: 'customers.tagsData', operator: '=', value: ['', {}, { name: 5 }, 5] }] },
    ['filter[0].value[0]', wants.something], ['filter[0].value[1].name', wants.something], ['filter[0].value[2].name', wants.text], ['filter[0].value[3]', wants.object]),

  bad({ comparison: 'XOR' }, ['comparison', 'This value should be one of "AND", "OR".']),
  bad({ comparison: 1 }, ['comparison', 'This value should be one of "AND", "OR".']),
  bad({ sort: 'customers.nmae' }, ['sort', '"customers.nmae" is not a field to sort by; did you mean "customers.name"?']),
  bad({ sort: 5 }, ['sort', '5 is not a field to sort by']),
  ...['tags', 'text', 'events.Visit', 'customData.plan'].map((sort) => bad({ sort }, ['sort', `"${sort}" is not a field to sort by`])),
  bad({ order: 'up' }, ['order', 'This value should be one of "asc", "desc".']),
  bad({ order: {} }, ['order', 'This value should be one of "asc", "desc".']),
  ...[0, -1, '0', '-1'].map((limit) => bad({ limit }, ['limit', 'This value should be between 1 and 9007199254740991.'])),
  bad({ limit: 2 ** 53 }, ['limit', 'This value should be between 1 and 9007199254740991.']),
  ...[1.5, '1.5'].map((limit) => bad({ limit }, ['limit', wants.wholeNumber])),
  ...['ten', true, [1]].map((limit) => bad({ limit }, ['limit', wants.number])),
  bad({ offset: -1 }, ['offset', 'This value should be between 0 and 9007199254740991.']),
  bad({ offset: 0.5 }, ['offset', wants.wholeNumber]),
  bad({ filter: Array.from({ length: 51 }, () => ({ field: 'customers.id', operator: '=', value: 1 })) },
    ['filter', searchFaults.tooManyFilters]),

  bad({ comparison: 'x', filter: [{ field: 'customers.id', operator: '~', value: 'x' }, { field: 'customers.x', operator: '=', value: 1 }], sort: 'x', order: 'x', limit: 0, offset: -1 },
    ['comparison', 'This value should be one of "AND", "OR".'],
    ['filter[0].operator', '~ cannot be used on customers.id'],
    ['filter[0].value', wants.number],
    ['filter[1].field', '"customers.x" is not a searchable field'],
    ['sort', '"x" is not a field to sort by'],
    ['order', 'This value should be one of "asc", "desc".'],
    ['limit', 'This value should be between 1 and 9007199254740991.'],
    ['offset', 'This value should be between 0 and 9007199254740991.']
  ),

  // beyond the contract
  ...[[], [1], [1, 2, 3], 5].map((value) => bad({ filter: [{ field: 'id', operator: 'between', value }] }, ['filter[0].value', searchFaults.pair])),
  ...[[], 5, 'a', Array.from({ length: 1_001 }, () => 1), Array.from({ length: 10_000 }, () => 1)].map((value) =>
    bad({ filter: [{ field: 'id', operator: 'in', value }] }, ['filter[0].value', searchFaults.list])),
  bad({ filter: [{ field: 'text', operator: '~', value: 'x'.repeat(100_000) }] }, ['filter[0].value', wants.atMost(65_535)]),
  bad({ filter: [{ field: 'name', operator: '=', value: 'a', not: true }] }, ['filter[0].not', searchFaults.notOnFilter]),
  bad({ filter: [group(group(group(group(group(group())))))] }, ['filter[0].filter[0].filter[0].filter[0].filter[0].filter[0]', searchFaults.tooDeep]),
  bad({ filter: [group(...Array.from({ length: 51 }, () => group()))] }, ['filter[0].filter', searchFaults.tooManyFilters]),
  bad({ filter: [{ comparison: 'NOR', not: 1, filter: [{ field: 'events.Visit', operator: '~', value: 'x', since: 'then', until: -1 }] }] },
    ['filter[0].comparison', 'This value should be one of "AND", "OR".'],
    ['filter[0].not', wants.boolean],
    ['filter[0].filter[0].operator', '~ cannot be used on events.Visit'],
    ['filter[0].filter[0].since', searchFaults.relativeDate],
    ['filter[0].filter[0].until', wants.date],
    ['filter[0].filter[0].value', wants.number]),
  bad({ cursr: '' }, ['cursr', 'This key is not known. Did you mean "cursor"?']),
  bad({ filters: [] }, ['filters', 'This key is not known. Did you mean "filter"?']),
  bad({ cursor: 5 }, ['cursor', wants.text]),
  bad({ cursor: 'x' }, ['cursor', searchFaults.foreignCursor]),
  bad({ cursor: '', offset: 0 }, ['cursor', searchFaults.cursorWithOffset]),
  bad({ total: 'no', explain: 1 }, ['total', wants.boolean], ['explain', wants.boolean]),
  ...['id', [], {}, Array.from({ length: 500_000 }, () => 0)].map((fields) => bad({ fields }, ['fields', searchFaults.fields])),
  bad({ filter: [{ field: 'events.Visit', operator: '>', value: 1, sinse: '-7d' }] }, ['filter[0].sinse', 'This key is not known. Did you mean "since"?']),
  bad({ filter: [{ field: 'name', operator: '=', value: 'a', comparison: 'OR', filter: [] }] }, ['filter[0]', searchFaults.bothKinds]),
  bad({ filter: [{ field: 'name', operator: '=', value: 'a', since: '-7d' }] }, ['filter[0].since', searchFaults.notOfEvents]),
  bad({ curosr: '', totla: false }, ['curosr', 'This key is not known. Did you mean "cursor"?'], ['totla', 'This key is not known. Did you mean "total"?']),
  bad({ fields: ['id', 'customers.id'] }, ['fields[1]', `This value should be one of ${customerKeys.join(', ')}.`])
]

test('POST /v1/customers/search 400: names every bad part, and finds nobody by the others', async () => {
  const { ask, create } = await startWire()
  await create({ name: 'a' })
  for (const { body, faults } of badSearches) {
    expect({ sent: body, ...await ask('POST', '/v1/customers/search', body) }).toEqual({ sent: body, ...invalid(...faults) })
  }
})

// Security: a body of a megabyte does not make an answer of many, nor hold up the server.
test('POST /v1/customers/search 400: names a thousand faults, and how many more there are', async () => {
  const { ask } = await startWire()
  const filter = Array.from({ length: 2 }, () => ({ field: 'id', operator: 'in', value: Array.from({ length: 1_000 }, () => '') }))
  const named = Array.from({ length: 1_000 }, (_, index) => [`filter[0].value[${index}]`, wants.number] as const)
  expect(await ask('POST', '/v1/customers/search', { filter })).toEqual(invalid(...named, ['filter[1].value[0]', 'From here on 1000 more values are wrong.']))
})

test('POST /v1/customers/search 200: many unknown keys are ignored, and those that fit the header are named', async () => {
  const { call } = await startWire()
  const keys = Array.from({ length: 60_000 }, (_, index) => `strange${index}`)
  const { status, body, headers } = await call('POST', '/v1/customers/search', Object.fromEntries(keys.map((key) => [key, 0])))
  const header = String(headers['clientele-ignored'])
  const count = header.split(',').length
  expect({ status, body, header }).toEqual({ ...page([]), header: keys.slice(0, count).join() })
  expect([header.length <= 1_024, `${header},${keys[count]}`.length <= 1_024]).toEqual([true, false])
})
