import type { Caller } from './api-key.ts'
import type { FeedPosition } from './change-store.ts'
import type { UnixSeconds } from './clock.ts'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'

export type WebhookFormat = 'helpcrunch' | 'standard'

/** Why a webhook is not delivered to: somebody asked for it, the receiver answered 410, or nothing has arrived for too long. */
export type PauseReason = 'asked' | 'gone' | 'failing'

export interface Webhook {
  readonly id: number
  readonly organizationId: number
  readonly url: string
  readonly format: WebhookFormat
  /** What is wanted: kinds of changes, or events of HelpCrunch. */
  readonly events: readonly string[]
  /** The filter of a search body, as JSON text, that the customer must pass; null: any customer, and what is of none. */
  readonly filter: string | null
  readonly pauseReason: PauseReason | null
  readonly pausedAt: UnixSeconds | null
  /** Of the last delivery that arrived. */
  readonly succeededAt: UnixSeconds | null
  /** Of the first attempt that failed since then. */
  readonly failingSince: UnixSeconds | null
  readonly createdAt: UnixSeconds
  readonly updatedAt: UnixSeconds
}

/** A webhook with how it fares. */
export interface ShownWebhook extends Webhook {
  /** Deliveries that were given up and not replayed since. */
  readonly failedDeliveries: number
  readonly heldCustomers: number
  /** See `WebhookSecrets.previousUntil`; null when that was over as this was read. */
  readonly previousSecretUntil: UnixSeconds | null
}

/** Encrypted; only src/webhooks/ can read it. */
export type SealedSecret = string

export interface WebhookSecrets {
  readonly secret: SealedSecret
  /** The one before the last rotation. */
  readonly previousSecret: SealedSecret | null
  readonly previousUntil: UnixSeconds | null
}

/** With what only src/webhooks/ can read. */
export type StoredWebhook = ShownWebhook & { readonly secrets: WebhookSecrets }

export type WebhookDraft = Pick<Webhook, 'url' | 'format' | 'events' | 'filter'> & WebhookSecrets

export type WebhookPatch = Partial<Pick<Webhook, 'url' | 'events' | 'filter' | 'pauseReason'> & WebhookSecrets & {
  /** The secret that was there to be rotated. */
  readonly replacesSecret: SealedSecret
}>

/** One thing to be told: a change may say several in the format of HelpCrunch. */
export interface MessageKey {
  readonly changeId: number
  /** From 0, in the order in which they are told. */
  readonly part: number
}

export type DeliveryStatus = 'delivered' | 'retrying' | 'failed'

/** What became of a message, from its first attempt on. */
export interface Delivery extends MessageKey {
  /** A UUID, the same at each attempt, made from webhook, change and part. */
  readonly id: string
  readonly customerId: number | null
  readonly event: string
  readonly status: DeliveryStatus
  readonly attempts: number
  readonly firstAttemptAt: UnixSeconds
  readonly lastAttemptAt: UnixSeconds
  /** Null unless it is being retried, or replayed. */
  readonly nextAttemptAt: UnixSeconds | null
  /** Null when there was no answer: `error` says why. */
  readonly responseStatus: number | null
  /** Its first 4 KiB. */
  readonly responseText: string | null
  readonly error: string | null
  readonly durationMs: number
  /** Whether it is tried again because somebody asked, and holds up nobody. */
  readonly isReplay: boolean
}

/** A customer whose next message has not arrived yet. Until it has, or has failed for good, those behind it wait. */
export interface HeldCustomer {
  /** 0 for what is of no single customer. */
  readonly customerId: number
  readonly next: MessageKey
  readonly attempts: number
  readonly nextAttemptAt: UnixSeconds
  /** The newest change of the customer that the webhook's position has passed. */
  readonly lastChangeId: number
}

/** A webhook that this process may deliver for, for now. */
export interface ClaimedWebhook {
  readonly webhook: Webhook
  readonly secrets: WebhookSecrets
  /** Everything up to it is settled, but for customers held. */
  readonly position: FeedPosition
}

/** What has been settled since the last time; kept in one transaction. */
export interface DeliveryProgress {
  readonly position: FeedPosition
  readonly deliveries: readonly Delivery[]
  readonly held: readonly HeldCustomer[]
  /** Customers no longer held. */
  readonly released: readonly number[]
  readonly succeededAt: UnixSeconds | null
  readonly failingSince: UnixSeconds | null
  readonly pauseReason: Exclude<PauseReason, 'asked'> | null
}

export interface DeliveryPage {
  /** Newest first by first attempt, behind this one. */
  readonly before: { readonly firstAttemptAt: UnixSeconds; readonly id: string } | null
  readonly status: DeliveryStatus | null
  readonly limit: number
}

