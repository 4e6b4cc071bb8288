import type { UnixSeconds } from './clock.ts'
import type { Customer } from './contract/customer.ts'
import { filled, searchFaults } from './contract/search.ts'
import type { CursorSeal } from './cursor.ts'
import { readCursor } from './cursor.ts'
import type { AttributeType } from './custom-data.ts'
import { customerKeys } from './customer.ts'
import { readFilterTree } from './filter.ts'
import { limits } from './limits.ts'
import type { AnyTextFilter, CustomerSearch, Group, Order, Position, Sort } from './search.ts'
import { findSearchField, isScalar, unknownSort, withoutPrefix } from './search-field.ts'
import { setAsideUnknownKeys } from './unknown-keys.ts'
import { Findings, isAbsent, isObject, readBodyObject, readBoolean, readChoice, readInteger } from './untrusted.ts'

/** What a search is read against. */
export interface SearchContext {
  readonly organizationId: number
  /** Type by name, of every attribute of the organization. */
  readonly attributes: ReadonlyMap<string, AttributeType>
  /** Signs the organization's cursors. */
  readonly cursorSecret: Uint8Array
  readonly now: UnixSeconds
}

export interface ParsedSearch {
  readonly search: CustomerSearch
  /** The keys of each customer to answer; null: all. */
  readonly fields: ReadonlySet<keyof Customer> | null
  /** What the cursor of the next page is bound to. */
  readonly seal: CursorSeal
  /** The moment that relative dates count from; a walk keeps that of its first page. */
  readonly now: UnixSeconds
  /** Paths that meant nothing. */
  readonly ignored: readonly string[]
}

const pageKeys = ['sort', 'order', 'limit', 'offset', 'cursor', 'fields'] as const
const knownKeys: Record<'list' | 'search', ReadonlySet<string>> = {
  list: new Set(pageKeys),
  search: new Set(['comparison', 'filter', 'not', ...pageKeys, 'total', 'explain'])
}

/** A list is a search for everyone. */
export function parseList(query: Record<string, unknown>, context: SearchContext): ParsedSearch {
  const { fields } = query
  // A query has no arrays: names are separated by commas, as people write them, or the parameter stands there several times.
  const names = isAbsent(fields) ? undefined : [fields].flat().flatMap((part: unknown) => (typeof part === 'string' ? part.split(',').map((name) => name.trim()) : part))
  return parse('list', { ...query, fields: names }, context)
}

export function parseSearch(body: unknown, context: SearchContext): ParsedSearch {
  return parse('search', readBodyObject(body), context)
}

function parse(kind: 'list' | 'search', source: Record<string, unknown>, context: SearchContext): ParsedSearch {
  // The filter comes first in what is wrong, but is read after what tells the moment its dates count from.
  const [findings, pageFindings] = [new Findings(), new Findings()]
  setAsideUnknownKeys(findings, source, { path: '', known: knownKeys[kind] })
  const groupBody = kind === 'search' ? source : {}
  const { attributes } = context

  const sort = readSort(pageFindings, source.sort, attributes)
  const order = readChoice(pageFindings, 'order', source.order, ['asc', 'desc'] as const)
  const isWalk = typeof source.cursor === 'string'
  const seal = { secret: context.cursorSecret, question: question(groupBody, { organizationId: context.organizationId, sort, order }) }
  const walk = readWalk(pageFindings, source, seal)
  const now = walk?.now ?? context.now
  const filter = readFilterTree(groupBody, { findings, attributes, now })
  const page = {
    limit: Math.min(readCount(pageFindings, source, { key: 'limit', min: 1, absent: limits.pageCustomersMax }), isWalk ? limits.walkCustomersMax : limits.pageCustomersMax),
    offset: readCount(pageFindings, source, { key: 'offset', min: 0, absent: 0 }),
    after: walk?.position ?? null
  }
  const search = {
    filter, ...sortOf(sort, { order, filter }), ...page,
    wantsTotal: readFlag(pageFindings, 'total', { value: kind === 'search' ? source.total : undefined, absent: true }),
    wantsExplanation: readFlag(pageFindings, 'explain', { value: kind === 'search' ? source.explain : undefined, absent: false })
  }
  const fields = readFields(pageFindings, source.fields)
  findings.add(pageFindings)
  findings.throwIfAny()
  return { search, fields, seal, now, ignored: findings.ignored }
}

