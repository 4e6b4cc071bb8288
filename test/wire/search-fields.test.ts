import { expect, test } from 'vitest'
import type { Customer } from '../../src/contract/customer.ts'
import { createDatabase } from '../engines.ts'
import type { Exchange, WireServer } from './expected.ts'
import { customer, page, startWire } from './expected.ts'

// What searches ask beyond the contract: all fields, all operators, groups.

const tag = (name: string): Customer['tags'][number] => ({ name, color: '#c377e0' })
const device = (platform: 'desktop' | 'mobile' | null, timezone: string | null): Customer['device'] => ({ id: 7, ip: null, timezone, platform, userAgent: null })

const people: Partial<Customer>[] = [
  {
    name: 'Ann Émile', email: 'ann@example.com', company: 'Acme', phone: '+49 (0)30 123-456', userId: 'U-1', notes: 'likes 100% cotton', source: 'https://a.example/?q=1', referer: 'ads',
    lastPage: '/pricing', locale: 'en-US', createdFrom: 'web', integrationId: 'i1', unsubscribed: true, device: device('desktop', 'Europe/Berlin'),
    tags: [tag('Lead'), tag('VIP')], customData: { plan: 'Pro', seats: 10, paying: true, 'a.b': 'x' }
  },
  {
    name: 'Bo', email: 'bo@example.com', company: 'ann', userId: '42', notes: '', locale: 'en-GB', createdFrom: 'telegram_bot', integrationId: 'I1', blocked: true, device: device('mobile', null),
    tags: [tag('Lead')], customData: { plan: 'basic', seats: 0.5, paying: false }
  },
  { name: 'Joanna', phone: '030 999', source: 'https://b.example/', device: device(null, 'UTC'), tags: [tag('lead')], customData: { plan: '', seats: -3 } },
  { email: 'annika@example.com' }
]
const everyone = [1, 2, 3, 4]
const but = (...ids: number[]): number[] => everyone.filter((id) => !ids.includes(id))

interface PeopledServer extends WireServer {
  readonly search: (body: object) => Promise<Exchange>
  readonly found: (ids: readonly number[]) => Exchange
}

/** People with events, searched the way the engine goes about it once it knows them well. */
async function startWithPeople(): Promise<PeopledServer> {
  const database = await createDatabase()
  const server = await startWire({}, database)
  for (const person of people) await server.create(person)
  for (const [customerId, name, createdAt] of [
    [1, 'Invoice paid', 100], [1, 'Invoice paid', 200], [1, 'Invoice paid', 300], [2, 'Invoice paid', 200], [3, 'Visit', 200]
  ] as const) {
    expect(await server.ask('POST', '/v1/events', { name, customer: customerId, createdAt })).toMatchObject({ status: 200 })
  }
  await database.untilIndexed(server.store, { organizationId: 1, keyId: 1 })
  return {
    ...server,
    search: async (body) => await server.ask('POST', '/v1/customers/search', body),
    found: (ids) => page(ids.map((id) => customer(id, people[id - 1])))
  }
}

