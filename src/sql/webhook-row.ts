import type { UnixSeconds } from '../clock.ts'
import type { CopiedRows } from '../copy.ts'
import { copiedHeld } from '../copy.ts'
import type { Delivery, HeldCustomer, ShownWebhook, StoredWebhook, Webhook, WebhookSecrets } from '../webhook.ts'

/** A webhook and what is shown of how it fares, as a statement answers it. */
export interface WebhookRow extends Omit<ShownWebhook, 'events' | 'previousSecretUntil'>, WebhookSecrets {
  /** As JSON. */
  readonly events: string
}

export const selectWebhooks = `
  select webhooks.id, organization_id as "organizationId", url, format, events, filter, secret, previous_secret as "previousSecret",
    previous_until as "previousUntil", pause_reason as "pauseReason", paused_at as "pausedAt", succeeded_at as "succeededAt",
    failing_since as "failingSince", created_at as "createdAt", updated_at as "updatedAt",
    (select count(*) from deliveries where deliveries.webhook_id = webhooks.id and status = 'failed') as "failedDeliveries",
    (select count(*) from held_customers where held_customers.webhook_id = webhooks.id) as "heldCustomers"
  from webhooks join webhook_positions on webhook_positions.webhook_id = webhooks.id`

/** One that a worker holds: without what is only shown. */
export type ClaimRow = Omit<WebhookRow, 'failedDeliveries' | 'heldCustomers'> & { readonly position: string }

/** `position` is where it stands, in SQL. */
export const selectClaims = (position: string): string => `
  select webhooks.id, organization_id as "organizationId", url, format, events, filter, secret, previous_secret as "previousSecret",
    previous_until as "previousUntil", pause_reason as "pauseReason", paused_at as "pausedAt", succeeded_at as "succeededAt",
    failing_since as "failingSince", created_at as "createdAt", updated_at as "updatedAt", ${position} as position
  from webhooks join webhook_positions on webhook_positions.webhook_id = webhooks.id`

/** As of `now`, for good: a repeat of a request is answered by what is kept of the first. */
export function readWebhook({ secret, previousSecret, previousUntil, events, ...row }: WebhookRow, now: UnixSeconds): StoredWebhook {
  const previousSecretUntil = previousUntil !== null && previousUntil > now ? previousUntil : null
  return { ...row, events: parseEvents(events), previousSecretUntil, secrets: { secret, previousSecret, previousUntil } }
}

export function readClaim({ secret, previousSecret, previousUntil, events, position, ...row }: ClaimRow): { webhook: Webhook; secrets: WebhookSecrets; position: string } {
  return { webhook: { ...row, events: parseEvents(events) }, secrets: { secret, previousSecret, previousUntil }, position }
}

/** Only an engine has written it. */
function parseEvents(events: string): string[] {
  return JSON.parse(events) as string[]
}

export interface DeliveryRow extends Omit<Delivery, 'isReplay'> {
  readonly isReplay: 0 | 1
}

export const selectDeliveries = `
  select id, change_id as "changeId", part, customer_id as "customerId", event, status, attempts, first_attempt_at as "firstAttemptAt",
    last_attempt_at as "lastAttemptAt", next_attempt_at as "nextAttemptAt", response_status as "responseStatus",
    response_text as "responseText", error, duration_ms as "durationMs", is_replay as "isReplay"
  from deliveries`

export function readDelivery({ isReplay, ...row }: DeliveryRow): Delivery {
  return { ...row, isReplay: isReplay === 1 }
}

/** A delivery by its columns. */
export type DeliveryColumns = Readonly<Record<(typeof deliveryColumns)[number], string | number | null>>

export const deliveryColumns = [
  'webhook_id', 'id', 'change_id', 'part', 'customer_id', 'event', 'status', 'attempts', 'first_attempt_at', 'last_attempt_at', 'next_attempt_at',
  'response_status', 'response_text', 'error', 'duration_ms', 'is_replay'
] as const

/** Those that a further attempt changes. */
export const deliveryOutcomes = [
  'status', 'attempts', 'last_attempt_at', 'next_attempt_at', 'response_status', 'response_text', 'error', 'duration_ms', 'is_replay'
] as const satisfies readonly (typeof deliveryColumns)[number][]

export function writeDelivery(webhookId: number, delivery: Delivery): DeliveryColumns {
  return {
    webhook_id: webhookId, id: delivery.id, change_id: delivery.changeId, part: delivery.part, customer_id: delivery.customerId, event: delivery.event,
    status: delivery.status, attempts: delivery.attempts, first_attempt_at: delivery.firstAttemptAt, last_attempt_at: delivery.lastAttemptAt,
    next_attempt_at: delivery.nextAttemptAt, response_status: delivery.responseStatus, response_text: delivery.responseText,
    error: delivery.error, duration_ms: Math.round(delivery.durationMs), is_replay: delivery.isReplay ? 1 : 0
  }
}

