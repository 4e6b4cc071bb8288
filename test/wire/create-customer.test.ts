import { expect, test } from 'vitest'
import type { Customer } from '../../src/contract/customer.ts'
import { customer, invalid, page, seen, someId, startWire, userIdTaken, wants } from './expected.ts'

const color = '#c377e0'

// 201

test('POST /v1/customers 201: needs nothing, and takes now for the two dates', async () => {
  const { ask } = await startWire()
  const before = Math.floor(Date.now() / 1000)
  const { status, body } = await ask('POST', '/v1/customers', {})
  const after = Math.floor(Date.now() / 1000)
  const { firstSeen } = body as Customer
  expect({ status, body }).toEqual({ status: 201, body: customer(1, { firstSeen, lastSeen: firstSeen }) })
  expect(firstSeen).toMatch(/^\d+$/)
  expect(Number(firstSeen)).toBeGreaterThanOrEqual(before)
  expect(Number(firstSeen)).toBeLessThanOrEqual(after)
})

test('POST /v1/customers 201: null is the same as absent, but for the two dates', async () => {
  const { ask } = await startWire()
  const nulls = {
    name: null, email: null, userId: null, company: null, phone: null, location: null, city: null, regionCode: null, countryCode: null,
    device: null, unsubscribed: null, blocked: null, source: null, referer: null, lastPage: null, locale: null, createdFrom: null,
    integrationId: null, notes: null, tags: null, customData: null
  }
  expect(await ask('POST', '/v1/customers', { ...nulls, ...seen })).toEqual({ status: 201, body: customer(1) })
  expect(await ask('POST', '/v1/customers', { ...nulls, firstSeen: null, lastSeen: null }))
    .toEqual({ status: 201, body: customer(2, { firstSeen: null, lastSeen: null }) })
})

test('POST /v1/customers 201: takes every writable field, and another id than the one sent', async () => {
  const { ask } = await startWire()
  const fields = {
    name: 'Zoë', email: 'zoe@example.com', userId: 'u-1', company: 'Acme', phone: 'call me', firstSeen: '1', lastSeen: '2',
    location: { regionCode: 'NY', countryCode: 'US', city: 'New York' },
    device: { id: 9, ip: '10.0.0.1', timezone: 'Europe/Kyiv', platform: 'mobile', userAgent: 'Mozilla' } as const,
    unsubscribed: true, blocked: true, source: 'no url', referer: '\\', lastPage: '"', locale: 'uk', createdFrom: 'web',
    integrationId: '7', notes: 'a\nb', tags: [{ name: 'Lead', color: '#FFF' }], customData: { plan: 'pro', seats: -1.5, active: false }
  }
  expect(await ask('POST', '/v1/customers', { id: 77, ...fields })).toEqual({ status: 201, body: customer(1, fields) })
})

