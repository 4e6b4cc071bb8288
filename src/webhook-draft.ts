import type { UnixSeconds } from './clock.ts'
import type { AttributeType } from './custom-data.ts'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'
import { parseMatch } from './match.ts'
import { readOneOf, readStrictBody } from './strict-input.ts'
import type { Findings } from './untrusted.ts'
import { blank, isObject, join, readBoolean, readText } from './untrusted.ts'
import { webhookEvents } from './webhook-event.ts'
import { targetFault } from './webhook-target.ts'
import type { SealedSecret, Webhook, WebhookFormat, WebhookPatch, WebhookSecrets } from './webhook.ts'

/* What is parsed here throws with what `findings` has of the query as well. */

/** What the parts of a webhook are read against. */
export interface WebhookContext {
  readonly attributes: ReadonlyMap<string, AttributeType>
  /** See `targetFault`. */
  readonly allowsPrivate: boolean
  readonly now: UnixSeconds
}

export type ParsedWebhook = Pick<Webhook, 'url' | 'format' | 'events' | 'filter'> & {
  /** Null: one is to be made. */
  readonly ownSecret: string | null
}

export function parseWebhook(findings: Findings, body: unknown, context: WebhookContext): ParsedWebhook {
  const source = readStrictBody(findings, body, ['url', 'format', 'events', 'filter', 'secret'])
  const url = readUrl(findings, source.url, context)
  const format = readFormat(findings, source.format)
  const events = source.events === undefined ? webhookEvents[format] : readEvents(findings, source.events, format)
  const filter = readFilter(findings, source.filter, context)
  const ownSecret = readOwnSecret(findings, source.secret, format)
  findings.throwIfAny()
  return { url: url ?? '', format, events, filter, ownSecret }
}

/** Where there is no such webhook, its format is undefined: then faults are those that hold for either. */
interface OfFormat {
  readonly format: WebhookFormat | undefined
}

export function parseWebhookPatch(
  findings: Findings, body: unknown, { format, ...context }: WebhookContext & OfFormat
): Pick<WebhookPatch, 'url' | 'events' | 'filter'> {
  const { url, events, filter, ...others } = readStrictBody(findings, body, ['url', 'events', 'filter', 'format', 'secret'])
  if (others.format !== undefined && format !== undefined && others.format !== format) findings.fault('format', 'The format of a webhook cannot be changed. Make another webhook.')
  if (others.secret !== undefined) findings.fault('secret', 'A secret is changed with POST …/rotate-secret, which sees to it that no delivery fails meanwhile.')
  const patch = {
    ...(url === undefined ? {} : { url: readUrl(findings, url, context) ?? '' }),
    ...(events === undefined ? {} : { events: readEvents(findings, events, format) }),
    ...(filter === undefined ? {} : { filter: readFilter(findings, filter, context) })
  }
  findings.throwIfAny()
  return patch
}

export interface Rotation {
  /** Whether the secret before is not signed with any more. */
  readonly atOnce: boolean
  readonly ownSecret: string | null
}

export function parseRotation(findings: Findings, body: unknown, { format }: OfFormat): Rotation {
  const source = readStrictBody(findings, body, ['now', 'secret'], { mayBeEmpty: true })
  const atOnce = source.now === undefined ? false : readBoolean(findings, 'now', source.now) ?? false
  const ownSecret = readOwnSecret(findings, source.secret, format)
  findings.throwIfAny()
  return { atOnce, ownSecret }
}

/** The secrets after a rotation to `secret`. `conflict` where it would end one before its time. */
export function rotateSecrets(old: WebhookSecrets, secret: SealedSecret, { atOnce, now }: { atOnce: boolean; now: UnixSeconds }): WebhookPatch {
  const replaced = { secret, replacesSecret: old.secret }
  if (atOnce) return { ...replaced, previousSecret: null, previousUntil: null }
  if (old.previousUntil !== null && now < old.previousUntil) {
    throw new ApiError('conflict', `The secret before the last rotation holds until ${old.previousUntil}, as previousSecretUntil says. ` +
      'Rotate again then, or with {"now": true}, which ends the secrets of now at once.')
  }
  return { ...replaced, previousSecret: old.secret, previousUntil: now + limits.previousSecretSeconds }
}

