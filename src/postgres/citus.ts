import type pg from 'pg'
import { OperatorError } from '../errors.ts'

/**
 * Where the rows of each table are once customers are spread over several machines. Spread: by which column; those of one
 * customer stay together, and who holds a userId is found by the userId alone. Everywhere: small tables that are read with
 * every request and rarely written. The others stay on the coordinator, since they are queues, counts, or of the schema.
 */
export const placements = {
  organizations: { on: 'everywhere' },
  api_keys: { on: 'everywhere' },
  tags: { on: 'everywhere' },
  attributes: { on: 'everywhere' },
  secrets: { on: 'everywhere' },
  customers: { on: 'spread', by: 'id', withTable: 'none' },
  customer_attributes: { on: 'spread', by: 'customer_id', withTable: 'customers' },
  events: { on: 'spread', by: 'customer_id', withTable: 'customers' },
  changes: { on: 'spread', by: 'customer_id', withTable: 'customers' },
  user_ids: { on: 'spread', by: 'digest', withTable: 'none' },
  feed: { on: 'coordinator' },
  customer_counts: { on: 'coordinator' },
  idempotency_keys: { on: 'coordinator' },
  request_leases: { on: 'coordinator' },
  purges: { on: 'coordinator' },
  change_horizons: { on: 'coordinator' },
  feed_origin: { on: 'coordinator' },
  trash: { on: 'coordinator' },
  webhooks: { on: 'coordinator' },
  webhook_positions: { on: 'coordinator' },
  webhook_workers: { on: 'coordinator' },
  held_customers: { on: 'coordinator' },
  deliveries: { on: 'coordinator' },
  probes: { on: 'coordinator' },
  schema_migrations: { on: 'coordinator' }
} as const satisfies Record<string, Placement>

type Placement =
  | { readonly on: 'everywhere' }
  | { readonly on: 'spread'; readonly by: string; readonly withTable: string }
  | { readonly on: 'coordinator' }

interface Table {
  readonly name: string
  readonly placement: Placement
}

/**
 * For a transaction that asks little of many shards: each connection more takes longer to make than it saves, and is another commit to
 * prepare. Nobody but Citus reads the setting.
 */
export const oneConnectionAMachine = 'set local citus.max_adaptive_executor_pool_size = 1'

/** For a statement of the same transaction that asks much of each shard. */
export const connectionsAsConfigured = 'set local citus.max_adaptive_executor_pool_size to default'

/** For EXPLAIN, which otherwise tells of one shard. */
export const explainedEverywhere = 'set local citus.explain_all_tasks = on'

/** For changes of the schema, which Citus otherwise makes over connections that do not see each other. */
export const inSequence = `${oneConnectionAMachine}; set local citus.multi_shard_modify_mode = 'sequential'`

export async function isDistributed(client: pg.ClientBase): Promise<boolean> {
  if (!await hasCitus(client)) return false
  const { rows: [row] } = await client.query<{ is: boolean }>(
    "select exists (select from pg_dist_partition where logicalrelid = to_regclass('customers')) as is")
  return row?.is === true
}

async function hasCitus(client: pg.ClientBase): Promise<boolean> {
  const { rows: [row] } = await client.query<{ is: boolean }>("select exists (select from pg_extension where extname = 'citus') as is")
  return row?.is === true
}

/** Refuses a worker: tables that stay on the coordinator are not there, and ids drawn there would not be in order. */
export async function refuseWorker(client: pg.ClientBase): Promise<void> {
  if (!await hasCitus(client)) return
  const { rows: [row] } = await client.query<{ groupid: number }>('select groupid from pg_dist_local_group')
  if (row !== undefined && row.groupid !== 0) throw new OperatorError('This server is a worker of a Citus cluster. Name the coordinator of the cluster in the URL.')
}

interface Nodes {
  readonly holding: number
  readonly has_coordinator: boolean
}

/** How many machines hold rows of customers. Refuses what is no cluster yet. */
export async function requireCluster(client: pg.ClientBase): Promise<number> {
  if (!await hasCitus(client)) {
    throw new OperatorError('The database has no extension citus. Make it in this database on the coordinator and on every worker: create extension citus')
  }
  const { rows: [nodes] } = await client.query<Nodes>(`
    select count(*) filter (where shouldhaveshards)::int as holding, coalesce(bool_or(groupid = 0), false) as has_coordinator
    from pg_dist_node where isactive and noderole = 'primary'`)
  if (nodes?.has_coordinator !== true) {
    throw new OperatorError("The coordinator does not know under which name the workers reach it. Tell it: select citus_set_coordinator_host('name', 5432)")
  }
  if (nodes.holding === 0) {
    throw new OperatorError("The cluster has no worker that holds rows. Add each on the coordinator: select citus_add_node('name', 5432)")
  }
  return nodes.holding
}

/** Puts every table that is not there yet in its place, with the rows it has, inside a transaction of the caller's. Answers their names. */
export async function placeTables(client: pg.ClientBase, { shards }: { shards?: number | undefined } = {}): Promise<string[]> {
  const tables = (await unplacedTables(client)).filter(({ placement }) => placement.on !== 'coordinator')
  // All at once, so that a writer that has begun finishes, and none begins between two tables.
  if (tables.length > 0) await client.query(`lock table ${tables.map(({ name }) => name).join()} in exclusive mode`)
  for (const { name, placement } of tables) {
    if (placement.on === 'everywhere') await client.query('select create_reference_table($1::regclass)', [name])
    if (placement.on === 'spread') {
      const { by, withTable } = placement
      const count = withTable === 'none' && shards !== undefined ? `, shard_count => ${shards}` : ''
      await client.query(`select create_distributed_table($1::regclass, $2, colocate_with => $3${count})`, [name, by, withTable])
    }
  }
  return tables.map(({ name }) => name)
}

/** Of the tables that are there, in the order in which they are to be placed. */
async function unplacedTables(client: pg.ClientBase): Promise<Table[]> {
  const names = Object.keys(placements)
  const { rows } = await client.query<{ name: string }>(`
    select name from unnest($1::text[]) with ordinality as wanted (name, place)
    where to_regclass(name) is not null and not exists (select from pg_dist_partition where logicalrelid = to_regclass(name))
    order by place`, [names])
  const all: Readonly<Record<string, Placement>> = placements
  return rows.flatMap(({ name }) => {
    const placement = all[name]
    return placement === undefined ? [] : [{ name, placement }]
  })
}

/** Removes what the coordinator keeps of rows that were placed elsewhere, and has Citus count what is there. Nothing to do twice. */
export async function dropOldRows(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ name: string }>(`
    select logicalrelid::text as name from pg_dist_partition
    where logicalrelid in (select to_regclass(name) from unnest($1::text[]) as ours (name)) and pg_relation_size(logicalrelid) > 0`, [Object.keys(placements)])
  for (const { name } of rows) {
    await client.query('select truncate_local_data_after_distributing_table($1::regclass)', [name])
    await client.query(`analyze ${name}`)
  }
}

/** Bytes of the database. */
export const sizeHere = 'select pg_database_size(current_database())'

/** The same on all machines that answer. */
export const sizeEverywhere = `select sum(result::bigint)::bigint from run_command_on_all_nodes('${sizeHere}') where success`

/** Into how many parts customers are spread. */
export async function shardCount(client: pg.ClientBase): Promise<number> {
  const { rows: [row] } = await client.query<{ shards: number }>("select count(*)::int as shards from pg_dist_shard where logicalrelid = to_regclass('customers')")
  return row?.shards ?? 0
}
