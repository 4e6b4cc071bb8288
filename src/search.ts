import { foldCase } from './case-folding.ts'
import type { SearchFieldName, SearchOperator } from './contract/search.ts'
import { searchFieldNames } from './contract/search.ts'
import { limits } from './limits.ts'
import { readTags } from './tag.ts'
import { blank, Findings, isObject, join, readBodyObject, readDate, readInteger, readText } from './untrusted.ts'

export type FieldType = 'integer' | 'text' | 'date' | 'tags'

/** `exact`: compared with regard to letter case. `fromInteger`: an integer stands for its decimal text. */
interface Field {
  readonly type: FieldType
  readonly exact?: true
  readonly fromInteger?: true
}

const searchFields = {
  id: { type: 'integer' },
  name: { type: 'text' },
  email: { type: 'text' },
  company: { type: 'text' },
  phone: { type: 'text' },
  countryCode: { type: 'text' },
  city: { type: 'text' },
  regionCode: { type: 'text' },
  userId: { type: 'text', exact: true, fromInteger: true },
  telegramId: { type: 'text', exact: true },
  facebookId: { type: 'text', exact: true },
  instagramId: { type: 'text', exact: true },
  viberId: { type: 'text', exact: true },
  whatsappId: { type: 'text', exact: true },
  tagsData: { type: 'tags', exact: true },
  firstSeen: { type: 'date' },
  lastSeen: { type: 'date' },
  createdAt: { type: 'date' }
} as const satisfies Record<SearchFieldName, Field>

export type FieldName = SearchFieldName
type NumberField = { [name in FieldName]: (typeof searchFields)[name]['type'] extends 'integer' | 'date' ? name : never }[FieldName]
type TextField = { [name in FieldName]: (typeof searchFields)[name]['type'] extends 'text' ? name : never }[FieldName]

export const operatorsOf = {
  integer: ['=', '!=', '>', '<', '>=', '<='],
  date: ['=', '!=', '>', '<', '>=', '<='],
  text: ['=', '!=', '~', '!~'],
  tags: ['=']
} as const satisfies Record<FieldType, readonly SearchOperator[]>
export type NumberOperator = (typeof operatorsOf)['integer'][number]
export type TextOperator = (typeof operatorsOf)['text'][number]

/** A question about one field. Text is folded unless its field is exact, so that both sides compare as they are. */
export type Filter =
  | { readonly type: 'number'; readonly field: NumberField; readonly operator: NumberOperator; readonly value: number }
  | { readonly type: 'text'; readonly field: TextField; readonly operator: TextOperator; readonly value: string }
  /** The customer has all the tags named. */
  | { readonly type: 'tags'; readonly names: readonly string[] }

const sortFields = ['firstSeen', 'lastSeen'] as const
export type SortField = (typeof sortFields)[number]

/** Customers without the sort field come last in both orders; ties are broken by id in the same order. */
export interface Paging {
  readonly sort: SortField
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly offset: number
}

/** A search that can be run as it is. No filter matches everyone. */
export interface CustomerSearch extends Paging {
  readonly comparison: 'AND' | 'OR'
  readonly filters: readonly Filter[]
}

export interface ParsedSearch {
  readonly search: CustomerSearch
  /** Paths that meant nothing. */
  readonly ignored: readonly string[]
}

const pagingKeys = ['sort', 'order', 'limit', 'offset'] as const
const listKeys: ReadonlySet<string> = new Set(pagingKeys)
const searchKeys: ReadonlySet<string> = new Set(['comparison', 'filter', ...pagingKeys])
const filterKeys: ReadonlySet<string> = new Set(['field', 'operator', 'value'])

/** A list is a search for everyone. */
export function parseList(query: Record<string, unknown>): ParsedSearch {
  const findings = new Findings()
  findings.ignoreUnknown(query, listKeys, '')
  const paging = readPaging(findings, query)
  findings.throwIfAny()
  return { search: { ...paging, comparison: 'AND', filters: [] }, ignored: findings.ignored }
}

export function parseSearch(body: unknown): ParsedSearch {
  const findings = new Findings()
  const object = readBodyObject(body)
  findings.ignoreUnknown(object, searchKeys, '')
  const comparison = readChoice(findings, 'comparison', object.comparison, ['AND', 'OR'] as const)
  const filters = readFilters(findings, object.filter)
  const paging = readPaging(findings, object)
  findings.throwIfAny()
  return { search: { ...paging, comparison, filters }, ignored: findings.ignored }
}