/** From when on failed deliveries are tried again. */
export function parseReplay(findings: Findings, body: unknown): UnixSeconds {
  const { since } = readStrictBody(findings, body, ['since'])
  const isSeconds = typeof since === 'number' && Number.isInteger(since) && since >= 0 && since <= limits.dateSecondsMax
  if (!isSeconds) findings.fault('since', since === undefined ? blank : `This value should be UNIX seconds, a whole number from 0 to ${limits.dateSecondsMax}.`)
  findings.throwIfAny()
  return Number(since)
}

function readUrl(findings: Findings, value: unknown, context: WebhookContext): string | undefined {
  if (value === undefined || value === null || value === '') return findings.fault('url', blank)
  const url = readText(findings, 'url', value, limits.urlCharactersMax)
  const fault = url === undefined ? undefined : targetFault(url, context)
  return fault === undefined ? url : findings.fault('url', fault)
}

function readFormat(findings: Findings, value: unknown): WebhookFormat {
  if (value === undefined) return 'standard'
  if (typeof value !== 'string') return findings.fault('format', 'This value should be of type string.') ?? 'standard'
  return readOneOf(findings, 'format', value, ['standard', 'helpcrunch']) ?? 'standard'
}

function readEvents(findings: Findings, value: unknown, format: WebhookFormat | undefined): readonly string[] {
  const known: readonly string[] = format === undefined ? [...new Set(Object.values(webhookEvents).flat())] : webhookEvents[format]
  if (!Array.isArray(value)) return findings.fault('events', 'This value should be of type array.') ?? []
  if (value.length === 0) return findings.fault('events', 'This collection should contain 1 element or more. Leave it out for all events.') ?? []
  // Whatever is more was sent twice, or is wrong.
  const given: readonly unknown[] = value.slice(0, limits.faultsMax)
  for (const [index, event] of given.entries()) {
    if (typeof event === 'string') readOneOf(findings, `events[${index}]`, event, known)
    else findings.fault(`events[${index}]`, 'This value should be of type string.')
  }
  return known.filter((event) => given.includes(event))
}

function readFilter(findings: Findings, value: unknown, context: WebhookContext): string | null {
  if (value === undefined || value === null) return null
  if (!isObject(value)) return findings.fault('filter', 'This value should be of type object, with "comparison" and "filter" as in a search.') ?? null
  try {
    parseMatch(value, context)
    return JSON.stringify(value)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    for (const { path, message } of error.faults) findings.fault(join('filter', path), message)
    return null
  }
}

const standardPrefix = 'whsec_'

function readOwnSecret(findings: Findings, value: unknown, format: WebhookFormat | undefined): string | null {
  if (value === undefined || value === null) return null
  const secret = readText(findings, 'secret', value, limits.helpcrunchSecretCharactersMax) ?? null
  if (secret === null || format === undefined) return secret
  const fault = format === 'standard' ? standardFault(secret) : helpcrunchFault(secret)
  return fault === undefined ? secret : findings.fault('secret', fault) ?? null
}

function standardFault(secret: string): string | undefined {
  const text = secret.startsWith(standardPrefix) ? secret.slice(standardPrefix.length) : ''
  const bytes = Buffer.from(text, 'base64')
  const isOne = bytes.toString('base64') === text && bytes.length >= limits.standardSecretBytesMin && bytes.length <= limits.standardSecretBytesMax
  return isOne ? undefined : `This value should be "${standardPrefix}" and ${limits.standardSecretBytesMin} to ${limits.standardSecretBytesMax} bytes in base64.`
}

function helpcrunchFault(secret: string): string | undefined {
  const { helpcrunchSecretCharactersMin: min } = limits
  return [...secret].length >= min ? undefined : `This value is too short. It should have ${min} characters or more.`
}
