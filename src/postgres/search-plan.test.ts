import { expect, test } from 'vitest'
import type { CustomerSearch, Filter, NumberTest, Sort, TextTest } from '../search.ts'
import { findDrivers, planCount, planPage } from './search-plan.ts'

const hostile = ["' or 1=1 --", '"; drop table customers; --', '$1', '?', '${x}', '%', '_', '\\', '*/'].map((text) => `hostile${text}`)
const number = 987_654

const textTests: TextTest[] = hostile.flatMap((value): TextTest[] => [
  { operator: '=', value }, { operator: '~', value }, { operator: '^', value }, { operator: '$', value }, { operator: 'in', values: [value, value.repeat(40)] },
  { operator: '~', value: value.repeat(40) }, { operator: '=', value: value.repeat(40) }, { operator: '^', value: value.repeat(40) }
])
const numberTests: Exclude<NumberTest, { operator: 'empty' }>[] = [
  { operator: '=', value: number }, { operator: '<', value: number }, { operator: 'in', values: [number, 0] }, { operator: 'between', from: number, to: number }
]
const filters: Filter[] = [true, false].flatMap((isNegated): Filter[] => [
  ...textTests.flatMap((one): Filter[] => (['name', 'email', 'userId', 'notes', 'telegramId'] as const).map((name) => ({ type: 'text', isNegated, field: { name }, test: one }))),
  ...textTests.map((one): Filter => ({ type: 'text', isNegated, field: { attribute: 'hostile text' }, test: one })),
  ...numberTests.flatMap((one): Filter[] => [
    { type: 'number', isNegated, field: { name: 'firstSeen' }, test: one },
    { type: 'number', isNegated, field: { attribute: 'hostile number' }, test: one },
    ...hostile.map((name): Filter => ({ type: 'events', isNegated, name, since: number, until: number, test: one }))
  ]),
  { type: 'tags', isNegated, operator: 'all', names: hostile },
  ...hostile.map((needle): Filter => ({ type: 'anyText', isNegated, needle, digits: null }))
])
const sorts: Sort[] = [
  { by: 'number', field: { name: 'id' } }, { by: 'text', field: { name: 'userId' } }, { by: 'text', field: { name: 'city' } },
  { by: 'text', field: { attribute: 'hostile text' } }, { by: 'rank', needle: "hostile' or 1=1", digits: null }
]

test('no value of a search becomes SQL, and every value has its place', () => {
  const options = {
    organizationId: 1, tagIds: new Map(), attributeIds: new Map(), few: null, hasAllLetters: true,
    attributeTypes: new Map([['hostile text', 'text'], ['hostile number', 'number']] as const)
  }
  const queries = filters.flatMap((filter) => sorts.flatMap((sort) => [null, { value: sort.by === 'text' ? "hostile '" : number, id: number }].flatMap((after) => {
    const search: CustomerSearch = {
      filter: { type: 'group', isNegated: false, comparison: 'OR', filters: [filter] }, sort, order: 'desc', after,
      limit: 10, offset: 0, wantsTotal: true, wantsExplanation: false
    }
    const { from } = planCount(search.filter, options)
    return [
      ...planPage(search, options).flatMap(({ source, where, hit, value, order }) => [source, where, hit, value, order]),
      ...(from === null ? [] : [from]), ...findDrivers(search, options).map(({ ids }) => ids)
    ]
  })))

  expect(queries.filter(({ sql }) => /hostile|987/.test(sql)).map(({ sql }) => sql)).toEqual([])
  expect(queries.filter(({ sql, values }) => sql.split('?').length - 1 !== values.length).map(({ sql }) => sql)).toEqual([])
})
