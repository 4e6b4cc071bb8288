import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { generateSecret, hashSecret } from '../../src/api-key.ts'
import { systemClock } from '../../src/clock.ts'
import { parseCreate, parseUpdate } from '../../src/command.ts'
import type { Customer } from '../../src/contract/customer.ts'
import { emptyCustomer } from '../../src/customer.ts'
import { ApiError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { parseSearch } from '../../src/parse-search.ts'
import { defaultColor } from '../../src/tag-color.ts'
import type { TestDatabase } from '../engines.ts'
import { createDatabase, openStore } from '../engines.ts'
import type { TestOrganization } from './open-organization.ts'
import { openOrganization, speakTo } from './open-organization.ts'

/** Given with every creation whose answer is compared whole, since the default is the time of day. */
const seen = { firstSeen: 1_500_000_000, lastSeen: 1_600_000_000 }

function customer(id: number, fields: Partial<Customer> = {}): Customer {
  return { ...emptyCustomer(id), customData: {}, firstSeen: '1500000000', lastSeen: '1600000000', ...fields }
}

/** What an ApiError says, for comparing whole. */
function refusal(error: unknown): object {
  if (!(error instanceof ApiError)) throw new Error('Not an ApiError', { cause: error })
  const { code, message, faults, existingId, path } = error
  return { code, message, faults, existingId, path }
}

const notFound = { code: 'not_found', message: 'Customer not found', faults: [], existingId: undefined, path: undefined }

function userIdTaken(existingId: number, path?: string): object {
  return { code: 'invalid_userId_value', message: 'userId value is invalid', faults: [], existingId, path }
}

async function refused(answer: Promise<unknown>): Promise<object> {
  return await answer.then(() => { throw new Error('It was not refused') }, refusal)
}

/** Everything that a command may leave behind. */
async function dump({ sql, tables }: TestDatabase): Promise<Record<string, unknown>> {
  const rows = await Promise.all(tables.map(async (table) => (await sql(`select * from ${table}`)).map((row) => JSON.stringify(row)).toSorted()))
  return Object.fromEntries(tables.map((table, index) => [table, rows[index]]))
}

interface ChangeRow {
  readonly customer: unknown
  readonly kind: unknown
  readonly before: unknown
  readonly after: unknown
}

async function changes({ sql }: TestDatabase): Promise<ChangeRow[]> {
  const parse = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : value)
  return (await sql('select customer_id, kind, before, after from changes order by id'))
    // A change of no single customer has null here and 0 there.
    .map(({ customer_id, kind, before, after }) => ({ customer: customer_id === 0 ? null : customer_id, kind, before: parse(before), after: parse(after) }))
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index)
}

const outcomes = async (answers: Promise<unknown>[]): Promise<unknown[]> =>
  (await Promise.allSettled(answers)).map((answer) => (answer.status === 'fulfilled' ? answer.value : refusal(answer.reason)))

const open = async (): Promise<TestOrganization> => await openOrganization(await openStore())

async function openWithTables(): Promise<TestOrganization & { database: TestDatabase }> {
  const database = await createDatabase()
  return { ...await openOrganization(await database.openStore()), database }
}

