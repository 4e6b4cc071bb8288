import fc from 'fast-check'
import { expect, test } from 'vitest'
import { generateSecret, hashSecret } from '../../src/api-key.ts'
import type { Customer } from '../../src/contract/customer.ts'
import type { TestDatabase } from '../engines.ts'
import { createDatabase } from '../engines.ts'
import type { TestServer } from '../start-server.ts'
import { startServer } from '../start-server.ts'
import { drafts, happenings, now, search, withIds } from './generated.ts'
import type { SearchBody } from './in-memory-search.ts'
import { searchInMemory } from './in-memory-search.ts'
import type { PopulatedOrganization, Run } from './populated-organization.ts'
import { populate } from './populated-organization.ts'

interface Walked extends PopulatedOrganization {
  /** The pages from the first to the one without a cursor. */
  walk(body: SearchBody & { fields?: readonly string[] }): Promise<Partial<Customer>[][]>
  list(query: Record<string, string | number>): Promise<Partial<Customer>[][]>
}

async function start(): Promise<(run: Omit<Run, 'name' | 'isIndexedFirst'>) => Promise<Walked>> {
  const database = await createDatabase()
  const server = await startServer({}, database)
  let runs = 0
  return async (run) => await startWalks({ server, database }, { ...run, name: `run ${runs++}`, isIndexedFirst: true })
}

async function startWalks({ server, database }: { server: TestServer; database: TestDatabase }, run: Run): Promise<Walked> {
  const organization = await populate({ database, store: server.store }, run)
  const secret = generateSecret()
  await server.store.createKey({ organizationId: organization.caller.organizationId, name: 'walker', secretHash: hashSecret(secret) })
  const headers = { authorization: `Bearer ${secret}` }

  const walk = async (ask: (cursor: string) => ReturnType<TestServer['call']>): Promise<Partial<Customer>[][]> => {
    const pages: Partial<Customer>[][] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { status, body } = await ask(cursor)
      if (status !== 200) throw new Error(`Page ${pages.length} is answered ${status}: ${JSON.stringify(body)}`)
      const page = body as { data: Customer[]; meta: { cursor: string | null } }
      pages.push(page.data)
      cursor = page.meta.cursor
    }
    return pages
  }
  return {
    ...organization,
    walk: async (body) => await walk(async (cursor) => await server.call('POST', '/v1/customers/search', { ...body, cursor }, headers)),
    list: async (query) => await walk(async (cursor) => {
      const parameters = new URLSearchParams(Object.entries({ ...query, cursor }).map(([name, value]): [string, string] => [name, String(value)]))
      return await server.call('GET', `/v1/customers?${parameters.toString()}`, undefined, headers)
    })
  }
}

/** The server's clock moves on, so what is said by it would be another question a second later. */
const fixedSearch = search.map(({ offset: _offset, ...body }) =>
  JSON.parse(JSON.stringify(body).replaceAll(/"(?:now|-\d+[smhdw])"/g, String(now))) as SearchBody)
const fields = fc.option(fc.subarray(['id', 'email', 'tags', 'customData', 'location', 'firstSeen'], { minLength: 1 }), { nil: undefined })
const limit = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 7 }) }, { weight: 1, arbitrary: fc.constantFrom(100, 1_000, 5_000) })

function inPages<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.max(1, Math.ceil(items.length / size)) }, (_, page) => items.slice(page * size, (page + 1) * size))
}

function pick(customer: Customer, keys: readonly string[] | undefined): Partial<Customer> {
  return keys === undefined ? customer : Object.fromEntries(Object.entries(customer).filter(([key]) => keys.includes(key)))
}

test('a walk by cursor holds every match once, in order, and ends with the last', async () => {
  const populated = await start()
  await fc.assert(fc.asyncProperty(drafts, happenings, fixedSearch, limit, fields, async (bodies, changes, body, size, keys) => {
    const { ids, kept, walk } = await populated({ drafts: bodies, happenings: changes })
    const asked = withIds(body, ids)
    const { data } = searchInMemory(kept, { ...asked, limit: 100 }, now)

    expect(await walk({ ...asked, limit: size, ...(keys === undefined ? {} : { fields: keys }) }))
      .toEqual(inPages(data.map((customer) => pick(customer, keys)), size))
  }), { numRuns: 100, plugins: [fc.interruptAfterTimeLimit(90_000)] })
}, 120_000)

test('a walk through the list holds everyone once, in order, and ends with the last', async () => {
  const populated = await start()
  await fc.assert(fc.asyncProperty(drafts, happenings, fixedSearch, limit, async (bodies, changes, { sort, order }, size) => {
    const { kept, list } = await populated({ drafts: bodies, happenings: changes })
    const { data } = searchInMemory(kept, { sort: sort ?? 'firstSeen', order: order ?? 'asc', limit: 100 }, now)

    expect(await list({ sort: sort ?? '', order: order ?? '', limit: size })).toEqual(inPages(data, size))
  }), { numRuns: 50 })
}, 60_000)

test('while others come and go, a walk meets each match that stays once, in order, and nobody twice', async () => {
  const populated = await start()
  await fc.assert(fc.asyncProperty(drafts, drafts, fixedSearch, fc.integer({ min: 1, max: 4 }), async (staying, passing, body, size) => {
    const { create, delete: remove, ids, kept, walk } = await populated({ drafts: staying, happenings: [] })
    const asked = withIds(body, ids)
    let isWalking = true
    const writer = async (): Promise<void> => {
      // Bounded, since a walk towards the newest goes on for as long as there are newer ones. A userId is one customer's only.
      for (let turn = 0; isWalking && turn < 40; turn++) {
        const { id } = await create({ ...passing[turn % passing.length], userId: null })
        await remove(id)
      }
    }
    const writers = [writer(), writer(), writer()]
    const pages = await walk({ ...asked, limit: size }).finally(() => { isWalking = false })
    await Promise.all(writers)

    // By id, since those who come may recolor a tag of those who stay.
    const met = pages.flat().map(({ id }) => id)
    const stayed = new Set<number | undefined>(kept.map(({ customer }) => customer.id))
    expect(met.filter((id) => stayed.has(id))).toEqual(searchInMemory(kept, { ...asked, limit: 100 }, now).data.map(({ id }) => id))
    expect(met).toEqual([...new Set(met)])
  }), { numRuns: 60, plugins: [fc.interruptAfterTimeLimit(90_000)] })
}, 120_000)
