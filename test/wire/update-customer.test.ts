import { expect, test } from 'vitest'
import { customer, customerNotFound, invalid, ok, page, seen, startWire, userIdTaken, wants } from './expected.ts'

const color = '#c377e0'
const device = { id: 9, ip: '10.0.0.1', timezone: 'UTC', platform: 'mobile', userAgent: 'Mozilla' } as const
const full = {
  name: 'Ann', email: 'ann@example.com', userId: 'u-1', company: 'Acme', phone: '1', firstSeen: '1', lastSeen: '2',
  location: { regionCode: 'NW', countryCode: 'DE', city: 'Köln' }, device, unsubscribed: true, blocked: true,
  source: 's', referer: 'r', lastPage: 'l', locale: 'de', createdFrom: 'web', integrationId: 'i', notes: 'n',
  tags: [{ name: 'Lead', color }, { name: 'VIP', color: 'red' }], customData: { plan: 'pro', seats: 3, active: true }
}
const location = full.location

// 200

const patches: { what: string; patch: Record<string, unknown>; becomes: Parameters<typeof customer>[1] }[] = [
  { what: 'an empty patch', patch: {}, becomes: {} },
  { what: 'one field', patch: { name: 'Bo' }, becomes: { name: 'Bo' } },
  { what: 'the same again', patch: { name: 'Ann', tags: full.tags, customData: full.customData, device }, becomes: {} },
  { what: 'another id', patch: { id: 99, name: 'Bo' }, becomes: { name: 'Bo' } },
  {
    what: 'null in every field that can be cleared',
    patch: { name: null, email: null, userId: null, company: null, phone: null, firstSeen: null, lastSeen: null, location: null, device: null, source: null, referer: null, lastPage: null, locale: null, createdFrom: null, integrationId: null, notes: null, tags: null, customData: null },
    becomes: { name: null, email: null, userId: null, company: null, phone: null, firstSeen: null, lastSeen: null, location: { regionCode: null, countryCode: null, city: null }, device: null, source: null, referer: null, lastPage: null, locale: null, createdFrom: null, integrationId: null, notes: null, tags: [], customData: {} }
  },
  { what: 'an empty email and userId', patch: { email: '', userId: '' }, becomes: { email: null, userId: null } },
  { what: 'other empty text', patch: { name: '', notes: '' }, becomes: { name: '', notes: '' } },
  { what: 'an integer userId', patch: { userId: 7 }, becomes: { userId: '7' } },
  { what: 'its own userId', patch: { userId: 'u-1' }, becomes: {} },
  { what: 'false', patch: { unsubscribed: false, blocked: false }, becomes: { unsubscribed: false, blocked: false } },
  { what: 'dates', patch: { firstSeen: 5.9, lastSeen: '6' }, becomes: { firstSeen: '5', lastSeen: '6' } },
  { what: 'one part inside location', patch: { location: { city: 'Bonn' } }, becomes: { location: { ...location, city: 'Bonn' } } },
  { what: 'one part of location to clear', patch: { location: { city: null } }, becomes: { location: { ...location, city: null } } },
  { what: 'an empty location', patch: { location: {} }, becomes: {} },
  { what: 'a part at top level', patch: { city: 'Bonn' }, becomes: { location: { ...location, city: 'Bonn' } } },
  { what: 'a part at top level to clear', patch: { countryCode: null }, becomes: { location: { ...location, countryCode: null } } },
  { what: 'parts in both places', patch: { city: 'Bonn', regionCode: null, location: { city: 'Ulm' } }, becomes: { location: { ...location, city: 'Ulm', regionCode: null } } },
  { what: 'a null inside location over a part at top level', patch: { city: 'Bonn', location: { city: null } }, becomes: { location: { ...location, city: null } } },
  { what: 'a device, which replaces the whole', patch: { device: { id: 8, platform: 'desktop' } }, becomes: { device: { id: 8, ip: null, timezone: null, platform: 'desktop', userAgent: null } } },
  { what: 'tags, which replace the set', patch: { tags: ['New', 'VIP'] }, becomes: { tags: [{ name: 'VIP', color: 'red' }, { name: 'New', color }] } },
  { what: 'no tags', patch: { tags: [] }, becomes: { tags: [] } },
  { what: 'a tag with a new color', patch: { tags: [{ name: 'VIP', color: 'blue' }] }, becomes: { tags: [{ name: 'VIP', color: 'blue' }] } },
  { what: 'custom data, which merges', patch: { customData: { seats: 4, city: 'x' } }, becomes: { customData: { plan: 'pro', seats: 4, active: true, city: 'x' } } },
  { what: 'a null attribute, which removes it', patch: { customData: { seats: null } }, becomes: { customData: { plan: 'pro', active: true } } },
  { what: 'a null attribute that is not there', patch: { customData: { unheard: null } }, becomes: {} },
  { what: 'custom data as a list', patch: { customData: [{ property: 'plan', value: null }, { name: 'seats', value: 5 }] }, becomes: { customData: { seats: 5, active: true } } },
  { what: 'empty custom data', patch: { customData: {} }, becomes: {} },
  { what: 'an empty list of custom data', patch: { customData: [] }, becomes: {} }
]

