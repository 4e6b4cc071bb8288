import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { SqliteOptions } from '../../src/sqlite/store.ts'
import { SqliteStore } from '../../src/sqlite/store.ts'
import { openOrganization, speakTo } from '../conformance/open-organization.ts'
import { untilIndexed } from '../e2e/indexed.ts'
import type { RunningCli } from '../e2e/start-cli.ts'
import { startCli } from '../e2e/start-cli.ts'
import { temporaryFolder, untilAnsweredFromIndex } from '../engines.ts'
import { protectable } from './protectable.ts'

vi.setConfig({ testTimeout: 60_000 })

const mebibyte = 1024 * 1024

test('when the thread of the index ends, no search is lost or wrong, and the index comes back once it can be built', async () => {
  const path = join(temporaryFolder(), 'clientele.db')
  const store = openStore({ path, lostIndexMs: 0 })
  const organization = await openOrganization(store)
  const created = await Promise.all(Array.from({ length: 20 }, (_, index) => organization.create({ name: `n${index % 2}` })))
  const named = (name: string): object => ({ data: created.filter((customer) => customer.name === name), total: 10 })
  const searchAll = async (): Promise<unknown[]> => await Promise.all(Array.from({ length: 20 }, (_, index) => (
    speakTo(store, { ...organization.caller, keyId: index % 4 }).search({ filter: [{ field: 'name', operator: '=', value: 'n0' }], sort: 'id' }))))
  await untilAnsweredFromIndex(store, organization.caller)

  // A customer of name n1, whom the index cannot read; SQL need not.
  setRendering(path, { id: 2, rendering: '{' })
  for (let round = 0; round < 5; round += 1) expect(await searchAll()).toEqual(Array.from({ length: 20 }, () => named('n0')))
  expect((await store.status()).searchIndexBytes).toBe(0)

  setRendering(path, { id: 2, rendering: JSON.stringify(created[1]) })
  await untilAnsweredFromIndex(store, organization.caller)
  expect(await searchAll()).toEqual(Array.from({ length: 20 }, () => named('n0')))
  expect(await organization.search({ filter: [{ field: 'name', operator: '=', value: 'n1' }], sort: 'id' })).toEqual(named('n1'))
})

test('an index whose thread ended stays away for its time, and says why', async () => {
  const path = join(temporaryFolder(), 'clientele.db')
  const losses: unknown[] = []
  const store = openStore({ path, lostIndexMs: 3_000_000, onIndexLost: (loss) => { losses.push(loss) } })
  const { caller, create, search } = await openOrganization(store)
  const first = await create({ name: 'Ann' })
  await untilAnsweredFromIndex(store, caller)
  setRendering(path, { id: 1, rendering: '{' })
  await vi.waitUntil(async () => (await store.status()).searchIndexBytes === 0, { timeout: 20_000 })
  setRendering(path, { id: 1, rendering: JSON.stringify(first) })

  const sizes = await sizesWhile(store, async () => {
    for (let round = 0; round < 3; round += 1) {
      expect(await search({ filter: [{ field: 'name', operator: '=', value: 'ann' }] })).toEqual({ data: [first], total: 1 })
      // In the time in which another store makes its own.
      await untilAnsweredFromIndex(openStore({ path }), caller)
    }
  })
  expect(sizes).toEqual([0])
  expect(losses).toEqual([{ cause: new Error('Customer 1 cannot be read as it is stored; clientele doctor says more'), retryAfterSeconds: 3_000 }])
})