describe('a customer', () => {
  test('is answered, found and searched alike', async () => {
    const { create, find, search } = await open()

    const created = await create({
      ...seen, name: 'Zoë', email: 'zoe@example.com', userId: 'u1', company: 'Café', phone: '+380', city: 'Київ',
      device: { platform: 'mobile', ip: '::1' }, unsubscribed: true, source: 's', referer: 'r', lastPage: 'l', locale: 'uk',
      createdFrom: 'telegram_bot', integrationId: '77', notes: 'n', tags: ['Lead', { name: 'VIP', color: 'red' }],
      customData: { plan: 'pro', seats: 0, trial: false }
    })

    expect(created).toEqual(customer(1, {
      name: 'Zoë', email: 'zoe@example.com', userId: 'u1', company: 'Café', phone: '+380',
      location: { regionCode: null, countryCode: null, city: 'Київ' },
      device: { id: 1, ip: '::1', timezone: null, platform: 'mobile', userAgent: null },
      unsubscribed: true, source: 's', referer: 'r', lastPage: 'l', locale: 'uk',
      createdFrom: 'telegram_bot', integrationId: '77', notes: 'n',
      tags: [{ name: 'Lead', color: defaultColor }, { name: 'VIP', color: 'red' }],
      customData: { plan: 'pro', seats: 0, trial: false }
    }))
    expect(await find(1)).toEqual(created)
    expect(await search()).toEqual({ data: [created], total: 1 })
    expect(await search({ filter: [{ field: 'customers.email', operator: '=', value: 'ZOE@example.com' }] }))
      .toEqual({ data: [created], total: 1 })
  })

  test('has its keys in the order of the contract, and its custom data in the order first set', async () => {
    const { create, patch, find } = await open()
    await create({ ...seen, customData: { zebra: 1, apple: 'a' } })
    await patch(1, { customData: { mango: true, zebra: 2 }, name: 'A' })

    expect(JSON.stringify(await find(1))).toBe(JSON.stringify(customer(1, { name: 'A', customData: { zebra: 2, apple: 'a', mango: true } })))
  })

  test('that does not exist is not found', async () => {
    const { create, find } = await open()
    await create()

    expect([await find(2), await find(0), await find(limits.integerMax)]).toEqual([undefined, undefined, undefined])
  })

  test('is gone once deleted, from everything', async () => {
    const { create, tag, delete: remove, find, search, recordEvent } = await open()
    await create({ tags: ['Lead'], userId: 'u1', customData: { plan: 'pro' } })
    await remove(1)

    expect(await find(1)).toBeUndefined()
    expect(await search()).toEqual({ data: [], total: 0 })
    expect(await search({ filter: [{ field: 'customers.tagsData', operator: '=', value: ['Lead'] }] })).toEqual({ data: [], total: 0 })
    expect(await outcomes([remove(1), tag(1, ['VIP']), recordEvent({ name: 'bought', customer: 1 })])).toEqual([notFound, notFound, notFound])
  })

  test('that was deleted leaves its userId to others, and its id to nobody', async () => {
    const { create, delete: remove } = await open()
    await create({ userId: 'u1' })
    await create({ userId: 'u2' })
    await remove(2)

    expect(await create({ ...seen, userId: 'u2' })).toEqual(customer(3, { userId: 'u2' }))
  })

  test('never gets an id that was used before, also after every customer was deleted and the store opened again', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { create, delete: remove, caller } = await openOrganization(store)
    await Promise.all(range(3).map(() => create()))
    for (const id of [3, 1, 2]) await remove(id)
    await store.close()

    const { customers } = await (await database.openStore()).write(caller, parseCreate(seen, { attributes: new Map(), strictAttributes: false }).command)

    expect(customers).toEqual([{ json: JSON.stringify(customer(4)), version: expect.any(Number) as number, tagsVersion: 0 }])
  })

  test('is still there, as it was, when the store is opened again', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { create, caller } = await openOrganization(store)
    const created = await create({ name: 'A', tags: [{ name: 'VIP', color: 'gold' }], customData: { plan: 'pro' } })
    await store.close()

    expect(JSON.parse((await (await database.openStore()).find(caller.organizationId, 1))?.json ?? '')).toEqual(created)
  })

  test('keeps the order of attributes whose names are array indices, also when the store is opened again', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { create, caller } = await openOrganization(store)
    await create({ ...seen, customData: [{ property: 'plan', value: 'pro' }, { property: '2024', value: 1 }, { property: '0', value: 2 }] })
    const written = '"customData":{"plan":"pro","2024":1,"0":2}}'
    expect((await store.find(caller.organizationId, 1))?.json).toMatch(written)
    await store.close()

    const reopened = await database.openStore()
    const { command } = parseUpdate({ customData: [{ property: '1', value: 3 }, { property: 'plan', value: 'free' }] }, {
      attributes: new Map(), strictAttributes: false, type: 'patch', id: 1
    })
    const rewritten = '"customData":{"plan":"free","2024":1,"0":2,"1":3}}'

    expect((await reopened.find(caller.organizationId, 1))?.json).toMatch(written)
    expect(await reopened.write(caller, command)).toEqual({ customers: [{ json: expect.stringContaining(rewritten) as string, version: expect.any(Number) as number, tagsVersion: 0 }], events: [] })
    expect((await reopened.find(caller.organizationId, 1))?.json).toMatch(rewritten)
  })

  test('may hold any text as it came', async () => {
    const { create, find } = await open()
    const text = `'"\\%_;--\n\t\u2028\u{1F600}İßς\u0001`
    const created = await create({
      ...seen, name: text, userId: text, notes: text, city: text, tags: [text], customData: { [text]: text, toString: 'own', hasOwnProperty: 1 }
    })

    expect(created).toEqual(customer(1, {
      name: text, userId: text, notes: text, location: { regionCode: null, countryCode: null, city: text },
      tags: [{ name: text, color: defaultColor }], customData: { [text]: text, toString: 'own', hasOwnProperty: 1 }
    }))
    expect(await find(1)).toEqual(created)
  })
})

