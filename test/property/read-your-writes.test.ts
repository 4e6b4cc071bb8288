import { expect, test } from 'vitest'
import type { TestOrganization } from '../conformance/open-organization.ts'
import { openOrganization } from '../conformance/open-organization.ts'
import { createDatabase } from '../engines.ts'
import type { FilterBody } from './in-memory-search.ts'

const writers = 8
const rounds = 40

/** Each kind of filter has an index of its own, which may lag by itself. */
test('what was written is what the next search finds, while others write', async () => {
  const database = await createDatabase()
  const store = await database.openStore()
  const organization = await openOrganization(store)
  // Each of them searches often enough, at first by SQL, then while the index is built, and from it.
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(organization, writer)))

  expect(await organization.search({ limit: 1 })).toEqual({ data: [], total: 0 })
  await database.untilIndexed(store, organization.caller)
}, 120_000)

async function write({ create, patch, put, tag, untag, recordEvent, delete: remove, batch, search }: TestOrganization, writer: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const own = `w${writer}r${round}.`
    const find = async (...filter: FilterBody[]): Promise<unknown> => await search({ filter })
    const one = (customer: unknown): object => ({ data: [customer], total: 1 })
    const nobody = { data: [], total: 0 }
    const mine: FilterBody = { field: 'name', operator: '^', value: own }

    const created = await create({ name: `${own}Ann`, email: `ann@${own}com`, customData: { round: own, seats: round } })
    expect(await find({ field: 'name', operator: '=', value: `${own}ANN` })).toEqual(one(created))
    expect(await find({ field: 'text', operator: '~', value: `@${own}` })).toEqual(one(created))
    expect(await find({ field: 'customData.round', operator: '=', value: own }, { field: 'customData.seats', operator: '>=', value: round })).toEqual(one(created))

    const patched = await patch(created.id, { name: `${own}Eve`, notes: `note of ${own}`, firstSeen: 1_000 + writer, customData: { seats: -1 } })
    expect(await find({ field: 'name', operator: '=', value: `${own}ANN` })).toEqual(nobody)
    expect(await find({ field: 'notes', operator: '$', value: `OF ${own}` }, { field: 'customData.seats', operator: '<', value: 0 })).toEqual(one(patched))
    expect(await find(mine, { field: 'firstSeen', operator: 'between', value: [1_000, 2_000] })).toEqual(one(patched))

    const tagged = await tag(created.id, [own, 'shared'])
    expect(await find({ field: 'tags', operator: '=', value: [own, 'shared'] })).toEqual(one(tagged))
    const untagged = await untag(created.id, [own])
    expect(await find({ field: 'tags', operator: 'any', value: [own] })).toEqual(nobody)
    expect(await find(mine, { field: 'tags', operator: '=', value: ['shared'] })).toEqual(one(untagged))

    await recordEvent({ name: 'round', customer: created.id, createdAt: 5 })
    expect(await find(mine, { field: 'events.round', operator: '=', value: 1, since: 5, until: 5 })).toEqual(one(untagged))

    const [batched] = await batch([{ customer: created.id, unsubscribed: true, company: own }])
    expect(await find({ field: 'company', operator: 'in', value: [own] }, { field: 'unsubscribed', operator: '=', value: true })).toEqual(one(batched))
    const replaced = await put(created.id, { name: own })
    expect(await find({ field: 'company', operator: '=', value: own })).toEqual(nobody)
    expect(await find(mine, { field: 'tags', operator: 'empty' }, { field: 'customData.round', operator: 'empty' })).toEqual(one(replaced))

    await remove(created.id)
    expect(await find(mine)).toEqual(nobody)
  }
}