const written: { what: string; fields: Record<string, unknown>; becomes: Parameters<typeof customer>[1] }[] = [
  { what: 'an empty email and userId are null', fields: { email: '', userId: '' }, becomes: {} },
  { what: 'other empty text is kept', fields: { name: '', phone: '', notes: '', location: { city: '' } }, becomes: { name: '', phone: '', notes: '', location: { city: '' } } },
  { what: 'an integer userId is its decimal text', fields: { userId: 42 }, becomes: { userId: '42' } },
  { what: 'the largest integer userId is its decimal text', fields: { userId: 9007199254740991 }, becomes: { userId: '9007199254740991' } },
  { what: 'a negative userId is its decimal text', fields: { userId: -7 }, becomes: { userId: '-7' } },
  { what: 'an email may be Unicode', fields: { email: 'Пётр@почта.рф' }, becomes: { email: 'Пётр@почта.рф' } },
  { what: 'dates may be integers', fields: { firstSeen: 0, lastSeen: 253402300799 }, becomes: { firstSeen: '0', lastSeen: '253402300799' } },
  { what: 'dates lose their fraction', fields: { firstSeen: 1.999, lastSeen: '253402300799.9' }, becomes: { firstSeen: '1', lastSeen: '253402300799' } },
  { what: 'a date is plain decimal text', fields: { firstSeen: '00012', lastSeen: 1e3 }, becomes: { firstSeen: '12', lastSeen: '1000' } },
  { what: 'one date may be null', fields: { firstSeen: null }, becomes: { firstSeen: null } },
  { what: 'parts of the location may stand at top level', fields: { city: 'Köln', countryCode: 'DE', regionCode: 'NW' }, becomes: { location: { city: 'Köln', countryCode: 'DE', regionCode: 'NW' } } },
  { what: 'parts inside location win', fields: { city: 'Bonn', countryCode: 'DE', location: { city: 'Köln' } }, becomes: { location: { city: 'Köln', countryCode: 'DE' } } },
  { what: 'a null location leaves the parts at top level', fields: { city: 'Köln', location: null }, becomes: { location: { city: 'Köln' } } },
  { what: 'a device without id gets one', fields: { device: {} }, becomes: { device: { id: 14, ip: null, timezone: null, platform: null, userAgent: null } } },
  { what: 'a device id may be numeric text', fields: { device: { id: '12', ip: 'x' } }, becomes: { device: { id: 12, ip: 'x', timezone: null, platform: null, userAgent: null } } },
  { what: 'a device id of null is absent', fields: { device: { id: null, platform: null } }, becomes: { device: { id: 16, ip: null, timezone: null, platform: null, userAgent: null } } },
  { what: 'channels we do not know are kept', fields: { createdFrom: 'telegram_bot', locale: 'en-US' }, becomes: { createdFrom: 'telegram_bot', locale: 'en-US' } },
  { what: 'tags may be names', fields: { tags: ['Lead', 'VIP'] }, becomes: { tags: [{ name: 'Lead', color }, { name: 'VIP', color }] } },
  { what: 'tags keep their order and case', fields: { tags: ['b', 'a', 'B', ' a'] }, becomes: { tags: ['b', 'a', 'B', ' a'].map((name) => ({ name, color })) } },
  { what: 'a tag without color gets the default', fields: { tags: [{ name: 'a' }, { name: 'b', color: null }] }, becomes: { tags: [{ name: 'a', color }, { name: 'b', color }] } },
  { what: 'of a tag named twice the last wins', fields: { tags: [{ name: 'a', color: 'red' }, 'b', { name: 'a', color: 'blue' }] }, becomes: { tags: [{ name: 'a', color: 'blue' }, { name: 'b', color }] } },
  { what: 'tags may be called __proto__', fields: { tags: ['__proto__', 'constructor'] }, becomes: { tags: [{ name: '__proto__', color }, { name: 'constructor', color }] } },
  { what: 'custom data may be an object', fields: { customData: { b: 1, a: 'x', c: null } }, becomes: { customData: { b: 1, a: 'x' } } },
  { what: 'custom data may be a list of property and value', fields: { customData: [{ property: 'd', value: true }, { property: 'e', value: null }] }, becomes: { customData: { d: true } } },
  { what: 'custom data may be a list of name and value', fields: { customData: [{ name: 'f', value: '' }, { property: 'e', value: 0 }] }, becomes: { customData: { f: '', e: 0 } } },
  { what: 'of an attribute named twice the last wins', fields: { customData: [{ property: 'g', value: 1 }, { property: 'g', value: 2 }] }, becomes: { customData: { g: 2 } } },
  { what: 'custom data may be empty', fields: { customData: [] }, becomes: {} },
  { what: 'attributes may be called as methods are', fields: { customData: { toString: 'a', hasOwnProperty: 1, toJSON: 'b' } }, becomes: { customData: { toString: 'a', hasOwnProperty: 1, toJSON: 'b' } as unknown as Record<string, string> } },
  { what: 'the largest numbers are kept', fields: { customData: { h: 9007199254740991, i: -9007199254740991, j: 0.1, k: 1e-7 } }, becomes: { customData: { h: 9007199254740991, i: -9007199254740991, j: 0.1, k: 1e-7 } } },
  { what: 'text of every script and sign is kept', fields: { name: '𝒳🐈‍⬛\u2028\u0001"\\/<', notes: '\u007f' }, becomes: { name: '𝒳🐈‍⬛\u2028\u0001"\\/<', notes: '\u007f' } }
]

