import { createHmac, randomBytes } from 'node:crypto'
import type { UnixSeconds } from '../clock.ts'
import type { WebhookFormat } from '../webhook.ts'

/** Those of `WebhookSecrets`, opened. */
export interface OpenSecrets {
  readonly secret: string
  readonly previousSecret: string | null
  readonly previousUntil: UnixSeconds | null
}

interface Signed {
  readonly secrets: OpenSecrets
  /** The message's, the same at each attempt. */
  readonly id: string
  readonly body: string
  /** Of this attempt: receivers refuse what was signed long ago. */
  readonly now: UnixSeconds
}

const secretBytes = 32
const standardPrefix = 'whsec_'

/** A new secret, as its owner is shown it. */
export function generateSigningSecret(format: WebhookFormat): string {
  return format === 'standard' ? standardPrefix + randomBytes(secretBytes).toString('base64') : randomBytes(secretBytes).toString('base64url')
}

/** Each format has its own headers, and none of the other. */
export function signatureHeaders(format: WebhookFormat, signed: Signed): Record<string, string> {
  return format === 'standard' ? standardHeaders(signed) : helpcrunchHeaders(signed)
}

/** HelpCrunch: one signature, so a receiver that was not told a new secret yet must still find the old one's. */
function helpcrunchHeaders({ secrets, body, now }: Signed): Record<string, string> {
  const secret = previousOf(secrets, now) ?? secrets.secret
  return { 'X-HelpCrunch-Signature': createHmac('sha1', secret).update(body).digest('hex') }
}

/** The Standard Webhooks specification: as many signatures as there are secrets. */
function standardHeaders({ secrets, id, body, now }: Signed): Record<string, string> {
  const previous = previousOf(secrets, now)
  const signatures = [secrets.secret, ...(previous === null ? [] : [previous])].map((secret) => {
    const key = Buffer.from(secret.startsWith(standardPrefix) ? secret.slice(standardPrefix.length) : secret, 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${now}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': String(now), 'webhook-signature': signatures.join(' ') }
}

function previousOf({ previousSecret, previousUntil }: OpenSecrets, now: UnixSeconds): string | null {
  return previousUntil !== null && now < previousUntil ? previousSecret : null
}
