import { foldCase } from './case-folding.ts'
import type { UnixSeconds } from './clock.ts'
import type { SearchFieldType } from './contract/search.ts'
import { filled, searchFaults, searchOperators } from './contract/search.ts'
import type { AttributeType } from './custom-data.ts'
import { limits } from './limits.ts'
import type { AnyTextFilter, EventsFilter, Filter, Group, NumberTest, TagsFilter, TextTest } from './search.ts'
import { digitsOf } from './search.ts'
import type { SearchField } from './search-field.ts'
import { findSearchField, shortened, shown, unknownField } from './search-field.ts'
import { readTags } from './tag.ts'
import { setAsideUnknownKeys } from './unknown-keys.ts'
import type { Findings } from './untrusted.ts'
import { blank, dateText, isObject, join, readBoolean, readChoice, readDate, readInteger, readName, readNumber, readText } from './untrusted.ts'

/** What reading filters takes besides the body. */
interface FilterContext {
  readonly findings: Findings
  readonly attributes: ReadonlyMap<string, AttributeType>
  /** The moment that relative dates count from. */
  readonly now: UnixSeconds
  /** Counted over all groups. */
  readonly seen: { filters: number; groups: number; areTooMany: boolean }
}

const groupKeys: ReadonlySet<string> = new Set(['comparison', 'filter', 'not'])
const filterKeys: ReadonlySet<string> = new Set(['field', 'operator', 'value'])
const windowKeys = ['since', 'until'] as const
const eventsKeys: ReadonlySet<string> = new Set([...filterKeys, ...windowKeys])
// What an entry is goes by its keys: one that is nearly of the other kind is a mistake as well.
const nearGroupKeys: ReadonlySet<string> = new Set([...groupKeys, 'field'])
const nearFilterKeys: ReadonlySet<string> = new Set([...eventsKeys, ...groupKeys])

/** Reads the keys of a group: `comparison`, `not` and `filter`. */
export function readFilterTree(
  body: Record<string, unknown>, options: Pick<FilterContext, 'findings' | 'attributes' | 'now'>
): Group {
  return readGroup({ ...options, seen: { filters: 0, groups: 0, areTooMany: false } }, '', { body, level: 0 })
}

function readGroup(context: FilterContext, path: string, { body, level }: { body: Record<string, unknown>; level: number }): Group {
  const { findings } = context
  const comparison = readChoice(findings, join(path, 'comparison'), body.comparison, ['AND', 'OR'] as const)
  const isNegated = isGiven(body.not) ? readBoolean(findings, join(path, 'not'), body.not) ?? false : false
  return { type: 'group', isNegated, comparison, filters: readFilters(context, join(path, 'filter'), { value: body.filter, level }) }
}

function readFilters(context: FilterContext, path: string, { value, level }: { value: unknown; level: number }): Filter[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) {
    context.findings.fault(path, filled(searchFaults.wrongType, 'array'))
    return []
  }
  const filters: Filter[] = []
  for (const [index, item] of value.entries()) {
    const { seen } = context
    if (seen.areTooMany) return []
    const isGroup = isObject(item) && !isGiven(item.field) && (item.filter !== undefined || item.comparison !== undefined)
    if (isGroup) seen.groups += 1
    else seen.filters += 1
    if (Math.max(seen.filters, seen.groups) > limits.searchFiltersMax) {
      seen.areTooMany = true
      context.findings.fault(path, searchFaults.tooManyFilters)
      return []
    }
    const itsPath = `${path}[${index}]`
    const filter = isGroup ? readNestedGroup(context, itsPath, { body: item, level: level + 1 }) : readFilter(context, itsPath, item)
    if (filter !== undefined) filters.push(filter)
  }
  return filters
}

function readNestedGroup(context: FilterContext, path: string, group: { body: Record<string, unknown>; level: number }): Group | undefined {
  if (group.level > limits.searchGroupLevelsMax) return context.findings.fault(path, searchFaults.tooDeep)
  // Whoever meant nobody in particular sends an empty list; without one it is a list under another name that everyone would pass.
  if (group.body.filter === undefined) context.findings.fault(join(path, 'filter'), blank)
  setAsideUnknownKeys(context.findings, group.body, { path, known: groupKeys, near: nearGroupKeys })
  return readGroup(context, path, group)
}

/** Clients send null for what they do not have. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null
}

/** A filter whose operator is known, with its value still to be read. */
interface Asked {
  readonly path: string
  readonly operator: string
  readonly value: unknown
}