test('POST /v1/customers 201: takes the looser forms that clients send, and answers them in one', async () => {
  const { ask } = await startWire()
  for (const [index, { what, fields, becomes }] of written.entries()) {
    const id = index + 1
    const body = customer(id, becomes)
    expect({ what, ...await ask('POST', '/v1/customers', { ...seen, ...fields }) }).toEqual({ what, status: 201, body })
    expect({ what, ...await ask('GET', `/v1/customers/${id}`) }).toEqual({ what, status: 200, body })
  }
})

const colors = ['#abc', '#ABCD', '#a1b2c3', '#a1b2c3d4', 'rebeccapurple', 'RED', 'rgb(1, 2, 3)', 'rgba(1,2,3,.5)', 'rgb(1 2 3 / 50%)', 'hsl(120, 50%, 50%)', 'hsla(120deg 50% 50% / 0.5)']

test('POST /v1/customers 201: keeps the color of a tag as sent', async () => {
  const { ask } = await startWire()
  for (const [index, name] of colors.entries()) {
    const tags = [{ name, color: name }]
    expect(await ask('POST', '/v1/customers', { ...seen, tags })).toEqual({ status: 201, body: customer(index + 1, { tags }) })
  }
})

test('POST /v1/customers 201: a tag keeps its color where none is given, and takes a new one for everybody', async () => {
  const { ask, everyone, create } = await startWire()
  await create({ tags: [{ name: 'Lead', color: 'red' }] })
  expect(await ask('POST', '/v1/customers', { ...seen, tags: ['Lead'] })).toEqual({ status: 201, body: customer(2, { tags: [{ name: 'Lead', color: 'red' }] }) })
  const blue = [{ name: 'Lead', color: 'blue' }]
  expect(await ask('POST', '/v1/customers', { ...seen, tags: blue })).toEqual({ status: 201, body: customer(3, { tags: blue }) })
  expect(await everyone()).toEqual(page([1, 2, 3].map((id) => customer(id, { tags: blue }))))
})

test('POST /v1/customers 201: two customers may have one email, and userIds that differ in letter case', async () => {
  const { everyone, create } = await startWire()
  await create({ email: 'a@example.com', userId: 'u' })
  await create({ email: 'a@example.com', userId: 'U' })
  await create({ userId: '' })
  await create({ userId: '' })
  expect(await everyone()).toEqual(page([
    customer(1, { email: 'a@example.com', userId: 'u' }), customer(2, { email: 'a@example.com', userId: 'U' }), customer(3), customer(4)]))
})

test('POST /v1/customers 201: ids are never given twice, not even after the last customer was deleted', async () => {
  const { ask, create } = await startWire()
  const first = await create()
  await ask('DELETE', `/v1/customers/${first}`)
  const second = await create()
  await ask('DELETE', `/v1/customers/${second}`)
  expect([first, second, await create()]).toEqual([1, 2, 3])
})

test('POST /v1/customers 201: a null value introduces no attribute', async () => {
  const { ask } = await startWire()
  await ask('POST', '/v1/customers', { customData: { plan: null } })
  expect(await ask('POST', '/v1/customers', { ...seen, customData: { plan: 5 } })).toEqual({ status: 201, body: customer(2, { customData: { plan: 5 } }) })
})