describe('an organization', () => {
  test('sees nothing of another, and may use its userIds, tag names and attribute names', async () => {
    const store = await openStore()
    const ours = await openOrganization(store)
    const theirs = await openOrganization(store, 'other')
    await ours.create({ ...seen, userId: 'u1', tags: [{ name: 'Lead', color: 'red' }], customData: { plan: 'pro' } })
    const created = await theirs.create({ ...seen, userId: 'u1', tags: ['Lead'], customData: { plan: 1 } })

    expect(created).toEqual(customer(2, { userId: 'u1', tags: [{ name: 'Lead', color: defaultColor }], customData: { plan: 1 } }))
    expect(await theirs.find(1)).toBeUndefined()
    expect(await outcomes([
      theirs.patch(1, { name: 'stolen' }), theirs.put(1, {}), theirs.tag(1, ['x']), theirs.untag(1, ['Lead']), theirs.delete(1),
      theirs.recordEvent({ name: 'e', customer: 1 }), theirs.batch([{ customer: 1, name: 'stolen' }])
    ])).toEqual([
      ...range(6).map(() => notFound),
      { ...notFound, faults: [{ path: '[0].customer', message: 'Customer not found' }] }
    ])
    for (const body of [
      {},
      { filter: [{ field: 'customers.id', operator: '>=', value: 1 }] },
      { filter: [{ field: 'customers.userId', operator: '=', value: 'u1' }] },
      { filter: [{ field: 'customers.tagsData', operator: '=', value: ['Lead'] }] },
      { comparison: 'OR', filter: [{ field: 'customers.id', operator: '=', value: 1 }, { field: 'customers.id', operator: '=', value: 2 }] }
    ]) expect(await theirs.search(body)).toEqual({ data: [created], total: 1 })
    expect([...await store.attributes(ours.caller.organizationId)]).toEqual([['plan', 'text']])
    expect([...await store.attributes(theirs.caller.organizationId)]).toEqual([['plan', 'number']])
  })

  test('recolors its own tag only', async () => {
    const store = await openStore()
    const ours = await openOrganization(store)
    const theirs = await openOrganization(store, 'other')
    await ours.create({ ...seen, tags: ['Lead'] })
    await theirs.create({ ...seen, tags: ['Lead'] })
    await theirs.tag(2, [{ name: 'Lead', color: 'red' }])

    expect(await ours.find(1)).toEqual(customer(1, { tags: [{ name: 'Lead', color: defaultColor }] }))
  })

  test('is listed with the number of its customers, and its name is used once', async () => {
    const store = await openStore()
    const { create, delete: remove } = await openOrganization(store)
    const before = systemClock()
    const other = await store.createOrganization('other')
    await Promise.all(range(3).map(() => create()))
    await remove(2)

    const [first, second, ...more] = await store.organizations()
    expect([first, second, more]).toEqual([
      { id: 1, name: 'default', createdAt: first?.createdAt, customers: 2 },
      { ...other, customers: 0 },
      []
    ])
    expect(other.createdAt).toBeGreaterThanOrEqual(before)
    expect(await refused(store.createOrganization('other')))
      .toEqual({ code: 'conflict', message: 'An organization named "other" exists already', faults: [], existingId: undefined, path: undefined })
    expect((await store.organizations()).map(({ name }) => name)).toEqual(['default', 'other'])
  })

  test('default is made once, however many ask at the same time, with the key of the one that won', async () => {
    const store = await openStore()
    const hashes = range(8).map(() => hashSecret(generateSecret()))
    const answers = await Promise.all(hashes.map((secretHash, index) => store.createDefault({ name: `key ${index}`, secretHash })))

    const made = answers.filter((answer) => answer !== undefined)
    expect(made).toHaveLength(1)
    expect(await store.keys()).toEqual(made)
    expect((await store.organizations()).map(({ name, customers }) => ({ name, customers }))).toEqual([{ name: 'default', customers: 0 }])
  })
})

describe('a key', () => {
  test('is found by its hash until it is revoked, then never again', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { caller: { organizationId } } = await openOrganization(store)
    const secretHash = hashSecret(generateSecret())
    const key = await store.createKey({ organizationId, name: 'crm', secretHash })

    expect(key).toEqual({ id: 2, organizationId, organization: 'default', name: 'crm', createdAt: key.createdAt, revokedAt: null })
    expect(await store.findKey(secretHash)).toEqual(key)
    expect(await store.findKey(hashSecret('another'))).toBeUndefined()
    const revoked = await store.revokeKey(key.id)
    expect(revoked).toEqual({ ...key, revokedAt: revoked?.revokedAt })
    expect(revoked?.revokedAt).toBeGreaterThanOrEqual(key.createdAt)
    expect(await store.findKey(secretHash)).toBeUndefined()
    expect((await store.keys())[1]).toEqual(revoked)
    await database.sql(`update api_keys set revoked_at = 5 where id = ${key.id}`)
    expect(await store.revokeKey(key.id)).toEqual({ ...revoked, revokedAt: 5 })
    expect(await store.revokeKey(99)).toBeUndefined()
  })

  test('made or revoked by another process is known, or unknown, within a second', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { caller: { organizationId } } = await openOrganization(store)
    const secretHash = hashSecret(generateSecret())
    expect(await store.findKey(secretHash)).toBeUndefined()

    const elsewhere = await database.openStore()
    const key = await elsewhere.createKey({ organizationId, name: 'crm', secretHash })
    await expect.poll(() => store.findKey(secretHash)).toEqual(key)
    await elsewhere.revokeKey(key.id)
    await expect.poll(() => store.findKey(secretHash)).toBeUndefined()
  })
})

describe('what another process has made', () => {
  test('is known to the next search: attributes, tags and colors, whether the search names them or not', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const here = await openOrganization(store)
    const there = speakTo(await database.openStore(), here.caller)
    const [ann, bob] = [await here.create({ name: 'Ann', tags: [{ name: 'Lead', color: 'red' }] }), await here.create({ name: 'Bob' })]
    const found = async (body: object): Promise<unknown> => (await here.search(body)).data
    const named = async (name: string): Promise<unknown> => await found({ filter: [{ field: 'name', operator: '=', value: name }] })
    expect(await named('Ann')).toEqual([ann])

    const tagged = await there.tag(bob.id, [{ name: 'Lead', color: 'blue' }])
    expect(await named('Ann')).toEqual([{ ...ann, tags: tagged.tags }])
    expect(await found({ filter: [{ field: 'tags', operator: '=', value: ['Lead'] }] })).toEqual([{ ...ann, tags: tagged.tags }, tagged])

    const patched = await there.patch(bob.id, { customData: { plan: 'pro' }, tags: ['new'] })
    expect(await found({ filter: [{ field: 'tags', operator: '=', value: ['new'] }] })).toEqual([patched])
    expect(await found({ filter: [{ comparison: 'OR', filter: [{ field: 'customData.plan', operator: '=', value: 'pro' }] }] })).toEqual([patched])
    await there.patch(ann.id, { customData: { seats: 2 } })
    expect((await here.search({ sort: 'customData.seats' })).data.map(({ id }) => id)).toEqual([ann.id, bob.id])
  })
})

