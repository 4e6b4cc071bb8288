import type { UnixSeconds } from '../clock.ts'
import type { Delivery, DeliveryProgress, DeliveryStatus, PauseReason, SendOutcome, Webhook } from '../webhook.ts'
import type { Message } from './payload.ts'
import { retryDelayMs } from './schedule.ts'

interface JudgeOptions {
  readonly schedule: readonly number[]
  readonly failingSeconds: number
  /** Milliseconds of UNIX time. */
  readonly now: () => number
  readonly random: () => number
  readonly onAttempt: (attempt: { readonly status: DeliveryStatus; readonly seconds: number }) => void
  /** Called at each attempt and each look that say so, and attempts may be under way. */
  readonly onPause: (reason: Exclude<PauseReason, 'asked'>) => void
}

/** A message that was sent. */
interface Tried {
  readonly outcome: SendOutcome
  /** With this one. */
  readonly attempts: number
  /** Null when it is not known, or is this one. */
  readonly firstAttemptAt: UnixSeconds | null
  readonly isReplay: boolean
}

/** What becomes of a message after an attempt. */
interface Verdict {
  readonly delivery: Delivery
  /** Milliseconds of UNIX time; null when it is not to be tried again. */
  readonly retryAtMs: number | null
}

/** Says what becomes of each message that was sent to a webhook, and by that how the webhook fares. */
export class Judge {
  readonly #options: JudgeOptions
  #succeededAt: UnixSeconds | null
  #failingSince: UnixSeconds | null
  #hasFailedLast = false

  constructor({ succeededAt, failingSince }: Pick<Webhook, 'succeededAt' | 'failingSince'>, options: JudgeOptions) {
    this.#succeededAt = succeededAt
    this.#failingSince = failingSince
    this.#options = options
  }

  /** To be kept together with the deliveries that it comes of. */
  get health(): Pick<DeliveryProgress, 'succeededAt' | 'failingSince'> {
    return { succeededAt: this.#succeededAt, failingSince: this.#failingSince }
  }

  get hasFailedLast(): boolean {
    return this.#hasFailedLast
  }

  verdict({ id, changeId, part, customerId, event }: Omit<Message, 'body'>, { outcome, attempts, firstAttemptAt, isReplay }: Tried): Verdict {
    const nowMs = this.#options.now()
    const now = Math.floor(nowMs / 1000)
    const hasArrived = outcome.status !== null && outcome.status >= 200 && outcome.status < 300
    const delayMs = hasArrived || isReplay ? undefined : retryDelayMs(attempts, this.#options)
    const retryAtMs = delayMs === undefined ? null : nowMs + delayMs
    const status = hasArrived ? 'delivered' : retryAtMs === null ? 'failed' : 'retrying'
    this.#options.onAttempt({ status, seconds: outcome.durationMs / 1000 })
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

  /** To be called now and then, since between two attempts there may be a day. */
  look(): void {
    this.#pauseIfFailing(Math.floor(this.#options.now() / 1000))
  }

  #noteHealth({ hasArrived, now, answer }: { hasArrived: boolean; now: UnixSeconds; answer: number | null }): void {
    this.#hasFailedLast = !hasArrived
    if (hasArrived) {
      this.#succeededAt = now
      this.#failingSince = null
      return
    }
    this.#failingSince ??= now
    if (answer === 410) this.#options.onPause('gone')
    else this.#pauseIfFailing(now)
  }

  #pauseIfFailing(now: UnixSeconds): void {
    if (this.#failingSince !== null && now - this.#failingSince >= this.#options.failingSeconds) this.#options.onPause('failing')
  }
}

/** What becomes of a delivery that was to be tried again when there is nothing to send for it any more. */
export function givenUp(delivery: Delivery): Delivery {
  const error = 'Its change is no longer kept, or the webhook does not want it any more.'
  return { ...delivery, status: 'failed', isReplay: false, nextAttemptAt: null, error }
}
