import type pg from 'pg'
import { systemClock } from '../clock.ts'
import { limits } from '../limits.ts'
import type { ClaimRow, WebhookRow } from '../sql/webhook-row.ts'
import { deliveryOutcomes, heldColumns, readClaim, readWebhook, selectClaims, selectWebhooks, writeDelivery, writeHeld } from '../sql/webhook-row.ts'
import type { ClaimedWebhook, DeliveryProgress, ReplayChoice, StoredWebhook, WebhookDraft, WebhookPatch } from '../webhook.ts'
import { refuseLateRotation, tooManyWebhooks } from '../webhook.ts'
import { keptPlace, selectEpoch } from './feed.ts'
import { insertRows } from './insert-rows.ts'

/** What is written for webhooks, each function inside a transaction of its caller's. */

export async function insertWebhook(client: pg.ClientBase, { organizationId, draft, position }: {
  organizationId: number; draft: WebhookDraft; position: string
}): Promise<StoredWebhook> {
  const { rows: [there] } = await client.query<{ count: number }>('select count(*) from webhooks where organization_id = $1', [organizationId])
  if ((there?.count ?? 0) >= limits.webhooksMax) throw tooManyWebhooks()
  const { url, format, events, filter, secret, previousSecret, previousUntil } = draft
  const { rows: [made] } = await client.query<{ id: number }>(`
    insert into webhooks (organization_id, url, format, events, filter, secret, previous_secret, previous_until, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) returning id`,
  [organizationId, url, format, JSON.stringify(events), filter, secret, previousSecret, previousUntil, systemClock()])
  const place = keptPlace(position)
  await client.query('insert into webhook_positions (webhook_id, stamp, position) values ($1, $2, $3)', [made?.id, place.stamp, place.position])
  const webhook = await findStored(client, organizationId, made?.id)
  if (webhook === undefined) throw new Error('The webhook just made cannot be read')
  return webhook
}

export async function updateWebhook(client: pg.ClientBase, { organizationId, id, patch }: {
  organizationId: number; id: number; patch: WebhookPatch
}): Promise<StoredWebhook | undefined> {
  // The position first, as whoever delivers locks it first.
  await client.query('select from webhook_positions where webhook_id = $1 for update', [id])
  const { rows: [old] } = await client.query<WebhookRow>(`${selectWebhooks} where webhooks.id = $1 and organization_id = $2`, [id, organizationId])
  if (old === undefined) return undefined
  refuseLateRotation(old, patch)
  const { events, pauseReason = old.pauseReason, ...fields } = patch
  if (pauseReason === null && old.pauseReason !== null) {
    await client.query('update webhook_positions set failing_since = null where webhook_id = $1', [id])
  }
  const { url, filter, secret, previousSecret, previousUntil } = { ...old, ...fields }
  const now = systemClock()
  await client.query(`
    update webhooks set
      url = $2, events = $3, filter = $4, secret = $5, previous_secret = $6, previous_until = $7, pause_reason = $8, paused_at = $9, updated_at = $10
    where id = $1`,
  [
    id, url, events === undefined ? old.events : JSON.stringify(events), filter, secret, previousSecret, previousUntil,
    pauseReason === null ? null : old.pauseReason ?? pauseReason, pauseReason === null ? null : old.pausedAt ?? now, now
  ])
  return await findStored(client, organizationId, id)
}

async function findStored(client: pg.ClientBase, organizationId: number, id: number | undefined): Promise<StoredWebhook | undefined> {
  const { rows: [row] } = await client.query<WebhookRow>(`${selectWebhooks} where webhooks.id = $1 and organization_id = $2`, [id, organizationId])
  return row && readWebhook(row, systemClock())
}

/** Leaves its position behind, by which the purge finds what is to go with it. */
export async function deleteWebhook(client: pg.ClientBase, organizationId: number, id: number): Promise<boolean> {
  await client.query(`
    update webhook_positions set claimed_by = null
    where webhook_id = (select id from webhooks where id = $1 and organization_id = $2)`, [id, organizationId])
  const { rowCount } = await client.query('delete from webhooks where id = $1 and organization_id = $2', [id, organizationId])
  return rowCount === 1
}

export async function replayDeliveries(client: pg.ClientBase, { organizationId, webhookId, which }: {
  organizationId: number; webhookId: number; which: ReplayChoice
}): Promise<number> {
  const replay = `
    update deliveries set status = 'retrying', is_replay = 1, next_attempt_at = $1
    where webhook_id = (select id from webhooks where id = $2 and organization_id = $3)`
  const { rowCount } = 'id' in which
    ? await client.query(`${replay} and id = $4 and status <> 'retrying'`, [systemClock(), webhookId, organizationId, which.id])
    : await client.query(`${replay} and status = 'failed' and status <> 'delivered' and last_attempt_at >= $4`, [systemClock(), webhookId, organizationId, which.since])
  return rowCount ?? 0
}

// A cast alone would round, and a claim could end half a second early.
const now = 'floor(extract(epoch from clock_timestamp()))::bigint'

const selectActive = 'select webhook_id from webhook_positions join webhooks on webhooks.id = webhook_id where pause_reason is null'

