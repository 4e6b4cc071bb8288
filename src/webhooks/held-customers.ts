import TinyQueue from 'tinyqueue'
import type { UnixSeconds } from '../clock.ts'
import type { HeldCustomer, MessageKey } from '../webhook.ts'
import type { Message } from './payload.ts'

/** A `HeldCustomer` at work. */
export interface Held {
  readonly customerId: number
  next: MessageKey
  attempts: number
  nextAttemptMs: number
  lastChangeId: number
  /** Null when it was before this process began. */
  firstAttemptAt: UnixSeconds | null
  /** Those from the next on that were read already. */
  messages: Message[]
  /** Its turn has come, or it is being told. */
  isDue: boolean
}

/** When a customer's turn comes, unless it has come or is at another time by then. */
interface Alarm {
  readonly held: Held
  readonly atMs: number
}

/** The customers of one webhook whose next message has not arrived. */
export class HeldCustomers {
  readonly #byId = new Map<number, Held>()
  /** Soonest first. */
  readonly #alarms = new TinyQueue<Alarm>([], (one, other) => one.atMs - other.atMs)
  readonly #due: Held[] = []

  constructor(kept: readonly HeldCustomer[]) {
    for (const { nextAttemptAt, ...customer } of kept) {
      this.add({ ...customer, nextAttemptMs: nextAttemptAt * 1000, firstAttemptAt: null, messages: [], isDue: false })
    }
  }

  get size(): number {
    return this.#byId.size
  }

  /** When the next one is due, in milliseconds of UNIX time; Infinity when none will be by itself. */
  get nextAttemptMs(): number {
    return this.#nextAlarm()?.atMs ?? Infinity
  }

  find(customerId: number): Held | undefined {
    return this.#byId.get(customerId)
  }

  add(held: Held): void {
    this.#byId.set(held.customerId, held)
    this.#alarms.push({ held, atMs: held.nextAttemptMs })
  }

  /** Its turn comes at `atMs`. */
  postpone(held: Held, atMs: number): void {
    held.isDue = false
    held.nextAttemptMs = atMs
    this.#alarms.push({ held, atMs })
  }

  /** Its turn is now, behind those whose turn it is already. */
  queue(held: Held): void {
    held.isDue = true
    this.#due.push(held)
  }

  release(held: Held): void {
    this.#byId.delete(held.customerId)
  }

  hasDue(nowMs: number): boolean {
    for (let alarm = this.#nextAlarm(); alarm !== undefined && alarm.atMs <= nowMs; alarm = this.#nextAlarm()) this.queue(alarm.held)
    return this.#due.length > 0
  }

  /** The one whose turn it is. */
  take(nowMs: number): Held | undefined {
    return this.hasDue(nowMs) ? this.#due.shift() : undefined
  }

  #nextAlarm(): Alarm | undefined {
    for (;;) {
      const alarm = this.#alarms.peek()
      if (alarm === undefined || this.#holds(alarm)) return alarm
      this.#alarms.pop()
    }
  }

  #holds({ held, atMs }: Alarm): boolean {
    return !held.isDue && held.nextAttemptMs === atMs && this.#byId.get(held.customerId) === held
  }
}

/** Its row. */
export function heldRow({ customerId, next, attempts, nextAttemptMs, lastChangeId }: Held): HeldCustomer {
  const { changeId, part } = next
  return { customerId, next: { changeId, part }, attempts, nextAttemptAt: Math.ceil(nextAttemptMs / 1000), lastChangeId }
}

/** Whether the one is told before the other. */
export function precedes(one: MessageKey, other: MessageKey): boolean {
  return one.changeId < other.changeId || (one.changeId === other.changeId && one.part < other.part)
}

/** The least that can follow. */
export function following({ changeId, part }: MessageKey): MessageKey {
  return { changeId, part: part + 1 }
}
