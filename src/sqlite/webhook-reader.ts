import type { Database, Statement } from 'better-sqlite3'
import { systemClock } from '../clock.ts'
import type { DeliveryRow, HeldRow, WebhookRow } from '../sql/webhook-row.ts'
import { readDelivery, readHeld, readWebhook, selectDeliveries, selectHeld, selectWebhooks } from '../sql/webhook-row.ts'
import type { Delivery, DeliveryPage, HeldCustomer, ShownWebhook, StoredWebhook } from '../webhook.ts'

/** What is kept for webhooks, read inside a transaction of the caller's. */
export class WebhookReader {
  readonly #db: Database
  readonly #anyActive: Statement<[], number>
  readonly #held: Statement<[number], HeldRow>
  readonly #dueReplays: Statement<[number, number, number], DeliveryRow>

  constructor(db: Database) {
    this.#db = db
    this.#anyActive = db.prepare('select 1 from webhooks where pause_reason is null limit 1')
    this.#held = db.prepare(`${selectHeld} where webhook_id = ? order by next_attempt_at, customer_id`)
    this.#dueReplays = db.prepare(`
      ${selectDeliveries} where webhook_id = ? and is_replay = 1 and next_attempt_at is not null and next_attempt_at <= ?
      order by next_attempt_at, number limit ?`)
  }

  webhooks(organizationId: number): ShownWebhook[] {
    const rows = this.#db.prepare<[number], WebhookRow>(`${selectWebhooks} where organization_id = ? order by webhooks.id`).all(organizationId)
    const now = systemClock()
    return rows.map((row) => {
      const { secrets: _, ...webhook } = readWebhook(row, now)
      return webhook
    })
  }

  find(organizationId: number, id: number): StoredWebhook | undefined {
    const row = this.#db.prepare<[number, number], WebhookRow>(`${selectWebhooks} where webhooks.id = ? and organization_id = ?`).get(id, organizationId)
    return row && readWebhook(row, systemClock())
  }

  deliveries(organizationId: number, webhookId: number, { before, status, limit }: DeliveryPage): Delivery[] {
    const rows = this.#db.prepare<[object], DeliveryRow>(`
      ${selectDeliveries} where ${ofOrganization}
        ${before === null ? '' : 'and (first_attempt_at, id) < (:seconds, :id)'} ${conditionOf(status)}
      order by first_attempt_at desc, id desc limit :limit`)
    return rows.all({ organizationId, webhookId, limit, ...(before === null ? {} : { seconds: before.firstAttemptAt, id: before.id }) }).map(readDelivery)
  }

  findDelivery(organizationId: number, webhookId: number, id: string): Delivery | undefined {
    const row = this.#db.prepare<[object], DeliveryRow>(`${selectDeliveries} where ${ofOrganization} and id = :id`).get({ organizationId, webhookId, id })
    return row && readDelivery(row)
  }

  /** Whether there is a webhook that is not paused. */
  anyActive(): boolean {
    return this.#anyActive.get() !== undefined
  }

  held(webhookId: number): HeldCustomer[] {
    return this.#held.all(webhookId).map(readHeld)
  }

  dueReplays(webhookId: number, limit: number): Delivery[] {
    return this.#dueReplays.all(webhookId, systemClock(), limit).map(readDelivery)
  }
}

const ofOrganization = 'webhook_id = (select id from webhooks where id = :webhookId and organization_id = :organizationId)'

/** The index of a few is only found by a condition that says that it has them all. */
function conditionOf(status: DeliveryPage['status']): string {
  if (status === null) return ''
  return status === 'delivered' ? "and status = 'delivered'" : `and status = '${status}' and status <> 'delivered'`
}
