import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { createDatabase } from '../engines.ts'
import { drafts, happenings, now, search, withIds } from './generated.ts'
import { searchInMemory } from './in-memory-search.ts'
import { populate } from './populated-organization.ts'
import type { Customer } from '../../src/contract/customer.ts'
import { parseSearch } from '../../src/parse-search.ts'
import type { CustomerSearch, Position } from '../../src/search.ts'
import type { FoundPage } from '../../src/store.ts'
import { Catalog } from '../../src/postgres/catalog.ts'
import { openPool } from '../../src/postgres/connection.ts'
import type { PlanBounds } from '../../src/postgres/reader.ts'
import { planBounds, searchCustomers } from '../../src/postgres/reader.ts'
import { inTransaction } from '../../src/postgres/transaction.ts'

const beginReading = 'begin isolation level repeatable read read only'

/** Ways of answering that PostgreSQL and we would take for large organizations, or on several machines. */
const ways = {
  'beginning with the few': { bounds: planBounds, begin: beginReading },
  'never beginning with the few': { bounds: { fewMax: 0 }, begin: beginReading },
  'as on several machines': { bounds: { ...planBounds, isDistributed: true }, begin: beginReading },
  'by indexes': { bounds: planBounds, begin: `${beginReading}; set local enable_seqscan = off` },
  'by indexes, never beginning with the few': { bounds: { fewMax: 0 }, begin: `${beginReading}; set local enable_seqscan = off` }
}

test.each(Object.entries(ways))('a search answered %s finds what the definition says, by offset and in a walk', async (_name, { bounds, begin }) => {
  const database = await createDatabase()
  const store = await database.openStore()
  const ask = openReader(database.url)
  let run = 0
  await fc.assert(fc.asyncProperty(drafts, happenings, fc.array(search, { minLength: 20, maxLength: 20 }), fc.boolean(), async (bodies, changes, searches, wantsTotal) => {
    const { caller: { organizationId }, kept, ids } = await populate({ database, store }, { name: `run ${run++}`, drafts: bodies, happenings: changes, isIndexedFirst: false })
    const context = { ...await store.searchContext(organizationId), now }
    for (const body of searches.map((one) => withIds(one, ids))) {
      const { search: parsed } = parseSearch(body, context)
      const asked = { ...parsed, wantsTotal }
      const all = searchInMemory(kept, { ...body, limit: 100, offset: 0 }, now).data.map(({ id }) => id)
      const expected = all.slice(asked.offset, asked.offset + asked.limit)
      const { next, count, total, ids: found } = await ask(organizationId, asked, { bounds, begin })

      expect([{ ids: found, count, total }, next?.id]).toEqual([
        { ids: expected, count: expected.length, total: wantsTotal ? all.length : null },
        asked.offset + asked.limit < all.length ? expected.at(-1) : undefined
      ])

      const walked: number[][] = []
      let after: Position | null = null
      do {
        const step = await ask(organizationId, { ...asked, offset: 0, limit: 7, after }, { bounds, begin })
        walked.push(step.ids)
        after = step.next
      } while (after !== null && walked.length <= all.length)
      expect(walked).toEqual(Array.from({ length: Math.max(1, Math.ceil(all.length / 7)) }, (_, index) => all.slice(index * 7, index * 7 + 7)))
    }
  }), { numRuns: 6 })
}, 120_000)

test('an explanation tells how customers were found, and counts no more of them than the organization has', async () => {
  const database = await createDatabase()
  const store = await database.openStore()
  const others = Array.from({ length: 40 }, (_, index) => ({ email: `river${index}@example.com` }))
  await populate({ database, store }, { name: 'other', drafts: others, happenings: [], isIndexedFirst: false })
  const { caller: { organizationId } } = await populate({ database, store }, { name: 'own', drafts: others.slice(0, 3), happenings: [], isIndexedFirst: false })
  const context = { ...await store.searchContext(organizationId), now }
  const { search: asked } = parseSearch({ filter: [{ field: 'email', operator: '~', value: 'river' }], explain: true }, context)
  const scanning = `${beginReading}; set local enable_indexscan = off; set local enable_bitmapscan = off`
  const { explanation } = await openReader(database.url)(organizationId, asked, { bounds: planBounds, begin: scanning })

  expect(explanation).toEqual({ plan: 'scan', entriesVisited: 3, steps: ['page: Limit', 'page:   Sort', 'page:     Seq Scan on customers'] })
})

test('a needle as long as the longest text, and one beyond what LIKE compares at once, is found', async () => {
  const database = await createDatabase()
  const store = await database.openStore()
  const long = `${'a'.repeat(65_534)}b`
  const { caller: { organizationId }, ids } = await populate({ database, store }, {
    name: 'own', drafts: [{ notes: long }, { notes: 'a'.repeat(65_535) }, { notes: '100%_\\' }], happenings: [], isIndexedFirst: false
  })
  const ask = openReader(database.url)
  const context = { ...await store.searchContext(organizationId), now }
  const find = async (operator: string, value: string): Promise<number[]> =>
    (await ask(organizationId, parseSearch({ filter: [{ field: 'notes', operator, value }] }, context).search, { bounds: planBounds, begin: beginReading })).ids

  expect(await Promise.all([
    find('~', long), find('~', `${'a'.repeat(100)}b`), find('^', 'a'.repeat(65_535)), find('$', `${'a'.repeat(70)}b`), find('~', '%_\\'), find('~', '0_')
  ])).toEqual([[ids[0]], [ids[0]], [ids[1]], [ids[0]], [ids[2]], []])
})

interface Way {
  readonly bounds: PlanBounds
  readonly begin: string
}

/** Asks of a connection of its own, past the store's queues and index. */
function openReader(url: string): (organizationId: number, search: CustomerSearch, way: Way) => Promise<FoundPage & { ids: number[] }> {
  const pool = openPool({ url, poolSize: 1 })
  onTestFinished(async () => { await pool.end() })
  const catalog = new Catalog()
  return async (organizationId, asked, { bounds, begin }) => {
    await catalog.refresh(pool)
    const page = await inTransaction(pool, { begin, task: async (client) => await searchCustomers(client, organizationId, asked, catalog, bounds) })
    const customers = JSON.parse(`[${Buffer.from(page.customers).toString()}]`) as readonly Customer[]
    return { ...page, ids: customers.map(({ id }) => id) }
  }
}
