import type pg from 'pg'
import { systemClock } from '../clock.ts'
import type { DeliveryRow, HeldRow, WebhookRow } from '../sql/webhook-row.ts'
import { readDelivery, readHeld, readWebhook, selectDeliveries, selectHeld, selectWebhooks } from '../sql/webhook-row.ts'
import type { Delivery, DeliveryPage, HeldCustomer, ShownWebhook, StoredWebhook } from '../webhook.ts'

/** What is kept for webhooks, a statement each. */
export class WebhookReader {
  readonly #pool: pg.Pool

  constructor(pool: pg.Pool) {
    this.#pool = pool
  }

  async webhooks(organizationId: number): Promise<ShownWebhook[]> {
    const rows = await this.#rows<WebhookRow>(`${selectWebhooks} where organization_id = $1 order by webhooks.id`, [organizationId])
    const now = systemClock()
    return rows.map((row) => {
      const { secrets: _, ...webhook } = readWebhook(row, now)
      return webhook
    })
  }

  async find(organizationId: number, id: number): Promise<StoredWebhook | undefined> {
    const [row] = await this.#rows<WebhookRow>(`${selectWebhooks} where webhooks.id = $1 and organization_id = $2`, [id, organizationId])
    return row && readWebhook(row, systemClock())
  }

  async deliveries(organizationId: number, webhookId: number, { before, status, limit }: DeliveryPage): Promise<Delivery[]> {
    const rows = await this.#rows<DeliveryRow>(`
      ${selectDeliveries} where ${ofOrganization}
        ${before === null ? '' : 'and (first_attempt_at, id) < ($4, $5)'} ${conditionOf(status)}
      order by first_attempt_at desc, id desc limit $3`,
    [webhookId, organizationId, limit, ...(before === null ? [] : [before.firstAttemptAt, before.id])])
    return rows.map(readDelivery)
  }

  async findDelivery(organizationId: number, webhookId: number, id: string): Promise<Delivery | undefined> {
    const [row] = await this.#rows<DeliveryRow>(`${selectDeliveries} where ${ofOrganization} and id = $3`, [webhookId, organizationId, id])
    return row && readDelivery(row)
  }

  async held(webhookId: number): Promise<HeldCustomer[]> {
    return (await this.#rows<HeldRow>(`${selectHeld} where webhook_id = $1 order by next_attempt_at, customer_id`, [webhookId])).map(readHeld)
  }

  async dueReplays(webhookId: number, limit: number): Promise<Delivery[]> {
    const rows = await this.#rows<DeliveryRow>(`
      ${selectDeliveries} where webhook_id = $1 and is_replay = 1 and next_attempt_at is not null and next_attempt_at <= $2
      order by next_attempt_at, number limit $3`, [webhookId, systemClock(), limit])
    return rows.map(readDelivery)
  }

  async #rows<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row[]> {
    return (await this.#pool.query<Row>(text, [...values])).rows
  }
}

const ofOrganization = 'webhook_id = (select id from webhooks where id = $1 and organization_id = $2)'

/** The index of a few is only found by a condition that says that it has them all. */
function conditionOf(status: DeliveryPage['status']): string {
  if (status === null) return ''
  return status === 'delivered' ? "and status = 'delivered'" : `and status = '${status}' and status <> 'delivered'`
}