const questions: [field: string, operator: string, value: unknown, ids: number[]][] = [
  // text
  ['notes', '~', '100%', [1]],
  ['customers.notes', '!~', 'LIKES', but(1)],
  ['notes', '=', '', [2]],
  ['notes', 'empty', undefined, but(1)],
  ['notes', '!empty', undefined, [1]],
  ['notes', '~', '', [1, 2]],
  ['notes', '^', '', [1, 2]],
  ['name', '^', 'ANN É', [1]],
  ['name', '^', 'É', []],
  ['name', '$', 'ÉMILE', [1]],
  ['name', '$', 'nn', []],
  ['name', '$', '', [1, 2, 3]],
  ['name', 'in', ['BO', 'joanna', 'nobody', 'bo'], [2, 3]],
  ['name', '!in', ['bo', 'JOANNA'], [1, 4]],
  ['name', 'empty', undefined, [4]],
  ['source', '$', '.EXAMPLE/', [3]],
  ['referer', '=', 'Ads', [1]],
  ['lastPage', '^', '/', [1]],
  ['locale', '^', 'EN', [1, 2]],
  ['createdFrom', '=', 'WEB', [1]],
  ['device.platform', '=', 'Desktop', [1]],
  ['device.platform', '!=', 'desktop', but(1)],
  ['device.timezone', 'empty', undefined, [2, 4]],
  ['customers.device.timezone', 'in', ['utc'], [3]],
  ['name', '~', '^(a+)+$', []],
  ['name', '~', '.*', []],
  ['name', '~', '[a-z]', []],

  // exact text
  ['integrationId', '=', 'i1', [1]],
  ['integrationId', 'in', ['i1', 'I1'], [1, 2]],
  ['integrationId', '^', 'I', [2]],
  ['userId', 'in', [42, 'u-1'], [2]],
  ['userId', '$', '-1', [1]],
  ['userId', 'empty', undefined, [3, 4]],
  ['telegramId', '=', 'I1', [2]],
  ['telegramId', '!empty', undefined, [2]],

  // numbers
  ['id', 'in', [1, '3', 99], [1, 3]],
  ['id', '!in', [1, 3], [2, 4]],
  ['id', 'between', [2, 3], [2, 3]],
  ['id', 'between', [3, 2], []],
  ['id', 'empty', undefined, []],
  ['id', '!empty', undefined, everyone],

  // booleans
  ['unsubscribed', '=', true, [1]],
  ['unsubscribed', '!=', true, but(1)],
  ['blocked', '=', false, but(2)],
  ['blocked', 'empty', undefined, []],

  // dates
  ['createdAt', '<=', 'now', everyone],
  ['createdAt', '>', '-1h', everyone],
  ['createdAt', '<', '-1w', []],
  ['updatedAt', 'between', ['-60s', 'now'], everyone],
  ['firstSeen', 'in', [1_700_000_000], everyone],
  ['lastSeen', 'empty', undefined, []],

  // tags
  ['tags', '=', ['Lead', 'VIP'], [1]],
  ['tags', 'all', [{ name: 'Lead' }], [1, 2]],
  ['tagsData', 'any', ['VIP', 'lead', 'unheard of'], [1, 3]],
  ['customers.tags', 'none', ['Lead', 'unheard of'], [3, 4]],
  ['tags', 'empty', undefined, [4]],
  ['tags', '!empty', undefined, but(4)],

  // custom attributes
  ['customData.plan', '=', 'PRO', [1]],
  ['customData.plan', '!=', 'pro', but(1)],
  ['customData.plan', 'empty', undefined, [3, 4]],
  ['customers.customData.plan', '~', '', [1, 2, 3]],
  ['customData.a.b', '=', 'X', [1]],
  ['customData.seats', '>', 0, [1, 2]],
  ['customData.seats', 'between', [-3, '0.5'], [2, 3]],
  ['customData.seats', '!=', 10, but(1)],
  ['customData.seats', 'empty', undefined, [4]],
  ['customData.paying', '=', false, [2]],
  ['customData.paying', '!=', false, but(2)],
  ['customData.paying', '!empty', undefined, [1, 2]],

  // events
  ['events.Invoice paid', '>=', 2, [1]],
  ['events.Invoice paid', '=', 0, [3, 4]],
  ['events.Invoice paid', '!=', 0, [1, 2]],
  ['events.Invoice paid', 'between', [1, 2], [2]],
  ['events.Invoice paid', 'in', [3, 0], [1, 3, 4]],
  ['events.invoice paid', '>', 0, []],
  ['events.never sent', '=', 0, everyone],
  ['events.never sent', '>', 0, []]
]

test('POST /v1/customers/search 200: each operator finds on fields beyond the contract whom it says', async () => {
  const server = await startWithPeople()
  for (const [field, operator, value, ids] of questions) {
    const filter = [{ field, operator, value }]
    expect({ filter, ...await server.search({ filter }) }).toEqual({ filter, ...server.found(ids) })
  }
})

test('POST /v1/customers/search 200: events are counted from since to until, both seconds included', async () => {
  const server = await startWithPeople()
  for (const [window, ids] of [
    [{ since: 100, until: 300 }, [1]], [{ since: 101 }, [1]], [{ since: 200, until: 300 }, [1]], [{ since: 201 }, []], [{ until: 299 }, [1]], [{ until: '200' }, [1]],
    [{ until: 199 }, []], [{ since: 300, until: 100 }, []], [{ since: '-7d' }, []], [{ until: 'now', since: null }, [1]]
  ] as const) {
    const filter = [{ field: 'events.Invoice paid', operator: '>=', value: 2, ...window }]
    expect({ window, ...await server.search({ filter }) }).toEqual({ window, ...server.found(ids) })
  }
})

