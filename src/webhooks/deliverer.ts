import { limits } from '../limits.ts'
import type { ClaimedWebhook } from '../webhook.ts'
import type { DeliveryListener, DeliveryStore, LaneContext } from './delivery-lane.ts'
import { DeliveryLane } from './delivery-lane.ts'
import { Moments } from './moments.ts'
import { Pacer } from './pacer.ts'
import { retrySeconds } from './schedule.ts'
import type { SecretBox } from './secret-box.ts'
import { SharedReadings } from './shared-readings.ts'
import type { TargetSettings } from './target.ts'
import { Turns } from './turns.ts'

/** Every time is given, so that tests need not wait for days. */
export interface DelivererSettings {
  readonly schedule: readonly number[]
  readonly failingSeconds: number
  /** For a whole exchange with a receiver. */
  readonly timeoutMs: number
  readonly sendsMax: number
  readonly claimSeconds: number
  readonly claimIntervalMs: number
}

export const defaultDelivererSettings: DelivererSettings = {
  schedule: retrySeconds,
  failingSeconds: limits.webhookFailingSeconds,
  timeoutMs: limits.webhookTimeoutSeconds * 1000,
  sendsMax: limits.webhookSendsMax,
  claimSeconds: limits.webhookClaimSeconds,
  claimIntervalMs: limits.webhookClaimIntervalMs
}

export interface DelivererOptions {
  readonly store: DeliveryStore
  /** Names this process among those on the database. */
  readonly worker: string
  readonly box: SecretBox
  readonly target: TargetSettings
  readonly settings: DelivererSettings
  readonly listener: DeliveryListener
  readonly dates: LaneContext['dates']
  readonly now?: () => number
  readonly random?: () => number
}

export interface DelivererStatus {
  /** Those that this process delivers for. */
  readonly webhooks: number
  /** Of the one that lags most. */
  readonly lagSeconds: number
  readonly heldCustomers: number
}

const leaseCheckMs = 250
/** A send may end so much later than its claim was last seen to hold. */
const leaseMarginMs = 1_000

/** Delivers for the webhooks that this process has claimed, one lane each. */
export class Deliverer {
  readonly #options: DelivererOptions
  readonly #turns = new Turns(limits.webhookTurnsMax)
  readonly #moments = new Moments(limits.webhookProgressMs)
  readonly #readings: SharedReadings
  readonly #pacer: Pacer
  readonly #lanes = new Map<number, DeliveryLane>()
  /** Lanes that ended since the claim under way was asked for: its answer does not know how far they came. */
  #endedSince = new Set<number>()
  readonly #timers: NodeJS.Timeout[]
  /** Of the feed, which costs a look after each commit: while there are lanes. */
  #stopWatching: (() => void) | undefined
  #claiming: Promise<void> | null = null
  #isAskedAgain = false
  #turn = 0
  #isClosed = false

  constructor(options: DelivererOptions) {
    this.#options = options
    const { store, settings } = options
    this.#readings = new SharedReadings(store, this.#turns, limits.webhookPageMax)
    this.#pacer = new Pacer({ busySendsPerSecond: limits.webhookBusySendsPerSecond, onPlace: () => { this.#resume() } })
    this.#timers = [
      setInterval(() => { this.#claim() }, settings.claimIntervalMs),
      setInterval(() => { for (const lane of this.#lanes.values()) lane.checkLease() }, leaseCheckMs),
      setInterval(() => { this.#wake(null) }, limits.webhookFeedIntervalMs)
    ]
    for (const timer of this.#timers) timer.unref()
    this.#claim()
  }

  /** Webhooks were changed, or deliveries are to be replayed. */
  changed(): void {
    this.#claim()
  }

  status(): DelivererStatus {
    const lanes = [...this.#lanes.values()]
    return {
      webhooks: lanes.length,
      lagSeconds: Math.max(0, ...lanes.map(({ lagSeconds }) => lagSeconds)),
      heldCustomers: lanes.reduce((sum, lane) => sum + lane.heldCustomers, 0)
    }
  }

  /** What is under way may end, for a moment; then everything is kept, and others may go on at once. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#claiming
    await Promise.all([...this.#lanes.values()].map(async (lane) => { await lane.drainWithin(limits.webhookStopMs) }))
    this.#unwatch()
    this.#pacer.close()
    await this.#options.store.releaseWebhooks(this.#options.worker).catch((error: unknown) => { this.#options.listener.onError(error, null) })
  }

  #wake(organizationIds: ReadonlySet<number> | null): void {
    this.#readings.forget()
    for (const lane of this.#lanes.values()) if (organizationIds === null || organizationIds.has(lane.organizationId)) lane.wake()
  }

  #unwatch(): void {
    this.#stopWatching?.()
    this.#stopWatching = undefined
  }

  /** Another one is the first each time, since the last ones may find no room. */
  #resume(): void {
    const lanes = [...this.#lanes.values()]
    this.#turn += 1
    for (const index of lanes.keys()) lanes[(index + this.#turn) % lanes.length]?.resume()
  }

  #claim(): void {
    if (this.#isClosed) return
    if (this.#claiming !== null) {
      this.#isAskedAgain = true
      return
    }
    this.#isAskedAgain = false
    this.#claiming = this.#claimNow().catch((error: unknown) => { this.#options.listener.onError(error, null) }).finally(() => {
      this.#claiming = null
      if (this.#isAskedAgain) this.#claim()
    })
  }

  async #claimNow(): Promise<void> {
    const { store, worker, settings: { claimSeconds } } = this.#options
    this.#endedSince = new Set()
    const leaseUntilMs = performance.now() + claimSeconds * 1000 - leaseMarginMs
    const claimed = await store.claimWebhooks(worker, claimSeconds)
    const ids = new Set(claimed.map(({ webhook }) => webhook.id))
    for (const [id, lane] of this.#lanes) if (!ids.has(id)) lane.drain()
    for (const one of claimed) {
      const lane = this.#lanes.get(one.webhook.id)
      if (lane !== undefined) {
        lane.renew(one, leaseUntilMs)
        lane.lookForReplays()
      } else if (!this.#endedSince.has(one.webhook.id)) {
        await this.#open(one, leaseUntilMs)
      }
    }
  }

  async #open(claimed: ClaimedWebhook, leaseUntilMs: number): Promise<void> {
    const { store, worker, box, target, settings, listener, dates, now = Date.now, random = Math.random } = this.#options
    const held = await this.#turns.take(async () => await store.heldCustomers(claimed.webhook.id))
    if (this.#isClosed) return
    // Before the lane reads, so that nothing is committed unseen in between.
    this.#stopWatching ??= store.watchFeed((organizationIds) => { this.#wake(organizationIds) })
    const lane = new DeliveryLane(claimed, {
      held, leaseUntilMs,
      context: {
        store, worker, box, listener, dates, now, random, readings: this.#readings, turns: this.#turns, moments: this.#moments, pacer: this.#pacer,
        settings: { ...settings, target },
        onEnd: (ended) => {
          this.#endedSince.add(ended.id)
          if (this.#lanes.get(ended.id) === ended) this.#lanes.delete(ended.id)
          if (this.#lanes.size === 0) this.#unwatch()
        }
      }
    })
    this.#lanes.set(lane.id, lane)
    lane.lookForReplays()
  }
}