test('PATCH /v1/customers/{id} 200: changes what is given and nothing else', async () => {
  const { ask, create } = await startWire()
  for (const { what, patch, becomes } of patches) {
    const id = await create(full)
    const answer = { what, ...ok(customer(id, { ...full, ...becomes })) }
    expect({ what, ...await ask('PATCH', `/v1/customers/${id}`, patch) }).toEqual(answer)
    expect({ what, ...await ask('GET', `/v1/customers/${id}`) }).toEqual(answer)
    await ask('DELETE', `/v1/customers/${id}`)
  }
})

test('PATCH /v1/customers/{id} 200: a customer read before can be sent back', async () => {
  const { ask, create } = await startWire()
  const id = await create(full)
  const read = await ask('GET', `/v1/customers/${id}`)
  expect(await ask('PATCH', `/v1/customers/${id}`, read.body)).toEqual(read)
})

test('PATCH /v1/customers/{id} 200: attributes keep the order in which they were first set', async () => {
  const { ask, create } = await startWire()
  const id = await create({ customData: { b: 1, a: 2, c: 3 } })
  await ask('PATCH', `/v1/customers/${id}`, { customData: { d: 4, a: 5 } })
  const { body } = await ask('PATCH', `/v1/customers/${id}`, { customData: { b: null, e: 6 } })
  expect(JSON.stringify(body)).toBe(JSON.stringify(customer(id, { customData: { a: 5, c: 3, d: 4, e: 6 } })))
})

test('PATCH /v1/customers/{id} 200: tags keep the order in which they were attached', async () => {
  const { ask, create } = await startWire()
  const id = await create({ tags: ['c', 'b', 'a'] })
  const tags = ['c', 'a', 'z'].map((name) => ({ name, color }))
  expect(await ask('PATCH', `/v1/customers/${id}`, { tags: ['z', 'a', 'c'] })).toEqual(ok(customer(id, { tags })))
})

test('PATCH /v1/customers/{id} 200: a device without id keeps none of the device before', async () => {
  const { ask, create } = await startWire()
  await create()
  const id = await create({ device })
  const bare = { id: 2, ip: null, timezone: null, platform: null, userAgent: null }
  expect(await ask('PATCH', `/v1/customers/${id}`, { device: {} })).toEqual(ok(customer(id, { device: bare })))
})

test('PATCH /v1/customers/{id} 200: a new color shows on everybody who has the tag', async () => {
  const { ask, create, everyone } = await startWire()
  await create({ tags: ['Lead'] })
  const id = await create()
  const tags = [{ name: 'Lead', color: '#abc' }]
  expect(await ask('PATCH', `/v1/customers/${id}`, { tags })).toEqual(ok(customer(id, { tags })))
  expect(await everyone()).toEqual(page([customer(1, { tags }), customer(2, { tags })]))
})

test('PATCH /v1/customers/{id} 200: of many at once none is lost', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  const names = Array.from({ length: 20 }, (_, index) => `a${index}`)
  await Promise.all(names.map(async (name, index) => await ask('PATCH', `/v1/customers/${id}`, { customData: { [name]: index } })))
  const customData = Object.fromEntries(names.map((name, index) => [name, index]))
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, { customData })))
})

// 400