describe('at the same time', () => {
  test('200 creates get 200 ids in increasing order, and the total is right', async () => {
    const { create, search } = await open()
    const created = await Promise.all(range(200).map((index) => create({ name: `n${index}` })))

    expect(created.map(({ id, name }) => ({ id, name }))).toEqual(range(200).map((index) => ({ id: index + 1, name: `n${index}` })))
    expect((await search({ limit: 1 })).total).toBe(200)
    expect((await search({ limit: 1, filter: [{ field: 'customers.name', operator: '~', value: 'n' }] })).total).toBe(200)
  })

  test('patches of different fields of one customer all survive', async () => {
    const { create, patch, find } = await open()
    await create(seen)
    const given = { name: 'A', email: 'a@b', company: 'C', phone: 'P', notes: 'N', locale: 'uk', source: 'S', userId: 'u' }
    await Promise.all([
      ...Object.entries(given).map(([field, value]) => patch(1, { [field]: value })),
      ...range(40).map((index) => patch(1, { customData: { [`a${index}`]: index } })),
      patch(1, { city: 'Lviv' }), patch(1, { location: { countryCode: 'UA' } })
    ])

    expect(await find(1)).toEqual(customer(1, {
      ...given,
      location: { regionCode: null, countryCode: 'UA', city: 'Lviv' },
      customData: Object.fromEntries(range(40).map((index) => [`a${index}`, index]))
    }))
  })

  test('a hundred tags put on one customer all arrive, and so do the same tags put on many', async () => {
    const { create, tag, find, search } = await open()
    await Promise.all(range(20).map(() => create(seen)))
    await Promise.all([
      ...range(100).map((index) => tag(1, [`t${index}`])),
      ...range(19).map((index) => tag(index + 2, ['shared', `t${index}`]))
    ])

    const tagged = await find(1)
    expect(tagged?.tags).toEqual(range(100).map((index) => ({ name: `t${index}`, color: defaultColor })))
    expect((await search({ filter: [{ field: 'customers.tagsData', operator: '=', value: ['shared'] }] })).total).toBe(19)
    expect((await search({ filter: [{ field: 'customers.tagsData', operator: '=', value: ['t3'] }] })).data.map(({ id }) => id)).toEqual([1, 5])
  })

  test('one of many who want the same userId gets it, and the others are told who has it', async () => {
    const { create, patch, search } = await open()
    await Promise.all(range(10).map(() => create(seen)))
    const answers = await outcomes([
      ...range(20).map(() => create({ ...seen, userId: 'same' })),
      ...range(10).map((index) => patch(index + 1, { userId: 'same' }))
    ])

    expect(answers).toEqual([customer(11, { userId: 'same' }), ...range(29).map(() => userIdTaken(11))])
    expect(await search({ filter: [{ field: 'customers.userId', operator: '=', value: 'same' }] }))
      .toEqual({ data: [customer(11, { userId: 'same' })], total: 1 })
    expect((await search({ limit: 1 })).total).toBe(11)
  })

  test('first values of an attribute with different types: the first decides, the others are refused', async () => {
    const store = await openStore()
    const { create, caller } = await openOrganization(store)
    const answers = await outcomes([1, 'one', true, 2].map((plan) => create({ ...seen, customData: { plan } })))

    const mismatch = {
      code: 'invalid_request', message: 'Invalid request', existingId: undefined, path: undefined,
      faults: [{ path: 'customData.plan', message: 'This value should be of type number.' }]
    }
    expect(answers).toEqual([customer(1, { customData: { plan: 1 } }), mismatch, mismatch, customer(2, { customData: { plan: 2 } })])
    expect([...await store.attributes(caller.organizationId)]).toEqual([['plan', 'number']])
  })

  test('what is refused leaves what is accepted beside it alone', async () => {
    const { create, patch, delete: remove, search } = await open()
    await create({ ...seen, userId: 'taken' })
    const answers = await outcomes(range(60).map((index) => {
      if (index % 3 === 0) return create({ ...seen, name: `n${index}`, tags: [`t${index}`] })
      return index % 3 === 1 ? create({ userId: 'taken', tags: ['lost'] }) : index % 2 === 0 ? patch(9_999, { name: 'x' }) : remove(9_999)
    }))

    expect(answers).toEqual(range(60).map((index) => {
      if (index % 3 === 0) return customer(index / 3 + 2, { name: `n${index}`, tags: [{ name: `t${index}`, color: defaultColor }] })
      return index % 3 === 1 ? userIdTaken(1) : notFound
    }))
    expect((await search({ limit: 1 })).total).toBe(21)
  })

  test('two stores on one database lose nothing, see what the other wrote at once, and its colors within a second', async () => {
    const database = await createDatabase()
    const here = await openOrganization(await database.openStore())
    const elsewhere = await database.openStore()
    const { caller } = here
    const options = { attributes: new Map(), strictAttributes: false }
    await here.create(seen)
    await Promise.all(range(50).flatMap((index) => [
      here.patch(1, { customData: { [`here${index}`]: index } }),
      elsewhere.write(caller, parseUpdate({ customData: { [`there${index}`]: index }, tags: [`t${index}`] }, { ...options, type: 'patch', id: 1 }).command)
    ]))

    const found = await here.find(1)
    expect(Object.keys(found?.customData ?? {}).toSorted()).toEqual(range(50).flatMap((index) => [`here${index}`, `there${index}`]).toSorted())
    expect(found?.tags).toEqual([{ name: 't49', color: defaultColor }])
    expect(JSON.parse((await elsewhere.find(caller.organizationId, 1))?.json ?? '')).toEqual(found)
    await elsewhere.write(caller, { type: 'tag', id: 1, tags: [{ name: 't49', color: 'red' }] })
    await expect.poll(() => here.find(1)).toEqual({ ...found, tags: [{ name: 't49', color: 'red' }] })
    expect(await here.create({ ...seen, tags: ['t49'] })).toEqual(customer(2, { tags: [{ name: 't49', color: 'red' }] }))
  })

  test('a search sees every write that was answered before it began', async () => {
    const { create, search } = await open()
    const answered = new Set<string>()
    const created = new Map<string, number>()
    const missed: string[] = []
    await Promise.all(range(16).map(async (task) => {
      for (const step of range(20)) {
        const email = `${(task * 7 + step * 3) % 20}@example.com`
        const wasAnswered = answered.has(email)
        const { total } = await search({ limit: 1, filter: [{ field: 'customers.email', operator: '=', value: email }] })
        if (total !== 0) continue
        if (wasAnswered) missed.push(email)
        await create({ email })
        answered.add(email)
        created.set(email, (created.get(email) ?? 0) + 1)
      }
    }))

    // A key made twice was searched for by both before either was answered: the race is the client's.
    expect(missed).toEqual([])
    expect(answered.size).toBe(20)
    for (const [email, times] of created) {
      expect((await search({ filter: [{ field: 'customers.email', operator: '=', value: email }] })).total).toBe(times)
    }
  })
})

