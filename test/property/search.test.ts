import fc from 'fast-check'
import { expect, test } from 'vitest'
import { engines } from '../engines.ts'
import { drafts, happenings, search, withIds } from './generated.ts'
import { searchInMemory } from './in-memory-search.ts'
import { populate } from './populated-organization.ts'

test.each(engines)('$name finds what the contract says, in its order, with its total', async (engine) => {
  const store = engine.openStore()
  let run = 0
  await fc.assert(fc.asyncProperty(
    drafts, happenings, fc.array(search, { minLength: 40, maxLength: 40 }),
    async (bodies, changes, searches) => {
      const organization = await populate(store, { name: `run ${run++}`, drafts: bodies, happenings: changes })
      const asked = searches.map((body) => withIds(body, organization.ids))
      const found = await Promise.all(asked.map((body) => organization.search(body)))

      expect(found).toEqual(asked.map((body) => searchInMemory(organization.kept, body)))
    }
  ), { numRuns: 100 })
}, 60_000)
