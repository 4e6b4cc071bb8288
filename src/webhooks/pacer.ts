import type { EventLoopUtilization } from 'node:perf_hooks'

interface PacerOptions {
  /** Sends a second while the process is busy. */
  readonly busySendsPerSecond: number
  /** Called when sends may be begun again. */
  readonly onPlace: () => void
}

/** How the process spent its time since the last look. */
interface Spent {
  readonly seconds: number
  /** Part of it that it was at work. */
  readonly utilization: number
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
    this.#timer = setInterval(() => { this.look(this.#measure()) }, intervalMs).unref()
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

  look({ seconds, utilization }: Spent): void {
    // A single pause says little.
    this.#utilization = (this.#utilization * 3 + utilization) / 4
    this.#places = this.#utilization < busyFrom ? Infinity : Math.ceil(seconds * this.#options.busySendsPerSecond)
    if (!this.#wasAsked) return
    this.#wasAsked = false
    this.#options.onPlace()
  }

  #measure(): Spent {
    const [now, loop] = [performance.now(), performance.eventLoopUtilization()]
    const spent = { seconds: (now - this.#lastMs) / 1000, utilization: performance.eventLoopUtilization(loop, this.#last).utilization }
    this.#lastMs = now
    this.#last = loop
    return spent
  }
}