export async function claimWebhooks(client: pg.ClientBase, worker: string, seconds: number): Promise<ClaimedWebhook[]> {
  const { rows: [webhooks] } = await client.query<{ count: number }>('select count(*) from webhooks where pause_reason is null')
  if (webhooks === undefined || webhooks.count === 0) return []
  const [, , { rows: [workers] }] = await Promise.all([
    client.query(`
      delete from webhook_workers where name in (
        select name from webhook_workers where seen_until < ${now} and name <> $1 for update skip locked)`, [worker]),
    client.query(`
      insert into webhook_workers (name, seen_until) values ($1, ${now} + $2) on conflict (name) do update set seen_until = excluded.seen_until`, [worker, seconds]),
    client.query<{ count: number }>('select count(*) from webhook_workers')
  ])
  const share = Math.ceil(webhooks.count / Math.max(1, workers?.count ?? 1))
  const { rows: own } = await client.query<{ webhook_id: number }>(`${selectActive} and claimed_by = $1 order by webhook_id`, [worker])
  // What is beyond the share is left to run out, so that what is being sent of it is settled before another process goes on.
  const { rows: kept } = await client.query<{ webhook_id: number }>(`
    update webhook_positions set claimed_until = ${now} + $2 where claimed_by = $1 and webhook_id = any($3) returning webhook_id`,
  [worker, seconds, own.slice(0, share).map(({ webhook_id }) => webhook_id)])
  // Those that are locked are being claimed by others.
  const { rows: added } = await client.query<{ webhook_id: number }>(`
    update webhook_positions set claimed_by = $1, claimed_until = ${now} + $2 where webhook_id in (
      ${selectActive} and claimed_by is distinct from $1 and (claimed_by is null or claimed_until < ${now})
      order by webhook_id limit $3 for update of webhook_positions skip locked)
    returning webhook_id`, [worker, seconds, Math.max(0, share - own.length)])
  const { rows } = await client.query<ClaimRow>(
    `${selectClaims(`${selectEpoch} || '.' || stamp || '.' || position`)} where webhooks.id = any($1) order by webhooks.id`, [[...kept, ...added].map(({ webhook_id }) => webhook_id)])
  return rows.map(readClaim)
}

const resolveDelivery = `on conflict (webhook_id, id) do update set ${deliveryOutcomes.map((column) => `${column} = excluded.${column}`).join()}`
const resolveHeld = `on conflict (webhook_id, customer_id) do update set ${heldColumns.slice(2).map((column) => `${column} = excluded.${column}`).join()}`

/** Throws NotHeld when the worker does not hold the webhook any more, or its position is of another epoch, of which this one may lack the end; the transaction is to be given up then. All statements go in one exchange. */
export async function keepProgress(client: pg.ClientBase, { worker, webhookId, progress }: {
  worker: string; webhookId: number; progress: DeliveryProgress
}): Promise<void> {
  const { deliveries, held, released, succeededAt, failingSince, pauseReason } = progress
  const { stamp, position } = keptPlace(progress.position)
  const statements = [
    // The same key twice in a statement is refused.
    ...insertRows('deliveries', latest(deliveries.map((delivery) => writeDelivery(webhookId, delivery)), ({ id }) => id), resolveDelivery),
    ...insertRows('held_customers', latest(held.map((customer) => writeHeld(webhookId, customer)), ({ customer_id }) => customer_id), resolveHeld),
    ...(released.length === 0 ? [] : [{ text: 'delete from held_customers where webhook_id = $1 and customer_id = any($2)', values: [webhookId, [...released]] }]),
    ...(pauseReason === null ? [] : [{
      text: 'update webhooks set pause_reason = $2, paused_at = $3, updated_at = $3 where id = $1 and pause_reason is null',
      values: [webhookId, pauseReason, systemClock()]
    }])
  ]
  const [{ rowCount }] = await Promise.all([
    client.query(`
      update webhook_positions set stamp = $3, position = $4, succeeded_at = $5, failing_since = $6
      where webhook_id = $2 and claimed_by = $1 and $7 like ${selectEpoch} || '.%'`,
    [worker, webhookId, stamp, position, succeededAt, failingSince, progress.position]),
    ...statements.map(async ({ text, values }) => await client.query(text, [...values]))
  ])
  if (rowCount === 0) throw new NotHeld()
}

/** Another process has claimed the webhook, or another machine has taken over the database. */
export class NotHeld extends Error {
  constructor() {
    super('The webhook is held by another worker')
    this.name = 'NotHeld'
  }
}

function latest<Row extends object>(rows: readonly Row[], keyOf: (row: Row) => unknown): Row[] {
  return [...new Map(rows.map((row) => [keyOf(row), row])).values()]
}

export async function releaseWebhooks(client: pg.ClientBase, worker: string): Promise<void> {
  await Promise.all([
    client.query('update webhook_positions set claimed_by = null, claimed_until = null where claimed_by = $1', [worker]),
    client.query('delete from webhook_workers where name = $1', [worker])
  ])
}

/** Up to `max` rows. */
export async function purgeDeliveries(client: pg.ClientBase, before: number, max: number): Promise<number> {
  let left = max
  const purge = async (table: string, key: string, condition: string, values: readonly unknown[]): Promise<void> => {
    const { rowCount } = await client.query(
      `delete from ${table} where (webhook_id, ${key}) in (select webhook_id, ${key} from ${table} where ${condition} limit ${left})`, [...values])
    left -= rowCount ?? 0
  }
  const { rows: deleted } = await client.query<{ id: number }>(
    'select webhook_id as id from webhook_positions where not exists (select from webhooks where id = webhook_id) order by 1')
  for (const { id } of deleted) {
    await purge('deliveries', 'id', 'webhook_id = $1', [id])
    if (left === 0) return max
    await purge('held_customers', 'customer_id', 'webhook_id = $1', [id])
    if (left === 0) return max
    await client.query('delete from webhook_positions where webhook_id = $1', [id])
  }
  const { rows: webhooks } = await client.query<{ id: number }>('select id from webhooks order by id')
  for (const { id } of webhooks) {
    await purge('deliveries', 'id', "webhook_id = $1 and first_attempt_at < $2 and last_attempt_at < $2 and status <> 'retrying'", [id, before])
    if (left === 0) return max
  }
  return max - left
}