const bad = (patch: Record<string, unknown>, ...faults: [string, string][]): { patch: Record<string, unknown>; faults: [string, string][] } => ({ patch, faults })
const badPatches = [
  bad({ name: 5 }, ['name', wants.text]),
  bad({ name: 'a\u0000' }, ['name', wants.noNull]),
  bad({ notes: '\uD800' }, ['notes', wants.wellFormed]),
  bad({ email: 'none' }, ['email', wants.email]),
  bad({ userId: 2 ** 53 }, ['userId', wants.text]),
  bad({ firstSeen: 'NaN', lastSeen: -1 }, ['firstSeen', wants.number], ['lastSeen', wants.date]),
  bad({ unsubscribed: null, blocked: null }, ['unsubscribed', wants.boolean], ['blocked', wants.boolean]),
  bad({ location: 'x' }, ['location', wants.object]),
  bad({ location: { city: 5 }, countryCode: 5 }, ['countryCode', wants.text], ['location.city', wants.text]),
  bad({ device: 'x' }, ['device', wants.object]),
  bad({ tags: 'x' }, ['tags', wants.array]),
  bad({ tags: [{ name: 'VIP', color: 'none' }] }, ['tags[0].color', wants.color]),
  bad({ customData: 'x' }, ['customData', wants.object]),
  bad({ customData: { plan: 5, seats: 'x', active: 0 } }, ['customData.plan', 'This value should be of type text.'],
    ['customData.seats', 'This value should be of type number.'], ['customData.active', 'This value should be of type boolean.']),
  bad({ customData: { constructor: 'x', unheard: {} } }, ['customData.constructor', wants.notReserved], ['customData.unheard', wants.attributeValue]),
  bad({ name: 'Bo', company: 5, tags: ['x', 5], customData: { unheard: 1, other: [] } },
    ['company', wants.text], ['tags[1]', wants.object], ['customData.other', wants.attributeValue])
]

test.for(['PATCH', 'PUT'] as const)('%s /v1/customers/{id} 400: names every fault, and changes nothing', async (method) => {
  const { ask, create, everyone } = await startWire()
  await create(full)
  const before = await everyone()
  for (const { patch, faults } of badPatches) {
    expect({ patch, ...await ask(method, '/v1/customers/1', patch) }).toEqual({ patch, ...invalid(...faults) })
  }
  expect(await ask(method, '/v1/customers/1', '{"customData":{"__proto__":1}}')).toEqual(invalid(['customData.__proto__', wants.notReserved]))
  expect(await everyone()).toEqual(before)
})

test.for(['PATCH', 'PUT'] as const)('%s /v1/customers/{id} 400: a taken userId is named with its holder, and changes nothing', async (method) => {
  const { ask, create, everyone } = await startWire()
  const holder = await create({ userId: '42' })
  const id = await create({ userId: 'mine', tags: [{ name: 'Lead', color: 'red' }], customData: { plan: 'pro' } })
  const before = await everyone()
  for (const userId of ['42', 42]) {
    const patch = { userId, name: 'Bo', tags: [{ name: 'Lead', color: 'blue' }, 'New'], customData: { other: 1 } }
    expect(await ask(method, `/v1/customers/${id}`, patch)).toEqual(userIdTaken(holder))
  }
  expect(await everyone()).toEqual(before)
})

test.for(['PATCH', 'PUT'] as const)('%s /v1/customers/{id} 400: a customer may have 500 attributes and no more, counted after the change', async (method) => {
  const { ask, create, everyone } = await startWire()
  const numbered = (from: number, count: number): Record<string, number> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${from + index}`, index]))
  await create({ customData: numbered(0, 500) })
  const before = await everyone()
  const tooMany = invalid(['customData', 'A customer can have 500 attributes or less.'])
  expect(await ask(method, '/v1/customers/1', { customData: numbered(0, 501) }))
    .toEqual(invalid(['customData', 'This collection should contain 500 elements or less.']))
  if (method === 'PATCH') expect(await ask(method, '/v1/customers/1', { customData: numbered(500, 1) })).toEqual(tooMany)
  expect(await everyone()).toEqual(before)
  const removals = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`a${index}`, null]))
  expect(await ask(method, '/v1/customers/1', { customData: { ...removals, ...numbered(500, 500) } }))
    .toEqual(ok(customer(1, { customData: numbered(500, 500) })))
})

// 404

test.for(['PATCH', 'PUT'] as const)('%s /v1/customers/{id} 404: no such customer, and none is made', async (method) => {
  const { ask, create, everyone } = await startWire()
  await create({ tags: [{ name: 'Lead', color: 'red' }] })
  const before = await everyone()
  for (const id of ['2', '0', '-1', '1.5', '01', 'abc', '9007199254740992', 'search']) {
    expect({ id, ...await ask(method, `/v1/customers/${id}`, { ...seen, tags: [{ name: 'Lead', color: 'blue' }], customData: { plan: 'x' } }) })
      .toEqual({ id, ...customerNotFound })
  }
  expect(await everyone()).toEqual(before)
  expect(await ask('PATCH', '/v1/customers/1', { customData: { plan: 5 } }))
    .toEqual(ok(customer(1, { tags: [{ name: 'Lead', color: 'red' }], customData: { plan: 5 } })))
})
