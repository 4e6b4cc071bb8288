import { expect, test } from 'vitest'
import type { Filter } from '../search.ts'
import { mergeValues } from './merge-values.ts'

const name = (value: string, isNegated = false): Filter => ({ type: 'text', field: { name: 'name' }, test: { operator: '=', value }, isNegated })
const names = (values: string[], isNegated = false): Filter => ({ type: 'text', field: { name: 'name' }, test: { operator: 'in', values }, isNegated })
const seen = (value: number): Filter => ({ type: 'number', field: { name: 'lastSeen' }, test: { operator: '=', value }, isNegated: false })
const level = (value: number): Filter => ({ type: 'number', field: { attribute: 'name' }, test: { operator: '=', value }, isNegated: false })

test('values of one field become one filter where the first stands, others stay', () => {
  const begins: Filter = { type: 'text', field: { name: 'name' }, test: { operator: '^', value: 'a' }, isNegated: false }
  expect(mergeValues([name('a'), seen(1), begins, names(['b', 'c']), level(3), name('d', true), seen(2)], false)).toEqual([
    names(['a', 'b', 'c']),
    { ...seen(1), test: { operator: 'in', values: [1, 2] } },
    begins,
    level(3),
    name('d', true)
  ])
  expect(mergeValues([name('a'), name('b', true), names(['c'], true)], true)).toEqual([name('a'), names(['b', 'c'], true)])
})
