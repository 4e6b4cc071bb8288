import type { ChangeStore } from '../change-store.ts'
import type { UnixSeconds } from '../clock.ts'
import type { DateForm } from '../date-form.ts'
import { limits } from '../limits.ts'
import type { SearchContext } from '../parse-search.ts'
import type { ClaimedWebhook, DeliveryStatus, HeldCustomer, PauseReason, Webhook, WebhookStore } from '../webhook.ts'
import { CatchUp } from './catch-up.ts'
import { Judge } from './judge.ts'
import { MainWalk } from './main-walk.ts'
import type { Moments } from './moments.ts'
import type { Pacer } from './pacer.ts'
import { ProgressKeeper } from './progress-keeper.ts'
import { Replays } from './replays.ts'
import type { SecretBox } from './secret-box.ts'
import { Sender } from './sender.ts'
import type { SharedReadings } from './shared-readings.ts'
import type { TargetSettings } from './target.ts'
import type { Turns } from './turns.ts'
import type { Tell } from './wishes.ts'
import { readWishes } from './wishes.ts'

/** What deliveries need of an engine. */
export type DeliveryStore = ChangeStore & WebhookStore & { searchContext(organizationId: number): Promise<Pick<SearchContext, 'attributes'>> }

/** What is told of deliveries, for the log and the metrics. None of it holds anything of a customer. */
export interface DeliveryListener {
  onAttempt(attempt: { readonly status: DeliveryStatus; readonly seconds: number }): void
  onPaused(webhook: { readonly id: number; readonly organizationId: number; readonly reason: PauseReason }): void
  /** Changes were forgotten before they could be told. */
  onGap(webhook: { readonly id: number; readonly organizationId: number }): void
  onError(error: unknown, webhook: { readonly id: number } | null): void
}

interface LaneSettings {
  readonly schedule: readonly number[]
  readonly failingSeconds: number
  readonly sendsMax: number
  readonly target: TargetSettings
}

export interface LaneContext {
  readonly store: DeliveryStore
  readonly worker: string
  readonly box: SecretBox
  readonly readings: SharedReadings
  readonly turns: Turns
  readonly moments: Moments
  readonly pacer: Pacer
  readonly settings: LaneSettings
  readonly listener: DeliveryListener
  readonly dates: DateForm
  /** Milliseconds of UNIX time. */
  readonly now: () => number
  readonly random: () => number
  /** Called once, when nothing of the webhook is under way any more. */
  readonly onEnd: (lane: DeliveryLane) => void
}

/** After something has failed that is not the receiver's. */
const retryMs = 1_000
/** How long sends are begun in a row before others are served. */
const beginMs = 1

/**
 * One webhook, as long as this process has it. What there is to tell comes of three: the main walk through the feed, the customers
 * that it goes on without, and replays. This says when each of them may begin to send, how much is under way at once, and how all of it ends.
 */
export class DeliveryLane {
  readonly id: number
  readonly #context: LaneContext
  readonly #sender: Sender
  readonly #judge: Judge
  readonly #keeper: ProgressKeeper
  readonly #walk: MainWalk
  readonly #catchUp: CatchUp
  readonly #replays: Replays
  readonly #ended = Promise.withResolvers<undefined>()
  #webhook: Webhook
  #inFlight = 0
  #retriesInFlight = 0
  #isDraining = false
  #hasEnded = false
  #dueTimer: NodeJS.Timeout | null = null

