import { setImmediate as turn } from 'node:timers/promises'
import type { ChangeStore, FeedItem, FeedPosition } from '../change-store.ts'
import type { DateForm } from '../date-form.ts'
import type { UnixSeconds } from '../clock.ts'
import { ApiError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { SearchContext } from '../parse-search.ts'
import type { ClaimedWebhook, Delivery, DeliveryStatus, HeldCustomer, PauseReason, SendOutcome, Webhook, WebhookStore } from '../webhook.ts'
import type { Slot } from './feed-window.ts'
import { FeedWindow } from './feed-window.ts'
import type { Held } from './held-customers.ts'
import { following, HeldCustomers, heldRow, precedes } from './held-customers.ts'
import type { Moments } from './moments.ts'
import type { Pacer } from './pacer.ts'
import type { Message } from './payload.ts'
import { messagesOf } from './payload.ts'
import { ProgressKeeper } from './progress-keeper.ts'
import { retryDelayMs } from './schedule.ts'
import type { SecretBox } from './secret-box.ts'
import type { SharedReadings } from './shared-readings.ts'
import type { Sign } from './signing.ts'
import { signWith } from './signing.ts'
import type { TargetSettings } from './target.ts'
import { Target } from './target.ts'
import { changeOf } from './told-change.ts'
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

/** Messages of one customer that wait in the window, told one after the other. */
interface Queue {
  readonly customerId: number
  readonly waiting: { readonly message: Message; readonly slot: Slot; readonly isLast: boolean }[]
}

const retryMs = 1_000
/** How long sends are begun in a row before others are served. */
const beginMs = 5
/** Of customers that are held against a filter before others are served. */
const toldBytesAStep = 262_144
const historyPageMax = 50
const abandonedPageMax = 1_000

/**
 * One webhook, as long as this process has it. The main walk reads the feed from its position; the messages of a customer wait
 * for each other, those of different ones do not. A customer whose message does not arrive is held: the walk goes on
 * without it, and its changes are told from its history in turn, until none is left that the walk has passed.
 */
export class DeliveryLane {
  readonly id: number
  readonly #context: LaneContext
  readonly #window: FeedWindow
  readonly #held: HeldCustomers
  readonly #keeper: ProgressKeeper
  readonly #queues = new Map<number, Queue>()
  readonly #ready: Queue[] = []
  readonly #replays: Delivery[] = []
  /** From when they are read until what became of them is kept. */
  readonly #replaying = new Set<string>()
  readonly #stopping = new AbortController()
  readonly #ended = Promise.withResolvers<undefined>()
  #webhook: Webhook
  #sign: Sign | null = null
  #sealed = ''
  #target: Target
  #leaseUntilMs: number
  #readAfter: FeedPosition | null
  #wantsReading = true
  #isReading = false
  #inFlight = 0
  #retriesInFlight = 0
  #succeededAt: UnixSeconds | null
  #failingSince: UnixSeconds | null
  #hasFailedLast = false
  #isDraining = false
  #hasRead = false
  #hasEnded = false
  #dueTimer: NodeJS.Timeout | null = null

  constructor({ webhook, secrets, position }: ClaimedWebhook, { held, leaseUntilMs, context }: { held: readonly HeldCustomer[]; leaseUntilMs: number; context: LaneContext }) {
    this.id = webhook.id
    this.#context = context
    this.#webhook = webhook
    this.#target = this.#aim(webhook)
    this.#leaseUntilMs = leaseUntilMs
    this.#readAfter = position
    this.#window = new FeedWindow(position)
    this.#held = new HeldCustomers(held)
    this.#succeededAt = webhook.succeededAt
    this.#failingSince = webhook.failingSince
    this.#keeper = new ProgressKeeper({
      keep: async (progress) => await context.turns.take(async () => await context.store.keepProgress(context.worker, webhook.id, progress)),
      standing: () => ({ position: this.#window.settledTo, succeededAt: this.#succeededAt, failingSince: this.#failingSince }),
      onKept: () => { this.#pump() },
      onLost: () => { this.stop() },
      onError: (error) => { this.#report(error) },
      moments: context.moments, delayMs: limits.webhookProgressMs, positionDelayMs: limits.webhookPositionMs, retryMs, deliveriesMax: limits.webhookProgressDeliveriesMax
    })
    this.#openSecrets(secrets)
    this.#pump()
  }

  /** How long ago the oldest change was made that is still to be told, customers held apart. */
  get lagSeconds(): number {
    const { oldestAt } = this.#window
    return oldestAt === null ? 0 : Math.max(0, this.#nowSeconds() - oldestAt)
  }

  get heldCustomers(): number {
    return this.#held.size
  }

  get organizationId(): number {
    return this.#webhook.organizationId
  }

  /** The webhook as it is configured now, claimed anew. */
  renew({ webhook, secrets }: Pick<ClaimedWebhook, 'webhook' | 'secrets'>, leaseUntilMs: number): void {
    this.#leaseUntilMs = leaseUntilMs
    const { url } = this.#webhook
    this.#webhook = webhook
    if (webhook.url !== url) {
      this.#target.retire()
      this.#target = this.#aim(webhook)
    }
    this.#openSecrets(secrets)
    this.#pump()
  }

  /** There may be more in the feed. */
  wake(): void {
    this.#wantsReading = true
    this.#pump()
  }

  /** There is room for more. */
  resume(): void {
    this.#pump()
  }

  lookForReplays(): void {
    if (!this.#mayBegin() || this.#replays.length > 0) return
    this.#guard(async () => {
      const due = await this.#context.turns.take(async () => await this.#context.store.dueReplays(this.id, limits.webhookPageMax))
      // Whoever looked meanwhile may have found some too.
      const found = due.filter(({ id }) => !this.#replaying.has(id))
      for (const { id } of found) this.#replaying.add(id)
      this.#replays.push(...found)
      this.#pump()
    })
  }

  /** Whoever else claims the webhook next must find nothing of ours under way. */
  checkLease(): void {
    if (performance.now() >= this.#leaseUntilMs) this.stop()
  }

  /** Nothing new is begun; ends when what is under way has ended, and is kept. */
  drain(): void {
    this.#isDraining = true
    this.#endIfIdle()
  }

  /** Drains, but waits no longer than this for what is under way. */
  async drainWithin(milliseconds: number): Promise<void> {
    const timer = setTimeout(() => { this.#stopping.abort() }, milliseconds)
    this.drain()
    await this.#ended.promise
    clearTimeout(timer)
  }

  /** Ends everything under way; what was settled and is not kept is delivered again. */
  stop(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#isDraining = true
    this.#stopping.abort()
    this.#keeper.stop()
    if (this.#dueTimer !== null) clearTimeout(this.#dueTimer)
    this.#target.destroy()
    this.#context.onEnd(this)
    this.#ended.resolve(undefined)
  }

  #aim({ url }: Webhook): Target {
    return new Target(url, this.#context.settings.target, () => performance.now() < this.#leaseUntilMs)
  }

  #mayBegin(): boolean {
    return !this.#isDraining && this.#sign !== null && performance.now() < this.#leaseUntilMs &&
      this.#keeper.waiting < limits.webhookProgressDeliveriesMax * 5
  }

  /** Begins all that there is room for. */
  #pump(): void {
    const { sendsMax } = this.#context.settings
    const inFlightMax = this.#hasFailedLast ? Math.min(sendsMax, limits.webhookFailingSendsMax) : sendsMax
    const retriesMax = Math.min(limits.webhookRetriesMax, Math.ceil(inFlightMax / 2))
    const sinceMs = performance.now()
    while (this.#inFlight < inFlightMax && this.#mayBegin()) {
      // A customer may have megabytes.
      if (performance.now() - sinceMs > beginMs) {
        setImmediate(() => { this.#pump() })
        break
      }
      if (!this.#hasWork(retriesMax) || !this.#context.pacer.take()) break
      const work = (this.#retriesInFlight < retriesMax ? this.#nextRetry() : undefined) ?? this.#nextMessage()
      work?.()
    }
    this.#read()
    this.#waitForRetries()
  }

  #hasWork(retriesMax: number): boolean {
    return this.#ready.length > 0 || (this.#retriesInFlight < retriesMax && (this.#replays.length > 0 || this.#held.hasDue(this.#context.now())))
  }

  #nextRetry(): (() => void) | undefined {
    const held = this.#held.take(this.#context.now())
    if (held !== undefined) return () => { this.#begin({ isRetry: true }, async () => { await this.#tellHeld(held) }) }
    const replay = this.#replays.shift()
    return replay && (() => { this.#begin({ isRetry: true }, async () => { await this.#replay(replay) }) })
  }

  #nextMessage(): (() => void) | undefined {
    const queue = this.#ready.shift()
    return queue && (() => { this.#begin({ isRetry: false }, async () => { await this.#tellNext(queue) }) })
  }

  #begin({ isRetry }: { isRetry: boolean }, work: () => Promise<void>): void {
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

  #guard(work: () => Promise<void>): void {
    work().catch((error: unknown) => { this.#report(error) })
  }

  #report(error: unknown): void {
    if (!this.#hasEnded) this.#context.listener.onError(error, { id: this.id })
  }

  #endIfIdle(): void {
    if (this.#inFlight > 0 || this.#hasEnded) return
    this.#guard(async () => {
      await this.#keeper.flush()
      this.stop()
    })
  }

  #waitForRetries(): void {
    const { nextAttemptMs } = this.#held
    if (this.#dueTimer !== null) clearTimeout(this.#dueTimer)
    this.#dueTimer = null
    if (nextAttemptMs === Infinity || this.#isDraining || this.#inFlight > 0) return
    const delayMs = Math.min(Math.max(nextAttemptMs - this.#context.now(), 1), retryMs * 60)
    this.#dueTimer = setTimeout(() => { this.#pump() }, delayMs).unref()
  }

  // The main walk.

  #read(): void {
    const isFull = this.#window.unsettled + limits.webhookPageMax > limits.webhookWindowMax || this.#window.bytes >= limits.webhookWindowBytesMax ||
      this.#window.length >= limits.webhookAheadMax || this.#held.size >= limits.webhookHeldCustomersMax
    if (!this.#wantsReading || this.#isReading || isFull || !this.#mayBegin()) return
    this.#isReading = true
    this.#wantsReading = false
    this.#guard(async () => {
      try {
        await this.#readPage()
      } catch (error) {
        this.#recover(error)
      } finally {
        this.#isReading = false
      }
      this.#pump()
    })
  }

  async #readPage(): Promise<void> {
    const { readings } = this.#context
    const [page, tell] = await Promise.all([readings.read(this.#webhook.organizationId, this.#readAfter), this.#wishes()])
    if (this.#hasEnded) return
    this.#hasRead = true
    let told = 0
    for (const item of page.items) {
      if (told > toldBytesAStep) {
        await turn()
        if (this.#hasEnded) return
        told = 0
      }
      this.#take(item, tell(item))
      told += item.customer?.length ?? 0
    }
    const last = page.items.at(-1)
    if (last !== undefined) this.#keeper.move()
    if (page.next !== last?.position) this.#window.pass(page.next, last?.change.at ?? this.#nowSeconds())
    this.#readAfter = page.next
    if (page.hasMore) this.#wantsReading = true
  }

  #recover(error: unknown): void {
    if (error instanceof ApiError && error.code === 'gone' && this.#readAfter !== null) {
      // Another machine may have taken over the database: what is kept there says where to go on.
      if (this.#hasRead) {
        this.stop()
        return
      }
      this.#readAfter = null
      this.#wantsReading = true
      this.#context.listener.onGap({ id: this.id, organizationId: this.#webhook.organizationId })
      return
    }
    this.#report(error)
    setTimeout(() => { this.wake() }, retryMs).unref()
  }

  #take({ position, change, customer }: FeedItem, messages: readonly Message[]): void {
    const customerId = change.customerId ?? 0
    const held = this.#held.find(customerId)
    if (held !== undefined && messages.length > 0 && change.id > held.lastChangeId) {
      held.lastChangeId = change.id
      this.#keeper.hold(heldRow(held))
    }
    if (held !== undefined || messages.length === 0) {
      this.#window.pass(position, change.at)
      return
    }
    const slot = this.#window.add({ position, at: change.at, bytes: customer?.length ?? 0 })
    const waiting = messages.map((message, index) => ({ message, slot, isLast: index === messages.length - 1 }))
    const queue = this.#queues.get(customerId)
    if (queue !== undefined) {
      queue.waiting.push(...waiting)
      return
    }
    const made = { customerId, waiting }
    this.#queues.set(customerId, made)
    this.#ready.push(made)
  }

  async #tellNext(queue: Queue): Promise<void> {
    const [next] = queue.waiting
    if (next === undefined) return
    const outcome = await this.#send(next.message, 0)
    if (outcome === undefined) return
    const { delivery, retryAtMs } = this.#judge(next.message, { outcome, attempts: 1, firstAttemptAt: null, isReplay: false })
    this.#keeper.deliver(delivery)
    if (retryAtMs !== null) {
      this.#hold(queue, retryAtMs, delivery.firstAttemptAt)
      return
    }
    queue.waiting.shift()
    if (next.isLast) this.#window.settle(next.slot)
    if (queue.waiting.length === 0) this.#queues.delete(queue.customerId)
    else this.#ready.push(queue)
  }

  #hold({ customerId, waiting }: Queue, retryAtMs: number, firstAttemptAt: UnixSeconds): void {
    const [first] = waiting
    const last = waiting.at(-1)
    if (first === undefined || last === undefined) return
    const held: Held = {
      customerId, next: first.message, attempts: 1, nextAttemptMs: retryAtMs, lastChangeId: last.message.changeId, firstAttemptAt, messages: [], isDue: false
    }
    this.#queues.delete(customerId)
    this.#held.add(held)
    this.#keeper.hold(heldRow(held))
    for (const { slot } of waiting) this.#window.settle(slot)
  }

  // Customers held.

  /** Tells as much in a row as was read at once, so that what was read need not be kept. */
  async #tellHeld(held: Held): Promise<void> {
    do {
      const message = await this.#headOf(held).catch((error: unknown) => {
        this.#held.postpone(held, this.#context.now() + retryMs)
        throw error
      })
      if (message === undefined) {
        // The walk may have passed another change in the meantime.
        if (held.next.changeId <= held.lastChangeId) this.#held.queue(held)
        else this.#release(held)
        return
      }
      const outcome = await this.#send(message, held.attempts)
      if (outcome === undefined) return
      const { delivery, retryAtMs } = this.#judge(message, { outcome, attempts: held.attempts + 1, firstAttemptAt: held.firstAttemptAt, isReplay: false })
      this.#keeper.deliver(delivery)
      if (retryAtMs !== null) {
        Object.assign(held, { attempts: held.attempts + 1, firstAttemptAt: delivery.firstAttemptAt, messages: [] })
        this.#held.postpone(held, retryAtMs)
        this.#keeper.hold(heldRow(held))
        return
      }
      const messages = held.messages.slice(1)
      Object.assign(held, { attempts: 0, firstAttemptAt: null, messages, next: messages[0] ?? following(message), nextAttemptMs: this.#context.now() })
      this.#keeper.hold(heldRow(held))
    } while (held.messages.length > 0 && this.#mayBegin())
    held.messages = []
    this.#held.queue(held)
  }

  #release(held: Held): void {
    this.#held.release(held)
    this.#keeper.release(held.customerId)
  }

  /** The next message of a customer held; undefined when the walk has passed nothing that is still to be told. */
  async #headOf(held: Held): Promise<Message | undefined> {
    const { store, turns } = this.#context
    for (;;) {
      const [known] = held.messages
      if (known !== undefined) return known
      const range = { fromId: held.next.changeId, throughId: held.lastChangeId, limit: historyPageMax }
      if (range.fromId > range.throughId) return undefined
      const [items, tell] = await Promise.all([
        turns.take(async () => await store.changesBetween(this.#webhook.organizationId, held.customerId, range)), this.#wishes()
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
    const retrying = await this.#context.store.deliveries(this.#webhook.organizationId, this.id, { before: null, status: 'retrying', limit: abandonedPageMax })
    const delivery = retrying.find(({ changeId, part }) => changeId === held.next.changeId && part === held.next.part)
    held.attempts = 0
    held.firstAttemptAt = null
    if (delivery !== undefined) this.#keeper.deliver({ ...delivery, status: 'failed', nextAttemptAt: null, error: noLongerTold })
  }

  // Replays.

  async #replay(replay: Delivery): Promise<void> {
    const { part } = replay
    const { store, turns, dates } = this.#context
    try {
      const item = await turns.take(async () => await changeOf(store, this.#webhook.organizationId, replay))
      const message = item && messagesOf(this.#webhook, item, dates).find((one) => one.part === part)
      if (message === undefined) {
        this.#keeper.deliver({ ...replay, status: 'failed', isReplay: false, nextAttemptAt: null, error: noLongerTold })
        return
      }
      const outcome = await this.#send(message, replay.attempts)
      if (outcome === undefined) return
      const { delivery } = this.#judge(message, { outcome, attempts: replay.attempts + 1, firstAttemptAt: replay.firstAttemptAt, isReplay: true })
      this.#keeper.deliver(delivery)
      await this.#keeper.flush()
    } finally {
      this.#replaying.delete(replay.id)
    }
  }

  // One attempt.

  async #send(message: Message, attempts: number): Promise<SendOutcome | undefined> {
    const sign = this.#sign
    // The process may have been stopped since this was begun, for so long that somebody else has the webhook.
    if (sign === null || performance.now() >= this.#leaseUntilMs) {
      this.stop()
      return undefined
    }
    const now = this.#nowSeconds()
    const body = message.body({ attempts, now })
    return await this.#target.send({ headers: sign({ id: message.id, body, now }), body }, this.#stopping.signal)
  }

  /** What becomes of a message after an attempt; `retryAtMs` is null when it is not to be tried again. */
  #judge(
    { id, changeId, part, customerId, event }: Message,
    { outcome, attempts, firstAttemptAt, isReplay }: { outcome: SendOutcome; attempts: number; firstAttemptAt: UnixSeconds | null; isReplay: boolean }
  ): { delivery: Delivery; retryAtMs: number | null } {
    const { schedule } = this.#context.settings
    const [nowMs, now] = [this.#context.now(), this.#nowSeconds()]
    const hasArrived = outcome.status !== null && outcome.status >= 200 && outcome.status < 300
    const delayMs = hasArrived || isReplay ? undefined : retryDelayMs(attempts, { schedule, random: this.#context.random })
    const retryAtMs = delayMs === undefined ? null : nowMs + delayMs
    const status = hasArrived ? 'delivered' : retryAtMs === null ? 'failed' : 'retrying'
    this.#context.listener.onAttempt({ status, seconds: outcome.durationMs / 1000 })
    this.#hasFailedLast = !hasArrived
    this.#noteHealth({ hasArrived, now, answer: outcome.status })
    return {
      retryAtMs,
      delivery: {
        id, changeId, part, customerId, event, status, attempts, firstAttemptAt: firstAttemptAt ?? now, lastAttemptAt: now,
        nextAttemptAt: retryAtMs === null ? null : Math.ceil(retryAtMs / 1000),
        responseStatus: outcome.status, responseText: outcome.text, error: outcome.error, durationMs: outcome.durationMs, isReplay: false
      }
    }
  }

  #noteHealth({ hasArrived, now, answer }: { hasArrived: boolean; now: UnixSeconds; answer: number | null }): void {
    if (hasArrived) {
      this.#succeededAt = now
      this.#failingSince = null
      return
    }
    this.#failingSince ??= now
    if (answer === 410) this.#pause('gone')
    else if (now - this.#failingSince >= this.#context.settings.failingSeconds) this.#pause('failing')
  }

  #pause(reason: Exclude<PauseReason, 'asked'>): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#keeper.pause(reason)
    this.#context.listener.onPaused({ id: this.id, organizationId: this.#webhook.organizationId, reason })
  }

  async #wishes(): Promise<Tell> {
    return await readWishes(this.#webhook, { source: this.#context.store, clock: () => this.#nowSeconds(), dates: this.#context.dates })
  }

  #nowSeconds(): UnixSeconds {
    return Math.floor(this.#context.now() / 1000)
  }

  /** Where they cannot be opened nothing is sent, until they can. */
  #openSecrets(sealed: ClaimedWebhook['secrets']): void {
    const text = JSON.stringify(sealed)
    const isKnown = text === this.#sealed
    if (isKnown && this.#sign !== null) return
    this.#sealed = text
    const { box } = this.#context
    try {
      this.#sign = signWith(this.#webhook.format, {
        secret: box.open(sealed.secret),
        previousSecret: sealed.previousSecret === null ? null : box.open(sealed.previousSecret),
        previousUntil: sealed.previousUntil
      })
    } catch (error) {
      this.#sign = null
      if (!isKnown) this.#report(error)
    }
  }
}

const noLongerTold = 'Its change is no longer kept, or the webhook does not want it any more.'
