import { foldCase } from './case-folding.ts'
import type { Channel } from './channel.ts'
import { channels, isFromChannel } from './channel.ts'
import type { UnixSeconds } from './clock.ts'
import type { ScalarFieldKind, ScalarFieldName } from './contract/search.ts'
import { scalarFields } from './contract/search.ts'
import type { AttributeType } from './custom-data.ts'
import type { Customer } from './customer.ts'
import { readFilterTree } from './filter.ts'
import type { AnyTextFilter, Filter, Group, NumberTest, ScalarField, TagsFilter, TextTest } from './search.ts'
import { digitsOf } from './search.ts'
import { findSearchField } from './search-field.ts'
import { refuseUnknownKeys, StrictFindings } from './strict-input.ts'
import type { Findings } from './untrusted.ts'
import { isObject, join, readBodyObject } from './untrusted.ts'

interface MatchContext {
  readonly attributes: ReadonlyMap<string, AttributeType>
  /** The moment that relative dates count from. */
  readonly now: UnixSeconds
}

/**
 * The filter of a search body, `comparison`, `not` and `filter`, for `matches`. A customer alone does not tell when it was
 * made or changed, nor what it did, so filters that ask for it are faults.
 */
export function parseMatch(body: unknown, context: MatchContext): Group {
  const findings = new StrictFindings()
  const source = readBodyObject(body)
  refuseUnknownKeys(findings, source, { path: '', known: ['comparison', 'not', 'filter'] })
  const group = readFilterTree(source, { findings, ...context })
  for (const path of findings.ignored) findings.fault(path, 'This operator takes no value.')
  refuseUnmatchable(findings, '', source)
  findings.throwIfAny()
  return group
}

const unmatchableFields: ReadonlySet<ScalarFieldName> = new Set(['createdAt', 'updatedAt'])

function refuseUnmatchable(findings: Findings, path: string, group: Record<string, unknown>): void {
  if (!Array.isArray(group.filter)) return
  for (const [index, item] of group.filter.entries()) {
    if (!isObject(item)) continue
    const itsPath = `${join(path, 'filter')}[${index}]`
    if (typeof item.field === 'string') refuseField(findings, join(itsPath, 'field'), item.field)
    else refuseUnmatchable(findings, itsPath, item)
  }
}

function refuseField(findings: Findings, path: string, given: string): void {
  const found = findSearchField(given, new Map())
  if (found?.type === 'events') findings.fault(path, 'Events cannot be asked for here: only fields of the customer, its tags and its custom data.')
  if (found !== undefined && 'field' in found && found.field.name !== undefined && unmatchableFields.has(found.field.name)) {
    findings.fault(path, `${found.name} cannot be asked for here: only fields of the customer, its tags and its custom data.`)
  }
}

/** Whether a search with this filter would find the customer. */
export function matches(customer: Customer, filter: Filter): boolean {
  return passes(customer, filter) !== filter.isNegated
}

function passes(customer: Customer, filter: Filter): boolean {
  switch (filter.type) {
    case 'number': return passesNumber(numberOf(customer, filter.field), filter.test)
    case 'text': return passesText(textOf(customer, filter.field), filter.test)
    case 'tags': return passesTags(customer, filter)
    case 'anyText': return passesAnyText(customer, filter)
    case 'group': return passesGroup(customer, filter)
    case 'events': throw new Error('A customer does not tell its events')
  }
}

function passesGroup(customer: Customer, { comparison, filters }: Group): boolean {
  if (comparison === 'AND' || filters.length === 0) return filters.every((filter) => matches(customer, filter))
  return filters.some((filter) => matches(customer, filter))
}

function passesNumber(value: number | undefined, test: NumberTest): boolean {
  if (test.operator === 'empty') return value === undefined
  if (value === undefined) return false
  switch (test.operator) {
    case '=': return value === test.value
    case '>': return value > test.value
    case '<': return value < test.value
    case '>=': return value >= test.value
    case '<=': return value <= test.value
    case 'in': return test.values.includes(value)
    case 'between': return value >= test.from && value <= test.to
  }
}

function passesText(value: string | null, test: TextTest): boolean {
  if (test.operator === 'empty') return value === null || value === ''
  if (value === null) return false
  switch (test.operator) {
    case '=': return value === test.value
    case '~': return value.includes(test.value)
    case '^': return value.startsWith(test.value)
    case '$': return value.endsWith(test.value)
    case 'in': return test.values.includes(value)
  }
}

function passesTags({ tags }: Customer, { operator, names }: TagsFilter): boolean {
  const has = (name: string): boolean => tags.some((tag) => tag.name === name)
  switch (operator) {
    case 'all': return names.every(has)
    case 'any': return names.some(has)
    case 'empty': return tags.length === 0
  }
}

function passesAnyText({ name, email, company, phone, userId }: Customer, { needle, digits }: AnyTextFilter): boolean {
  const texts = [name, email, company, userId, ...(digits === null ? [phone] : [])]
  if (texts.some((text) => text !== null && foldCase(text).includes(needle))) return true
  return digits !== null && phone !== null && digitsOf(phone).includes(digits)
}

function numberOf(customer: Customer, field: ScalarField): number | undefined {
  const value = valueOf(customer, field)
  if (typeof value === 'boolean') return Number(value)
  // Dates are told as text.
  return value === null ? undefined : Number(value)
}

function textOf(customer: Customer, field: ScalarField): string | null {
  const value = valueOf(customer, field)
  if (typeof value !== 'string') return null
  const kind: ScalarFieldKind | undefined = field.name === undefined ? undefined : scalarFields[field.name]
  return kind?.isExact === true ? value : foldCase(value)
}

/** Fields that are a value of the customer itself. */
type PlainFields = Omit<Customer, 'location' | 'device' | 'tags' | 'customData'>

function valueOf(customer: Customer, { name, attribute }: ScalarField): string | number | boolean | null {
  if (attribute !== undefined) return customer.customData.get(attribute) ?? null
  if (name === 'createdAt' || name === 'updatedAt') throw new Error(`A customer does not tell ${name}`)
  if (name === 'countryCode' || name === 'regionCode' || name === 'city') return customer.location[name]
  if (name === 'device.platform') return customer.device?.platform ?? null
  if (name === 'device.timezone') return customer.device?.timezone ?? null
  const channel = channels.find((one): one is Channel => name === `${one}Id`)
  return channel === undefined ? customer[name as keyof PlainFields] : channelId(customer, channel)
}

function channelId({ createdFrom, integrationId }: Customer, channel: Channel): string | null {
  return createdFrom !== null && isFromChannel(createdFrom, channel) ? integrationId : null
}
