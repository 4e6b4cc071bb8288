import type { Clock } from '../clock.ts'
import type { ClaimedWebhook, SendOutcome, Webhook } from '../webhook.ts'
import type { Message } from './payload.ts'
import type { SecretBox } from './secret-box.ts'
import type { Sign } from './signing.ts'
import { signWith } from './signing.ts'
import type { TargetSettings } from './target.ts'
import { Target } from './target.ts'

interface SenderOptions {
  readonly box: Pick<SecretBox, 'open'>
  readonly target: TargetSettings
  readonly clock: Clock
  /** Called instead of sending when the claim has run out, or the secrets cannot be opened any more. */
  readonly onLapsed: () => void
  readonly onError: (error: unknown) => void
}

interface Configured {
  readonly webhook: Pick<Webhook, 'url' | 'format'>
  readonly secrets: ClaimedWebhook['secrets']
}

/** Sends to one webhook, signed in its format, for as long as its claim holds. */
export class Sender {
  readonly #options: SenderOptions
  readonly #stopping = new AbortController()
  #target: Target
  #sign: Sign | null = null
  /** The secrets that were opened last, or could not be. */
  #sealed = ''
  #leaseUntilMs: number

  /** The lease is until a time of `performance.now()`. */
  constructor(configured: Configured, leaseUntilMs: number, options: SenderOptions) {
    this.#options = options
    this.#leaseUntilMs = leaseUntilMs
    this.#target = this.#aim(configured.webhook.url)
    this.#openSecrets(configured)
  }

  /** Nobody else can have claimed the webhook. */
  get holdsLease(): boolean {
    return performance.now() < this.#leaseUntilMs
  }

  get isReady(): boolean {
    return this.#sign !== null && this.holdsLease
  }

  /** What is under way goes on as it was begun. */
  renew(configured: Configured, leaseUntilMs: number): void {
    this.#leaseUntilMs = leaseUntilMs
    const { url } = configured.webhook
    if (url !== this.#target.url) {
      this.#target.retire()
      this.#target = this.#aim(url)
    }
    this.#openSecrets(configured)
  }

  /** After as many attempts. Undefined when this was stopped, or may not send: then nothing is known of the message. */
  async send(message: Pick<Message, 'id' | 'body'>, attempts: number): Promise<SendOutcome | undefined> {
    const sign = this.#sign
    // The process may have been stopped since this was begun, for so long that somebody else has the webhook.
    if (sign === null || !this.holdsLease) {
      this.#options.onLapsed()
      return undefined
    }
    const now = this.#options.clock()
    const body = message.body({ attempts, now })
    return await this.#target.send({ headers: sign({ id: message.id, body, now }), body }, this.#stopping.signal)
  }

  /** Ends what is under way, and sends nothing more. */
  interrupt(): void {
    this.#stopping.abort()
  }

  /** Interrupts, and closes the connections. */
  close(): void {
    this.interrupt()
    this.#target.destroy()
  }

  #aim(url: string): Target {
    return new Target(url, this.#options.target, () => this.holdsLease)
  }

  /** Where they cannot be opened nothing is sent, until they can. */
  #openSecrets({ webhook, secrets }: Configured): void {
    const text = JSON.stringify(secrets)
    const isKnown = text === this.#sealed
    if (isKnown && this.#sign !== null) return
    this.#sealed = text
    const { box, onError } = this.#options
    try {
      this.#sign = signWith(webhook.format, {
        secret: box.open(secrets.secret),
        previousSecret: secrets.previousSecret === null ? null : box.open(secrets.previousSecret),
        previousUntil: secrets.previousUntil
      })
    } catch (error) {
      this.#sign = null
      if (!isKnown) onError(error)
    }
  }
}
