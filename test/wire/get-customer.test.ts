import { expect, test } from 'vitest'
import { customer, customerNotFound, ok, startWire } from './expected.ts'

// 200

test('GET /v1/customers/{id} 200: answers every key, null or empty where nothing is known', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id)))
})

test('GET /v1/customers/{id} 200: answers what was written, dates as text', async () => {
  const { ask, create } = await startWire()
  const fields = {
    name: 'Zoë', email: 'zoe@example.com', userId: 'u-1', company: 'Acme', phone: '+1 555', firstSeen: '0', lastSeen: '253402300799',
    location: { regionCode: 'NY', countryCode: 'US', city: 'New York' },
    device: { id: 9, ip: '::1', timezone: 'UTC', platform: 'desktop', userAgent: 'curl' } as const,
    unsubscribed: true, blocked: true, source: 's', referer: 'r', lastPage: 'l', locale: 'pt_BR', createdFrom: 'telegram_bot',
    integrationId: 'i', notes: 'n', tags: [{ name: 'Lead', color: 'red' }], customData: { plan: 'pro', seats: 1.5, active: false }
  }
  const id = await create(fields)
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(ok(customer(id, fields)))
})

test('GET /v1/customers/{id} 200: a percent-encoded id is that id', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  expect(await ask('GET', '/v1/customers/%31')).toEqual(ok(customer(id)))
})

// 404

const noIds = ['2', '0', '-1', '+1', '01', '1.0', '1.5', '1e0', '0x1', 'abc', 'null', '%201', '1%20', '%EF%BC%91', '9007199254740991', '9007199254740992', '9007199254740993', '99999999999999999999999', 'batch', 'search', '__proto__']

test('GET /v1/customers/{id} 404: names no customer', async () => {
  const { ask, create } = await startWire()
  await create()
  for (const id of noIds) expect({ id, ...await ask('GET', `/v1/customers/${id}`) }).toEqual({ id, ...customerNotFound })
})

test('GET /v1/customers/{id} 404: a deleted customer is gone', async () => {
  const { ask, create } = await startWire()
  const id = await create()
  await ask('DELETE', `/v1/customers/${id}`)
  expect(await ask('GET', `/v1/customers/${id}`)).toEqual(customerNotFound)
})
