import type pg from 'pg'
import type { CopiedRows, CopiedTable, CopySource, HighestId, Secret, Settings } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import { selectCopiedDeliveries, selectCopiedWebhooks } from '../sql/webhook-row.ts'
import { placements } from './citus.ts'
import { checkServer, endQuietly, withClient } from './connection.ts'
import { naming } from './copy-error.ts'
import { refuseHalfCopied, requireMade, requireMigrated } from './migrate.ts'

/** Each takes an id; answers rows with a higher one, ascending. */
const selects: Record<CopiedTable, string> = {
  organizations: 'select id, name, created_at as "createdAt" from organizations where id > $1 order by id',
  tags: `
    select id, organization_id as "organizationId", name, color, version, is_recolored::int as "isRecolored" from tags where id > $1 order by id`,
  attributes: 'select id, organization_id as "organizationId", name, type from attributes where id > $1 order by id',
  customers: `
    select id, organization_id as "organizationId", created_at as "createdAt", updated_at as "updatedAt",
      array_to_string(tag_ids, ',') as "tagIds", tag_version as "tagVersion", rendering, version
    from customers where id > $1 order by id`,
  events: `
    select id, organization_id as "organizationId", customer_id as "customerId", name, data, created_at as "createdAt"
    from events where id > $1 order by id`,
  changes: `
    select id, organization_id as "organizationId", nullif(customer_id, 0) as "customerId", kind, at, key_id as "keyId", request_id as "requestId", before, after
    from changes where id > $1 order by id`,
  webhooks: selectCopiedWebhooks({
    settledId: `coalesce(
      (select min(feed.position) - 1 from feed
        where feed.organization_id = webhooks.organization_id and (feed.stamp, feed.position) > (webhook_positions.stamp, webhook_positions.position)),
      (select max(feed.position) from feed), 0)`,
    after: '$1'
  }),
  deliveries: selectCopiedDeliveries('$1'),
  api_keys: `
    select id, organization_id as "organizationId", name, secret_hash as "secretHash", created_at as "createdAt", revoked_at as "revokedAt"
    from api_keys where id > $1 order by id`
}

/** What the ids of each table are drawn from. */
export const sequences: Record<CopiedTable, string> = {
  organizations: 'organizations_id_seq',
  tags: 'tags_id_seq',
  attributes: 'attributes_id_seq',
  customers: 'customer_ids',
  events: 'event_ids',
  changes: 'feed_position_seq',
  webhooks: 'webhooks_id_seq',
  deliveries: 'deliveries_number_seq',
  api_keys: 'api_keys_id_seq'
}

const batchRowsMax = 1_000
const firstBatchRows = 64
const batchCharacters = 4 * 1024 * 1024

/** Where a database is, and how it is called in messages, which show no password. */
export interface NamedDatabase {
  readonly url: string
  readonly name: string
}

/** Reads a database in one transaction, which sees one moment; on Citus every machine has its own. */
export async function withCopySource<Answer>({ url, name }: NamedDatabase, use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
  return await naming(name, async () => await withClient(url, async (client) => {
    await requireUsable(client, name)
    return await readMoment(client, name, use)
  }), url)
}

async function requireUsable(client: pg.ClientBase, name: string): Promise<void> {
  try {
    await checkServer(client)
    await requireReadable(client)
    await requireMade(client)
    await requireMigrated(client)
    await refuseHalfCopied(client)
  } catch (error) {
    throw error instanceof OperatorError ? new OperatorError(`${name} cannot be copied. ${error.message}`, { cause: error }) : error
  }
}

interface Unreadable {
  readonly tables: readonly string[]
  readonly sequences: readonly string[]
  readonly user: string
  readonly schema: string
}