describe('a tag', () => {
  test('shows the color it was given last on every customer in the next answer', async () => {
    const { create, tag, find, search, batch, patch } = await open()
    await create({ ...seen, tags: ['Lead', 'VIP'] })
    await create({ ...seen, tags: ['Lead'] })
    const recolored = (color: string): Customer[] => [
      customer(1, { tags: [{ name: 'Lead', color }, { name: 'VIP', color: defaultColor }] }),
      customer(2, { tags: [{ name: 'Lead', color }] })
    ]

    expect(await tag(2, [{ name: 'Lead', color: 'red' }])).toEqual(recolored('red')[1])
    expect(await find(1)).toEqual(recolored('red')[0])
    expect(await search()).toEqual({ data: recolored('red'), total: 2 })
    expect(await patch(1, { tags: [{ name: 'Lead', color: '#00f' }, 'VIP'] })).toEqual(recolored('#00f')[0])
    expect(await find(2)).toEqual(recolored('#00f')[1])
    expect(await batch([{ customer: 1, tags: [{ name: 'Lead', color: 'lime' }, 'VIP'] }, { customer: 2, notes: null }])).toEqual(recolored('lime'))
    expect(await search({ filter: [{ field: 'customers.tagsData', operator: '=', value: ['Lead'] }] })).toEqual({ data: recolored('lime'), total: 2 })
    expect(await create({ ...seen, tags: [{ name: 'Lead', color: 'navy' }] })).toEqual(customer(3, { tags: [{ name: 'Lead', color: 'navy' }] }))
    expect((await search({ limit: 2 })).data).toEqual(recolored('navy'))
  })

  test('keeps its color when nobody has it any more', async () => {
    const { create, untag, tag, delete: remove } = await open()
    await create({ ...seen, tags: [{ name: 'Lead', color: 'red' }] })
    expect(await untag(1, ['Lead', 'never there'])).toEqual(customer(1))
    expect(await tag(1, ['Lead'])).toEqual(customer(1, { tags: [{ name: 'Lead', color: 'red' }] }))
    await remove(1)
    expect(await create({ ...seen, tags: ['Lead'] })).toEqual(customer(2, { tags: [{ name: 'Lead', color: 'red' }] }))
  })

  test('is told apart by letter case', async () => {
    const { create, untag, search } = await open()
    await create({ ...seen, tags: ['lead', 'Lead'] })
    expect(await untag(1, ['Lead'])).toEqual(customer(1, { tags: [{ name: 'lead', color: defaultColor }] }))
    expect((await search({ filter: [{ field: 'customers.tagsData', operator: '=', value: ['Lead'] }] })).total).toBe(0)
  })
})