const bounds: { field: string; characters: number; of?: (text: string) => Record<string, unknown>; path?: string }[] = [
  ...['name', 'userId', 'company', 'phone', 'locale', 'createdFrom', 'integrationId'].map((field) => ({ field, characters: 1024 })),
  ...['source', 'referer', 'lastPage'].map((field) => ({ field, characters: 8192 })),
  { field: 'notes', characters: 65_535 },
  ...['city', 'regionCode', 'countryCode'].map((field) => ({ field, characters: 1024 })),
  ...['city', 'regionCode', 'countryCode'].map((part) => (
    { field: `location.${part}`, characters: 1024, of: (text: string) => ({ location: { [part]: text } }) })),
  ...['ip', 'timezone'].map((key) => ({ field: `device.${key}`, characters: 1024, of: (text: string) => ({ device: { [key]: text } }) })),
  { field: 'device.userAgent', characters: 8192, of: (userAgent) => ({ device: { userAgent } }) },
  { field: 'a tag', path: 'tags[0]', characters: 255, of: (name) => ({ tags: [name] }) },
  { field: 'tags[0].name', characters: 255, of: (name) => ({ tags: [{ name }] }) },
  { field: 'customData.plan', characters: 65_535, of: (plan) => ({ customData: { plan } }) },
  { field: 'customData[0].property', characters: 255, of: (property) => ({ customData: [{ property, value: 1 }] }) },
  { field: 'customData[0].name', characters: 255, of: (name) => ({ customData: [{ name, value: 1 }] }) }
]

test('POST /v1/customers 400: text may have the documented number of characters and no more', async () => {
  const { ask } = await startWire()
  for (const { field, path = field, characters, of = (text: string) => ({ [field]: text }) } of bounds) {
    // A cat is one character, of two UTF-16 units and four bytes.
    for (const letter of ['x', '🐈']) {
      const { status } = await ask('POST', '/v1/customers', of(letter.repeat(characters)))
      expect({ field, letter, status }).toEqual({ field, letter, status: 201 })
      const answer = await ask('POST', '/v1/customers', of(letter.repeat(characters + 1)))
      expect({ field, letter, ...answer }).toEqual({ field, letter, ...invalid([path, wants.atMost(characters)]) })
    }
  }
})

test('POST /v1/customers 400: an email may have 320 characters and no more', async () => {
  const { ask } = await startWire()
  const email = (characters: number): string => `${'x'.repeat(characters - 12)}@example.com`
  expect((await ask('POST', '/v1/customers', { email: email(320) })).status).toBe(201)
  expect(await ask('POST', '/v1/customers', { email: email(321) })).toEqual(invalid(['email', wants.atMost(320)]))
})

test('POST /v1/customers 400: a customer may have 1,000 tags and 500 attributes and no more', async () => {
  const { ask } = await startWire()
  const tags = Array.from({ length: 1001 }, (_, index) => `t${index}`)
  const attributes = Array.from({ length: 501 }, (_, index) => ({ property: `p${index}`, value: index }))
  const customData = Object.fromEntries(attributes.map(({ property, value }) => [property, value]))
  expect(await ask('POST', '/v1/customers', { ...seen, tags: tags.slice(1), customData: attributes.slice(1) })).toEqual({
    status: 201,
    body: customer(1, { tags: tags.slice(1).map((name) => ({ name, color })), customData: Object.fromEntries(Object.entries(customData).slice(1)) })
  })
  expect(await ask('POST', '/v1/customers', { tags })).toEqual(invalid(['tags', 'This collection should contain 1000 elements or less.']))
  const tooMany = invalid(['customData', 'This collection should contain 500 elements or less.'])
  expect(await ask('POST', '/v1/customers', { customData: attributes })).toEqual(tooMany)
  expect(await ask('POST', '/v1/customers', { customData })).toEqual(tooMany)
})

// 400

