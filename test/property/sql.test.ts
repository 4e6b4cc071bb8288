import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ScalarFieldName } from '../../src/contract/search.ts'
import type { CustomerSearch, Filter, Group, NumberTest, Position, ScalarField, Sort, TextTest } from '../../src/search.ts'
import { planSearch } from '../../src/sqlite/search-plan.ts'
import { text } from './generated.ts'

/** Text that would show itself if it ever became SQL. Beyond 64 units a needle is looked for in another way. */
const hostile = fc.oneof(
  text.map((some) => some.slice(0, 64)),
  fc.constantFrom("' or 1=1 --", '"; drop table customers; --', '?', '??', ':id', '@a', '$1', '${x}', '$.a', '%', '_', '\\', '*/', 'null', 'customers.id', '1 or 1')
)
const number = fc.integer({ min: 0, max: 253_402_300_799 })

/** Texts and numbers for the places of a shape, taken one after the other. */
interface Values {
  readonly text: () => string
  readonly number: () => number
}

/** A search but for its values. */
type Shape<Shaped> = (values: Values) => Shaped

const textNames: readonly ScalarFieldName[] = [
  'name', 'email', 'userId', 'phone', 'city', 'telegramId', 'whatsappId', 'integrationId', 'createdFrom', 'notes', 'source', 'locale', 'device.platform'
]
const numberNames: readonly ScalarFieldName[] = ['id', 'firstSeen', 'lastSeen', 'createdAt', 'updatedAt', 'blocked']

function field(names: readonly ScalarFieldName[], start = ''): fc.Arbitrary<Shape<ScalarField>> {
  return fc.option(fc.constantFrom(...names), { freq: 4 }).map((name) => (values) => (name === null ? { attribute: start + values.text() } : { name }))
}

const numberTest = fc.constantFrom('=', '>', '<', '>=', '<=', 'in', 'between').map((operator): Shape<Exclude<NumberTest, { operator: 'empty' }>> => (values) => {
  if (operator === 'in') return { operator, values: [values.number(), values.number()] }
  return operator === 'between' ? { operator, from: values.number(), to: values.number() } : { operator, value: values.number() }
})
const textTest = fc.constantFrom('=', '~', '^', '$', 'in', 'empty').map((operator): Shape<TextTest> => (values) => {
  if (operator === 'in') return { operator, values: [values.text(), values.text()] }
  return operator === 'empty' ? { operator } : { operator, value: values.text() }
})

const leaf: fc.Arbitrary<Shape<Filter>> = fc.tuple(fc.boolean(), fc.oneof(
  fc.tuple(field(textNames), textTest).map(([its, test]): Shape<Filter> => (values) => ({ type: 'text', isNegated: false, field: its(values), test: test(values) })),
  fc.tuple(field(numberNames), numberTest).map(([its, test]): Shape<Filter> => (values) => ({ type: 'number', isNegated: false, field: its(values), test: test(values) })),
  fc.constantFrom('all' as const, 'any' as const, 'empty' as const).map((operator): Shape<Filter> => (values) => ({ type: 'tags', isNegated: false, operator, names: [values.text(), values.text()] })),
  numberTest.map((test): Shape<Filter> => (values) => ({ type: 'events', isNegated: false, name: values.text(), since: values.number(), until: values.number(), test: test(values) })),
  fc.boolean().map((byDigits): Shape<Filter> => (values) => ({ type: 'anyText', isNegated: false, needle: values.text(), digits: byDigits ? values.text() : null }))
)).map(([isNegated, shape]) => (values) => ({ ...shape(values), isNegated }))

function group(levels: number): fc.Arbitrary<Shape<Group>> {
  const item = levels === 0 ? leaf : fc.oneof({ weight: 2, arbitrary: leaf }, { weight: 1, arbitrary: group(levels - 1) })
  return fc.tuple(fc.boolean(), fc.constantFrom('AND' as const, 'OR' as const), fc.array(item, { maxLength: 4 }))
    .map(([isNegated, comparison, filters]) => (values) => ({ type: 'group', isNegated, comparison, filters: filters.map((filter) => filter(values)) }))
}