function readFilter(context: FilterContext, path: string, item: unknown): Filter | undefined {
  const { findings } = context
  if (!isObject(item)) return findings.fault(path, filled(searchFaults.wrongType, 'object'))
  if (isGiven(item.filter) || isGiven(item.comparison)) return findings.fault(path, searchFaults.bothKinds)
  const field = readField(context, join(path, 'field'), item.field)
  setAsideUnknownKeys(findings, item, { path, known: field?.type === 'events' ? eventsKeys : filterKeys, near: nearFilterKeys })
  if (isGiven(item.not)) findings.fault(join(path, 'not'), searchFaults.notOnFilter)
  if (field !== undefined && field.type !== 'events') {
    for (const key of windowKeys) if (isGiven(item[key])) findings.fault(join(path, key), searchFaults.notOfEvents)
  }
  const isMissing = !isGiven(item.value)
  const isNeeded = item.operator !== 'empty' && item.operator !== '!empty'
  if (isMissing && isNeeded) findings.fault(join(path, 'value'), blank)
  if (!isMissing && !isNeeded) findings.ignored.push(join(path, 'value'))
  const operator = readOperator(findings, join(path, 'operator'), { value: item.operator, field })
  const [since, until] = field?.type === 'events' ? readWindow(context, path, item) : []
  if (field === undefined) return undefined
  // With an operator that does not fit, a single value can be wrong besides; what a list is meant for is not known.
  if (operator === undefined && Array.isArray(item.value) && field.type !== 'tags') return undefined
  if (isMissing && (operator === undefined || isNeeded)) return undefined
  const filter = readQuestion(context, field, { path: join(path, 'value'), operator: operator ?? '=', value: item.value, since, until })
  return operator === undefined ? undefined : filter
}

function readQuestion(
  context: FilterContext, field: SearchField, { since, until, ...given }: Asked & { since: number | undefined; until: number | undefined }
): Filter | undefined {
  const { findings } = context
  // What `!=` and `!~` say is that `=` and `~` do not hold; so for every operator with a bang.
  const isNegated = given.operator.startsWith('!') || given.operator === 'none'
  const asked = { ...given, operator: given.operator.replace('!', '') }
  switch (field.type) {
    case 'tags': return withNegation(readTagsFilter(findings, asked), isNegated)
    case 'any text': return withNegation(readAnyText(findings, asked), isNegated)
    case 'events': {
      const test = readNumberTest(asked, numberReader(context, 'integer'), findings)
      if (test === undefined || test.operator === 'empty' || since === undefined || until === undefined) return undefined
      return { type: 'events', isNegated, name: field.event, since, until, test } satisfies EventsFilter
    }
    case 'text': {
      const test = readTextTest(findings, asked, field)
      return test && { type: 'text', isNegated, field: field.field, test }
    }
    case 'integer': case 'number': case 'date': case 'boolean': {
      const test = readNumberTest(asked, numberReader(context, field.type), findings)
      return test && { type: 'number', isNegated, field: field.field, test }
    }
  }
}

function withNegation<Read extends object>(filter: Read | undefined, isNegated: boolean): (Read & { isNegated: boolean }) | undefined {
  return filter && { ...filter, isNegated }
}

function readField({ findings, attributes }: FilterContext, path: string, value: unknown): SearchField | undefined {
  if (value === undefined || value === null || value === '') return findings.fault(path, blank)
  const found = typeof value === 'string' ? findSearchField(value, attributes) : undefined
  if (found === undefined) return findings.fault(path, unknownField(value, attributes))
  // A name that no event can have is a mistake, and not an event that nobody sent.
  if (found.type === 'events' && readName(findings, path, found.event) === undefined) return undefined
  return found
}

function readOperator(findings: Findings, path: string, { value, field }: { value: unknown; field: SearchField | undefined }): string | undefined {
  if (value === undefined || value === null || value === '') return findings.fault(path, blank)
  if (field === undefined) return typeof value === 'string' ? undefined : findings.fault(path, blank)
  const operators: readonly string[] = searchOperators[field.type satisfies SearchFieldType]
  if (typeof value === 'string' && operators.includes(value)) return value
  const operator = typeof value === 'string' ? shortened(value) : shown(value)
  return findings.fault(path, filled(searchFaults.unfitOperator, operator, field.name))
}

type ReadNumber = (path: string, value: unknown) => number | undefined

