import pg from 'pg'
import { OperatorError } from '../errors.ts'
import { dropOldRows, inSequence, isDistributed, placeTables, requireCluster, shardCount } from './citus.ts'
import { checkServer, endQuietly, withClient } from './connection.ts'
import { migrateDatabase, underSchemaLock } from './migrate.ts'
import { isConflict } from './storage-error.ts'

export interface Distribution {
  /** That had to run first. */
  readonly migrations: readonly string[]
  /** That were put in their place now. */
  readonly tables: readonly string[]
  readonly machines: number
  readonly shards: number
}

/** Writers that have begun and want the tables in another order end this with a deadlock. */
const attemptsMax = 5

/**
 * Spreads the customers of a database over the machines of its Citus cluster, in one transaction, so that an interruption leaves
 * all as it was. Several processes may do this at once, also with servers at work, and again at any time.
 * Throws an OperatorError when the cluster or the user of the database does not allow it.
 */
export async function distributeDatabase(url: string, { shards }: { shards?: number | undefined } = {}): Promise<Distribution> {
  return await withClient(url, async (client) => {
    await checkServer(client)
    const machines = await requireCluster(client)
    const migrations = await migrateDatabase(url)
    return await underSchemaLock(client, async () => {
      await requireShards(client, shards)
      const tables = await placeAll(client, shards)
      await dropOldRows(client)
      return { migrations, tables, machines, shards: await shardCount(client) }
    })
  })
}

async function requireShards(client: pg.ClientBase, shards: number | undefined): Promise<void> {
  if (shards === undefined || !await isDistributed(client)) return
  const there = await shardCount(client)
  if (there === shards) return
  throw new OperatorError(`The customers are spread in ${there} shards already. Citus changes that: select alter_distributed_table('customers', shard_count => ${shards}, cascade_to_colocated => true)`)
}

async function placeAll(client: pg.ClientBase, shards: number | undefined): Promise<string[]> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query('begin')
      await client.query(inSequence)
      const tables = await placeTables(client, { shards })
      // Servers at work hold customers in memory, which cannot be followed from here on: they forget them, at every look.
      if (tables.includes('customers')) await client.query("update purges set xid = '18446744073709551615'")
      await client.query('commit')
      return tables
    } catch (error) {
      await endQuietly(client, 'rollback')
      if (isConflict(error) && attempt < attemptsMax) continue
      if (!(error instanceof pg.DatabaseError)) throw error
      const detail = error.detail === undefined ? '' : ` (${error.detail})`
      throw new OperatorError(`The tables could not be distributed, and are as they were: ${error.message}${detail}`, { cause: error })
    }
  }
}