describe('a batch', () => {
  test('answers each customer as it is after its item, in the order of the items', async () => {
    const { create, batch, find } = await open()
    await create({ ...seen, name: 'A' })
    await create({ ...seen, name: 'B' })

    expect(await batch([
      { customer: 2, name: 'B2', customData: { plan: 'pro' } },
      { customer: 1, userId: 'u1' },
      { customer: 2, phone: 'P', customData: { plan: null }, tags: ['VIP'] }
    ])).toEqual([
      customer(2, { name: 'B2', customData: { plan: 'pro' } }),
      customer(1, { name: 'A', userId: 'u1' }),
      customer(2, { name: 'B2', phone: 'P', tags: [{ name: 'VIP', color: defaultColor }] })
    ])
    expect(await find(2)).toEqual(customer(2, { name: 'B2', phone: 'P', tags: [{ name: 'VIP', color: defaultColor }] }))
  })

  test('hands a userId from one customer to another', async () => {
    const { create, batch, search } = await open()
    await create({ ...seen, userId: 'u1' })
    await create(seen)

    expect(await batch([{ customer: 1, userId: null }, { customer: 2, userId: 'u1' }])).toEqual([customer(1), customer(2, { userId: 'u1' })])
    expect(await search({ filter: [{ field: 'customers.userId', operator: '=', value: 'u1' }] }))
      .toEqual({ data: [customer(2, { userId: 'u1' })], total: 1 })
  })
})

describe('a refused command leaves nothing behind', () => {
  const tagNames = range(limits.customerTagsMax).map((index) => `t${index}`)
  const attributes = (prefix: string, count: number): object => Object.fromEntries(range(count).map((index) => [`${prefix}${index}`, index]))
  const fresh = { tags: ['fresh', { name: 'Lead', color: 'red' }], customData: { fresh: 1 } }

  test.each<[string, (organization: TestOrganization) => Promise<unknown>, object]>([
    ['a create with a taken userId', ({ create }) => create({ ...fresh, userId: 'u1' }), userIdTaken(1)],
    ['a patch to a taken userId', ({ patch }) => patch(2, { ...fresh, userId: 'u1' }), userIdTaken(1)],
    ['a put to a taken userId', ({ put }) => put(2, { ...fresh, userId: 'u1' }), userIdTaken(1)],
    ['a patch of nobody', ({ patch }) => patch(99, fresh), notFound],
    ['a put of nobody', ({ put }) => put(99, fresh), notFound],
    ['tags for nobody', ({ tag }) => tag(99, fresh.tags), notFound],
    ['a delete of nobody', ({ delete: remove }) => remove(99), notFound],
    ['an event of nobody', ({ recordEvent }) => recordEvent({ name: 'bought', customer: 99 }), notFound],
    ['a batch whose last customer is nobody', ({ batch }) => batch([{ customer: 1, ...fresh, name: 'X' }, { customer: 99 }]),
      { ...notFound, faults: [{ path: '[1].customer', message: 'Customer not found' }] }],
    ['a batch whose last userId is taken', ({ batch }) => batch([{ customer: 2, ...fresh }, { customer: 2, userId: 'u1' }]), userIdTaken(1, '[1].userId')],
    ['a batch that gives one userId twice', ({ batch }) => batch([{ customer: 1, ...fresh, userId: 'new' }, { customer: 2, userId: 'new' }]),
      userIdTaken(1, '[1].userId')],
    ['an attribute of another type', ({ patch }) => patch(2, { ...fresh, customData: { fresh: 1, plan: 1 } }), {
      code: 'invalid_request', message: 'Invalid request', existingId: undefined, path: undefined,
      faults: [{ path: 'customData.plan', message: 'This value should be of type text.' }]
    }],
    ['a tag too many', ({ tag }) => tag(2, tagNames), {
      code: 'invalid_request', message: 'Invalid request', existingId: undefined, path: undefined,
      faults: [{ path: 'tags', message: `A customer can have ${limits.customerTagsMax} tags or less.` }]
    }],
    ['an attribute too many', ({ patch }) => patch(1, { customData: attributes('more', limits.customerAttributesMax) }), {
      code: 'invalid_request', message: 'Invalid request', existingId: undefined, path: undefined,
      faults: [{ path: 'customData', message: `A customer can have ${limits.customerAttributesMax} attributes or less.` }]
    }]
  ])('%s', async (_name, command, expected) => {
    const { database, ...organization } = await openWithTables()
    await organization.create({ userId: 'u1', customData: { plan: 'pro' } })
    await organization.create({ tags: ['Lead'] })
    const before = await dump(database)

    expect(await refused(command(organization))).toEqual(expected)
    expect(await dump(database)).toEqual(before)
    // An engine may have drawn an id that the refused command then had no use for.
    expect((await organization.create(seen)).id).toBeGreaterThan(2)
  })

  test('an unknown attribute where attributes are strict', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { caller } = await openOrganization(store)
    const { command } = parseCreate({ ...fresh }, { attributes: new Map([['fresh', 'number']]), strictAttributes: true })
    const before = await dump(database)

    expect(await refused(store.write(caller, command))).toEqual({
      code: 'invalid_request', message: 'Invalid request', existingId: undefined, path: undefined,
      faults: [{ path: 'customData.fresh', message: 'This attribute does not exist.' }]
    })
    expect(await dump(database)).toEqual(before)
  })
})