export interface HeldRow extends Omit<HeldCustomer, 'next'> {
  readonly changeId: number
  readonly part: number
}

export const selectHeld = `
  select customer_id as "customerId", next_change_id as "changeId", next_part as part, attempts, next_attempt_at as "nextAttemptAt",
    last_change_id as "lastChangeId"
  from held_customers`

export function readHeld({ changeId, part, ...row }: HeldRow): HeldCustomer {
  return { ...row, next: { changeId, part } }
}

/** A held customer by its columns. */
export type HeldColumns = Readonly<Record<(typeof heldColumns)[number], number>>

export const heldColumns = ['webhook_id', 'customer_id', 'next_change_id', 'next_part', 'attempts', 'next_attempt_at', 'last_change_id'] as const

export function writeHeld(webhookId: number, held: HeldCustomer): HeldColumns {
  return {
    webhook_id: webhookId, customer_id: held.customerId, next_change_id: held.next.changeId, next_part: held.next.part,
    attempts: held.attempts, next_attempt_at: held.nextAttemptAt, last_change_id: held.lastChangeId
  }
}

export const copiedWebhookColumns = [
  'id', 'organization_id', 'url', 'format', 'events', 'filter', 'secret', 'previous_secret', 'previous_until', 'pause_reason', 'paused_at', 'created_at', 'updated_at'
] as const

/** A webhook as it is copied, by its columns. */
export function copiedWebhook(row: CopiedRows['webhooks']): Readonly<Record<(typeof copiedWebhookColumns)[number], string | number | null>> {
  return {
    id: row.id, organization_id: row.organizationId, url: row.url, format: row.format, events: row.events, filter: row.filter, secret: row.secret,
    previous_secret: row.previousSecret, previous_until: row.previousUntil, pause_reason: row.pauseReason, paused_at: row.pausedAt,
    created_at: row.createdAt, updated_at: row.updatedAt
  }
}

/** Likewise, of its held customers. */
export function copiedHeldCustomers(row: CopiedRows['webhooks']): HeldColumns[] {
  return copiedHeld(row).map((values) => Object.fromEntries(heldColumns.map((column, index) => [column, index === 0 ? row.id : values[index - 1] ?? 0])) as HeldColumns)
}

/** Likewise, a delivery. */
export function copiedDelivery(row: CopiedRows['deliveries']): DeliveryColumns & { readonly number: number } {
  return {
    number: row.id, webhook_id: row.webhookId, id: row.deliveryId, change_id: row.changeId, part: row.part, customer_id: row.customerId, event: row.event,
    status: row.status, attempts: row.attempts, first_attempt_at: row.firstAttemptAt, last_attempt_at: row.lastAttemptAt, next_attempt_at: row.nextAttemptAt,
    response_status: row.responseStatus, response_text: row.responseText, error: row.error, duration_ms: row.durationMs, is_replay: row.isReplay
  }
}

/** Of which a copy takes those with a higher id than a parameter; `settledId` is SQL, of the webhook and its position. */
export function selectCopiedWebhooks({ settledId, after }: { settledId: string; after: string }): string {
  const held = heldColumns.slice(1).join(" || ',' || ")
  return `
    select webhooks.id, organization_id as "organizationId", url, format, events, filter, secret, previous_secret as "previousSecret",
      previous_until as "previousUntil", pause_reason as "pauseReason", paused_at as "pausedAt", succeeded_at as "succeededAt",
      failing_since as "failingSince", created_at as "createdAt", updated_at as "updatedAt", ${settledId} as "settledId",
      '[' || coalesce((
        select string_agg('[' || ${held} || ']', ',' order by customer_id) from held_customers where held_customers.webhook_id = webhooks.id), '') || ']' as held
    from webhooks join webhook_positions on webhook_positions.webhook_id = webhooks.id where webhooks.id > ${after} order by webhooks.id`
}

/** Likewise. What is left of webhooks that were deleted stays behind. */
export function selectCopiedDeliveries(after: string): string {
  return `
    select number as id, webhook_id as "webhookId", id as "deliveryId", change_id as "changeId", part, customer_id as "customerId", event, status, attempts,
      first_attempt_at as "firstAttemptAt", last_attempt_at as "lastAttemptAt", next_attempt_at as "nextAttemptAt", response_status as "responseStatus",
      response_text as "responseText", error, duration_ms as "durationMs", is_replay as "isReplay"
    from deliveries where number > ${after} and webhook_id in (select id from webhooks) order by number`
}
