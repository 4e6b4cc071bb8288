import type { KeyObject } from 'node:crypto'
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import type { UnixSeconds } from '../clock.ts'
import type { WebhookFormat } from '../webhook.ts'

/** Those of `WebhookSecrets`, opened. */
export interface OpenSecrets {
  readonly secret: string
  readonly previousSecret: string | null
  readonly previousUntil: UnixSeconds | null
}

interface Signed {
  /** The message's, the same at each attempt. */
  readonly id: string
  readonly body: string
  /** Of this attempt: receivers refuse what was signed long ago. */
  readonly now: UnixSeconds
}

/** Answers the headers of a message. */
export type Sign = (signed: Signed) => Record<string, string>

const secretBytes = 32
const standardPrefix = 'whsec_'

/** A new secret, as its owner is shown it. */
export function generateSigningSecret(format: WebhookFormat): string {
  return format === 'standard' ? standardPrefix + randomBytes(secretBytes).toString('base64') : randomBytes(secretBytes).toString('base64url')
}

/** Each format has its own headers, and none of the other. The keys are made once: that takes longer than to sign with them. */
export function signWith(format: WebhookFormat, { secret, previousSecret, previousUntil }: OpenSecrets): Sign {
  const keyOf = format === 'standard' ? standardKey : helpcrunchKey
  const key = keyOf(secret)
  const previousKey = previousSecret === null ? null : keyOf(previousSecret)
  const sign = format === 'standard' ? standardHeaders : helpcrunchHeaders
  return (signed) => sign(signed, key, previousUntil !== null && signed.now < previousUntil ? previousKey : null)
}

/** Those of the headers of a message that are the same at each attempt. */
export function idHeaders(format: WebhookFormat, id: string): Record<string, string> {
  return format === 'standard' ? { 'webhook-id': id } : {}
}

function helpcrunchKey(secret: string): KeyObject {
  return createSecretKey(secret, 'utf8')
}

function standardKey(secret: string): KeyObject {
  return createSecretKey(secret.startsWith(standardPrefix) ? secret.slice(standardPrefix.length) : secret, 'base64')
}

/** HelpCrunch: one signature, so a receiver that was not told a new secret yet must still find the old one's. */
function helpcrunchHeaders({ body }: Signed, key: KeyObject, previousKey: KeyObject | null): Record<string, string> {
  return { 'X-HelpCrunch-Signature': createHmac('sha1', previousKey ?? key).update(body).digest('hex') }
}

/** The Standard Webhooks specification: as many signatures as there are secrets. */
function standardHeaders({ id, body, now }: Signed, key: KeyObject, previousKey: KeyObject | null): Record<string, string> {
  const signatures = (previousKey === null ? [key] : [key, previousKey])
    .map((one) => `v1,${createHmac('sha256', one).update(`${id}.${now}.${body}`).digest('base64')}`)
  return { ...idHeaders('standard', id), 'webhook-timestamp': String(now), 'webhook-signature': signatures.join(' ') }
}