function numberReader({ findings, now }: FilterContext, type: 'integer' | 'number' | 'date' | 'boolean'): ReadNumber {
  switch (type) {
    case 'integer': return (path, value) => readInteger(findings, path, value, { min: -limits.integerMax, max: limits.integerMax })
    case 'number': return (path, value) => readNumber(findings, path, value)
    case 'date': return (path, value) => readSearchDate(findings, path, { value, now })
    case 'boolean': return (path, value) => {
      const read = readBoolean(findings, path, value)
      return read === undefined ? undefined : Number(read)
    }
  }
}

function readNumberTest({ path, operator, value }: Asked, read: ReadNumber, findings: Findings): NumberTest | undefined {
  switch (operator) {
    case 'empty': return { operator }
    case 'in': {
      const values = readValues(findings, path, value, read)
      return values && { operator, values }
    }
    case 'between': {
      if (!Array.isArray(value) || value.length !== 2) return findings.fault(path, searchFaults.pair)
      const [from, to] = value.map((end: unknown, index) => read(`${path}[${index}]`, end))
      return from === undefined || to === undefined ? undefined : { operator, from, to }
    }
    default: {
      const number = read(path, value)
      return number === undefined ? undefined : { operator: operator as '=' | '>' | '<' | '>=' | '<=', value: number }
    }
  }
}

function readTextTest(
  findings: Findings, { path, operator, value }: Asked, { isExact, fromInteger }: { isExact: boolean; fromInteger: boolean }
): TextTest | undefined {
  const read = (itsPath: string, given: unknown): string | undefined => {
    if (fromInteger && Number.isSafeInteger(given)) return String(given)
    const text = readText(findings, itsPath, given, limits.longTextCharactersMax)
    return text === undefined || isExact ? text : foldCase(text)
  }
  if (operator === 'empty') return { operator }
  if (operator === 'in') {
    const values = readValues(findings, path, value, read)
    return values && { operator, values }
  }
  const text = read(path, value)
  return text === undefined ? undefined : { operator: operator as '=' | '~' | '^' | '$', value: text }
}

function readValues<Value>(
  findings: Findings, path: string, value: unknown, read: (path: string, value: unknown) => Value | undefined
): Value[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > limits.searchValuesMax) return findings.fault(path, searchFaults.list)
  const values = value.map((item: unknown, index) => read(`${path}[${index}]`, item))
  return values.includes(undefined) ? undefined : values as Value[]
}

function readTagsFilter(findings: Findings, { path, operator, value }: Asked): Omit<TagsFilter, 'isNegated'> | undefined {
  if (operator === 'empty') return { type: 'tags', operator, names: [] }
  if (Array.isArray(value) && value.length === 0) return findings.fault(path, blank)
  const names = readTags(findings, path, value)?.map(({ name }) => name)
  return names && { type: 'tags', operator: operator === '=' || operator === 'all' ? 'all' : 'any', names }
}

/** A part of a phone number: three or more digits, and what stands between them as people write them, or pages and address books make them up. */
const phonePart = /^[\d\s\p{Dash_Punctuation}\p{Format}\u2212+()./]*$/u

function readAnyText(findings: Findings, { path, value }: Asked): Omit<AnyTextFilter, 'isNegated'> | undefined {
  const text = readText(findings, path, value, limits.longTextCharactersMax)
  if (text === undefined) return undefined
  const digits = digitsOf(text)
  return { type: 'anyText', needle: foldCase(text), digits: phonePart.test(text) && digits.length >= phoneDigitsMin ? digits : null }
}

const phoneDigitsMin = 3

/** From the first to the last second, unless `since` or `until` narrow it. */
function readWindow(context: FilterContext, path: string, item: Record<string, unknown>): [number | undefined, number | undefined] {
  const read = (key: 'since' | 'until', absent: number): number | undefined =>
    isGiven(item[key]) ? readSearchDate(context.findings, join(path, key), { value: item[key], now: context.now }) : absent
  return [read('since', 0), read('until', limits.dateSecondsMax)]
}

const secondsOf: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }

/** A date, or one relative to now, which never lies before 1970. */
function readSearchDate(findings: Findings, path: string, { value, now }: { value: unknown; now: UnixSeconds }): number | undefined {
  if (typeof value !== 'string' || dateText.test(value)) return readDate(findings, path, value)
  if (value === 'now') return now
  const [, count, unit = ''] = /^-(\d{1,9})([smhdw])$/.exec(value) ?? []
  const seconds = secondsOf[unit]
  if (seconds === undefined) return findings.fault(path, searchFaults.relativeDate)
  return Math.max(0, now - Number(count) * seconds)
}