test('POST /v1/customers/search 200: groups nest, and a negated one finds exactly the others', async () => {
  const { search, found } = await startWithPeople()
  const name = (value: string): object => ({ field: 'name', operator: '~', value })
  const lead = { field: 'tags', operator: 'any', value: ['Lead'] }
  const isNamed = { field: 'name', operator: '!empty' }
  for (const [body, ids] of [
    [{ filter: [{ comparison: 'OR', filter: [name('bo'), name('joanna')] }, lead] }, [2]],
    [{ comparison: 'or', filter: [{ filter: [name('ann'), lead] }, { field: 'id', operator: '=', value: 4 }] }, [1, 4]],
    [{ not: true, filter: [name('ann')] }, [2, 4]],
    [{ filter: [{ not: true, filter: [name('ann')] }] }, [2, 4]],
    [{ not: true, filter: [{ not: true, filter: [name('ann')] }] }, [1, 3]],
    [{ not: true, comparison: 'OR', filter: [name('bo'), lead] }, [3, 4]],
    [{ filter: [{ filter: [{ filter: [{ filter: [{ filter: [name('bo')] }] }] }] }] }, [2]],
    [{ filter: [{ filter: [] }] }, everyone],
    [{ filter: [{ comparison: 'OR', filter: [] }] }, everyone],
    [{ not: true }, []],
    [{ filter: [{ filter: [], not: true }, isNamed] }, []],
    [{ filter: [{ field: 'email', operator: '=', value: 'ann@example.com' }, { filter: [], not: true }] }, []],
    // Beyond the first page the total is counted by itself.
    [{ filter: [{ filter: [], not: true }, { field: 'events.none', operator: '=', value: 0 }], offset: 1 }, []],
    [{ filter: [{ not: true, comparison: 'OR', filter: [{ filter: [] }, isNamed] }, { field: 'events.none', operator: '=', value: 0 }], offset: 1 }, []],
    [{ comparison: 'OR', filter: [{ filter: [], not: true }, isNamed] }, [1, 2, 3]]
  ] as const) {
    expect([body, await search(body)]).toEqual([body, found(ids)])
  }
})

test('POST /v1/customers/search 200: text looks in name, email, company, phone and userId, the whole of a field first, then its beginning, then a part', async () => {
  const { search, found } = await startWithPeople()
  const byText = (value: string, others: object = {}): object => ({ filter: [{ field: 'text', operator: '~', value }], ...others })
  for (const [body, ids] of [
    [byText('ANN'), [2, 1, 4, 3]],
    [byText('ANN', { order: 'desc' }), [2, 1, 4, 3]],
    [byText('ann', { sort: 'id' }), [1, 2, 3, 4]],
    [byText('ann', { sort: 'id', order: 'desc' }), [4, 3, 2, 1]],
    [byText('@EXAMPLE'), [1, 2, 4]],
    [byText('acme'), [1]],
    [byText('u-1'), [1]],
    [byText('030'), [3, 1]],
    [byText('30-12'), [1]],
    [byText('(0)30/1234.56'), [1]],
    [byText('49\u00a030\u201312\u201134'), []],
    [byText('\u202a030\u00a012\u201134\u2013\u20105\u20126\u202c'), [1]],
    [byText('030\u2011'), [3, 1]],
    [{ filter: [{ field: 'text', operator: '!~', value: '030\u2011' }] }, but(1, 3)],
    [byText('42'), [2]],
    [byText('likes'), []],
    [byText('^a.*'), []],
    [byText(''), everyone],
    [{ filter: [{ field: 'text', operator: '!~', value: 'ann' }] }, []],
    [{ filter: [{ field: 'text', operator: '!~', value: 'acme' }] }, but(1)],
    [{ filter: [{ comparison: 'OR', filter: [{ field: 'text', operator: '~', value: 'bo' }, { field: 'text', operator: '~', value: 'ann' }] }] }, [2, 1, 3, 4]]
  ] as const) {
    expect([body, await search(body)]).toEqual([body, found(ids)])
  }
})

test('POST /v1/customers/search 200: lists of 1000 values and needles of 65535 characters are taken', async () => {
  const { search, found } = await startWithPeople()
  const ids = Array.from({ length: 1_000 }, (_, index) => index + 2)
  expect(await search({ filter: [{ field: 'id', operator: 'in', value: ids }] })).toEqual(found([2, 3, 4]))
  expect(await search({ filter: [{ field: 'name', operator: '!in', value: ids.map(String) }] })).toEqual(found(everyone))
  expect(await search({ filter: [{ field: 'text', operator: '~', value: 'x'.repeat(65_535) }] })).toEqual(found([]))
  expect(await search({ filter: [{ field: 'notes', operator: '!~', value: 'é'.repeat(65_535) }] })).toEqual(found(everyone))
})

test('POST /v1/customers/search 200: fifty filters in fifty groups are taken', async () => {
  const { search, found } = await startWithPeople()
  const filter = Array.from({ length: 50 }, (_, index) => ({ comparison: 'OR', filter: [{ field: 'id', operator: '!=', value: index + 3 }] }))
  expect(await search({ filter })).toEqual(found([1, 2]))
})