function readPaging(findings: Findings, source: Record<string, unknown>): Paging {
  const integer = (key: 'limit' | 'offset', { min, absent }: { min: number; absent: number }): number =>
    isAbsent(source[key]) ? absent : readInteger(findings, key, source[key], { min, max: limits.integerMax }) ?? absent
  return {
    sort: readSort(findings, source.sort),
    order: readChoice(findings, 'order', source.order, ['asc', 'desc'] as const),
    limit: Math.min(integer('limit', { min: 1, absent: limits.pageCustomersMax }), limits.pageCustomersMax),
    offset: integer('offset', { min: 0, absent: 0 })
  }
}

/** A query parameter cannot be null: `limit=` is how clients send a value they do not have. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}

/** The first choice is the default. HelpCrunch: letter case does not matter. */
function readChoice<const Choice extends string>(
  findings: Findings, path: string, value: unknown, choices: readonly [Choice, ...Choice[]]
): Choice {
  if (isAbsent(value)) return choices[0]
  const found = typeof value === 'string' && choices.find((choice) => choice.toLowerCase() === value.toLowerCase())
  if (found) return found
  findings.fault(path, `This value should be one of ${choices.map((choice) => `"${choice}"`).join(', ')}.`)
  return choices[0]
}

/** HelpCrunch: clients also send the sort without its prefix, or with it in the singular. */
function readSort(findings: Findings, value: unknown): SortField {
  if (isAbsent(value)) return sortFields[0]
  const name = typeof value === 'string' ? value.replace(/^customers?\./, '') : value
  const found = sortFields.find((field) => field === name)
  if (found === undefined) {
    findings.fault('sort', `This value should be one of ${sortFields.map((field) => `"customers.${field}"`).join(', ')}.`)
  }
  return found ?? sortFields[0]
}

function readFilters(findings: Findings, value: unknown): Filter[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) {
    findings.fault('filter', 'This value should be of type array.')
    return []
  }
  if (value.length > limits.searchFiltersMax) {
    findings.fault('filter', `This collection should contain ${limits.searchFiltersMax} elements or less.`)
    return []
  }
  return value.flatMap((item, index) => readFilter(findings, `filter[${index}]`, item) ?? [])
}

function readFilter(findings: Findings, path: string, item: unknown): Filter | undefined {
  if (!isObject(item)) return findings.fault(path, 'This value should be of type object.')
  findings.ignoreUnknown(item, filterKeys, path)
  const name = readFieldName(findings, join(path, 'field'), item.field)
  const hasValue = item.value !== undefined && item.value !== null
  if (!hasValue) findings.fault(join(path, 'value'), blank)
  if (name === undefined) {
    if (typeof item.operator !== 'string') findings.fault(join(path, 'operator'), blank)
    return undefined
  }
  const field: Field = searchFields[name]
  const operator = readOperator(findings, join(path, 'operator'), { value: item.operator, name, type: field.type })
  if (!hasValue) return undefined
  const valuePath = join(path, 'value')
  if (field.type === 'tags') {
    const names = readTagNames(findings, valuePath, item.value)
    return names === undefined || operator === undefined ? undefined : { type: 'tags', names }
  }
  if (field.type === 'text') {
    const text = readFilterText(findings, valuePath, { value: item.value, field })
    return text === undefined || operator === undefined ? undefined
      : { type: 'text', field: name as TextField, operator: operator as TextOperator, value: text }
  }
  const number = field.type === 'date'
    ? readDate(findings, valuePath, item.value)
    : readInteger(findings, valuePath, item.value, { min: -limits.integerMax, max: limits.integerMax })
  return number === undefined || operator === undefined ? undefined
    : { type: 'number', field: name as NumberField, operator: operator as NumberOperator, value: number }
}

function readFieldName(findings: Findings, path: string, value: unknown): FieldName | undefined {
  if (isAbsent(value)) return findings.fault(path, blank)
  const name = searchFieldNames.find((field) => `customers.${field}` === value)
  return name ?? findings.fault(path, `${shown(value)} is not a searchable field`)
}

function readOperator(
  findings: Findings, path: string, { value, name, type }: { value: unknown; name: FieldName; type: FieldType }
): string | undefined {
  if (isAbsent(value)) return findings.fault(path, blank)
  const operators: readonly string[] = operatorsOf[type]
  if (typeof value === 'string' && operators.includes(value)) return value
  return findings.fault(path, `${typeof value === 'string' ? value.slice(0, 100) : shown(value)} cannot be used on customers.${name}`)
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, 100)
}

function readFilterText(findings: Findings, path: string, { value, field }: { value: unknown; field: Field }): string | undefined {
  if (field.fromInteger === true && Number.isSafeInteger(value)) return String(value)
  const text = readText(findings, path, value, limits.longTextCharactersMax)
  return text === undefined || field.exact === true ? text : foldCase(text)
}

function readTagNames(findings: Findings, path: string, value: unknown): string[] | undefined {
  if (Array.isArray(value) && value.length === 0) return findings.fault(path, blank)
  return readTags(findings, path, value)?.map(({ name }) => name)
}
