import type { EventLoopUtilization } from 'node:perf_hooks'

interface PacerOptions {
  /** Sends a second while the process is busy. */
  readonly busySendsPerSecond: number
  /** Called when sends may be begun again. */
  readonly onPlace: () => void
  /** Part of its time that the process was at work; given by tests. */
  readonly utilization?: () => number
}

const intervalMs = 25
/** Part of its time that a process is at work when it counts as busy. */
const busyFrom = 0.75

/**
 * Requests come first: while the process has hardly a moment to itself, deliveries of all webhooks together are held to a rate.
 * Otherwise they are as fast as their receivers.
 */
export class Pacer {
  readonly #options: PacerOptions
  readonly #timer: NodeJS.Timeout
  #places = Infinity
  #wasAsked = false
  #lastMs = performance.now()
  #last: EventLoopUtilization = performance.eventLoopUtilization()
  #utilization = 0

  constructor(options: PacerOptions) {
    this.#options = options
    this.#timer = setInterval(() => { this.#look() }, intervalMs).unref()
  }

  /** Whether one more send may be begun now. */
  take(): boolean {
    if (this.#places >= 1) {
      this.#places -= 1
      return true
    }
    this.#wasAsked = true
    return false
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const now = performance.now()
    const seconds = (now - this.#lastMs) / 1000
    this.#lastMs = now
    // A single pause says little.
    this.#utilization = (this.#utilization * 3 + this.#measure()) / 4
    this.#places = this.#utilization < busyFrom ? Infinity : Math.ceil(seconds * this.#options.busySendsPerSecond)
    if (!this.#wasAsked) return
    this.#wasAsked = false
    this.#options.onPlace()
  }

  #measure(): number {
    if (this.#options.utilization !== undefined) return this.#options.utilization()
    const last = this.#last
    this.#last = performance.eventLoopUtilization()
    return performance.eventLoopUtilization(this.#last, last).utilization
  }
}
