import type { Database } from 'better-sqlite3'
import type { ApiKey } from '../api-key.ts'
import type { KeptChangeRow } from '../change-record.ts'
import type { KeptOutcome } from '../idempotency.ts'
import type { VersionedRow } from './catalog.ts'
import type { Sequence } from './order-buckets.ts'
import { selectBuckets } from './order-buckets.ts'
import { selectKeys } from './select-keys.ts'

interface OldChange {
  readonly id: number
  readonly kind: string
  readonly organizationId: number
  readonly customerId: number | null
  readonly requestId: string
}

type Row = Record<string, string | number | null>

interface NthInBucket {
  readonly organizationId: number
  readonly seconds: number
  readonly id: number
  readonly nth: number
}

interface OrderPlace {
  readonly seconds: number
  readonly id: number
}

type SeenColumn = 'first_seen' | 'last_seen'

export type WriterStatements = ReturnType<typeof prepareWriterStatements>

/** Every fixed statement of the writing connection, prepared once. */
export function prepareWriterStatements(db: Database) {
  return {
    begin: db.prepare('begin immediate'),
    commit: db.prepare('commit'),
    rollback: db.prepare('rollback'),

    // AUTOINCREMENT keeps the highest id ever used here, also when its row is gone.
    sequence: db.prepare<[string], number>('select seq from sqlite_sequence where name = ?').pluck(),

    find: db.prepare<[number, number], VersionedRow & { readonly created_at: number }>(
      'select rendering, tag_ids, tag_version, version, created_at from customers where id = ? and organization_id = ?'),
    findByUserId: db.prepare<[number, string], number>(
      'select id from customers where organization_id = ? and user_id = ?').pluck(),
    insert: db.prepare<[Row]>(`
      insert into customers (
        id, organization_id, user_id, email, name, company, phone, country_code, city, region_code,
        created_from, integration_id, first_seen, last_seen, created_at, updated_at, tag_ids, tag_version, rendering, version
      ) values (
        :id, :organization_id, :user_id, :email, :name, :company, :phone, :country_code, :city, :region_code,
        :created_from, :integration_id, :first_seen, :last_seen, :created_at, :updated_at, :tag_ids, :tag_version, :rendering, :version
      )`),
    update: db.prepare<[Row]>(`
      update customers set
        user_id = :user_id, email = :email, name = :name, company = :company, phone = :phone,
        country_code = :country_code, city = :city, region_code = :region_code,
        created_from = :created_from, integration_id = :integration_id,
        first_seen = :first_seen, last_seen = :last_seen, updated_at = :updated_at,
        tag_ids = :tag_ids, tag_version = :tag_version, rendering = :rendering, version = :version
      where id = :id`),
    updateUnindexed: db.prepare<[Row]>(`
      update customers set
        name = :name, company = :company, phone = :phone,
        country_code = :country_code, city = :city, region_code = :region_code,
        created_from = :created_from, integration_id = :integration_id, updated_at = :updated_at,
        tag_ids = :tag_ids, tag_version = :tag_version, rendering = :rendering, version = :version
      where id = :id`),
    delete: db.prepare<[number]>('delete from customers where id = ?'),

    insertTag: db.prepare<[number, string, string, number]>(
      'insert into tags (organization_id, name, color, version, is_recolored) values (?, ?, ?, ?, 0)'),
    recolorTag: db.prepare<[string, number, number]>('update tags set color = ?, version = ?, is_recolored = 1 where id = ?'),
    insertTagEntry: db.prepare<[number, number]>('insert into customer_tags (tag_id, customer_id) values (?, ?)'),
    deleteTagEntry: db.prepare<[number, number]>('delete from customer_tags where tag_id = ? and customer_id = ?'),

    insertAttribute: db.prepare<[number, string, string]>(
      'insert into attributes (organization_id, name, type) values (?, ?, ?)'),
    insertAttributeEntry: db.prepare<[number, string | number, number]>(
      'insert into customer_attributes (attribute_id, value, customer_id) values (?, ?, ?)'),
    deleteAttributeEntry: db.prepare<[number, string | number, number]>(
      'delete from customer_attributes where attribute_id = ? and value = ? and customer_id = ?'),

    insertEvent: db.prepare<[number, number, string, string, number]>(
      'insert into events (id, customer_id, name, data, created_at) values (?, ?, ?, ?, ?)'),
    findEvent: db.prepare<[number], { id: number; customer: number; name: string; data: string; createdAt: number }>(
      'select id, customer_id as customer, name, data, created_at as createdAt from events where id = ?'),
    deleteEvent: db.prepare<[number]>('delete from events where id = ?'),
    customerChangesFrom: db.prepare<[number, number, number], KeptChangeRow>(
      `${selectChanges} where customer_id = ? and id >= ? order by id limit ?`),
    tagChangesFrom: db.prepare<[number, number, number], KeptChangeRow>(
      `${selectChanges} where organization_id = ? and customer_id is null and id >= ? order by id limit ?`),
    trashFinalBefore: db.prepare<[], number>('select final_before from trash').pluck(),
    creationTime: db.prepare<[number], number>(
      "select at from changes where customer_id = ? and kind = 'customer.created' order by id limit 1").pluck(),
    insertChange: db.prepare<[number, number, number | null, string, number, number, string, string | null, string | null]>(
      'insert into changes (id, organization_id, customer_id, kind, at, key_id, request_id, before, after) values (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    addCustomers: db.prepare<[number, number]>('update organizations set customer_count = customer_count + ? where id = ?'),

    orderBuckets: db.prepare<[number, Sequence], [number, number, number]>(selectBuckets).raw(),
    keepOrderBucket: db.prepare<[number, Sequence, number, number, number]>(`
      insert into order_buckets (organization_id, sequence, low_seconds, low_id, customers) values (?, ?, ?, ?, ?)
      on conflict (organization_id, sequence, low_seconds, low_id) do update set customers = excluded.customers`),
    deleteOrderBucket: db.prepare<[number, Sequence, number, number]>(
      'delete from order_buckets where organization_id = ? and sequence = ? and low_seconds = ? and low_id = ?'),
    nthInBucket: {
      'firstSeen': db.prepare<[NthInBucket], OrderPlace>(selectNthSeen('first_seen')),
      'lastSeen': db.prepare<[NthInBucket], OrderPlace>(selectNthSeen('last_seen')),
      'no firstSeen': db.prepare<[NthInBucket], OrderPlace>(selectNthUnseen('first_seen')),
      'no lastSeen': db.prepare<[NthInBucket], OrderPlace>(selectNthUnseen('last_seen'))
    },

    anyOrganization: db.prepare<[], number>('select id from organizations limit 1').pluck(),
    findOrganization: db.prepare<[string], number>('select id from organizations where name = ?').pluck(),
    insertOrganization: db.prepare<[string, number]>('insert into organizations (name, created_at) values (?, ?)'),
    insertKey: db.prepare<[number, string, string, number]>(
      'insert into api_keys (organization_id, name, secret_hash, created_at) values (?, ?, ?, ?)'),
    revokeKey: db.prepare<[number, number]>('update api_keys set revoked_at = ? where id = ? and revoked_at is null'),
    findKey: db.prepare<[number], ApiKey>(`${selectKeys} where api_keys.id = ?`),

    changesBefore: db.prepare<[number, number], OldChange>(`
      select id, kind, organization_id as organizationId, customer_id as customerId, request_id as requestId
      from changes where at < ? order by at, id limit ?`),
    keepHorizon: db.prepare<[number, number, string]>(`
      insert into change_horizons (organization_id, change_id, request_id) values (?, ?, ?)
      on conflict (organization_id) do update set change_id = excluded.change_id, request_id = excluded.request_id
      where excluded.change_id > change_id`),
    deleteChange: db.prepare<[number]>('delete from changes where id = ?'),
    finishTrash: db.prepare<[number], { emptiedBefore: number }>(
      'update trash set final_before = max(final_before, ?) returning emptied_before as emptiedBefore'),
    emptiedTrash: db.prepare<[number]>('update trash set emptied_before = max(emptied_before, ?)'),
    deletions: db.prepare<[{ at: number; id: number; before: number; max: number }], { at: number; id: number; customerId: number }>(`
      select at, id, customer_id as customerId from changes indexed by changes_of_deletions
      where kind = 'customer.deleted' and at >= :at and at < :before and (at > :at or id > :id) order by at, id limit :max`),
    // Unless the customer is there, or was deleted again later.
    deleteFinalEvents: db.prepare<[{ customerId: number; id: number }]>(`
      delete from events where customer_id = :customerId
      and not exists (select 1 from customers where id = :customerId)
      and not exists (select 1 from changes where customer_id = :customerId and kind = 'customer.deleted' and id > :id)`),
    deleteOrphanEvents: db.prepare<[{ customerId: number }]>(`
      delete from events where customer_id = :customerId
      and not exists (select 1 from customers where id = :customerId)`),

    findOutcome: db.prepare<[number, string, number], KeptOutcome>(
      'select fingerprint, outcome from idempotency_keys where organization_id = ? and key = ? and created_at > ?'),
    keepOutcome: db.prepare<[number, string, string, Uint8Array, number]>(`
      insert into idempotency_keys (organization_id, key, fingerprint, outcome, created_at) values (?, ?, ?, ?, ?)
      on conflict (organization_id, key) do update set fingerprint = excluded.fingerprint, outcome = excluded.outcome, created_at = excluded.created_at`),
    purgeOutcomes: db.prepare<[number, number]>(`
      delete from idempotency_keys where rowid in (select rowid from idempotency_keys where created_at < ? limit ?)`),

    probe: db.prepare<[number]>(
      'insert into probes (id, at) values (1, ?) on conflict (id) do update set at = excluded.at')
  }
}

/** Who made them is not needed to take others back. */
const selectChanges = `
  select id, customer_id as customerId, kind, at, key_id as keyId, '' as keyName, request_id as requestId, before, after from changes`

/** In two halves, since SQLite seeks by no more than the date of `(date, id) >= (…)`. */
function selectNthSeen(column: SeenColumn): string {
  const ofOrganization = `select ${column} as seconds, id from customers indexed by customers_by_${column} where organization_id = :organizationId`
  return `
    select seconds, id from (
      select * from (${ofOrganization} and ${column} = :seconds and id >= :id order by id limit :nth + 1)
      union all select * from (${ofOrganization} and ${column} > :seconds order by ${column}, id limit :nth + 1))
    limit 1 offset :nth`
}

function selectNthUnseen(column: SeenColumn): string {
  return `
    select 0 as seconds, id from customers indexed by customers_by_${column}
    where organization_id = :organizationId and ${column} is null and id >= :id order by id limit 1 offset :nth`
}
