import { withOrderedCustomData } from '../attribute-order.ts'
import type { Location } from '../contract/customer.ts'
import type { Tag } from '../contract/tag.ts'
import type { CustomData } from '../custom-data.ts'
import type { Customer } from '../customer.ts'
import { customerKeys } from '../customer.ts'
import { isObject } from '../untrusted.ts'

/**
 * The customer of a rendering that may be damaged, its keys in their order whatever theirs was.
 * Undefined when it is no JSON, or when a key is missing, unknown or of another type: what it should be is then not known.
 */
export function readStoredCustomer(rendering: string, id: number): Customer | undefined {
  const parsed = parse(rendering)
  if (!isObject(parsed) || !hasKeys(parsed, customerKeys)) return undefined
  const read = customerKeys.map((key) => [key, key === 'id' ? id : readers[key](parsed[key])] as const)
  if (read.some(([, value]) => value === undefined)) return undefined
  // Each key was read by the reader of its type.
  return Object.fromEntries(read) as unknown as Customer
}

function parse(rendering: string): unknown {
  try {
    return withOrderedCustomData(JSON.parse(rendering), rendering)
  } catch {
    return undefined
  }
}

type Reader<Value> = (value: unknown) => Value | undefined

const text: Reader<string | null> = (value) => (value === null || typeof value === 'string' ? value : undefined)
const truth: Reader<boolean> = (value) => (typeof value === 'boolean' ? value : undefined)
const date: Reader<string | null> = (value) =>
  (value === null || (typeof value === 'string' && /^\d{1,12}$/.test(value)) ? value : undefined)

const readers: { readonly [key in Exclude<keyof Customer, 'id'>]: Reader<Customer[key]> } = {
  name: text, email: text, userId: text, company: text, phone: text, firstSeen: date, lastSeen: date,
  location: readLocation, device: readDevice, unsubscribed: truth, blocked: truth,
  source: text, referer: text, lastPage: text, locale: text, createdFrom: text, integrationId: text, notes: text,
  tags: readTags, customData: readCustomData
}

function readLocation(value: unknown): Location | undefined {
  if (!isObject(value) || !hasKeys(value, ['regionCode', 'countryCode', 'city'])) return undefined
  const [regionCode, countryCode, city] = [text(value.regionCode), text(value.countryCode), text(value.city)]
  if (regionCode === undefined || countryCode === undefined || city === undefined) return undefined
  return { regionCode, countryCode, city }
}

function readDevice(value: unknown): Customer['device'] | undefined {
  if (value === null) return null
  if (!isObject(value) || !hasKeys(value, ['id', 'ip', 'timezone', 'platform', 'userAgent'])) return undefined
  const { id, platform } = value
  const [ip, timezone, userAgent] = [text(value.ip), text(value.timezone), text(value.userAgent)]
  if (typeof id !== 'number' || (platform !== 'desktop' && platform !== 'mobile' && platform !== null)) return undefined
  if (ip === undefined || timezone === undefined || userAgent === undefined) return undefined
  return { id, ip, timezone, platform, userAgent }
}

function readTags(value: unknown): Tag[] | undefined {
  if (!Array.isArray(value)) return undefined
  const tags = value.flatMap((item: unknown) =>
    (isObject(item) && typeof item.name === 'string' && typeof item.color === 'string' && hasKeys(item, ['name', 'color'])
      ? { name: item.name, color: item.color }
      : []))
  return new Set(tags.map(({ name }) => name)).size === value.length ? tags : undefined
}

function readCustomData(value: unknown): CustomData | undefined {
  if (!isObject(value)) return undefined
  const entries: [string, unknown][] = value instanceof Map ? [...value as ReadonlyMap<string, unknown>] : Object.entries(value)
  const customData = new Map(entries.flatMap(([name, item]) =>
    (typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean' ? [[name, item] as const] : [])))
  return customData.size === entries.length ? customData : undefined
}

function hasKeys(object: Readonly<Record<string, unknown>>, keys: readonly string[]): boolean {
  return Object.keys(object).length === keys.length && keys.every((key) => Object.hasOwn(object, key))
}
