import type pg from 'pg'
import { inSequence } from './citus.ts'
import { endQuietly } from './connection.ts'
import { organizationsLockKey } from './lock-keys.ts'

const origin = "(select system_identifier from pg_control_system()) || '.' || (select oid from pg_database where datname = current_database())"

/**
 * Numbers the feed anew when the database was restored from a dump of another one: the numbers of its transactions mean nothing
 * here, and might be above those to come for years. Pointers keep the order of their positions, and so customers that of
 * their changes. Once, however many processes start.
 */
export async function adoptFeed(client: pg.ClientBase): Promise<void> {
  if (await isOurs(client)) return
  await client.query('begin')
  try {
    await client.query(inSequence)
    await client.query('select pg_advisory_xact_lock($1)', [organizationsLockKey])
    if (!await isOurs(client)) {
      await client.query('lock table feed in share row exclusive mode')
      // Webhooks stand before the first change that they have not told of. From here on the order is that of positions.
      await client.query(`
        update webhook_positions set stamp = pg_current_xact_id()::text::bigint, position = coalesce(
          (select min(feed.position) - 1 from feed join webhooks on webhooks.organization_id = feed.organization_id
            where webhooks.id = webhook_id and (feed.stamp, feed.position) > (webhook_positions.stamp, webhook_positions.position)),
          (select max(feed.position) from feed), 0)`)
      await client.query('update feed set xid = pg_current_xact_id(), stamp = pg_current_xact_id()::text::bigint')
      // Cursors from before are of another epoch.
      await client.query('delete from change_horizons')
      await client.query('update purges set xid = pg_current_xact_id()')
      await client.query(`update feed_origin set origin = ${origin}`)
    }
    await client.query('commit')
  } catch (error) {
    await endQuietly(client, 'rollback')
    throw error
  }
}

async function isOurs(client: pg.ClientBase): Promise<boolean> {
  const { rows: [row] } = await client.query<{ is: boolean }>(`select origin = ${origin} as is from feed_origin`)
  return row?.is === true
}