/** An attribute that no filter names, since a walk in the order of one tests its value there. */
const sorted = 'sorted by '
const sort: fc.Arbitrary<Shape<Sort>> = fc.oneof(
  field(textNames, sorted).map((its): Shape<Sort> => (values) => ({ by: 'text', field: its(values) })),
  field(numberNames, sorted).map((its): Shape<Sort> => (values) => ({ by: 'number', field: its(values) })),
  fc.boolean().map((byDigits): Shape<Sort> => (values) => ({ by: 'rank', needle: values.text(), digits: byDigits ? values.text() : null }))
)
const after = fc.constantFrom<Shape<Position | null>>(
  () => null, (values) => ({ value: null, id: values.number() }), (values) => ({ value: values.text(), id: values.number() }))

const shape: fc.Arbitrary<Shape<CustomerSearch>> = fc.record({ filter: group(3), sort, after, order: fc.constantFrom('asc' as const, 'desc' as const) })
  .map((parts) => (values) => ({
    filter: parts.filter(values), sort: parts.sort(values), order: parts.order, after: parts.after(values),
    limit: 10, offset: 0, wantsTotal: true, wantsExplanation: false
  }))

const manyValues = fc.record({ texts: fc.array(hostile, { minLength: 12, maxLength: 12 }), numbers: fc.array(number, { minLength: 12, maxLength: 12 }) })

function filled(search: Shape<CustomerSearch>, { texts, numbers }: { texts: string[]; numbers: number[] }): CustomerSearch {
  let taken = 0
  return search({ text: () => texts[taken++ % texts.length] ?? '', number: () => numbers[taken++ % numbers.length] ?? 0 })
}

/** So that everyone is read by id, whichever ids are asked for. */
const closeTogether = { customerCount: Number.MAX_SAFE_INTEGER, idRange: () => ({ first: 1, last: 1 }) }

/** The text of every query of a search, and how many values they take. */
function queries(search: CustomerSearch): { texts: string[]; values: number } {
  const asked = planSearch(search, {
    bounds: { sortedHitsMax: 0, walkEntriesMax: 0 }, organizationId: 1, tagIds: new Map(), attributeIds: new Map(), countEntries: () => 1, ...closeTogether
  })
  const sorted = asked.sorted()
  const all = [
    asked.count.source, asked.count.where, sorted.source, sorted.where, sorted.value,
    ...[...asked.walk()?.ranges() ?? []].flatMap(({ source, where, order }) => [source, where, order])
  ]
  return { texts: all.map(({ sql }) => sql), values: all.reduce((sum, { values }) => sum + values.length, 0) }
}

test('no value changes the SQL of a search: searches of one shape have one text, and a place for every value', () => {
  fc.assert(fc.property(shape, manyValues, manyValues, (search, one, other) => {
    const first = queries(filled(search, one))

    expect(queries(filled(search, other)).texts).toEqual(first.texts)
    expect(first.texts.join('').split('?').length - 1).toBe(first.values)
  }), { numRuns: 1_000 })
})

test('lists and groups as large as may be asked are within the bounds of SQLite', () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `name ${index}`)
  const leafOf = (index: number): Filter => ({ type: 'text', isNegated: index % 2 === 0, field: { name: 'notes' }, test: { operator: 'in', values: names } })
  const nested = (levels: number): Group => ({
    type: 'group', isNegated: true, comparison: levels % 2 === 0 ? 'AND' : 'OR',
    filters: [...Array.from({ length: 9 }, (_, index) => leafOf(index)), ...(levels === 0 ? [] : [nested(levels - 1)])]
  })
  const { count } = planSearch({
    filter: nested(5), sort: { by: 'text', field: { name: 'name' } }, order: 'asc', after: null, limit: 10, offset: 0, wantsTotal: true, wantsExplanation: false
  }, { bounds: { sortedHitsMax: 0, walkEntriesMax: 0 }, organizationId: 1, tagIds: new Map(), attributeIds: new Map(), countEntries: () => 1, ...closeTogether })

  expect(count.where.values.length).toBeLessThan(100)
  expect(depth(count.where.sql)).toBeLessThan(100)
})

/** How deep parentheses are nested. */
function depth(sql: string): number {
  let open = 0
  return Math.max(...Array.from(sql, (character) => { open += character === '(' ? 1 : character === ')' ? -1 : 0; return open }))
}
