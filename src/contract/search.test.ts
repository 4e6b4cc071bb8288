import { Value } from 'typebox/value'
import { expect, test } from 'vitest'
import { schemas } from './schemas.ts'
import { CustomerSearch, FieldFilter, ListQuery, scalarFields } from './search.ts'

const references = Object.fromEntries(schemas.map((schema) => [schema.$id ?? '', schema]))
const scalars = [...Object.keys(scalarFields), 'customData.plan']
const withPrefix = (names: readonly string[]): string[] => names.flatMap((name) => [name, `customers.${name}`])

function sorts(sort: string): boolean[] {
  return [CustomerSearch, ListQuery].map((schema) => Value.Check(references, schema, { sort }))
}

function filters(field: string): boolean {
  return Value.Check(references, FieldFilter, { field, operator: 'empty' })
}

test('the description has each field to sort by with its prefix and without', () => {
  expect(withPrefix(scalars).filter((name) => sorts(name).includes(false))).toEqual([])
  expect(['tags', 'text', 'events.a', 'customData.', 'customers.x', 'customers.customers.id'].filter((name) => sorts(name).includes(true))).toEqual([])
})

test('the description has each field to search by with its prefix and without', () => {
  expect(withPrefix([...scalars, 'tags', 'tagsData', 'text', 'events.Invoice paid']).filter((name) => !filters(name))).toEqual([])
  expect(['customData.', 'events.', 'events', 'customers.x', 'customers.customers.id', 'xevents.a'].filter(filters)).toEqual([])
})

test('the description has a window of events from dates in each form that customers and people write them in', () => {
  const windows = (date: unknown): boolean[] => ['since', 'until'].map((end) =>
    Value.Check(references, FieldFilter, { field: 'events.a', operator: '>', value: 1, [end]: date }))
  expect([1_700_000_000, '1700000000', 1_700_000_000.9, '1700000000.9', '1700000000.', '253402300799', '0', 'now', '-7d', '-90w'].filter((date) => windows(date).includes(false))).toEqual([])
  expect([-1, '-1', '1.2.3', '', '7d', 'yesterday', '2024-01-01', '9999999999999'].filter((date) => windows(date).includes(true))).toEqual([])
})