describe('a change', () => {
  test('holds what was and what became of the fields that differ, and nothing for what stays', async () => {
    const { create, patch, put, tag, untag, batch, recordEvent, delete: remove, database } = await openWithTables()
    await create({ ...seen, name: 'A', tags: ['Lead'], customData: { plan: 'pro' } })
    await patch(1, { name: 'B', email: 'a@b', customData: { seats: 3 }, city: 'Lviv' })
    await tag(1, ['VIP', { name: 'Lead', color: 'red' }])
    await untag(1, ['Lead'])
    await recordEvent({ name: 'bought', customer: 1, data: { price: 2 } })
    await batch([{ customer: 1, phone: '1' }, { customer: 1, phone: '2' }])
    await put(1, { name: 'B' })
    await remove(1)

    const location = { regionCode: null, countryCode: null, city: 'Lviv' }
    const [{ at: createdAt } = {}] = await database.sql("select at from changes where kind = 'customer.created'")
    expect(await changes(database)).toEqual([
      { customer: 1, kind: 'customer.created', before: null, after: null },
      {
        customer: 1, kind: 'customer.updated',
        before: { name: 'A', email: null, location: { regionCode: null, countryCode: null, city: null }, customData: { plan: 'pro' } },
        after: { name: 'B', email: 'a@b', location, customData: { plan: 'pro', seats: 3 } }
      },
      { customer: null, kind: 'tag.updated', before: { name: 'Lead', color: defaultColor }, after: { name: 'Lead', color: 'red' } },
      { customer: 1, kind: 'customer.updated', before: { tags: ['Lead'] }, after: { tags: ['Lead', 'VIP'] } },
      { customer: 1, kind: 'customer.updated', before: { tags: ['Lead', 'VIP'] }, after: { tags: ['VIP'] } },
      { customer: 1, kind: 'event.recorded', before: null, after: { event: 1 } },
      { customer: 1, kind: 'customer.updated', before: { phone: null }, after: { phone: '1' } },
      { customer: 1, kind: 'customer.updated', before: { phone: '1' }, after: { phone: '2' } },
      {
        customer: 1, kind: 'customer.updated',
        before: { email: 'a@b', phone: '2', tags: ['VIP'], customData: { plan: 'pro', seats: 3 } },
        after: { email: null, phone: null, tags: [], customData: {} }
      },
      { customer: 1, kind: 'customer.deleted', before: { ...customer(1, { name: 'B', location }), tags: [], createdAt: Number(createdAt) }, after: null }
    ])
  })

  test('says when, by which key and in which request', async () => {
    const { create, caller, database } = await openWithTables()
    const from = systemClock()
    await create()
    const rows = await database.sql('select organization_id, key_id, request_id, at from changes')
    const at = Number(rows[0]?.at)

    expect(rows).toEqual([{ organization_id: caller.organizationId, key_id: caller.keyId, request_id: caller.requestId, at }])
    expect(at).toBeGreaterThanOrEqual(from)
    expect(at).toBeLessThanOrEqual(systemClock())
  })

  test('holds attributes in the order in which they were first set, whatever their names', async () => {
    const { create, patch, delete: remove, database } = await openWithTables()
    await create({ customData: [{ property: 'plan', value: 'pro' }, { property: '2024', value: 1 }] })
    await patch(1, { customData: [{ property: '0', value: true }] })
    await remove(1)

    expect(await database.sql('select kind, before, after from changes order by id')).toEqual([
      { kind: 'customer.created', before: null, after: null },
      {
        kind: 'customer.updated',
        before: '{"customData":{"plan":"pro","2024":1}}',
        after: '{"customData":{"plan":"pro","2024":1,"0":true}}'
      },
      { kind: 'customer.deleted', before: expect.stringMatching(/,"customData":\{"plan":"pro","2024":1,"0":true\}\}$/) as string, after: null }
    ])
  })

  test('is not written where nothing changes', async () => {
    const { create, patch, put, tag, untag, batch, find, database } = await openWithTables()
    const body = { ...seen, name: 'A', userId: 'u', tags: [{ name: 'Lead', color: 'red' }, 'VIP'], customData: { plan: 'pro', seats: 1 } }
    await create(body)
    const before = await dump(database)
    await patch(1, body)
    await put(1, body)
    await patch(1, {})
    await patch(1, { customData: { none: null }, tags: ['VIP', 'Lead'] })
    await tag(1, ['Lead', { name: 'Lead', color: 'red' }])
    await tag(1, [])
    await untag(1, ['none'])
    await batch([{ customer: 1 }, { customer: 1, name: 'A' }])
    await put(1, (await find(1)) ?? {})

    expect(await dump(database)).toEqual(before)
  })
})

