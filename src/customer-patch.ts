import type { Customer, Location } from './contract/customer.ts'
import type { TagDraft } from './contract/tag.ts'
import type { AttributeEntry } from './custom-data.ts'
import { readCustomData } from './custom-data.ts'
import type { DeviceDraft } from './customer.ts'
import { isEmail } from './email.ts'
import { limits } from './limits.ts'
import { readTags } from './tag.ts'
import type { Findings } from './untrusted.ts'
import { blank, isObject, join, readBoolean, readDate, readInteger, readText } from './untrusted.ts'

type PlainField = Exclude<keyof Customer, 'id' | 'location' | 'device' | 'tags' | 'customData'>

/** What a CustomerDraft asks for, checked and in one form. Absent keys are left alone; null clears. */
export type CustomerPatch = {
  readonly [field in PlainField]?: Customer[field]
} & {
  readonly location?: Partial<Location>
  readonly device?: DeviceDraft | null
  readonly tags?: readonly TagDraft[]
  /** Null removes every attribute. */
  readonly customData?: readonly AttributeEntry[] | null
}

type Writable<T> = { -readonly [key in keyof T]: T[key] }

const textFields = new Map<TextField, number>([
  ['name', limits.textCharactersMax],
  ['email', limits.emailCharactersMax],
  ['userId', limits.textCharactersMax],
  ['company', limits.textCharactersMax],
  ['phone', limits.textCharactersMax],
  ['source', limits.urlCharactersMax],
  ['referer', limits.urlCharactersMax],
  ['lastPage', limits.urlCharactersMax],
  ['locale', limits.textCharactersMax],
  ['createdFrom', limits.textCharactersMax],
  ['integrationId', limits.textCharactersMax],
  ['notes', limits.longTextCharactersMax]
])
type TextField = { [field in PlainField]: Customer[field] extends string | null ? field : never }[PlainField]

const locationParts = ['regionCode', 'countryCode', 'city'] as const
const locationKeys: ReadonlySet<string> = new Set(locationParts)
const deviceKeys: ReadonlySet<string> = new Set(['id', 'ip', 'timezone', 'platform', 'userAgent'])

/** Top-level keys of a customer that may be written. HelpCrunch: parts of the location among them. */
export const writableKeys: ReadonlySet<string> = new Set([
  ...textFields.keys(), 'firstSeen', 'lastSeen', 'location', ...locationParts, 'device',
  'unsubscribed', 'blocked', 'tags', 'customData'
])

/**
 * Reads the writable keys of `body`. On create, null is the same as absent except for the two dates.
 * `path` is empty, or that of an item in a batch.
 */
export function readCustomerPatch(
  findings: Findings, body: Record<string, unknown>, { path, creates }: { path: string; creates: boolean }
): CustomerPatch {
  const patch: Writable<CustomerPatch> = {}
  const given = (key: string): boolean => body[key] !== undefined && !(creates && body[key] === null)

  for (const [field, charactersMax] of textFields) {
    if (!given(field)) continue
    const text = readTextField(findings, join(path, field), { field, value: body[field], charactersMax })
    if (text !== undefined) patch[field] = text
  }
  for (const field of ['firstSeen', 'lastSeen'] as const) {
    const value = body[field]
    if (value === undefined) continue
    const seconds = value === null ? null : readDate(findings, join(path, field), value)
    if (seconds !== undefined) patch[field] = seconds === null ? null : String(seconds)
  }
  for (const field of ['unsubscribed', 'blocked'] as const) {
    if (!given(field)) continue
    const value = readBoolean(findings, join(path, field), body[field])
    if (value !== undefined) patch[field] = value
  }
  const location = readLocation(findings, body, { path, creates })
  if (Object.keys(location).length > 0) patch.location = location
  if (given('device')) {
    const device = readDevice(findings, join(path, 'device'), body.device)
    if (device !== undefined) patch.device = device
  }
  if (given('tags')) {
    const tags = body.tags === null ? [] : readTags(findings, join(path, 'tags'), body.tags)
    if (tags !== undefined) patch.tags = tags
  }
  if (given('customData')) {
    const entries = body.customData === null ? null : readCustomData(findings, join(path, 'customData'), body.customData)
    if (entries !== undefined) patch.customData = entries
  }
  return patch
}

function readTextField(
  findings: Findings, path: string,
  { field, value, charactersMax }: { field: TextField; value: unknown; charactersMax: number }
): string | null | undefined {
  if (value === null) return null
  // HelpCrunch: a userId may be sent as an integer; "" stands for none.
  if (field === 'userId' && typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  if ((field === 'userId' || field === 'email') && value === '') return null
  const text = readText(findings, path, value, charactersMax)
  if (text === undefined) return undefined
  if (field === 'email' && !isEmail(text)) return findings.fault(path, 'This value is not a valid email address.')
  return text
}

/** HelpCrunch: parts of the location arrive inside `location` or at top level; inside wins. */
function readLocation(
  findings: Findings, body: Record<string, unknown>, { path, creates }: { path: string; creates: boolean }
): Partial<Location> {
  const inside = body.location
  const insidePath = join(path, 'location')
  if (inside === null && !creates) {
    findings.ignored.push(...locationParts.filter((part) => body[part] !== undefined).map((part) => join(path, part)))
    return { regionCode: null, countryCode: null, city: null }
  }
  if (isObject(inside)) findings.ignoreUnknown(inside, locationKeys, insidePath)
  else if (inside !== undefined && inside !== null) findings.fault(insidePath, 'This value should be of type object.')

  const location: Partial<Location> = {}
  for (const part of locationParts) {
    const isInside = isObject(inside) && inside[part] !== undefined
    if (isInside && body[part] !== undefined) findings.ignored.push(join(path, part))
    const value = isInside ? inside[part] : body[part]
    if (value === undefined || (creates && value === null)) continue
    const text = value === null ? null : readText(findings, join(isInside ? insidePath : path, part), value, limits.textCharactersMax)
    if (text !== undefined) location[part] = text
  }
  return location
}

function readDevice(findings: Findings, path: string, value: unknown): DeviceDraft | null | undefined {
  if (value === null) return null
  if (!isObject(value)) return findings.fault(path, 'This value should be of type object.')
  findings.ignoreUnknown(value, deviceKeys, path)
  const text = (key: string, charactersMax: number): string | null =>
    value[key] === undefined || value[key] === null ? null : readText(findings, join(path, key), value[key], charactersMax) ?? null
  return {
    id: readDeviceId(findings, join(path, 'id'), value.id),
    ip: text('ip', limits.textCharactersMax),
    timezone: text('timezone', limits.textCharactersMax),
    platform: readPlatform(findings, join(path, 'platform'), value.platform),
    userAgent: text('userAgent', limits.urlCharactersMax)
  }
}

function readDeviceId(findings: Findings, path: string, value: unknown): number | null {
  if (value === undefined || value === null) return null
  return readInteger(findings, path, value, { min: 0, max: limits.integerMax }) ?? null
}

function readPlatform(findings: Findings, path: string, value: unknown): 'desktop' | 'mobile' | null {
  if (value === undefined || value === null || value === 'desktop' || value === 'mobile') return value ?? null
  findings.fault(path, value === '' ? blank : 'This value should be "desktop", "mobile" or null.')
  return null
}
