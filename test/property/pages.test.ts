import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Customer } from '../../src/contract/customer.ts'
import { createDatabase } from '../engines.ts'
import { drafts, happenings, now, search, withIds } from './generated.ts'
import { searchInMemory } from './in-memory-search.ts'
import { populate } from './populated-organization.ts'

test('pages by offset hold every match once, in order, and only the last is short', async () => {
  const database = await createDatabase()
  const store = await database.openStore()
  let run = 0
  await fc.assert(fc.asyncProperty(
    drafts, happenings, fc.boolean(), search, fc.integer({ min: 1, max: 9 }),
    async (bodies, changes, isIndexedFirst, body, limit) => {
      const organization = await populate({ database, store }, { name: `run ${run++}`, drafts: bodies, happenings: changes, isIndexedFirst })
      const asked = { ...withIds(body, organization.ids), limit }
      const pages: Customer[][] = []
      let offset = 0
      do {
        const { data } = await organization.search({ ...asked, offset }, now)
        pages.push(data)
        offset += limit
      } while (pages.at(-1)?.length === limit)

      const { data: all } = searchInMemory(organization.kept, { ...asked, limit: 100, offset: 0 }, now)
      const wanted = Array.from({ length: Math.floor(all.length / limit) + 1 }, (_, page) => all.slice(page * limit, (page + 1) * limit))
      expect(pages).toEqual(wanted)
    }
  ), { numRuns: 100 })
}, 60_000)
