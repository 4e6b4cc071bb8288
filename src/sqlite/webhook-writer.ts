import type { Database, Statement } from 'better-sqlite3'
import type { Caller } from '../api-key.ts'
import type { UnixSeconds } from '../clock.ts'
import { limits } from '../limits.ts'
import type { ClaimRow, DeliveryColumns, HeldColumns, WebhookRow } from '../sql/webhook-row.ts'
import {
  deliveryColumns, deliveryOutcomes, heldColumns, readClaim, readWebhook, selectClaims, selectWebhooks, writeDelivery, writeHeld
} from '../sql/webhook-row.ts'
import type { ClaimedWebhook, DeliveryProgress, ReplayChoice, StoredWebhook, WebhookDraft, WebhookPatch } from '../webhook.ts'
import { refuseLateRotation, tooManyWebhooks } from '../webhook.ts'

/** What the writing connection is asked to do for webhooks. */
export type WebhookJob =
  | { readonly type: 'createWebhook'; readonly caller: Caller; readonly draft: WebhookDraft; readonly position: string }
  | { readonly type: 'updateWebhook'; readonly caller: Caller; readonly id: number; readonly patch: WebhookPatch }
  | { readonly type: 'deleteWebhook'; readonly caller: Caller; readonly id: number }
  | { readonly type: 'replayDeliveries'; readonly caller: Caller; readonly webhookId: number; readonly which: ReplayChoice }
  | { readonly type: 'claimWebhooks'; readonly worker: string; readonly seconds: number }
  | { readonly type: 'keepProgress'; readonly worker: string; readonly webhookId: number; readonly progress: DeliveryProgress }
  | { readonly type: 'releaseWebhooks'; readonly worker: string }
  | { readonly type: 'purgeDeliveries'; readonly before: UnixSeconds; readonly max: number }

export interface WebhookResults {
  readonly createWebhook: StoredWebhook
  readonly updateWebhook: StoredWebhook | undefined
  readonly deleteWebhook: boolean
  readonly replayDeliveries: number
  readonly claimWebhooks: ClaimedWebhook[]
  readonly keepProgress: boolean
  readonly releaseWebhooks: undefined
  readonly purgeDeliveries: number
}

type Job<Type extends WebhookJob['type']> = Extract<WebhookJob, { type: Type }>

/** Carries out jobs for webhooks on the writing connection, inside a transaction of its caller's. */
export class WebhookWriter {
  readonly #sql: ReturnType<typeof prepare>

  constructor(db: Database) {
    this.#sql = prepare(db)
  }

  run(job: WebhookJob, now: UnixSeconds): WebhookResults[keyof WebhookResults] {
    switch (job.type) {
      case 'createWebhook': return this.#create(job, now)
      case 'updateWebhook': return this.#update(job, now)
      case 'deleteWebhook': return this.#delete(job)
      case 'replayDeliveries': return this.#replay(job, now)
      case 'claimWebhooks': return this.#claim(job, now)
      case 'keepProgress': return this.#keepProgress(job, now)
      case 'releaseWebhooks': return this.#release(job)
      case 'purgeDeliveries': return this.#purge(job)
    }
  }

