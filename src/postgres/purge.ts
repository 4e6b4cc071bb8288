import type pg from 'pg'
import type { UnixSeconds } from '../clock.ts'
import { limits } from '../limits.ts'

/** Behind which deletion the next ones are. */
export interface DeletionPlace {
  readonly at: UnixSeconds
  readonly id: number
}

/** From here on deletions made before `before` cannot be undone. Waits for who is undoing one. Answers where to go on, unless all is done. */
export async function beginEmptying(client: pg.ClientBase, before: UnixSeconds): Promise<DeletionPlace | undefined> {
  const { rows: [trash] } = await client.query<{ emptiedBefore: UnixSeconds }>(
    'update trash set final_before = greatest(final_before, $1) returning emptied_before as "emptiedBefore"', [before])
  return trash === undefined || trash.emptiedBefore >= before ? undefined : { at: trash.emptiedBefore, id: 0 }
}

/** Removes the events of some customers whose deletion cannot be undone. Answers likewise. */
export async function emptyGroup(client: pg.ClientBase, { from, before }: { from: DeletionPlace; before: UnixSeconds }): Promise<DeletionPlace | undefined> {
  const { rows } = await client.query<DeletionPlace & { customerId: number }>(`
    select at, id, customer_id as "customerId" from changes
    where kind = 'customer.deleted' and at >= $1 and at < $2 and (at > $1 or id > $3) order by at, id limit $4`,
  [from.at, before, from.id, limits.purgeGroupMax])
  await removeEvents(client, rows.map(({ customerId }) => customerId), before)
  if (rows.length === limits.purgeGroupMax) return rows.at(-1)
  await client.query('update trash set emptied_before = greatest(emptied_before, $1)', [before])
  return undefined
}

/** Of customers that are not there and were not deleted again later, in a deletion that can be undone. */
async function removeEvents(client: pg.ClientBase, customerIds: readonly number[], before: UnixSeconds): Promise<void> {
  if (customerIds.length === 0) return
  await client.query(`
    delete from events where customer_id = any($1)
      and not exists (select from customers where customers.id = events.customer_id)
      and not exists (select from changes where changes.customer_id = events.customer_id and kind = 'customer.deleted' and at >= $2)`,
  [[...new Set(customerIds)], before])
}

/** Forgets some of the oldest changes, and marks in the feed of each organization up to where. */
export async function purgeGroup(client: pg.ClientBase, before: UnixSeconds): Promise<number> {
  const { rows: old } = await client.query<{ id: number; customer_id: number }>(
    'select id, customer_id from changes where at < $1 order by at limit $2', [before, limits.purgeGroupMax])
  if (old.length === 0) return 0
  const ids = old.map(({ id }) => id)
  const { rows: gone } = await client.query<{ kind: string; customer_id: number }>(
    'delete from changes where customer_id = any($1) and id = any($2) returning kind, customer_id', [[...new Set(old.map(({ customer_id }) => customer_id))], ids])
  await client.query(`
    with gone as (delete from feed where position = any($1) returning xid, organization_id, stamp, position),
    marked as (
      insert into change_horizons as horizons (organization_id, stamp, position)
      select distinct on (organization_id) organization_id, stamp, position from gone order by organization_id, stamp desc, position desc
      on conflict (organization_id) do update set stamp = excluded.stamp, position = excluded.position
      where (horizons.stamp, horizons.position) < (excluded.stamp, excluded.position))
    update purges set xid = greatest(xid, (select max(xid) from gone))`, [ids])
  // Those of a deletion that was recorded by a clock behind ours are still there.
  await removeEvents(client, gone.filter(({ kind }) => kind === 'customer.deleted').map(({ customer_id }) => customer_id), before)
  return gone.length
}
