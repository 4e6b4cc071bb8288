import { hash, randomBytes } from 'node:crypto'
import type { UnixSeconds } from './clock.ts'
import type { RepeatableRequest } from './idempotency.ts'

/** A bearer secret of one organization, as kept: never the secret itself. */
export interface ApiKey {
  readonly id: number
  readonly organizationId: number
  readonly organization: string
  readonly name: string
  readonly createdAt: UnixSeconds
  readonly revokedAt: UnixSeconds | null
}

/** 32 random bytes behind a prefix by which secret scanners can know it. */
export function generateSecret(): string {
  return `ck_${randomBytes(32).toString('base64url')}`
}

/** In hexadecimal. SHA-256 suffices for a secret of 256 random bits; a slow hash guards guessable ones. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret)
}

/** Who asks, recorded with every change. */
export interface Caller {
  readonly organizationId: number
  readonly keyId: number
  readonly requestId: string
  /** Given when the request may be sent again: what it does is then done once. */
  readonly repeatable?: RepeatableRequest
}
