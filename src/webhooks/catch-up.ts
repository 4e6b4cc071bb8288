import type { ChangeStore } from '../change-store.ts'
import type { UnixSeconds } from '../clock.ts'
import type { HeldCustomer, MessageKey, Webhook, WebhookStore } from '../webhook.ts'
import type { Held } from './held-customers.ts'
import { following, HeldCustomers, heldRow, precedes } from './held-customers.ts'
import type { Judge } from './judge.ts'
import { givenUp } from './judge.ts'
import type { Message } from './payload.ts'
import type { ProgressKeeper } from './progress-keeper.ts'
import type { Sender } from './sender.ts'
import type { Turns } from './turns.ts'
import type { Tell } from './wishes.ts'

interface CatchUpOptions {
  readonly webhook: Pick<Webhook, 'id' | 'organizationId'>
  readonly store: Pick<ChangeStore, 'changesBetween'> & Pick<WebhookStore, 'deliveries'>
  readonly turns: Pick<Turns, 'take'>
  /** As they are at the time. */
  readonly wishes: () => Promise<Tell>
  readonly sender: Pick<Sender, 'send'>
  readonly judge: Pick<Judge, 'verdict'>
  readonly keeper: Pick<ProgressKeeper, 'deliver' | 'hold' | 'release'>
  readonly mayGoOn: () => boolean
  /** Milliseconds of UNIX time. */
  readonly now: () => number
}

/** A customer whose message was not delivered by the main walk. */
interface Undelivered {
  readonly customerId: number
  readonly next: MessageKey
  /** Of what the walk has read of the customer. */
  readonly lastChangeId: number
  readonly firstAttemptAt: UnixSeconds
  readonly retryAtMs: number
}

/** After reading has failed. */
const retryMs = 1_000
const historyPageMax = 50
const abandonedPageMax = 1_000

/**
 * Tells the customers that the main walk goes on without, each from its history: first the message that did not arrive, until it does
 * or has failed for good, then what the walk has passed since. A customer with nothing left of that is the walk's again.
 */
export class CatchUp {
  readonly #options: CatchUpOptions
  readonly #held: HeldCustomers

  constructor(held: readonly HeldCustomer[], options: CatchUpOptions) {
    this.#held = new HeldCustomers(held)
    this.#options = options
  }

  get customers(): number {
    return this.#held.size
  }

  /** When there is work again that waits for its time; Infinity when there will be none. */
  get nextAttemptMs(): number {
    return this.#held.nextAttemptMs
  }

  get hasWork(): boolean {
    return this.#held.hasDue(this.#options.now())
  }

  next(): (() => Promise<void>) | undefined {
    const held = this.#held.take(this.#options.now())
    return held && (async () => { await this.#tell(held) })
  }

  hold({ customerId, next, lastChangeId, firstAttemptAt, retryAtMs }: Undelivered): void {
    const held: Held = { customerId, next, attempts: 1, nextAttemptMs: retryAtMs, lastChangeId, firstAttemptAt, messages: [], isDue: false }
    this.#held.add(held)
    this.#options.keeper.hold(heldRow(held))
  }

  /** Whether the customer is held: then its change is told here, in its turn. */
  takeOver(customerId: number, changeId: number): boolean {
    const held = this.#held.find(customerId)
    if (held === undefined) return false
    if (changeId > held.lastChangeId) {
      held.lastChangeId = changeId
      this.#options.keeper.hold(heldRow(held))
    }
    return true
  }

  /** Tells as much in a row as was read at once, so that what was read need not be kept. */
  async #tell(held: Held): Promise<void> {
    const { sender, judge, keeper, mayGoOn, now } = this.#options
    do {
      const message = await this.#headOf(held).catch((error: unknown) => {
        this.#held.postpone(held, now() + retryMs)
        throw error
      })
      if (message === undefined) {
        // The walk may have passed another change in the meantime.
        if (held.next.changeId <= held.lastChangeId) this.#held.queue(held)
        else this.#release(held)
        return
      }
      const outcome = await sender.send(message, held.attempts)
      if (outcome === undefined) return
      const attempts = held.attempts + 1
      const { delivery, retryAtMs } = judge.verdict(message, { outcome, attempts, firstAttemptAt: held.firstAttemptAt, isReplay: false })
      keeper.deliver(delivery)
      if (retryAtMs !== null) {
        Object.assign(held, { attempts, firstAttemptAt: delivery.firstAttemptAt, messages: [] })
        this.#held.postpone(held, retryAtMs)
        keeper.hold(heldRow(held))
        return
      }
      const messages = held.messages.slice(1)
      Object.assign(held, { attempts: 0, firstAttemptAt: null, messages, next: messages[0] ?? following(message), nextAttemptMs: now() })
      keeper.hold(heldRow(held))
    } while (held.messages.length > 0 && mayGoOn())
    held.messages = []
    this.#held.queue(held)
  }

  #release(held: Held): void {
    this.#held.release(held)
    this.#options.keeper.release(held.customerId)
  }

  /** The next message of a customer held; undefined when the walk has passed nothing that is still to be told. */
  async #headOf(held: Held): Promise<Message | undefined> {
    const { webhook, store, turns, wishes } = this.#options
    for (;;) {
      const [known] = held.messages
      if (known !== undefined) return known
      const range = { fromId: held.next.changeId, throughId: held.lastChangeId, limit: historyPageMax }
      if (range.fromId > range.throughId) return undefined
      const [items, tell] = await Promise.all([
        turns.take(async () => await store.changesBetween(webhook.organizationId, held.customerId, range)), wishes()
      ])
      const messages = items.flatMap(tell).filter((message) => !precedes(message, held.next))
      const [head] = messages
      if (held.attempts > 0 && (head === undefined || precedes(held.next, head))) await this.#abandon(held)
      held.messages = messages
      const last = items.at(-1)
      const through = last === undefined ? range.throughId : last.change.id
      held.next = head ?? { changeId: through + 1, part: 0 }
    }
  }

  /** What was being retried is not told any more: its change was forgotten, or the wishes are others now. */
  async #abandon(held: Held): Promise<void> {
    const { webhook, store, keeper } = this.#options
    const retrying = await store.deliveries(webhook.organizationId, webhook.id, { before: null, status: 'retrying', limit: abandonedPageMax })
    const delivery = retrying.find(({ changeId, part }) => changeId === held.next.changeId && part === held.next.part)
    held.attempts = 0
    held.firstAttemptAt = null
    if (delivery !== undefined) keeper.deliver(givenUp(delivery))
  }
}
