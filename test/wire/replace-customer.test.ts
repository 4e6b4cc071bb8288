import { expect, test } from 'vitest'
import { customer, ok, startWire } from './expected.ts'

// Bad input, taken userIds and unknown customers are the same for PUT and PATCH: see update-customer.test.ts.

const color = '#c377e0'
const kept = {
  firstSeen: '1', lastSeen: '2', location: { regionCode: 'NW', countryCode: 'DE', city: 'Köln' },
  device: { id: 9, ip: '10.0.0.1', timezone: 'UTC', platform: 'mobile', userAgent: 'Mozilla' },
  unsubscribed: true, blocked: true, createdFrom: 'web', integrationId: 'i'
} as const
const full = {
  ...kept, name: 'Ann', email: 'ann@example.com', userId: 'u-1', company: 'Acme', phone: '1', source: 's', referer: 'r', lastPage: 'l',
  locale: 'de', notes: 'n', tags: [{ name: 'Lead', color }, { name: 'VIP', color: 'red' }], customData: { plan: 'pro', seats: 3 }
}
const { location } = kept

// 200

const replacements: { what: string; body: Record<string, unknown>; becomes: Parameters<typeof customer>[1] }[] = [
  { what: 'nothing', body: {}, becomes: {} },
  { what: 'one field, which clears the others', body: { name: 'Bo' }, becomes: { name: 'Bo' } },
  { what: 'every field', body: { ...full, id: 77 }, becomes: full },
  { what: 'nulls', body: { name: null, userId: null, tags: null, customData: null, notes: null }, becomes: {} },
  { what: 'nulls where omission resets nothing', body: { firstSeen: null, lastSeen: null, location: null, device: null, createdFrom: null, integrationId: null },
    becomes: { firstSeen: null, lastSeen: null, location: { regionCode: null, countryCode: null, city: null }, device: null, createdFrom: null, integrationId: null } },
  { what: 'parts of a location', body: { location: { city: 'Bonn' }, regionCode: null }, becomes: { location: { ...location, city: 'Bonn', regionCode: null } } },
  { what: 'a device, which replaces the whole', body: { device: { id: 8 } }, becomes: { device: { id: 8, ip: null, timezone: null, platform: null, userAgent: null } } },
  { what: 'false', body: { unsubscribed: false, blocked: false }, becomes: { unsubscribed: false, blocked: false } },
  { what: 'tags', body: { tags: ['New', 'VIP'] }, becomes: { tags: [{ name: 'VIP', color: 'red' }, { name: 'New', color }] } },
  { what: 'custom data, whose attributes not named go', body: { customData: { seats: 4, other: 'x' } }, becomes: { customData: { seats: 4, other: 'x' } } },
  { what: 'custom data as a list', body: { customData: [{ property: 'plan', value: 'pro' }, { name: 'seats', value: null }] }, becomes: { customData: { plan: 'pro' } } }
]

test('PUT /v1/customers/{id} 200: replaces, and resets by omission only what the contract names', async () => {
  const { ask, create } = await startWire()
  for (const { what, body, becomes } of replacements) {
    const id = await create(full)
    const answer = { what, ...ok(customer(id, { ...kept, ...becomes })) }
    expect({ what, ...await ask('PUT', `/v1/customers/${id}`, body) }).toEqual(answer)
    expect({ what, ...await ask('GET', `/v1/customers/${id}`) }).toEqual(answer)
    await ask('DELETE', `/v1/customers/${id}`)
  }
})

test('PUT /v1/customers/{id} 200: a userId given up by omission is free for another', async () => {
  const { ask, create } = await startWire()
  const id = await create({ userId: 'u' })
  await ask('PUT', `/v1/customers/${id}`, {})
  expect(await create({ userId: 'u' })).toBe(2)
})

test('PUT /v1/customers/{id} 200: a customer read before can be sent back', async () => {
  const { ask, create } = await startWire()
  const id = await create(full)
  const read = await ask('GET', `/v1/customers/${id}`)
  expect(await ask('PUT', `/v1/customers/${id}`, read.body)).toEqual(read)
})
