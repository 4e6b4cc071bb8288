import fc from 'fast-check'
import { expect, test } from 'vitest'
import { speakTo } from '../conformance/open-organization.ts'
import { createDatabase } from '../engines.ts'
import { drafts, happenings, now, search, withIds } from './generated.ts'
import { searchInMemory } from './in-memory-search.ts'
import { populate } from './populated-organization.ts'

test('a search finds what the definition says, in its order, with its total', async () => {
  const database = await createDatabase()
  const store = await database.openStore()
  let run = 0
  await fc.assert(fc.asyncProperty(
    drafts, happenings, fc.boolean(), fc.array(search, { minLength: 40, maxLength: 40 }),
    async (bodies, changes, isIndexedFirst, searches) => {
      const organization = await populate({ database, store }, { name: `run ${run++}`, drafts: bodies, happenings: changes, isIndexedFirst })
      const asked = searches.map((body) => withIds(body, organization.ids))
      const found = await Promise.all(asked.map((body) => organization.search(body, now)))

      expect(found).toEqual(asked.map((body) => searchInMemory(organization.kept, body, now)))
    }
  ), { numRuns: 100, plugins: [fc.interruptAfterTimeLimit(90_000)] })
}, 120_000)

test('a search answers the same page when no total is wanted', async () => {
  const database = await createDatabase()
  const store = await database.openStore()
  let run = 0
  await fc.assert(fc.asyncProperty(
    drafts, happenings, fc.boolean(), fc.array(search, { minLength: 10, maxLength: 10 }),
    async (bodies, changes, isIndexedFirst, searches) => {
      const organization = await populate({ database, store }, { name: `run ${run++}`, drafts: bodies, happenings: changes, isIndexedFirst })
      const asked = searches.map((body) => withIds(body, organization.ids))
      const found = await Promise.all(asked.map((body) => organization.search({ ...body, total: false }, now)))

      expect(found).toEqual(asked.map((body) => ({ ...searchInMemory(organization.kept, body, now), total: null })))
    }
  ), { numRuns: 20 })
}, 60_000)

test('a search finds and sorts by the seconds at which customers were stored and changed', async () => {
  const database = await createDatabase()
  const bodies = Array.from({ length: 24 }, (_, index) => ({ name: `n${index % 5}` }))
  const { caller, ids, kept } = await populate({ database, store: await database.openStore() }, { name: 'default', drafts: bodies, happenings: [], isIndexedFirst: false })
  // A server dates customers by its clock, so here they are made older behind its back, and read by another.
  const times = new Map(ids.map((id, index) => [id, { createdAt: now - (index * 7) % 5, updatedAt: now - (index * 5) % 7 }]))
  for (const [id, { createdAt, updatedAt }] of times) await database.sql(`update customers set created_at = ${createdAt}, updated_at = ${updatedAt} where id = ${id}`)
  const dated = kept.map((one) => ({ ...one, ...times.get(one.customer.id) }))
  const store = await database.openStore()
  const organization = speakTo(store, caller)
  await database.untilIndexed(store, caller)

  const fields = ['createdAt', 'updatedAt']
  const tests = ['=', '!=', '<', '<=', '>', '>=', 'between', 'in', '!in', 'empty', '!empty']
    .map((operator) => ({ operator, value: { between: ['-4s', '-2s'], in: [now, now - 3], '!in': [now, now - 3] }[operator] ?? '-3s' }))
  const asked = fields.flatMap((sort) => ['asc', 'desc'].flatMap((order) => fields.flatMap((field) =>
    tests.map((one) => ({ filter: [{ field, ...one }], sort, order, limit: 10, offset: 2 })))))
  const found = await Promise.all(asked.map((body) => organization.search(body, now)))

  expect(found).toEqual(asked.map((body) => searchInMemory(dated, body, now)))
})
