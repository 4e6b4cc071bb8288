import type { Delivery, DeliveryProgress, HeldCustomer, PauseReason } from '../webhook.ts'
import type { Moments } from './moments.ts'

type Standing = Pick<DeliveryProgress, 'position' | 'succeededAt' | 'failingSince'>

interface KeeperOptions {
  /** False when somebody else has the webhook now. */
  readonly keep: (progress: DeliveryProgress) => Promise<boolean>
  /** As of now: whatever is told to the keeper in one turn of the event loop belongs together. */
  readonly standing: () => Standing
  readonly onKept: () => void
  readonly onLost: () => void
  readonly onError: (error: unknown) => void
  readonly moments: Moments
  /** How long a delivery, and the position alone, may wait to be kept. */
  readonly delayMs: number
  readonly positionDelayMs: number
  readonly retryMs: number
  readonly deliveriesMax: number
}

/** Gathers what was settled, and keeps it together. One keeping at a time. */
export class ProgressKeeper {
  readonly #options: KeeperOptions
  #deliveries = new Map<string, Delivery>()
  /** Null: not held any more. */
  #held = new Map<number, HeldCustomer | null>()
  #pauseReason: Exclude<PauseReason, 'asked'> | null = null
  #hasMoved = false
  #keeping: Promise<void> | null = null
  #beingKept = 0
  #planned: { readonly atMs: number; readonly callOff: () => void } | null = null
  #isLost = false

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Deliveries that would be made again after a crash. */
  get waiting(): number {
    return this.#deliveries.size + this.#beingKept
  }

  deliver(delivery: Delivery): void {
    this.#deliveries.set(delivery.id, delivery)
    this.#keepWithin(this.#deliveries.size >= this.#options.deliveriesMax ? 0 : this.#options.delayMs)
  }

  hold(customer: HeldCustomer): void {
    this.#held.set(customer.customerId, customer)
    this.#keepWithin(this.#options.delayMs)
  }

  release(customerId: number): void {
    this.#held.set(customerId, null)
    this.#keepWithin(this.#options.delayMs)
  }

  /** The position is another one. */
  move(): void {
    this.#hasMoved = true
    this.#keepWithin(this.#options.positionDelayMs)
  }

  pause(reason: Exclude<PauseReason, 'asked'>): void {
    this.#pauseReason = reason
  }

  /** Keeps all that was told by now, as far as the database lets it. */
  async flush(): Promise<void> {
    await this.#keeping
    await this.#keepNow()
  }

  /** Nothing more is kept. */
  stop(): void {
    this.#isLost = true
    this.#callOff()
  }

  #keepWithin(delayMs: number): void {
    const atMs = performance.now() + delayMs
    if (this.#isLost || this.#keeping !== null || (this.#planned !== null && this.#planned.atMs <= atMs)) return
    this.#callOff()
    const callOff = this.#options.moments.within(delayMs, () => {
      this.#planned = null
      void this.#keepNow()
    })
    this.#planned = { atMs, callOff }
  }

  #callOff(): void {
    this.#planned?.callOff()
    this.#planned = null
  }

  async #keepNow(): Promise<void> {
    if (this.#isLost || (this.#deliveries.size === 0 && this.#held.size === 0 && !this.#hasMoved && this.#pauseReason === null)) return
    this.#callOff()
    this.#keeping = this.#keep()
    await this.#keeping
  }

  async #keep(): Promise<void> {
    const [deliveries, held, pauseReason] = [this.#deliveries, this.#held, this.#pauseReason]
    this.#deliveries = new Map()
    this.#held = new Map()
    this.#hasMoved = false
    this.#beingKept = deliveries.size
    let delayMs = this.#options.delayMs
    try {
      const isKept = await this.#options.keep({
        ...this.#options.standing(), pauseReason,
        deliveries: [...deliveries.values()],
        held: [...held.values()].filter((customer) => customer !== null),
        released: [...held].flatMap(([customerId, customer]) => (customer === null ? customerId : []))
      })
      if (!isKept) {
        this.stop()
        this.#options.onLost()
        return
      }
      if (this.#pauseReason === pauseReason) this.#pauseReason = null
      this.#beingKept = 0
    } catch (error) {
      // What was told since is newer.
      this.#deliveries = new Map([...deliveries, ...this.#deliveries])
      this.#held = new Map([...held, ...this.#held])
      this.#beingKept = 0
      delayMs = this.#options.retryMs
      this.#options.onError(error)
    } finally {
      this.#keeping = null
    }
    if (this.#deliveries.size > 0 || this.#held.size > 0 || this.#pauseReason !== null) this.#keepWithin(delayMs)
    else if (this.#hasMoved) this.#keepWithin(this.#options.positionDelayMs)
    this.#options.onKept()
  }
}