test('customers who do not fit into the memory given are found all the same, and are not brought into memory again and again', async () => {
  const store = openStore({ path: join(temporaryFolder(), 'clientele.db'), indexBytesMax: mebibyte })
  const { create, tag, search } = await openOrganization(store)
  const created = await Promise.all(Array.from({ length: 900 }, (_, index) => (
    create({ name: `n${index}`, company: `c${index % 90}`, notes: `${index % 90} ${randomBytes(700).toString('hex')}`, customData: { even: index % 2 === 0 } }))))
  const ask = async (): Promise<void> => {
    for (const [index, customer] of created.entries()) {
      if (index % 30 !== 0) continue
      const alike = created.filter((_, other) => other % 90 === index % 90)
      const found = { data: alike, total: alike.length }
      expect(await search({ filter: [{ field: 'name', operator: '=', value: customer.name }] })).toEqual({ data: [customer], total: 1 })
      expect(await search({ filter: [{ field: 'notes', operator: '^', value: `${index % 90} ` }], sort: 'id' })).toEqual(found)
      expect(await search({ filter: [{ field: 'company', operator: '=', value: `c${index % 90}` }], sort: 'id' })).toEqual(found)
    }
  }
  const sizes = await sizesWhile(store, async () => {
    await ask()
    created[0] = await tag(created[0]?.id ?? 0, ['new'])
    await ask()
    await vi.waitUntil(async () => (await store.status()).searchIndexBytes === 0, { timeout: 20_000 })
  })

  // It was tried once, for a moment that may go unseen.
  expect([[0, mebibyte, 0], [0]]).toContainEqual(sizes)
})

test('what one of two servers of a database has written, the index of the other finds at once', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const first = await startCli({ database })
  const second = await startCli({ database, key: first.key ?? '' })
  await first.call('POST', '/v1/customers', { tags: ['other'], customData: { round: 0 } })
  await Promise.all([untilIndexed(first), untilIndexed(second)])

  for (let round = 1; round <= 20; round += 1) {
    const [here, there] = round % 2 === 0 ? [first, second] : [second, first]
    const write = async (method: string, path: string, body?: object): Promise<unknown> => {
      const answer = await here.call(method, path, body)
      expect(answer.status).toBeLessThan(300)
      return answer.body
    }
    const found = async (filter: object): Promise<unknown> => await findFromIndex(there, filter)
    const one = (customer: unknown): object => ({ data: [customer], total: 1 })
    const nobody = { data: [], total: 0 }
    const name = `n${round}`

    const created = await write('POST', '/v1/customers', { name, customData: { round } })
    const { id } = created as { id: number }
    expect(await found({ field: 'name', operator: '=', value: name })).toEqual(one(created))
    expect(await found({ field: 'customData.round', operator: '=', value: round })).toEqual(one(created))
    const patched = await write('PATCH', `/v1/customers/${id}`, { name: `${name} changed` })
    expect(await found({ field: 'name', operator: '$', value: 'changed' })).toEqual(one(patched))
    expect(await found({ field: 'name', operator: '=', value: name })).toEqual(nobody)
    const tagged = await write('PUT', `/v1/customers/${id}/tags`, { tags: [name] })
    expect(await found({ field: 'tags', operator: '=', value: [name] })).toEqual(one(tagged))
    await write('POST', '/v1/events', { name, customer: id })
    expect(await found({ field: `events.${name}`, operator: '=', value: 1 })).toEqual(one(tagged))
    await write('DELETE', `/v1/customers/${id}/tags`, { tags: [name] })
    expect(await found({ field: 'tags', operator: '=', value: [name] })).toEqual(nobody)
    await write('DELETE', `/v1/customers/${id}`)
    expect(await found({ field: 'id', operator: 'in', value: [id] })).toEqual(nobody)
  }
})