/** Refuses a user who may not read everything, and says how it may: what is missed would show late, or as ids that were never given. */
export async function requireReadable(client: pg.ClientBase): Promise<void> {
  const { rows: [unreadable] } = await client.query<Unreadable>(`
    select array_remove(array_agg(case when relkind <> 'S' then relname::text end order by relname), null) as tables,
      array_remove(array_agg(case when relkind = 'S' then relname::text end order by relname), null) as sequences,
      quote_ident(current_user) as user, quote_ident(min(nspname::text)) as schema
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where pg_class.oid in (select to_regclass(name) from unnest($1::text[]) as ours (name))
      and not case relkind when 'S' then has_sequence_privilege(pg_class.oid, 'usage, select') else has_table_privilege(pg_class.oid, 'select') end
    having count(*) > 0`, [[...Object.keys(placements), ...Object.values(sequences)]])
  if (unreadable === undefined) return
  const { user, schema } = unreadable
  const lacking = ([['table', 'select', unreadable.tables], ['sequence', 'usage', unreadable.sequences]] as const).filter(([, , names]) => names.length > 0)
  const what = lacking.map(([kind, , names]) => (names.length === 1 ? `the ${kind} ${names[0]}` : `${names.length} ${kind}s, such as ${names[0]}`)).join(', and ')
  const grants = lacking.map(([kind, privilege]) => `grant ${privilege} on all ${kind}s in schema ${schema} to ${user}`).join('; ')
  throw new OperatorError(`The database user ${user} may not read ${what}. As the owner of the tables run "${grants}", or name a user who may, such as that of the servers.`)
}

/** The same with a connection that is open, outside a transaction. */
export async function readMoment<Answer>(client: pg.ClientBase, name: string, use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
  await naming(name, async () => await client.query('begin isolation level repeatable read read only; set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0'))
  try {
    return await use(new PostgresSource(client, name))
  } finally {
    await endQuietly(client, 'rollback')
  }
}

class PostgresSource implements CopySource {
  readonly #client: pg.ClientBase
  readonly #name: string

  constructor(client: pg.ClientBase, name: string) {
    this.#client = client
    this.#name = name
  }

  async identity(): Promise<string> {
    return await databaseIdentity(this.#client, this.#name)
  }

  async count(table: CopiedTable): Promise<number> {
    const [row] = await this.#rows<{ count: number }>(`select count(*) from ${table}`)
    return row?.count ?? 0
  }

  async *batches<Table extends CopiedTable>(table: Table, afterId: number): AsyncGenerator<readonly CopiedRows[Table][]> {
    // Of events and changes the ids have no index, so that reading them in parts would sort them again for each.
    await this.#rows(`declare copied no scroll cursor for ${selects[table]}`, [afterId])
    try {
      let wanted = firstBatchRows
      for (;;) {
        const rows = await this.#rows<CopiedRows[Table]>(`fetch ${wanted} from copied`)
        if (rows.length === 0) break
        yield rows
        const fitting = Math.floor(batchCharacters * rows.length / Math.max(1, charactersOf(rows)))
        wanted = Math.max(1, Math.min(batchRowsMax, wanted * 2, fitting))
      }
    } finally {
      await endQuietly(this.#client, 'close copied')
    }
  }

  async settings(): Promise<Settings> {
    const secrets = await this.#rows<Secret>("select name, encode(value, 'hex') as value from secrets order by name")
    const highest = await this.#rows<{ sequence: string; id: number }>(`
      select sequencename as sequence, coalesce(last_value, 0)::bigint as id from pg_sequences
      where schemaname = (select nspname from pg_namespace join pg_class on relnamespace = pg_namespace.oid where pg_class.oid = 'customers'::regclass)`)
    const ids = new Map(highest.map(({ sequence, id }) => [sequence, id]))
    const [trash] = await this.#rows<{ finalBefore: number }>('select final_before as "finalBefore" from trash')
    return {
      secrets,
      finalBefore: trash?.finalBefore ?? 0,
      horizons: [],
      highestIds: (Object.keys(sequences) as CopiedTable[]).map((table): HighestId => ({ table, id: ids.get(sequences[table]) ?? 0 }))
    }
  }

  async version(): Promise<string> {
    const [row] = await this.#rows('select count(*) as count, min(position) as lowest, max(position) as highest from feed')
    const [deliveries] = await this.#rows(
      'select count(*) as count, max(number) as highest, sum(attempts) as attempts, sum(is_replay) as replays from deliveries')
    return JSON.stringify([row, deliveries])
  }

  async #rows<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return await naming(this.#name, async () => (await this.#client.query<Row>(text, [...values])).rows)
  }
}

/** That of the database itself, which may be reached by several URLs. */
export async function databaseIdentity(client: pg.ClientBase, name: string): Promise<string> {
  const { rows: [row] } = await naming(name, async () => await client.query<{ identity: string }>(`
    select format('database %s of %s', oid, system_identifier) as identity from pg_database, pg_control_system() where datname = current_database()`))
  return row?.identity ?? ''
}

function charactersOf(rows: readonly object[]): number {
  let characters = 0
  for (const row of rows) for (const column of Object.values(row)) if (typeof column === 'string') characters += column.length
  return characters
}