describe('an event', () => {
  test('is answered with its id, its time and its data as they came', async () => {
    const { create, recordEvent } = await open()
    await create(seen)
    const data = JSON.parse('{"b":1,"a":[null,{"x":"é"}],"0":false,"__proto__":{"y":1},"constructor":2}') as object
    const from = systemClock()
    const first = await recordEvent({ name: 'bought', customer: 1, data })
    const second = await recordEvent({ name: 'bought', customer: '1', createdAt: 12 })

    expect(JSON.stringify(first)).toBe(JSON.stringify({ id: 1, name: 'bought', data, createdAt: first.createdAt, customer: 1 }))
    expect(Number(first.createdAt)).toBeGreaterThanOrEqual(from)
    expect(second).toEqual({ id: 2, name: 'bought', data: {}, createdAt: '12', customer: 1 })
  })

  test('leaves lastSeen alone', async () => {
    const { create, recordEvent, find } = await open()
    await create(seen)
    await recordEvent({ name: 'bought', customer: 1 })

    expect(await find(1)).toEqual(customer(1))
  })

  test('has an id of its own among a hundred at the same time', async () => {
    const { create, recordEvent } = await open()
    await create()
    const events = await Promise.all(range(100).map((index) => recordEvent({ name: `e${index}`, customer: 1 })))

    expect(events.map(({ id, name }) => ({ id, name }))).toEqual(range(100).map((index) => ({ id: index + 1, name: `e${index}` })))
  })
})

describe('purging', () => {
  test('forgets the changes made before a time, and with a deletion the events of who was deleted', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { create, recordEvent, delete: remove, caller } = await openOrganization(store)
    await Promise.all(range(3).map(() => create(seen)))
    for (const id of [1, 2, 3]) await recordEvent({ name: 'bought', customer: id })
    await remove(1)
    await remove(2)
    await database.sql('update changes set at = 1000 + id')
    const eventsOf = async (): Promise<unknown[]> => (await database.sql('select customer_id from events order by id')).map(({ customer_id }) => customer_id)

    expect(await store.purgeChanges(1001)).toBe(0)
    expect(await store.purgeChanges(1005)).toBe(4)
    expect(await database.sql('select kind, customer_id from changes order by id')).toEqual([
      { kind: 'event.recorded', customer_id: 2 }, { kind: 'event.recorded', customer_id: 3 },
      { kind: 'customer.deleted', customer_id: 1 }, { kind: 'customer.deleted', customer_id: 2 }
    ])
    expect(await eventsOf()).toEqual([1, 2, 3])
    expect(await store.purgeChanges(1008)).toBe(3)
    expect(await eventsOf()).toEqual([2, 3])
    expect(await store.purgeChanges(systemClock() + 10)).toBe(1)
    expect(await eventsOf()).toEqual([3])
    expect(await store.purgeChanges(systemClock() + 10)).toBe(0)
    expect(JSON.parse((await store.find(caller.organizationId, 3))?.json ?? '')).toEqual(customer(3))
  })

  test('forgets any number of changes in one call', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { create } = await openOrganization(store)
    await Promise.all(range(limits.purgeGroupMax + 1).map(() => create()))

    expect(await store.purgeChanges(systemClock() + 10)).toBe(limits.purgeGroupMax + 1)
    expect(await database.sql('select count(*) as count from changes')).toEqual([{ count: 0 }])
  })
})

describe('a backup', () => {
  test('is a database that opens, with everything answered before it began, while writes go on', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { create, search, caller } = await openOrganization(store)
    await Promise.all(range(50).map((index) => create({ ...seen, name: `n${index}` })))
    const path = join(database.folder, 'copy.db')
    const [backup] = await Promise.all([store.backup(path), ...range(50).map(() => create())])

    expect(readdirSync(database.folder).filter((name) => name.startsWith('copy'))).toEqual(['copy.db'])
    const copy = await speakTo(await database.openBackup(path), caller).search({ limit: 50 })
    expect(copy.data).toEqual(range(50).map((index) => customer(index + 1, { name: `n${index}` })))
    expect(backup).toEqual({ customers: copy.total, bytes: statSync(path).size })
    expect((await search({ limit: 1 })).total).toBe(100)
  })

  test('does not overwrite a file', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    await openOrganization(store)
    const path = join(database.folder, 'copy.db')
    const first = await store.backup(path)

    await expect(store.backup(path)).rejects.toThrow(`${path} exists already. Name a new file, or remove it first.`)
    expect(first.customers).toBe(0)
  })
})

describe('the store', () => {
  test('finishes what it accepted before it closes', async () => {
    const database = await createDatabase()
    const store = await database.openStore()
    const { create, caller } = await openOrganization(store)
    const { search } = parseSearch({ filter: [{ field: 'customers.name', operator: '~', value: 'x' }] }, { ...await store.searchContext(caller.organizationId), now: 0 })
    const accepted = [...range(300).map(() => create()), store.search(caller, search)]
    await store.close()

    expect(await database.sql('select count(*) as count from customers')).toEqual([{ count: 300 }])
    expect((await Promise.allSettled(accepted)).filter(({ status }) => status === 'rejected')).toEqual([])
  })

  test('tells how many customers there are and that nothing waits', async () => {
    const store = await openStore()
    const { create } = await openOrganization(store)
    const other = await openOrganization(store, 'other')
    await create()
    await other.create()
    await store.probe()

    const status = await store.status()
    expect(status).toEqual({ customers: 2, databaseBytes: status.databaseBytes, writesWaiting: 0, readsWaiting: 0, searchIndexBytes: 0 })
    expect(status.databaseBytes).toBeGreaterThan(0)
  })

  test('probes without leaving a trace in what callers see', async () => {
    const { database, create } = await openWithTables()
    await create()
    const before = await dump(database)
    await (await database.openStore()).probe()

    expect(await dump(database)).toEqual(before)
  })
})
