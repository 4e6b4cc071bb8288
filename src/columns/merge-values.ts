import type { Filter, NumberFilter, TextFilter } from '../search.ts'

/**
 * Filters of a group that ask whether one field is one of some values, as a single one for each field,
 * so that many of them take one look at a customer. Any of those that are not negated has to be passed,
 * or all of those that are; `isNegated` says which of the two.
 */
export function mergeValues(filters: readonly Filter[], isNegated: boolean): Filter[] {
  const merged: Filter[] = []
  const places = new Map<string, number>()
  for (const filter of filters) {
    if ((filter.type !== 'text' && filter.type !== 'number') || filter.isNegated !== isNegated || !isOfValues(filter)) {
      merged.push(filter)
      continue
    }
    const key = JSON.stringify([filter.type, filter.field.name, filter.field.attribute])
    const place = places.get(key) ?? merged.length
    places.set(key, place)
    merged[place] = union(merged[place], filter)
  }
  return merged
}

function isOfValues({ test }: TextFilter | NumberFilter): boolean {
  return test.operator === '=' || test.operator === 'in'
}

function union(one: Filter | undefined, other: TextFilter | NumberFilter): Filter {
  if (one?.type === 'text' && other.type === 'text') return { ...other, test: { operator: 'in', values: [...textsOf(one), ...textsOf(other)] } }
  if (one?.type === 'number' && other.type === 'number') return { ...other, test: { operator: 'in', values: [...numbersOf(one), ...numbersOf(other)] } }
  return other
}

function textsOf({ test }: TextFilter): readonly string[] {
  return test.operator === 'in' ? test.values : test.operator === '=' ? [test.value] : []
}

function numbersOf({ test }: NumberFilter): readonly number[] {
  return test.operator === 'in' ? test.values : test.operator === '=' ? [test.value] : []
}