const textFields = ['name', 'email', 'company', 'phone', 'source', 'referer', 'lastPage', 'locale', 'createdFrom', 'integrationId', 'notes', 'city', 'regionCode', 'countryCode']
const bad = (fields: Record<string, unknown>, ...faults: [string, string][]): { fields: Record<string, unknown>; faults: [string, string][] } => ({ fields, faults })
const platform = 'This value should be "desktop", "mobile" or null.'
const badCustomers = [
  ...textFields.flatMap((field) => [5, true, [], {}].map((value) => bad({ [field]: value }, [field, wants.text]))),
  ...[...textFields, 'userId'].flatMap((field) => [
    bad({ [field]: 'a\u0000b' }, [field, wants.noNull]),
    bad({ [field]: 'a\uD800' }, [field, wants.wellFormed]),
    bad({ [field]: '\uDC00\uD800' }, [field, wants.wellFormed])
  ]),
  ...[1.5, 2 ** 53, -(2 ** 53), 1e21, true, [], {}].map((userId) => bad({ userId }, ['userId', wants.text])),
  ...['a', '@', 'a@', '@b', 'a@b@c', 'a b@c', 'a@b c', ' a@b', 'a@b\n', 'a@b\u00a0', 'a@\u0007b', 'a@b\u0085', '\uFEFF', ' ']
    .map((email) => bad({ email }, ['email', wants.email])),

  ...['firstSeen', 'lastSeen'].flatMap((field) => [
    ...['', 'now', 'NaN', 'Infinity', '1e3', '0x10', ' 1', '1 ', '+1', '1,5', '2024-01-01', '１', true, [], [1], {}]
      .map((value) => bad({ [field]: value }, [field, wants.number])),
    ...[-1, '-1', 253402300800, '253402300800', 2 ** 53, '99999999999999999999', -0.5].map((value) => bad({ [field]: value }, [field, wants.date]))
  ]),
  ...['unsubscribed', 'blocked'].flatMap((field) => ['true', '', 0, 1, [], {}].map((value) => bad({ [field]: value }, [field, wants.boolean]))),

  ...['Köln', 5, true, []].map((location) => bad({ location }, ['location', wants.object])),
  bad({ location: { city: 5, regionCode: [], countryCode: 'a\u0000' } },
    ['location.regionCode', wants.text], ['location.countryCode', wants.noNull], ['location.city', wants.text]),
  ...['phone', 5, true, []].map((device) => bad({ device }, ['device', wants.object])),
  bad({ device: { id: 1.5, ip: 5, timezone: '\uD800', platform: 'tv', userAgent: 'a\u0000' } },
    ['device.id', wants.wholeNumber], ['device.ip', wants.text], ['device.timezone', wants.wellFormed], ['device.platform', platform], ['device.userAgent', wants.noNull]),
  bad({ device: { platform: '' } }, ['device.platform', wants.something]),
  ...['Desktop', 5, true, []].map((value) => bad({ device: { platform: value } }, ['device.platform', platform])),
  bad({ device: { id: '1.5' } }, ['device.id', wants.wholeNumber]),
  ...['x', '', true, []].map((id) => bad({ device: { id } }, ['device.id', wants.number])),
  ...[-1, 2 ** 53, '9007199254740993'].map((id) => bad({ device: { id } }, ['device.id', 'This value should be between 0 and 9007199254740991.'])),

  ...['Lead', 5, true, {}, { name: 'Lead' }].map((tags) => bad({ tags }, ['tags', wants.array])),
  bad({ tags: ['ok', 5, null, [], '', {}, { name: null }, { name: '' }, { name: 5 }, { name: 'a\u0000' }, '\uD800', { name: 'a', color: 5 }] },
    ['tags[1]', wants.object], ['tags[2]', wants.object], ['tags[3]', wants.object], ['tags[4]', wants.something], ['tags[5].name', wants.something],
    ['tags[6].name', wants.something], ['tags[7].name', wants.something], ['tags[8].name', wants.text], ['tags[9].name', wants.noNull],
    ['tags[10]', wants.wellFormed], ['tags[11].color', wants.text]),
  ...['', ' ', '#', '#12', '#12345', '#1234567', '#123456789', '#ggg', 'abc', 'redd', ' red', 'rgb(1,2)', 'rgb(1,2,3', 'hsl(1,2,3)', 'url(x)', 'var(--x)', 'red;', 'transparent!', 'constructor']
    .map((value) => bad({ tags: [{ name: 'a', color: value }] }, ['tags[0].color', wants.color])),
  bad({ tags: [{ name: 'a', color: `#${'a'.repeat(255)}` }] }, ['tags[0].color', wants.atMost(255)]),
  bad({ tags: [{ color: 'none' }] }, ['tags[0].name', wants.something], ['tags[0].color', wants.color]),

  ...['plan', 5, true].map((customData) => bad({ customData }, ['customData', wants.object])),
  bad({ customData: { a: [], b: {}, c: 'a\u0000', d: '\uD800', e: 2 ** 53, f: -(2 ** 53) } },
    ['customData.a', wants.attributeValue], ['customData.b', wants.attributeValue], ['customData.c', wants.noNull],
    ['customData.d', wants.wellFormed], ['customData.e', wants.number53], ['customData.f', wants.number53]),
  bad({ customData: { '': 1, constructor: 1, 'a\u0000': 1, '\uD800': 1 } },
    ['customData.', wants.something], ['customData.constructor', wants.notReserved], ['customData.a\u0000', wants.noNull], ['customData.\uD800', wants.wellFormed]),
  bad({ customData: [5, null, 'a', {}, { property: 'a' }, { value: 1 }, { name: '', value: 1 }, { property: 5, value: 1 }, { property: 'a', value: [] }, { name: 'a', value: {} }] },
    ['customData[0]', wants.object], ['customData[1]', wants.object], ['customData[2]', wants.object],
    ['customData[3].property', wants.something], ['customData[3].value', wants.attributeValue], ['customData[4].value', wants.attributeValue],
    ['customData[5].property', wants.something], ['customData[6].name', wants.something], ['customData[7].property', wants.text],
    ['customData[8].value', wants.attributeValue], ['customData[9].value', wants.attributeValue]),
  bad({ customData: [{ property: '__proto__', value: 1 }, { name: 'constructor', value: 1 }, { property: 'constructor', value: null }] },
    ['customData[0].property', wants.notReserved], ['customData[1].name', wants.notReserved], ['customData[2].property', wants.notReserved]),
  bad({ customData: [{ property: 'new', value: 1 }, { property: 'new', value: 'x' }, { property: 'new', value: 2 }] },
    ['customData[1].value', 'This value should be of type number.']),

  bad({ name: 1, email: 'x', firstSeen: 'x', blocked: 1, location: 1, device: { platform: 'x' }, tags: [''], customData: { a: [] } },
    ['name', wants.text], ['email', wants.email], ['firstSeen', wants.number], ['blocked', wants.boolean], ['location', wants.object],
    ['device.platform', platform], ['tags[0]', wants.something], ['customData.a', wants.attributeValue])
]

