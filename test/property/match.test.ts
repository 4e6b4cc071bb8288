import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseCreate } from '../../src/command.ts'
import type { Customer as RenderedCustomer } from '../../src/contract/customer.ts'
import type { AttributeType } from '../../src/custom-data.ts'
import { parseCustomer, renderCustomer } from '../../src/customer.ts'
import { decide } from '../../src/decide.ts'
import { ApiError } from '../../src/errors.ts'
import { matches, parseMatch } from '../../src/match.ts'
import { attributes as attributeTypes, draft, now, search } from './generated.ts'
import type { FilterBody, GroupBody } from './in-memory-search.ts'
import { searchInMemory } from './in-memory-search.ts'

const attributes = new Map(Object.entries(attributeTypes)) as ReadonlyMap<string, AttributeType>

function rendered(body: unknown): string {
  const { command } = parseCreate(body, { attributes, strictAttributes: false })
  const [customer] = decide(command, new Map(), { now, newId: 5, userIdHolders: new Map(), tagColors: new Map(), attributeTypes: new Map(), stored: new Map(), tagsVersion: 0 }).flatMap(({ after }) => after ?? [])
  if (customer === undefined) throw new Error('Nobody was created')
  return renderCustomer(customer)
}

function filtersOf({ filter = [] }: GroupBody): FilterBody[] {
  return filter.flatMap((one) => ('field' in one ? [one] : filtersOf(one)))
}

/** Without what a search ignores, and a webhook is told of: a value beside `empty`. */
function strict({ filter = [], ...group }: GroupBody): GroupBody {
  return {
    ...group,
    filter: filter.map((one) => {
      if (!('field' in one)) return strict(one)
      const { value, ...asked } = one
      return one.operator.endsWith('empty') ? asked : { ...asked, value }
    })
  }
}

const isUnmatchable = ({ field }: FilterBody): boolean => /^(?:customers\.)?(?:createdAt|updatedAt|events\..*)$/s.test(field)

test('a customer passes a filter when a search would find it', () => {
  fc.assert(fc.property(draft, fc.array(search.filter((body) => !filtersOf(body).some(isUnmatchable)), { minLength: 5, maxLength: 20 }), (body, searches) => {
    const json = rendered(body)
    const kept = { customer: JSON.parse(json) as RenderedCustomer, createdAt: now, updatedAt: now, events: [] }

    const asked = searches.map(({ comparison, not, filter }) => strict({ ...(comparison === undefined ? {} : { comparison }), ...(not === undefined ? {} : { not }), filter: filter ?? [] }))
    expect(asked.map((one) => matches(parseCustomer(json), parseMatch(one, { attributes, now }))))
      .toEqual(asked.map((one) => searchInMemory([kept], one, now).total === 1))
  }), { numRuns: 1_000 })
})

test('filters on what a customer alone does not tell are refused where they stand', () => {
  const filter = [
    { field: 'customers.name', operator: '=', value: 'Ann' }, { field: 'customers.createdAt', operator: '>', value: '-7d' },
    { comparison: 'OR', filter: [{ field: 'updatedAt', operator: 'empty' }, { field: 'events.order_paid', operator: '>', value: 1 }] }
  ]
  const refused = (() => {
    try {
      return parseMatch({ filter }, { attributes, now })
    } catch (error) {
      return error instanceof ApiError ? error.faults : error
    }
  })()
  expect(refused).toEqual([
    { path: 'filter[1].field', message: 'customers.createdAt cannot be asked for here: only fields of the customer, its tags and its custom data.' },
    { path: 'filter[2].filter[0].field', message: 'customers.updatedAt cannot be asked for here: only fields of the customer, its tags and its custom data.' },
    { path: 'filter[2].filter[1].field', message: 'Events cannot be asked for here: only fields of the customer, its tags and its custom data.' }
  ])
})