  #create({ caller: { organizationId }, draft, position }: Job<'createWebhook'>, now: UnixSeconds): StoredWebhook {
    if ((this.#sql.count.get(organizationId) ?? 0) >= limits.webhooksMax) throw tooManyWebhooks()
    const id = Number(this.#sql.insert.run({ ...draft, organizationId, events: JSON.stringify(draft.events), now }).lastInsertRowid)
    this.#sql.insertPosition.run(id, position)
    const webhook = this.#find(organizationId, id, now)
    if (webhook === undefined) throw new Error('The webhook just made cannot be read')
    return webhook
  }

  #update({ caller: { organizationId }, id, patch }: Job<'updateWebhook'>, now: UnixSeconds): StoredWebhook | undefined {
    const old = this.#sql.find.get(id, organizationId)
    if (old === undefined) return undefined
    refuseLateRotation(old, patch)
    const { events, pauseReason = old.pauseReason, ...fields } = patch
    if (pauseReason === null && old.pauseReason !== null) this.#sql.forgetFailing.run(id)
    const paused = pauseReason === null
      ? { pauseReason, pausedAt: null }
      : { pauseReason: old.pauseReason ?? pauseReason, pausedAt: old.pausedAt ?? now }
    const { url, filter, secret, previousSecret, previousUntil } = { ...old, ...fields }
    this.#sql.update.run({
      id, url, filter, secret, previousSecret, previousUntil, events: events === undefined ? old.events : JSON.stringify(events), ...paused, now
    })
    return this.#find(organizationId, id, now)
  }

  #find(organizationId: number, id: number, now: UnixSeconds): StoredWebhook | undefined {
    const row = this.#sql.find.get(id, organizationId)
    return row && readWebhook(row, now)
  }

  #delete({ caller: { organizationId }, id }: Job<'deleteWebhook'>): boolean {
    if (this.#sql.delete.run(id, organizationId).changes === 0) return false
    this.#sql.disown.run(id)
    return true
  }

  #replay({ caller: { organizationId }, webhookId, which }: Job<'replayDeliveries'>, now: UnixSeconds): number {
    const asked = { organizationId, webhookId, now, ...which }
    return 'id' in which ? this.#sql.replayOne.run(asked).changes : this.#sql.replaySince.run(asked).changes
  }

  #claim({ worker, seconds }: Job<'claimWebhooks'>, now: UnixSeconds): ClaimedWebhook[] {
    const webhooks = this.#sql.countActive.get() ?? 0
    if (webhooks === 0) return []
    const until = now + seconds
    this.#sql.forgetWorkers.run(now, worker)
    this.#sql.keepWorker.run(worker, until)
    const share = Math.ceil(webhooks / (this.#sql.countWorkers.get() ?? 1))
    const own = this.#sql.held.all(worker)
    const kept = own.slice(0, share)
    // What is beyond the share is left to run out, so that what is being sent of it is settled before another process goes on.
    const added = own.length < share ? this.#sql.free.all({ worker, now, max: share - own.length }) : []
    const ids = [...kept, ...added]
    for (const id of ids) this.#sql.claim.run(worker, until, id)
    return ids.flatMap((id) => this.#sql.claimed.all(id).map(readClaim))
  }

  #keepProgress({ worker, webhookId, progress }: Job<'keepProgress'>, now: UnixSeconds): boolean {
    const { position, deliveries, held, released, succeededAt, failingSince, pauseReason } = progress
    if (this.#sql.keepPosition.run({ worker, webhookId, position, succeededAt, failingSince }).changes === 0) return false
    for (const delivery of deliveries) this.#sql.keepDelivery.run(writeDelivery(webhookId, delivery))
    for (const customer of held) this.#sql.keepHeld.run(writeHeld(webhookId, customer))
    for (const customerId of released) this.#sql.releaseHeld.run(webhookId, customerId)
    if (pauseReason !== null) this.#sql.pause.run(pauseReason, now, now, webhookId)
    return true
  }

  #release({ worker }: Job<'releaseWebhooks'>): undefined {
    this.#sql.releaseClaims.run(worker)
    this.#sql.forgetWorker.run(worker)
    return undefined
  }

  #purge({ before, max }: Job<'purgeDeliveries'>): number {
    let left = max
    for (const id of this.#sql.deleted.all()) {
      left -= this.#sql.purgeAll.run(id, left).changes
      if (left === 0) return max
      left -= this.#sql.purgeHeld.run(id, id, left).changes
      if (left === 0) return max
      this.#sql.forgetPosition.run(id)
    }
    for (const id of this.#sql.all.all()) {
      left -= this.#sql.purgeOld.run({ id, before, max: left }).changes
      if (left === 0) return max
    }
    return max - left
  }
}

