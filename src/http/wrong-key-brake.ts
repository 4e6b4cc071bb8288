import { setTimeout as wait } from 'node:timers/promises'
import { ApiError } from '../errors.ts'
import { limits } from '../limits.ts'

const windowMs = 60_000
const firstDelaySeconds = 0.1

/** Slows down addresses that send wrong keys, more with each. Right keys from there are not held up. */
export class WrongKeyBrake {
  readonly #byAddress = new Map<string, { readonly sinceMs: number; count: number }>()
  readonly #closing = new AbortController()
  #waiting = 0

  /** Waits for as long as the address has earned. */
  async hold(address: string, nowMs: number): Promise<void> {
    const seconds = delaySeconds(this.#countWrongKey(address, nowMs))
    if (seconds === 0 || this.#closing.signal.aborted) return
    if (this.#waiting >= limits.wrongKeyDelayedMax) {
      throw new ApiError('too_many_requests', 'Too many requests', { retryAfterSeconds: Math.ceil(seconds) })
    }
    this.#waiting += 1
    try {
      await wait(seconds * 1000, undefined, { signal: this.#closing.signal })
    } catch {
      // Closing cuts the wait short, and nothing else does.
    } finally {
      this.#waiting -= 1
    }
  }

  close(): void {
    this.#closing.abort()
  }

  #countWrongKey(address: string, nowMs: number): number {
    const known = this.#byAddress.get(address)
    const isRecent = known !== undefined && nowMs - known.sinceMs < windowMs
    const record = isRecent ? known : { sinceMs: nowMs, count: 0 }
    record.count += 1
    // Setting anew moves the address to the end, so that the first is the one to forget.
    this.#byAddress.delete(address)
    this.#byAddress.set(address, record)
    const [oldest] = this.#byAddress.keys()
    if (this.#byAddress.size > limits.wrongKeyAddressesMax && oldest !== undefined) this.#byAddress.delete(oldest)
    return record.count
  }
}

function delaySeconds(count: number): number {
  const beyond = count - limits.wrongKeysFreePerMinute
  return beyond <= 0 ? 0 : Math.min(firstDelaySeconds * 2 ** (beyond - 1), limits.wrongKeyDelaySecondsMax)
}