/** What came of one sending. */
export interface SendOutcome {
  /** Null when there was no answer: `error` says why. */
  readonly status: number | null
  /** Its first 4 KiB, without U+0000. */
  readonly text: string | null
  readonly error: string | null
  readonly durationMs: number
}

/** A request as a webhook's receiver gets it, but for its signature and what each attempt has of its own. */
interface WebhookRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the routes of webhooks ask of src/webhooks/, which they do not know. */
export interface WebhookRoom {
  /** Whether webhooks may lead to this machine and its networks, and without TLS: see `targetFault`. */
  readonly allowsPrivate: boolean
  /** A new secret, or the one of its owner, as it is kept. Fails with `unavailable` where there is no key to seal it with. */
  newSecret(format: WebhookFormat, own: string | null): Promise<SealedSecret>
  /** As its owner is shown it, once: by the answer to the request that made it, however often that is repeated. */
  reveal(secret: SealedSecret): Promise<string>
  /** Sends a ping, now, paused or not. */
  ping(webhook: Webhook, secrets: WebhookSecrets): Promise<SendOutcome>
  /** What was or is to be sent for a delivery; null when its change is no longer kept, or says nothing now. */
  requestOf(webhook: Webhook, delivery: Delivery): Promise<WebhookRequest | null>
  /** To be called after each change of webhooks and each replay, so that what this process delivers follows at once. */
  changed(): void
}

/** One delivery, or all that failed and whose last attempt was at `since` or later. */
export type ReplayChoice = { readonly id: string } | { readonly since: UnixSeconds }

export function tooManyWebhooks(): ApiError {
  return new ApiError('conflict', `There are ${limits.webhooksMax} webhooks already, which is the limit. Delete one first.`)
}

/** Of two rotations at once, one would end a secret that its caller was just told. */
export function refuseLateRotation({ secret }: Pick<WebhookSecrets, 'secret'>, { replacesSecret = secret }: WebhookPatch): void {
  if (replacesSecret !== secret) throw new ApiError('conflict', 'The secret was rotated meanwhile. Get the webhook, and see whether it is to be rotated again.')
}

/** What an engine keeps for webhooks. What names an organization sees nothing of another one. */
export interface WebhookStore {
  /** Starts at the end of the feed. `conflict` beyond limits.webhooksMax. */
  createWebhook(caller: Caller, draft: WebhookDraft): Promise<StoredWebhook>
  webhooks(organizationId: number): Promise<ShownWebhook[]>
  findWebhook(organizationId: number, id: number): Promise<StoredWebhook | undefined>
  /**
   * Undefined when there is none. One that is paused already keeps its reason; one that goes on does so from its position, and what
   * failed before does not count against it. `conflict` when its secret is no longer the one that is to be replaced.
   */
  updateWebhook(caller: Caller, id: number, patch: WebhookPatch): Promise<StoredWebhook | undefined>
  /** What was kept for it may be purged later. */
  deleteWebhook(caller: Caller, id: number): Promise<boolean>

  deliveries(organizationId: number, webhookId: number, page: DeliveryPage): Promise<Delivery[]>
  findDelivery(organizationId: number, webhookId: number, id: string): Promise<Delivery | undefined>
  /**
   * Has deliveries tried again: one that arrived or failed, or all that failed and whose last attempt was at `since` or later. They
   * are `retrying` then, with the attempts they had, due at once, and `isReplay`. Answers how many.
   */
  replayDeliveries(caller: Caller, webhookId: number, which: ReplayChoice): Promise<number>

  /**
   * Claims webhooks, not paused, that nobody else holds, for `seconds` from now, up to the share of this worker, and renews its
   * claims; answers all that it is to work on now, as they are configured now. A claim that ran out is lost to whoever claims next.
   * What was answered before and is not any more is paused, deleted, or beyond the share since another worker came: what is being
   * sent of it can still be kept until the claim runs out, and nothing more should be begun.
   */
  claimWebhooks(worker: string, seconds: number): Promise<ClaimedWebhook[]>
  heldCustomers(webhookId: number): Promise<HeldCustomer[]>
  /** Replays that are due, those first that have been for the longest time. */
  dueReplays(webhookId: number, limit: number): Promise<Delivery[]>
  /**
   * False, and nothing is kept, when the worker does not hold the webhook any more; it does while nobody else has claimed it, paused or
   * not; and when the position was taken before another machine took over the database. A delivery that is there keeps its `firstAttemptAt`; `succeededAt` and `failingSince` are as they are to be from now on.
   */
  keepProgress(worker: string, webhookId: number, progress: DeliveryProgress): Promise<boolean>
  /** So that others need not wait for the claims to run out. */
  releaseWebhooks(worker: string): Promise<void>
  /** Forgets deliveries whose last attempt was before `before`, but for those being retried. Answers how many. */
  purgeDeliveries(before: UnixSeconds): Promise<number>
}
