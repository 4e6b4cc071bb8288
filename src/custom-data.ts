import type { AttributeValue } from './contract/customer.ts'
import type { Fault } from './errors.ts'
import { limits } from './limits.ts'
import type { Findings } from './untrusted.ts'
import { isObject, join, numberFault, readName, textFault } from './untrusted.ts'

/** Attributes by name, in the order first set. Not an object, which would put names such as `2024` before all others. */
export type CustomData = ReadonlyMap<string, AttributeValue>

/** As JSON, in its order. */
export function renderCustomData(customData: CustomData): string {
  let attributes = ''
  for (const [name, value] of customData) {
    attributes += `${attributes === '' ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(value)}`
  }
  return `{${attributes}}`
}

/** An attribute keeps the type of its first value. */
export type AttributeType = 'text' | 'number' | 'boolean'

export function attributeType(value: AttributeValue): AttributeType {
  if (typeof value === 'string') return 'text'
  return typeof value === 'number' ? 'number' : 'boolean'
}

/** One attribute to set, or with null to remove, and where its two halves stand in the body. */
export interface AttributeEntry {
  readonly name: string
  readonly value: AttributeValue | null
  readonly namePath: string
  readonly valuePath: string
}

/**
 * HelpCrunch: custom data arrives as an object, or as a list of property/value or of name/value.
 * A Map stands for an object whose order an object would lose.
 * An attribute may stand in a list twice; every value is checked, and the last one stays.
 */
export function readCustomData(findings: Findings, path: string, value: unknown): AttributeEntry[] | undefined {
  if (Array.isArray(value)) {
    const fault = sizeFault(value.map((item: unknown) => (isObject(item) ? item.value : item)))
    return fault === undefined ? readAttributeList(findings, path, value) : findings.fault(path, fault)
  }
  if (!isObject(value)) return findings.fault(path, 'This value should be of type object.')
  const entries = isMap(value) ? [...value] : Object.entries(value)
  const fault = sizeFault(entries.map(([, item]) => item))
  return fault === undefined ? readAttributeEntries(findings, path, entries) : findings.fault(path, fault)
}

function isMap(value: unknown): value is ReadonlyMap<string, unknown> {
  return value instanceof Map
}

/** A customer can trade all its attributes for as many others, so what is set and what is removed count apart. */
function sizeFault(values: readonly unknown[]): string | undefined {
  const removed = values.filter((value) => value === null).length
  if (Math.max(removed, values.length - removed) <= limits.customerAttributesMax) return undefined
  return `This collection should contain ${limits.customerAttributesMax} elements or less.`
}

function readAttributeEntries(findings: Findings, path: string, entries: readonly (readonly [key: string, value: unknown])[]): AttributeEntry[] {
  return entries.flatMap(([key, value]) => {
    const itsPath = join(path, key)
    const name = readAttributeName(findings, itsPath, key)
    return name === undefined ? [] : readEntry(findings, { name, value, namePath: itsPath, valuePath: itsPath })
  })
}

function readAttributeList(findings: Findings, path: string, list: readonly unknown[]): AttributeEntry[] {
  return list.flatMap((item, index) => {
    const itsPath = `${path}[${index}]`
    if (!isObject(item)) {
      findings.fault(itsPath, 'This value should be of type object.')
      return []
    }
    const nameKey = 'property' in item || !('name' in item) ? 'property' : 'name'
    findings.ignoreUnknown(item, new Set([nameKey, 'value']), itsPath)
    const namePath = join(itsPath, nameKey)
    const valuePath = join(itsPath, 'value')
    const name = readAttributeName(findings, namePath, item[nameKey])
    if (item.value === undefined) {
      findings.fault(valuePath, 'This value should be text, a number, a boolean or null.')
      return []
    }
    return name === undefined ? [] : readEntry(findings, { name, value: item.value, namePath, valuePath })
  })
}

function readAttributeName(findings: Findings, path: string, value: unknown): string | undefined {
  const name = readName(findings, path, value)
  // Names that reach into every object of a JavaScript client, and of ours.
  if (name === '__proto__' || name === 'constructor') return findings.fault(path, 'This name is reserved.')
  return name
}

function readEntry(
  findings: Findings,
  { name, value, namePath, valuePath }: { name: string; value: unknown; namePath: string; valuePath: string }
): AttributeEntry[] {
  const fault = valueFault(value)
  if (fault !== undefined) {
    findings.fault(valuePath, fault)
    return []
  }
  return [{ name, value: value as AttributeValue | null, namePath, valuePath }]
}

function valueFault(value: unknown): string | undefined {
  if (value === null || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return numberFault(value)
  if (typeof value === 'string') return textFault(value, limits.longTextCharactersMax)
  return 'This value should be text, a number, a boolean or null.'
}

/**
 * Entries that do not fit the organization's attributes. `types` grows by the attributes that the
 * entries introduce, so that two first values of different types in one request are caught.
 */
export function attributeFaults(
  entries: readonly AttributeEntry[], types: Map<string, AttributeType>, strictAttributes: boolean
): Fault[] {
  const faults: Fault[] = []
  for (const { name, value, namePath, valuePath } of entries) {
    const known = types.get(name)
    if (known === undefined && strictAttributes) faults.push({ path: namePath, message: 'This attribute does not exist.' })
    if (value === null) continue
    const given = attributeType(value)
    if (known === undefined) types.set(name, given)
    else if (known !== given) faults.push({ path: valuePath, message: `This value should be of type ${known}.` })
  }
  return faults
}

/** Attributes already set keep their place; null removes one. */
export function mergeCustomData(before: CustomData, entries: readonly AttributeEntry[]): CustomData {
  if (entries.length === 0) return before
  const merged = new Map(before)
  for (const { name, value } of entries) {
    if (value === null) merged.delete(name)
    else merged.set(name, value)
  }
  return merged
}

export function replaceCustomData(before: CustomData, entries: readonly AttributeEntry[]): CustomData {
  const wanted = new Set(entries.map(({ name }) => name))
  const kept = new Map([...before].filter(([name]) => wanted.has(name)))
  return mergeCustomData(kept, entries)
}
