import { setImmediate as turn } from 'node:timers/promises'
import type { FeedItem, FeedPosition } from '../change-store.ts'
import type { Clock, UnixSeconds } from '../clock.ts'
import { ApiError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { CatchUp } from './catch-up.ts'
import type { Slot } from './feed-window.ts'
import { FeedWindow } from './feed-window.ts'
import type { Judge } from './judge.ts'
import type { Message } from './payload.ts'
import type { ProgressKeeper } from './progress-keeper.ts'
import type { Sender } from './sender.ts'
import type { SharedReadings } from './shared-readings.ts'
import type { Tell } from './wishes.ts'

interface WalkOptions {
  readonly organizationId: number
  readonly readings: Pick<SharedReadings, 'read'>
  /** As they are at the time. */
  readonly wishes: () => Promise<Tell>
  readonly sender: Pick<Sender, 'send'>
  readonly judge: Pick<Judge, 'verdict'>
  readonly keeper: Pick<ProgressKeeper, 'deliver' | 'move'>
  readonly catchUp: Pick<CatchUp, 'customers' | 'hold' | 'takeOver'>
  readonly clock: Clock
  /** Changes were forgotten before they could be told: the walk goes on from the oldest that is kept. */
  readonly onGap: () => void
  /** Its place is not one of this database any more. */
  readonly onLost: () => void
}

/** Messages of one customer that wait in the window, told one after the other. */
interface Queue {
  readonly customerId: number
  readonly waiting: { readonly message: Message; readonly slot: Slot; readonly isLast: boolean }[]
}

/** Of customers that are held against a filter before others are served. */
const toldBytesAStep = 262_144

/**
 * Reads the feed from a position, and tells each change once. The messages of a customer wait for each other, those of different ones
 * do not. A customer whose message does not arrive is left to `CatchUp`, with what is read of it until it has caught up.
 */
export class MainWalk {
  readonly #options: WalkOptions
  readonly #window: FeedWindow
  readonly #queues = new Map<number, Queue>()
  readonly #ready: Queue[] = []
  #readAfter: FeedPosition | null
  #wantsReading = true
  #isReading = false
  #hasRead = false
  #hasEnded = false

  constructor(position: FeedPosition, options: WalkOptions) {
    this.#readAfter = position
    this.#window = new FeedWindow(position)
    this.#options = options
  }

  /** Everything up to it is told, or left to `CatchUp`. */
  get settledTo(): FeedPosition {
    return this.#window.settledTo
  }

  /** How long ago the oldest change was made that is still to be told. */
  get lagSeconds(): number {
    const { oldestAt } = this.#window
    return oldestAt === null ? 0 : Math.max(0, this.#options.clock() - oldestAt)
  }

  get hasWork(): boolean {
    return this.#ready.length > 0
  }

  /** Whether there may be more in the feed, and there is room for it. */
  get mayRead(): boolean {
    const isFull = this.#window.unsettled + limits.webhookPageMax > limits.webhookWindowMax || this.#window.bytes >= limits.webhookWindowBytesMax ||
      this.#window.length >= limits.webhookAheadMax || this.#options.catchUp.customers >= limits.webhookHeldCustomersMax
    return this.#wantsReading && !this.#isReading && !isFull
  }

  /** There may be more in the feed. */
  wake(): void {
    this.#wantsReading = true
  }

  next(): (() => Promise<void>) | undefined {
    const queue = this.#ready.shift()
    return queue && (async () => { await this.#tellNext(queue) })
  }

  async read(): Promise<void> {
    this.#isReading = true
    this.#wantsReading = false
    try {
      await this.#readPage()
    } catch (error) {
      this.#recover(error)
    } finally {
      this.#isReading = false
    }
  }

  /** What is being read is not told any more. */
  stop(): void {
    this.#hasEnded = true
  }

  async #readPage(): Promise<void> {
    const { organizationId, readings, wishes, keeper, clock } = this.#options
    const [page, tell] = await Promise.all([readings.read(organizationId, this.#readAfter), wishes()])
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
    if (last !== undefined) keeper.move()
    if (page.next !== last?.position) this.#window.pass(page.next, last?.change.at ?? clock())
    this.#readAfter = page.next
    if (page.hasMore) this.#wantsReading = true
  }

  #recover(error: unknown): void {
    if (!(error instanceof ApiError) || error.code !== 'gone' || this.#readAfter === null) throw error
    // Another machine may have taken over the database: what is kept there says where to go on.
    if (this.#hasRead) {
      this.#options.onLost()
      return
    }
    this.#readAfter = null
    this.#wantsReading = true
    this.#options.onGap()
  }

  #take({ position, change, customer }: FeedItem, messages: readonly Message[]): void {
    const customerId = change.customerId ?? 0
    if (messages.length === 0 || this.#options.catchUp.takeOver(customerId, change.id)) {
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
    const { sender, judge, keeper } = this.#options
    const [next] = queue.waiting
    if (next === undefined) return
    const outcome = await sender.send(next.message, 0)
    if (outcome === undefined) return
    const { delivery, retryAtMs } = judge.verdict(next.message, { outcome, attempts: 1, firstAttemptAt: null, isReplay: false })
    keeper.deliver(delivery)
    if (retryAtMs !== null) {
      this.#leave(queue, retryAtMs, delivery.firstAttemptAt)
      return
    }
    queue.waiting.shift()
    if (next.isLast) this.#window.settle(next.slot)
    if (queue.waiting.length === 0) this.#queues.delete(queue.customerId)
    else this.#ready.push(queue)
  }

  #leave({ customerId, waiting }: Queue, retryAtMs: number, firstAttemptAt: UnixSeconds): void {
    const [first] = waiting
    const last = waiting.at(-1)
    if (first === undefined || last === undefined) return
    this.#queues.delete(customerId)
    this.#options.catchUp.hold({ customerId, next: first.message, lastChangeId: last.message.changeId, firstAttemptAt, retryAtMs })
    for (const { slot } of waiting) this.#window.settle(slot)
  }
}