test('POST /v1/customers 400: names every fault, and makes no customer', async () => {
  const { ask, everyone } = await startWire()
  for (const { fields, faults } of badCustomers) {
    expect({ fields, ...await ask('POST', '/v1/customers', fields) }).toEqual({ fields, ...invalid(...faults) })
  }
  expect(await everyone()).toEqual(page([]))
})

test.for(['__proto__', 'constructor'])('POST /v1/customers 400: an attribute cannot be called %s', async (name) => {
  const { ask, everyone } = await startWire()
  expect(await ask('POST', '/v1/customers', `{"customData":{"${name}":{"name":"Eve"}}}`)).toEqual(invalid([`customData.${name}`, wants.notReserved]))
  expect(await ask('POST', '/v1/customers', `{"customData":{"${name}":null}}`)).toEqual(invalid([`customData.${name}`, wants.notReserved]))
  expect(await everyone()).toEqual(page([]))
})

test.for(['1e400', '-1e400', '9007199254740992', '9007199254740993'])('POST /v1/customers 400: the number %s cannot be kept', async (number) => {
  const { ask, everyone } = await startWire()
  expect(await ask('POST', '/v1/customers', `{"customData":{"a":${number}},"userId":${number}}`))
    .toEqual(invalid(['userId', wants.text], ['customData.a', wants.number53]))
  expect(await everyone()).toEqual(page([]))
})