/** Text that is the same for two requests only when a walk may go from one to the other. */
function question(
  body: Record<string, unknown>, { organizationId, sort, order }: { organizationId: number; sort: GivenSort; order: Order }
): string {
  const isDefault = sort?.field.name === 'firstSeen' && !isRanked(body)
  return JSON.stringify([organizationId, asAsked(body), isDefault ? null : sort, order])
}

/** Whether a search is ranked when it has no sort. It must be known before its filter is read, which its cursor tells the moment of. */
function isRanked({ not, filter }: Record<string, unknown>): boolean {
  return not !== true && Array.isArray(filter) && filter.some((item) => isObject(item) && (isAbsent(item.field) ? isRanked(item) : isAnyText(item)))
}

function isAnyText({ field, operator }: Record<string, unknown>): boolean {
  return operator !== '!~' && typeof field === 'string' && withoutPrefix(field) === 'text'
}

/** What a group or a filter asks, in one order and without what means nothing: clients write the same in many ways. */
function asAsked(item: unknown): unknown {
  if (!isObject(item)) return item
  const { comparison, not, filter, field, operator, value, since, until } = item
  if (isAbsent(field)) {
    const choice = isAbsent(comparison) ? 'AND' : typeof comparison === 'string' ? comparison.toUpperCase() : comparison
    return [choice, not ?? false, Array.isArray(filter) ? filter.map(asAsked) : filter ?? []]
  }
  return [typeof field === 'string' ? withoutPrefix(field) : field, operator, operator === 'empty' || operator === '!empty' ? null : value, since ?? null, until ?? null]
}

/** Where a walk goes on from; undefined at the start of one, and where there is none. */
function readWalk(
  findings: Findings, { cursor, offset }: Record<string, unknown>, seal: CursorSeal
): { position: Position; now: UnixSeconds } | undefined {
  if (cursor === undefined || cursor === null) return undefined
  if (!isAbsent(offset)) return findings.fault('cursor', searchFaults.cursorWithOffset)
  if (typeof cursor !== 'string') return findings.fault('cursor', filled(searchFaults.wrongType, 'string'))
  if (cursor === '') return undefined
  return readCursor(cursor, seal) ?? findings.fault('cursor', searchFaults.foreignCursor)
}

function readCount(
  findings: Findings, source: Record<string, unknown>, { key, min, absent }: { key: 'limit' | 'offset'; min: number; absent: number }
): number {
  return isAbsent(source[key]) ? absent : readInteger(findings, key, source[key], { min, max: limits.integerMax }) ?? absent
}

function readFlag(findings: Findings, path: string, { value, absent }: { value: unknown; absent: boolean }): boolean {
  return isAbsent(value) ? absent : readBoolean(findings, path, value) ?? absent
}

type GivenSort = Exclude<Sort, { by: 'rank' }> | null

function readSort(findings: Findings, value: unknown, attributes: ReadonlyMap<string, AttributeType>): GivenSort {
  if (isAbsent(value)) return null
  const found = typeof value === 'string' ? findSearchField(value, attributes) : undefined
  if (found !== undefined && isScalar(found)) return { by: found.type === 'text' ? 'text' : 'number', field: found.field }
  findings.fault('sort', unknownSort(value, attributes))
  return null
}

/** Without a sort, a search for text is ranked, and the best come first whatever the order. */
function sortOf(given: GivenSort, { order, filter }: { order: Order; filter: Group }): { sort: Sort; order: Order } {
  if (given !== null) return { sort: given, order }
  const ranked = firstAnyText(filter)
  if (ranked === undefined) return { sort: { by: 'number', field: { name: 'firstSeen' } }, order }
  return { sort: { by: 'rank', needle: ranked.needle, digits: ranked.digits }, order: 'asc' }
}

function firstAnyText(group: Group): AnyTextFilter | undefined {
  if (group.isNegated) return undefined
  for (const filter of group.filters) {
    if (filter.type === 'anyText' && !filter.isNegated) return filter
    const inside = filter.type === 'group' ? firstAnyText(filter) : undefined
    if (inside !== undefined) return inside
  }
  return undefined
}

function readFields(findings: Findings, value: unknown): ReadonlySet<keyof Customer> | null {
  if (isAbsent(value)) return null
  if (!Array.isArray(value) || value.length === 0 || value.length > customerKeys.length) return findings.fault('fields', searchFaults.fields) ?? null
  for (const [index, name] of value.entries()) {
    if (!customerKeys.some((key) => key === name)) findings.fault(`fields[${index}]`, filled(searchFaults.noChoice, customerKeys.join(', ')))
  }
  return new Set(customerKeys.filter((key) => value.includes(key)))
}