function prepare(db: Database) {
  const ids = <Values extends unknown[]>(text: string): Statement<Values, number> => db.prepare<Values, number>(text).pluck()
  return {
    count: ids<[number]>('select count(*) from webhooks where organization_id = ?'),
    find: db.prepare<[number, number], WebhookRow>(`${selectWebhooks} where webhooks.id = ? and organization_id = ?`),
    insert: db.prepare<[object]>(`
      insert into webhooks (organization_id, url, format, events, filter, secret, previous_secret, previous_until, created_at, updated_at)
      values (:organizationId, :url, :format, :events, :filter, :secret, :previousSecret, :previousUntil, :now, :now)`),
    insertPosition: db.prepare<[number, string]>('insert into webhook_positions (webhook_id, position) values (?, ?)'),
    update: db.prepare<[object]>(`
      update webhooks set
        url = :url, events = :events, filter = :filter, secret = :secret, previous_secret = :previousSecret, previous_until = :previousUntil,
        pause_reason = :pauseReason, paused_at = :pausedAt, updated_at = :now
      where id = :id`),
    forgetFailing: db.prepare<[number]>('update webhook_positions set failing_since = null where webhook_id = ?'),
    delete: db.prepare<[number, number]>('delete from webhooks where id = ? and organization_id = ?'),
    disown: db.prepare<[number]>('update webhook_positions set claimed_by = null where webhook_id = ?'),

    replayOne: db.prepare<[object]>(`${replay} and id = :id and status <> 'retrying'`),
    replaySince: db.prepare<[object]>(`${replay} and status = 'failed' and last_attempt_at >= :since`),

    countActive: ids<[]>('select count(*) from webhooks where pause_reason is null'),
    forgetWorkers: db.prepare<[number, string]>('delete from webhook_workers where seen_until < ? and name <> ?'),
    keepWorker: db.prepare<[string, number]>(
      'insert into webhook_workers (name, seen_until) values (?, ?) on conflict (name) do update set seen_until = excluded.seen_until'),
    countWorkers: ids<[]>('select count(*) from webhook_workers'),
    held: ids<[string]>(`${selectActive} and claimed_by = ? order by webhook_id`),
    free: ids<[object]>(`
      ${selectActive} and claimed_by is not :worker and (claimed_by is null or claimed_until < :now) order by webhook_id limit :max`),
    claim: db.prepare<[string, number, number]>('update webhook_positions set claimed_by = ?, claimed_until = ? where webhook_id = ?'),
    claimed: db.prepare<[number], ClaimRow>(`${selectClaims('position')} where webhooks.id = ?`),

    keepPosition: db.prepare<[object]>(`
      update webhook_positions set position = :position, succeeded_at = :succeededAt, failing_since = :failingSince
      where webhook_id = :webhookId and claimed_by = :worker`),
    keepDelivery: db.prepare<[DeliveryColumns]>(`
      insert into deliveries (${deliveryColumns.join()}) values (${deliveryColumns.map((column) => `:${column}`).join()})
      on conflict (webhook_id, id) do update set ${deliveryOutcomes.map((column) => `${column} = excluded.${column}`).join()}`),
    keepHeld: db.prepare<[HeldColumns]>(
      `insert or replace into held_customers (${heldColumns.join()}) values (${heldColumns.map((column) => `:${column}`).join()})`),
    releaseHeld: db.prepare<[number, number]>('delete from held_customers where webhook_id = ? and customer_id = ?'),
    pause: db.prepare<[string, number, number, number]>(
      'update webhooks set pause_reason = ?, paused_at = ?, updated_at = ? where id = ? and pause_reason is null'),

    releaseClaims: db.prepare<[string]>('update webhook_positions set claimed_by = null, claimed_until = null where claimed_by = ?'),
    forgetWorker: db.prepare<[string]>('delete from webhook_workers where name = ?'),

    deleted: ids<[]>('select webhook_id from webhook_positions where webhook_id not in (select id from webhooks) order by webhook_id'),
    purgeAll: db.prepare<[number, number]>(
      'delete from deliveries where number in (select number from deliveries where webhook_id = ? limit ?)'),
    purgeHeld: db.prepare<[number, number, number]>(`
      delete from held_customers where webhook_id = ? and customer_id in (select customer_id from held_customers where webhook_id = ? limit ?)`),
    forgetPosition: db.prepare<[number]>('delete from webhook_positions where webhook_id = ?'),
    all: ids<[]>('select id from webhooks order by id'),
    purgeOld: db.prepare<[object]>(`
      delete from deliveries where number in (
        select number from deliveries indexed by deliveries_by_time
        where webhook_id = :id and first_attempt_at < :before and last_attempt_at < :before and status <> 'retrying' limit :max)`)
  }
}

const replay = `
  update deliveries set status = 'retrying', is_replay = 1, next_attempt_at = :now
  where webhook_id = (select id from webhooks where id = :webhookId and organization_id = :organizationId)`

const selectActive = `
  select webhook_id from webhook_positions join webhooks on webhooks.id = webhook_id where pause_reason is null`