test('POST /v1/customers 400: an attribute keeps the type of its first value', async () => {
  const { ask, everyone } = await startWire()
  await ask('POST', '/v1/customers', { ...seen, customData: { text: '', number: 0, boolean: false } })
  const before = await everyone()
  const types = ['text', 'number', 'boolean'] as const
  const values = { text: 'x', number: 1, boolean: true } as const
  for (const type of types) {
    for (const other of types.filter((it) => it !== type)) {
      const message = `This value should be of type ${type}.`
      expect(await ask('POST', '/v1/customers', { customData: { [type]: values[other] } })).toEqual(invalid([`customData.${type}`, message]))
      expect(await ask('POST', '/v1/customers', { customData: [{ property: type, value: values[other] }] })).toEqual(invalid(['customData[0].value', message]))
      expect(await ask('POST', '/v1/customers', { customData: [{ name: type, value: values[other] }] })).toEqual(invalid(['customData[0].value', message]))
    }
  }
  expect(await everyone()).toEqual(before)
})

test('POST /v1/customers 400: a refused creation leaves no tag, attribute or color behind', async () => {
  const { ask, create } = await startWire()
  await create({ userId: 'taken', tags: [{ name: 'Lead', color: 'red' }] })
  const refused = { userId: 'taken', tags: [{ name: 'Lead', color: 'blue' }, { name: 'New', color: 'blue' }], customData: { plan: 'text' } }
  expect(await ask('POST', '/v1/customers', refused)).toEqual(userIdTaken(1))
  const tags = [{ name: 'Lead', color: 'red' }, { name: 'New', color }]
  expect(await ask('POST', '/v1/customers', { ...seen, tags: ['Lead', 'New'], customData: { plan: 5 } }))
    .toEqual({ status: 201, body: customer(someId, { tags, customData: { plan: 5 } }) })
})

test('POST /v1/customers 400: a userId has one customer, whether it comes as text or as integer', async () => {
  const { ask, create, everyone } = await startWire()
  await create()
  const id = await create({ userId: 42 })
  const before = await everyone()
  expect(await ask('POST', '/v1/customers', { userId: '42' })).toEqual(userIdTaken(id))
  expect(await ask('POST', '/v1/customers', { userId: 42 })).toEqual(userIdTaken(id))
  expect(await everyone()).toEqual(before)
})

test('POST /v1/customers 400: of many at once with one userId, one is made', async () => {
  const { ask, everyone } = await startWire()
  const answers = await Promise.all(Array.from({ length: 20 }, async () => await ask('POST', '/v1/customers', { ...seen, userId: 'u' })))
  expect(answers.filter(({ status }) => status === 201)).toEqual([{ status: 201, body: customer(1, { userId: 'u' }) }])
  expect(answers.filter(({ status }) => status !== 201)).toEqual(Array.from({ length: 19 }, () => userIdTaken(1)))
  expect(await everyone()).toEqual(page([customer(1, { userId: 'u' })]))
})

test('POST /v1/customers 201: a userId is free again when its customer is deleted or gives it up', async () => {
  const { ask, create } = await startWire()
  await ask('DELETE', `/v1/customers/${await create({ userId: 'u' })}`)
  const second = await create({ userId: 'u' })
  await ask('PATCH', `/v1/customers/${second}`, { userId: null })
  expect(await ask('POST', '/v1/customers', { ...seen, userId: 'u' })).toEqual({ status: 201, body: customer(3, { userId: 'u' }) })
})
