import type { ChangeStore } from '../change-store.ts'
import type { DateForm } from '../date-form.ts'
import { limits } from '../limits.ts'
import type { Delivery, Webhook, WebhookStore } from '../webhook.ts'
import type { Judge } from './judge.ts'
import { givenUp } from './judge.ts'
import { messagesOf } from './payload.ts'
import type { ProgressKeeper } from './progress-keeper.ts'
import type { Sender } from './sender.ts'
import { changeOf } from './told-change.ts'
import type { Turns } from './turns.ts'

interface ReplaysOptions {
  readonly webhook: Pick<Webhook, 'id' | 'organizationId' | 'createdAt' | 'format'>
  readonly store: Pick<ChangeStore, 'changesBetween'> & Pick<WebhookStore, 'dueReplays'>
  readonly turns: Pick<Turns, 'take'>
  readonly dates: DateForm
  readonly sender: Pick<Sender, 'send'>
  readonly judge: Pick<Judge, 'verdict'>
  readonly keeper: Pick<ProgressKeeper, 'deliver' | 'flush'>
}

/** Deliveries that somebody asked to be tried again: once, whatever comes of it, and whatever else their customers wait for. */
export class Replays {
  readonly #options: ReplaysOptions
  readonly #found: Delivery[] = []
  /** From when they are found until what became of them is kept. */
  readonly #underWay = new Set<string>()
  #looking: Promise<void> | null = null
  #isAskedAgain = false

  constructor(options: ReplaysOptions) {
    this.#options = options
  }

  get hasWork(): boolean {
    return this.#found.length > 0
  }

  next(): (() => Promise<void>) | undefined {
    const replay = this.#found.shift()
    return replay && (async () => { await this.#tell(replay) })
  }

  /** One look at a time: what is asked for meanwhile is looked for afterwards. */
  async look(): Promise<void> {
    this.#isAskedAgain = this.#looking !== null
    this.#looking ??= this.#look()
    await this.#looking
  }

  async #look(): Promise<void> {
    const { webhook, store, turns } = this.#options
    try {
      do {
        this.#isAskedAgain = false
        // What is under way now may have been told when the answer comes, which does not know of it.
        const underWay = new Set(this.#underWay)
        const due = await turns.take(async () => await store.dueReplays(webhook.id, limits.webhookPageMax))
        const found = due.filter(({ id }) => !underWay.has(id))
        for (const { id } of found) this.#underWay.add(id)
        this.#found.push(...found)
      } while (this.#isAskedAgain)
    } finally {
      this.#looking = null
    }
  }

  async #tell(replay: Delivery): Promise<void> {
    const { webhook, store, turns, dates, sender, judge, keeper } = this.#options
    try {
      const item = await turns.take(async () => await changeOf(store, webhook.organizationId, replay))
      const message = item && messagesOf(webhook, item, dates).find(({ part }) => part === replay.part)
      if (message === undefined) {
        keeper.deliver(givenUp(replay))
        return
      }
      const outcome = await sender.send(message, replay.attempts)
      if (outcome === undefined) return
      const { delivery } = judge.verdict(message, { outcome, attempts: replay.attempts + 1, firstAttemptAt: replay.firstAttemptAt, isReplay: true })
      keeper.deliver(delivery)
      await keeper.flush()
    } finally {
      this.#underWay.delete(replay.id)
    }
  }
}
