import type { FeedPosition } from '../change-store.ts'
import type { UnixSeconds } from '../clock.ts'

/** A change that was read, until what it has to say is settled. */
export interface Slot {
  readonly position: FeedPosition
  readonly at: UnixSeconds
  readonly bytes: number
  isSettled: boolean
}

/** What was read of a feed and is not settled yet, in its order: the position to keep is that before the first of them. */
export class FeedWindow {
  #slots: Slot[] = []
  #first = 0
  #unsettled = 0
  #bytes = 0
  #settledTo: FeedPosition

  constructor(position: FeedPosition) {
    this.#settledTo = position
  }

  /** Everything up to it is settled. */
  get settledTo(): FeedPosition {
    return this.#settledTo
  }

  get unsettled(): number {
    return this.#unsettled
  }

  /** Of what is not settled. */
  get bytes(): number {
    return this.#bytes
  }

  /** Of what is not settled, and what is settled behind it. */
  get length(): number {
    return this.#slots.length - this.#first
  }

  /** When the oldest change that is not settled was made. */
  get oldestAt(): UnixSeconds | null {
    return this.#slots[this.#first]?.at ?? null
  }

  add(change: Omit<Slot, 'isSettled'>): Slot {
    const slot = { ...change, isSettled: false }
    this.#slots.push(slot)
    this.#unsettled += 1
    this.#bytes += slot.bytes
    return slot
  }

  /** What has nothing to say, or is settled as it is read. */
  pass(position: FeedPosition, at: UnixSeconds): void {
    if (this.length === 0) {
      this.#settledTo = position
      return
    }
    const last = this.#slots.at(-1)
    // Of settled ones in a row the last will do.
    if (last?.isSettled === true) this.#slots.pop()
    this.#slots.push({ position, at, bytes: 0, isSettled: true })
  }

  settle(slot: Slot): void {
    if (slot.isSettled) return
    slot.isSettled = true
    this.#unsettled -= 1
    this.#bytes -= slot.bytes
    for (;;) {
      const first = this.#slots[this.#first]
      if (first?.isSettled !== true) break
      this.#settledTo = first.position
      this.#first += 1
    }
    if (this.#first < 1_000 && this.length > 0) return
    this.#slots = this.#slots.slice(this.#first)
    this.#first = 0
  }
}
