import { setTimeout } from 'node:timers/promises'
import type pg from 'pg'

/** Where a reader of the feed stands: behind the pointer of this transaction and position. */
export interface FeedCursor {
  /** Numbers of transactions mean nothing in another epoch. */
  readonly epoch: string
  readonly transaction: string
  readonly position: number
}

interface FeedChange {
  readonly id: number
  readonly organizationId: number
  /** Null for a change that is of no single customer. */
  readonly customerId: number | null
  readonly kind: string
  readonly at: number
  readonly keyId: number
  readonly requestId: string
  /** Fields as JSON; of a creation there are none, since they are the customer's row, less its later changes. */
  readonly before: string | null
  readonly after: string | null
}

export interface FeedPage {
  /** In an order that never changes, though not that of ids. */
  readonly changes: readonly FeedChange[]
  /** Where to go on; that of the question when nothing is new. Undefined while there never was anything. */
  readonly next: FeedCursor | undefined
}

/** The cursor is of the database before it was restored, or before another machine took over: what it stood behind may be another change now. */
export class ForeignCursor extends Error {
  constructor() {
    super('The cursor is of another epoch of this database')
    this.name = 'ForeignCursor'
  }
}

interface Pointer {
  readonly position: number
  readonly transaction: string
  readonly customer_id: number
}

/** How long a change may be late on another machine than its pointer. */
const attemptsMax = 100
const pauseMs = 10

/**
 * Changes behind a cursor, none missed and none repeated however many processes write: only those of
 * transactions older than every one that is still under way, so that nothing can appear among them later.
 */
export async function readFeed(client: pg.Pool | pg.ClientBase, { after, limit }: { after?: FeedCursor | undefined; limit: number }): Promise<FeedPage> {
  const epoch = await readEpoch(client)
  if (after !== undefined && after.epoch !== epoch) throw new ForeignCursor()
  const { rows: pointers } = await client.query<Pointer>(`
    select position, xid::text as transaction, customer_id from feed
    where xid >= $1::xid8 and (xid, position) > ($1::xid8, $2) and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by xid, position limit $3`, [after?.transaction ?? '0', after?.position ?? 0, limit])
  const last = pointers.at(-1)
  if (last === undefined) return { changes: [], next: after }
  const changes = await readChanges(client, pointers)
  return {
    changes: pointers.flatMap(({ position }) => changes.get(position) ?? []),
    next: { epoch, transaction: last.transaction, position: last.position }
  }
}

/** Of the cluster and of its history: a backup that is restored, and a standby that takes over, go on from another point. */
async function readEpoch(client: pg.Pool | pg.ClientBase): Promise<string> {
  const { rows: [row] } = await client.query<{ epoch: string }>(`
    select (select system_identifier from pg_control_system())::text || '.' || (select timeline_id from pg_control_checkpoint()) as epoch`)
  if (row === undefined) throw new Error('The epoch cannot be read')
  return row.epoch
}

/** By id. A change is not there yet when its machine has still to learn of the commit, and not there any more when it was purged. */
async function readChanges(client: pg.Pool | pg.ClientBase, pointers: readonly Pointer[]): Promise<ReadonlyMap<number, FeedChange>> {
  const found = new Map<number, FeedChange>()
  for (let attempt = 1; ; attempt += 1) {
    const missing = pointers.filter(({ position }) => !found.has(position))
    for (const change of await findChanges(client, missing)) found.set(change.id, change)
    if (found.size === pointers.length) return found
    const absent = missing.map(({ position }) => position).filter((position) => !found.has(position))
    if ((await client.query('select from feed where position = any($1) limit 1', [absent])).rowCount === 0) return found
    if (attempt === attemptsMax) throw new Error('Changes that the feed names are not there')
    await setTimeout(pauseMs)
  }
}

async function findChanges(client: pg.Pool | pg.ClientBase, pointers: readonly Pointer[]): Promise<FeedChange[]> {
  const { rows } = await client.query<FeedChange>(`
    select id, organization_id as "organizationId", nullif(customer_id, 0) as "customerId", kind, at, key_id as "keyId", request_id as "requestId", before, after
    from changes where customer_id = any($1) and id = any($2)`,
  [[...new Set(pointers.map(({ customer_id }) => customer_id))], pointers.map(({ position }) => position)])
  return rows
}
