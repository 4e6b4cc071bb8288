import { setTimeout } from 'node:timers/promises'
import type pg from 'pg'
import type { KeptChangeRow } from '../change-record.ts'
import type { FeedPosition } from '../change-store.ts'
import { cursorGone } from '../errors.ts'

/** Where a reader of the feed stands: behind the pointer of this stamp and position. */
export interface FeedPlace {
  readonly stamp: number
  readonly position: number
}

export interface Pointer extends FeedPlace {
  readonly customer_id: number
}

/** Below which stamp nothing can appear any more: no transaction under way has a lower number, and none to come. */
export const settledStamp = 'pg_snapshot_xmin(pg_current_snapshot())::text::bigint'

/**
 * The cluster and the database, by whose transactions the feed is numbered, and between them the history of the cluster: a backup
 * that is restored, and a standby that takes over, go on from another point.
 */
export const selectEpoch = `
  (select system_identifier from pg_control_system()) || '.' || (select timeline_id from pg_control_checkpoint()) || '.' ||
  (select oid from pg_database where datname = current_database())`

/** How long a change may be late on another machine than its pointer. */
const attemptsMax = 100
const pauseMs = 10

/** Pointers of an organization behind a place, none missed and none repeated however many processes write. */
export async function readPointers(pool: pg.Pool, organizationId: number, { after, max }: { after: FeedPlace; max: number }): Promise<Pointer[]> {
  const { rows } = await pool.query<Pointer>(`
    select stamp, position, customer_id from feed
    where organization_id = $1 and (stamp, position) > ($2, $3) and stamp < ${settledStamp}
    order by stamp, position limit $4`, [organizationId, after.stamp, after.position, max])
  return rows
}

/** The epoch and, unless nothing was purged, up to where the feed of an organization was. */
export async function readFeedState(pool: pg.Pool, organizationId: number): Promise<{ epoch: string; horizon: FeedPlace | undefined }> {
  const { rows: [row] } = await pool.query<{ epoch: string; stamp: number | null; position: number | null }>(`
    select ${selectEpoch} as epoch, stamp, position from (select 1) as one left join change_horizons on organization_id = $1`, [organizationId])
  if (row === undefined) throw new Error('The epoch cannot be read')
  return { epoch: row.epoch, horizon: row.stamp === null || row.position === null ? undefined : { stamp: row.stamp, position: row.position } }
}

/** Throws when what stood behind the place was purged. To be asked after that was read. */
export function requireKept(place: FeedPlace, horizon: FeedPlace | undefined): void {
  if (horizon === undefined) return
  if (place.stamp < horizon.stamp || (place.stamp === horizon.stamp && place.position < horizon.position)) throw cursorGone()
}

export function feedPosition(epoch: string, { stamp, position }: FeedPlace): FeedPosition {
  return `${epoch}.${stamp}.${position}`
}

/** Where a position that this database keeps stands: it was written with the changes before it, whatever the epoch was. */
export function keptPlace(text: FeedPosition): FeedPlace {
  const [, stamp, position] = /\.(\d+)\.(\d+)$/.exec(text) ?? []
  if (stamp === undefined || position === undefined) throw new Error('This is no position of this engine')
  return { stamp: Number(stamp), position: Number(position) }
}

/** Throws when the position is of another epoch: what it stood behind may be another change now. */
export function readFeedPosition(text: FeedPosition, epoch: string): FeedPlace {
  const [, itsEpoch, stamp, position] = /^(.+)\.(\d+)\.(\d+)$/.exec(text) ?? []
  if (itsEpoch !== epoch) throw cursorGone()
  return { stamp: Number(stamp), position: Number(position) }
}

/** The changes of pointers, by id; fields only of those of the kinds wanted. A change that was purged meanwhile is missing. */
export async function readPointedChanges(pool: pg.Pool, pointers: readonly Pointer[], kinds: readonly string[] | null): Promise<ReadonlyMap<number, KeptChangeRow>> {
  const found = new Map<number, KeptChangeRow>()
  for (let attempt = 1; ; attempt += 1) {
    const missing = pointers.filter(({ position }) => !found.has(position))
    if (missing.length === 0) return found
    for (const change of await findChanges(pool, missing, kinds)) found.set(change.id, change)
    if (found.size === pointers.length) return found
    // Not there yet, when its machine has still to learn of the commit, or not there any more.
    const absent = missing.map(({ position }) => position).filter((position) => !found.has(position))
    if ((await pool.query('select from feed where position = any($1) limit 1', [absent])).rowCount === 0) return found
    if (attempt === attemptsMax) throw new Error('Changes that the feed names are not there')
    await setTimeout(pauseMs)
  }
}

/** Columns of a change as it is kept; `$fields` is whether its fields are wanted. */
export function selectChanges(fields = 'true'): string {
  return `
    select changes.id, nullif(customer_id, 0) as "customerId", kind, at, key_id as "keyId", coalesce(api_keys.name, '') as "keyName",
      request_id as "requestId", case when ${fields} then before end as before, case when ${fields} then after end as after
    from changes left join api_keys on api_keys.id = key_id`
}

async function findChanges(pool: pg.Pool, pointers: readonly Pointer[], kinds: readonly string[] | null): Promise<KeptChangeRow[]> {
  const { rows } = await pool.query<KeptChangeRow>(
    `${selectChanges(kinds === null ? 'true' : 'kind = any($3)')} where customer_id = any($1) and changes.id = any($2)`,
    [[...new Set(pointers.map(({ customer_id }) => customer_id))], pointers.map(({ position }) => position), ...(kinds === null ? [] : [kinds])])
  return rows
}
