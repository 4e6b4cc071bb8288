import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseSearch } from '../../src/search.ts'
import { planPage } from '../../src/sqlite/search-plan.ts'
import { text } from './generated.ts'

/** Text that would show itself if it ever became SQL. */
const hostile = fc.oneof(
  text,
  fc.constantFrom("' or 1=1 --", '"; drop table customers; --', '?', '??', ':id', '@a', '$1', '${x}', '%', '_', '\\', '*/', 'null', 'customers.id', '1 or 1')
)
const number = fc.integer({ min: 0, max: 253_402_300_799 })
const knownTags = ["it's", '"; drop table tags; --', '?', 'Lead']

const textFields = ['name', 'email', 'company', 'phone', 'countryCode', 'city', 'regionCode', 'userId', 'telegramId', 'whatsappId']
const shape = fc.array(fc.oneof(
  fc.record({ kind: fc.constant('text' as const), field: fc.constantFrom(...textFields), operator: fc.constantFrom('=', '!=', '~', '!~') }),
  fc.record({ kind: fc.constant('number' as const), field: fc.constantFrom('id', 'firstSeen', 'lastSeen', 'createdAt'), operator: fc.constantFrom('=', '!=', '>', '<', '>=', '<=') }),
  fc.record({ kind: fc.constant('tags' as const), field: fc.constant('tagsData'), operator: fc.constant('='), count: fc.integer({ min: 1, max: 3 }) })
), { minLength: 1, maxLength: 5 })

/** A shape, and two searches of that shape that share no more than it. */
const twins = fc.record({ comparison: fc.constantFrom('AND', 'OR'), sort: fc.constantFrom('firstSeen', 'lastSeen'), filters: shape })
  .chain(({ comparison, sort, filters }) => {
    const values = fc.tuple(...filters.map((filter) => {
      if (filter.kind === 'text') return hostile
      return filter.kind === 'number' ? number : fc.shuffledSubarray(knownTags, { minLength: filter.count, maxLength: filter.count })
    }))
    return fc.tuple(values, values).map((both) => both.map((chosen) => ({
      comparison, sort, filter: filters.map(({ field, operator }, index) => ({ field: `customers.${field}`, operator, value: chosen[index] }))
    })))
  })

function plan(body: object): { text: string; values: unknown[] } {
  const { search } = parseSearch(body)
  const { source, where } = planPage(search, {
    organizationId: 1, tagIds: new Map(knownTags.map((name, index) => [name, index + 1])), countTagged: () => 1, total: 1
  })
  return { text: `select ${source.sql} where ${where.sql}`, values: [...source.values, ...where.values] }
}

test('no value changes the SQL of a search: searches of one shape have one text, and a place for every value', () => {
  fc.assert(fc.property(twins, ([one = {}, other = {}]) => {
    const first = plan(one)

    expect(plan(other).text).toBe(first.text)
    expect(first.text.split('?').length - 1).toBe(first.values.length)
  }), { numRuns: 1_000 })
})
