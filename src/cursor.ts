import type { KeyObject } from 'node:crypto'
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { UnixSeconds } from './clock.ts'
import type { Position } from './search.ts'

/** What a cursor is bound to. */
export interface CursorSeal {
  readonly secret: Uint8Array
  /** The organization and what was asked, as text that is the same only for the same. */
  readonly question: string
}

/** What a cursor carries from one page to the next. */
export interface CursorContent {
  readonly position: Position
  /** The moment that relative dates count from, which is that of the first page. */
  readonly now: UnixSeconds
}

const signatureBytes = 16

/** A page further on in one walk; not to be read or made by others, so that its form can change. */
export function issueCursor({ position, now }: CursorContent, seal: CursorSeal): string {
  return issueSealed(JSON.stringify([now, position.id, position.value]), seal)
}

/** Undefined when the cursor was altered, or issued for another question or organization. */
export function readCursor(cursor: string, seal: CursorSeal): CursorContent | undefined {
  const content = openSealed(cursor, seal)
  if (content === undefined) return undefined
  const [now, id, value] = JSON.parse(content) as [UnixSeconds, number, Position['value']]
  return { position: { id, value }, now }
}

/** Any text as a cursor. */
export function issueSealed(text: string, seal: CursorSeal): string {
  const content = Buffer.from(text)
  return Buffer.concat([sign(content, seal), content]).toString('base64url')
}

/** The text of a cursor, or undefined likewise. */
export function openSealed(cursor: string, seal: CursorSeal): string | undefined {
  const bytes = Buffer.from(cursor, 'base64url')
  const signature = bytes.subarray(0, signatureBytes)
  const content = bytes.subarray(signatureBytes)
  // Buffer.from passes over what is not base64url, and so would take a cursor with a stray character.
  if (bytes.toString('base64url') !== cursor || signature.length < signatureBytes) return undefined
  return timingSafeEqual(signature, sign(content, seal)) ? content.toString() : undefined
}

function sign(content: Uint8Array, { secret, question }: CursorSeal): Buffer {
  return createHmac('sha256', keyOf(secret)).update(question).update('\n').update(content).digest().subarray(0, signatureBytes)
}

/** To make a key of a secret takes three times as long as to sign with it. */
const keys = new WeakMap<Uint8Array, KeyObject>()

function keyOf(secret: Uint8Array): KeyObject {
  const key = keys.get(secret) ?? createSecretKey(secret)
  keys.set(secret, key)
  return key
}