  constructor(claimed: ClaimedWebhook, { held, leaseUntilMs, context }: { held: readonly HeldCustomer[]; leaseUntilMs: number; context: LaneContext }) {
    const { webhook, position } = claimed
    const { store, worker, box, readings, turns, moments, settings, listener, dates, now, random } = context
    this.id = webhook.id
    this.#context = context
    this.#webhook = webhook
    const clock = (): UnixSeconds => Math.floor(now() / 1000)
    const onError = (error: unknown): void => { this.#report(error) }
    const stop = (): void => { this.stop() }
    const wishes = async (): Promise<Tell> => await readWishes(this.#webhook, { source: store, clock, dates })

    const sender = new Sender(claimed, leaseUntilMs, { box, target: settings.target, clock, onLapsed: stop, onError })
    const judge = new Judge(webhook, {
      schedule: settings.schedule, failingSeconds: settings.failingSeconds, now, random,
      onAttempt: (attempt) => { listener.onAttempt(attempt) },
      onPause: (reason) => { this.#pause(reason) }
    })
    const keeper = new ProgressKeeper({
      keep: async (progress) => await turns.take(async () => await store.keepProgress(worker, webhook.id, progress)),
      standing: () => ({ position: this.#walk.settledTo, ...judge.health }),
      onKept: () => { this.#pump() }, onLost: stop, onError,
      moments, delayMs: limits.webhookProgressMs, positionDelayMs: limits.webhookPositionMs, retryMs, deliveriesMax: limits.webhookProgressDeliveriesMax
    })
    const catchUp = new CatchUp(held, { webhook, store, turns, wishes, sender, judge, keeper, mayGoOn: () => this.#mayBegin(), now })
    this.#sender = sender
    this.#judge = judge
    this.#keeper = keeper
    this.#catchUp = catchUp
    this.#replays = new Replays({ webhook, store, turns, dates, sender, judge, keeper })
    this.#walk = new MainWalk(position, {
      organizationId: webhook.organizationId, readings, wishes, sender, judge, keeper, catchUp, clock,
      onGap: () => { listener.onGap({ id: webhook.id, organizationId: webhook.organizationId }) },
      onLost: stop
    })
    this.#pump()
  }

  /** Customers held apart. */
  get lagSeconds(): number {
    return this.#walk.lagSeconds
  }

  get heldCustomers(): number {
    return this.#catchUp.customers
  }

  get organizationId(): number {
    return this.#webhook.organizationId
  }

  /** The webhook as it is configured now, claimed anew. */
  renew(claimed: Pick<ClaimedWebhook, 'webhook' | 'secrets'>, leaseUntilMs: number): void {
    this.#webhook = claimed.webhook
    this.#sender.renew(claimed, leaseUntilMs)
    this.#judge.look()
    this.#pump()
  }

  /** There may be more in the feed. */
  wake(): void {
    this.#walk.wake()
    this.#pump()
  }

  /** There is room for more. */
  resume(): void {
    this.#pump()
  }

  lookForReplays(): void {
    if (!this.#mayBegin() || this.#replays.hasWork) return
    this.#guard(async () => {
      await this.#replays.look()
      this.#pump()
    })
  }

  /** Whoever else claims the webhook next must find nothing of ours under way. */
  checkLease(): void {
    if (!this.#sender.holdsLease) this.stop()
  }

  /** Nothing new is begun; ends when what is under way has ended, and is kept. */
  drain(): void {
    this.#isDraining = true
    this.#endIfIdle()
  }

  /** Drains, but waits no longer than this for what is under way. */
  async drainWithin(milliseconds: number): Promise<void> {
    const timer = setTimeout(() => { this.#sender.interrupt() }, milliseconds)
    this.drain()
    await this.#ended.promise
    clearTimeout(timer)
  }

  /** Ends everything under way; what was settled and is not kept is delivered again. */
  stop(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#isDraining = true
    this.#walk.stop()
    this.#sender.close()
    this.#keeper.stop()
    if (this.#dueTimer !== null) clearTimeout(this.#dueTimer)
    this.#context.onEnd(this)
    this.#ended.resolve(undefined)
  }

  #mayBegin(): boolean {
    return !this.#isDraining && this.#sender.isReady && this.#keeper.waiting < limits.webhookProgressDeliveriesMax * 5
  }

  /** Begins all that there is room for. */
  #pump(): void {
    const { sendsMax } = this.#context.settings
    const inFlightMax = this.#judge.hasFailedLast ? Math.min(sendsMax, limits.webhookFailingSendsMax) : sendsMax
    const retriesMax = Math.min(limits.webhookRetriesMax, Math.ceil(inFlightMax / 2))
    const sinceMs = performance.now()
    while (this.#inFlight < inFlightMax && this.#mayBegin()) {
      // A customer may have megabytes.
      if (performance.now() - sinceMs > beginMs) {
        setImmediate(() => { this.#pump() })
        break
      }
      const mayRetry = this.#retriesInFlight < retriesMax
      const hasWork = this.#walk.hasWork || (mayRetry && (this.#replays.hasWork || this.#catchUp.hasWork))
      if (!hasWork || !this.#context.pacer.take()) break
      const retry = mayRetry ? this.#catchUp.next() ?? this.#replays.next() : undefined
      const work = retry ?? this.#walk.next()
      if (work !== undefined) this.#begin(work, { isRetry: retry !== undefined })
    }
    this.#read()
    this.#waitForRetries()
  }

  #begin(work: () => Promise<void>, { isRetry }: { isRetry: boolean }): void {
    this.#inFlight += 1
    if (isRetry) this.#retriesInFlight += 1
    this.#guard(async () => {
      try {
        await work()
      } finally {
        this.#inFlight -= 1
        if (isRetry) this.#retriesInFlight -= 1
        if (this.#isDraining) this.#endIfIdle()
        else this.#pump()
      }
    })
  }

  #read(): void {
    if (!this.#walk.mayRead || !this.#mayBegin()) return
    this.#guard(async () => {
      try {
        await this.#walk.read()
      } catch (error) {
        this.#report(error)
        setTimeout(() => { this.wake() }, retryMs).unref()
      }
      this.#pump()
    })
  }

  #waitForRetries(): void {
    const { nextAttemptMs } = this.#catchUp
    if (this.#dueTimer !== null) clearTimeout(this.#dueTimer)
    this.#dueTimer = null
    if (nextAttemptMs === Infinity || this.#isDraining || this.#inFlight > 0) return
    const delayMs = Math.min(Math.max(nextAttemptMs - this.#context.now(), 1), retryMs * 60)
    this.#dueTimer = setTimeout(() => { this.#pump() }, delayMs).unref()
  }

  #pause(reason: Exclude<PauseReason, 'asked'>): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#keeper.pause(reason)
    this.#context.listener.onPaused({ id: this.id, organizationId: this.#webhook.organizationId, reason })
    this.#endIfIdle()
  }

  #endIfIdle(): void {
    if (this.#inFlight > 0 || this.#hasEnded) return
    this.#guard(async () => {
      await this.#keeper.flush()
      this.stop()
    })
  }

  #guard(work: () => Promise<void>): void {
    work().catch((error: unknown) => { this.#report(error) })
  }

  #report(error: unknown): void {
    if (!this.#hasEnded) this.#context.listener.onError(error, { id: this.id })
  }
}
