import { distance } from 'fastest-levenshtein'
import type { ScalarFieldKind, ScalarFieldName } from './contract/search.ts'
import { filled, scalarFields, searchFaults } from './contract/search.ts'
import type { AttributeType } from './custom-data.ts'
import { limits } from './limits.ts'
import type { ScalarField } from './search.ts'

/** A field as a search names it, told apart by how it is compared. `name` is as people read it. */
export type SearchField =
  | { readonly type: ScalarFieldKind['type'] | 'number'; readonly name: string; readonly field: ScalarField; readonly isExact: boolean; readonly fromInteger: boolean }
  | { readonly type: 'tags' | 'any text'; readonly name: string }
  | { readonly type: 'events'; readonly name: string; readonly event: string }

const prefix = 'customers.'
const attributePrefix = 'customData.'
const eventPrefix = 'events.'
const tagNames: readonly string[] = ['tags', 'tagsData']

/** HelpCrunch: `customers.` may be missing, and a sort may have it in the singular. */
export function findSearchField(given: string, attributes: ReadonlyMap<string, AttributeType>): SearchField | undefined {
  const name = withoutPrefix(given)
  if (Object.hasOwn(scalarFields, name)) {
    const { type, isExact, fromInteger }: ScalarFieldKind = scalarFields[name as ScalarFieldName]
    return { type, name: prefix + name, field: { name: name as ScalarFieldName }, isExact: isExact === true, fromInteger: fromInteger === true }
  }
  if (tagNames.includes(name)) return { type: 'tags', name: prefix + name }
  if (name === 'text') return { type: 'any text', name }
  if (name.startsWith(eventPrefix) && name.length > eventPrefix.length) return { type: 'events', name, event: name.slice(eventPrefix.length) }
  const attribute = name.startsWith(attributePrefix) ? name.slice(attributePrefix.length) : undefined
  const type = attribute === undefined ? undefined : attributes.get(attribute)
  if (attribute === undefined || type === undefined) return undefined
  return { type, name, field: { attribute }, isExact: false, fromInteger: false }
}

/** Whether attributes may be named anywhere in a body or query. One that names none is read the same whatever attributes there are. */
export function mayNameAttributes(asked: unknown): boolean {
  return JSON.stringify(asked ?? null).includes(attributePrefix)
}

export function withoutPrefix(given: string): string {
  return given.replace(/^customers?\./, '')
}

export function isScalar(field: SearchField): field is Extract<SearchField, { field: ScalarField }> {
  return 'field' in field
}

/** The fault for a field that is not there, and the one that was probably meant. */
export function unknownField(value: unknown, attributes: ReadonlyMap<string, AttributeType>): string {
  return unknown(searchFaults.unknownField, value, [...scalarNames, ...tagNames.map((name) => [name, prefix + name] as const), ['text', 'text'], [eventPrefix, eventPrefix], ...attributeNames(attributes)])
}

/** The same for a sort. */
export function unknownSort(value: unknown, attributes: ReadonlyMap<string, AttributeType>): string {
  return unknown(searchFaults.unknownSort, value, [...scalarNames, ...attributeNames(attributes)])
}

/** The name of a field without and with what stands before it. */
type FieldNames = readonly [short: string, full: string]

const scalarNames: readonly FieldNames[] = Object.keys(scalarFields).map((name) => [name, prefix + name])

function attributeNames(attributes: ReadonlyMap<string, AttributeType>): FieldNames[] {
  return Array.from(attributes.keys(), (name) => [name, attributePrefix + name])
}

function unknown(fault: string, value: unknown, known: readonly FieldNames[]): string {
  const nearest = typeof value === 'string' ? nearestField(value, known) : undefined
  const sentence = filled(fault, shown(value))
  return nearest === undefined ? sentence : `${sentence}; ${filled(searchFaults.nearMiss, nearest)}`
}

/** What was sent, short enough for a message. */
export function shown(value: unknown): string {
  return shortened(JSON.stringify(value))
}

/** The cut may go through a letter of two halves. */
export function shortened(text: string): string {
  return text.slice(0, 100).toWellFormed()
}

/** Longer than the name of any field with all that may stand before it; what is sent may be as long as a body. */
const givenCharactersMax = 2 * limits.nameCharactersMax

/** The field that a name was probably meant to be, spelled in full. */
function nearestField(given: string, known: readonly FieldNames[]): string | undefined {
  if (given.length > givenCharactersMax) return undefined
  const { before, name } = taken(given.replace(/^customers_/i, prefix))
  if (before === eventPrefix) return name !== '' && known.some(([short]) => short === eventPrefix) ? eventPrefix + name : undefined
  const sought = name.toLowerCase()
  // Further off than two letters swapped, or a short name's one, it is more likely another thing altogether.
  const editsMax = Math.min(2, Math.ceil(sought.length / 3))
  let nearest: { full: string; edits: number } | undefined
  for (const [short, full] of known) {
    // Who means an attribute means no field of ours, unless it is nearly called so.
    const itsMax = before === attributePrefix && !full.startsWith(attributePrefix) ? Math.min(1, editsMax) : editsMax
    // No name is nearer than the lengths differ: few of an organization's many attributes are compared.
    if (Math.abs(short.length - sought.length) > itsMax) continue
    const edits = distance(sought, short.toLowerCase())
    const isNear = edits <= itsMax && (edits < 2 || sought.length > shortName || lettersOf(sought) === lettersOf(short.toLowerCase()))
    if (isNear && edits < (nearest?.edits ?? Infinity)) nearest = { full, edits }
  }
  return nearest?.full
}

/** Of so few letters two edits leave little, unless they are a swap. */
const shortName = 4

function lettersOf(name: string): string {
  return [...name].sort().join('')
}

/** A name without what it was probably meant to begin with, of which `customers.` may stand before another. */
function taken(given: string): { before: string; name: string } {
  const dot = given.indexOf('.')
  const head = given.slice(0, dot + 1).toLowerCase()
  const before = dot < 0 ? undefined : [prefix, attributePrefix, eventPrefix].find((one) => distance(head, one.toLowerCase()) <= 2)
  if (before === undefined) return { before: '', name: given }
  const name = given.slice(dot + 1)
  return before === prefix ? taken(name) : { before, name }
}