test('changes that one process purges as soon as it has made them are not missed by the index of another', async () => {
  const path = join(temporaryFolder(), 'clientele.db')
  const writing = openStore({ path })
  const { caller, create, delete: remove } = await openOrganization(writing)
  const reading = openStore({ path })
  const { search } = speakTo(reading, caller)
  await create({ name: 'first' })
  await untilAnsweredFromIndex(reading, caller)

  for (let round = 0; round < 20; round += 1) {
    const name = `n${round}`
    const customer = await create({ name })
    await writing.purgeChanges(systemClock() + 10)
    expect(await search({ filter: [{ field: 'name', operator: '=', value: name }] })).toEqual({ data: [customer], total: 1 })
    await remove(customer.id)
    await writing.purgeChanges(systemClock() + 10)
    expect(await search({ filter: [{ field: 'name', operator: '=', value: name }] })).toEqual({ data: [], total: 0 })
    if (round % 5 === 0) await untilAnsweredFromIndex(reading, caller)
  }
})

test('searches are answered from the index while the disk is read-only, and again after it could be written', async (context) => {
  const { database, protect, release } = protectable(context)
  const before = await startCli({ database })
  const { key = '' } = before
  const { body: ann } = await before.call('POST', '/v1/customers', { name: 'Ann' })
  await before.end('SIGKILL')
  protect()

  const server = await startCli({ database, key })
  const named = (name: string): object => ({ field: 'name', operator: '=', value: name })
  const one = { data: [ann], total: 1 }
  await untilIndexed(server)
  expect(await findFromIndex(server, named('ann'))).toEqual(one)
  expect((await server.call('POST', '/v1/customers', { name: 'Ben' })).status).toBe(503)
  expect(await findFromIndex(server, named('ann'))).toEqual(one)

  release()
  const writes = Array.from({ length: 20 }, (_, index) => server.call('POST', '/v1/customers', { name: `n${index}` }))
  const searches = await Promise.all(Array.from({ length: 20 }, () => find(server, named('ann'))))
  expect(searches).toEqual(searches.map(() => one))
  await Promise.all(writes)
  const { status, body: cy } = await server.call('POST', '/v1/customers', { name: 'Cy' })
  expect(status).toBe(201)
  expect(await find(server, named('cy'))).toEqual({ data: [cy], total: 1 })
  await untilIndexed(server)
  expect(await findFromIndex(server, named('cy'))).toEqual({ data: [cy], total: 1 })
  expect(await findFromIndex(server, named('ann'))).toEqual(one)
})

function openStore(options: SqliteOptions): SqliteStore {
  const store = SqliteStore.open(options)
  onTestFinished(async () => { await store.close() })
  return store
}

async function find(server: RunningCli, filter: object): Promise<unknown> {
  const { body } = await server.call('POST', '/v1/customers/search', { filter: [filter] })
  const { data, total } = body as { data: unknown; total: unknown }
  return { data, total }
}

async function findFromIndex(server: RunningCli, filter: object): Promise<unknown> {
  const { body } = await server.call('POST', '/v1/customers/search', { filter: [filter], explain: true })
  const { data, total, explain } = body as { data: unknown; total: unknown; explain: { plan: string } }
  expect(explain.plan).toMatch(/^columns/)
  return { data, total }
}

/** What no writer of ours would do: a customer's stored rendering becomes another, in a change like others. */
function setRendering(path: string, { id, rendering }: { id: number; rendering: string }): void {
  const db = new Database(path, { timeout: 5_000 })
  db.transaction(() => {
    db.prepare('update customers set rendering = ? where id = ?').run(rendering, id)
    db.prepare("insert into changes (organization_id, customer_id, kind, at, key_id, request_id) values (1, ?, 'customer.updated', 0, 1, 'test')").run(id)
  }).immediate()
  db.close()
}

/** The sizes of the index, one after the other, during some work. */
async function sizesWhile(store: SqliteStore, work: () => Promise<void>): Promise<number[]> {
  const sizes: number[] = []
  let isOver = false
  const watch = async (): Promise<void> => {
    do {
      const { searchIndexBytes } = await store.status()
      if (searchIndexBytes !== sizes.at(-1)) sizes.push(searchIndexBytes)
      await turn()
    } while (!isOver)
  }
  await Promise.all([watch(), work().finally(() => { isOver = true })])
  return sizes
}
