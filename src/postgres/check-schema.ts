import type { CopiedTable } from '../copy.ts'
import { sequences } from './copy-source.ts'
import type { DoctorSession } from './doctor-session.ts'
import { indexStatements, underSchemaLock } from './migrate.ts'

export interface IndexToBuild {
  readonly name: string
  /** To be run one by one, outside a transaction. */
  readonly statements: readonly string[]
}

/** Indexes of migrations that build them beside writers, if they are not there or were not finished. */
export async function brokenIndexes(session: DoctorSession): Promise<IndexToBuild[]> {
  const wanted = indexesOfMigrations()
  const rows = await session.rows<{ name: string }>(`
    select name from unnest($1::text[]) as wanted (name)
    where not exists (select from pg_index where indexrelid = to_regclass(name) and indisvalid and indisready)`, [wanted.map(({ name }) => name)])
  const broken = new Set([...rows.map(({ name }) => name), ...session.isDistributed ? await brokenOnMachines(session) : []])
  return wanted.filter(({ name }) => broken.has(name))
}

/** Makes them anew while writers go on. The role has to own the tables. */
export async function buildIndexes(session: DoctorSession): Promise<void> {
  for (const { statements } of await brokenIndexes(session)) {
    await underSchemaLock(session.client, async () => {
      for (const statement of statements) await session.rows(statement)
    })
  }
}

/** On the machines of a cluster the index of a part is called as the index, with a number behind it. */
async function brokenOnMachines(session: DoctorSession): Promise<string[]> {
  const rows = await session.rows<{ names: string }>(`
    select result as names from run_command_on_all_nodes($command$
      select coalesce(string_agg(regexp_replace(relname, '_[0-9]+$', ''), ','), '') from pg_index join pg_class on pg_class.oid = indexrelid where not indisvalid
    $command$) where success`)
  return rows.flatMap(({ names }) => names.split(','))
}

function indexesOfMigrations(): IndexToBuild[] {
  const statements = indexStatements()
  const names = statements.flatMap((statement) => /^create index concurrently (\w+)/m.exec(statement)?.[1] ?? [])
  return names.map((name) => ({ name, statements: statements.filter((statement) => new RegExp(`\\b${name}\\b`).test(statement)) }))
}

/** The highest id of each table that anything in the database speaks of. */
const highestIds = {
  organizations: ['select max(id) as id from organizations'],
  api_keys: ['select max(id) as id from api_keys', 'select max(key_id) as id from changes'],
  tags: ['select max(id) as id from tags'],
  attributes: ['select max(id) as id from attributes'],
  customers: ['select max(id) as id from customers', 'select max(customer_id) as id from changes', 'select max(customer_id) as id from events'],
  events: ['select max(id) as id from events', 'select max(event_id) as id from feed'],
  webhooks: ['select max(id) as id from webhooks', 'select max(webhook_id) as id from webhook_positions'],
  deliveries: ['select max(number) as id from deliveries'],
  changes: ['select max(id) as id from changes', 'select max(position) as id from feed']
} as const satisfies Record<CopiedTable, readonly string[]>

export interface LowSequence {
  readonly table: CopiedTable
  readonly sequence: string
  /** How many ids behind. */
  readonly behind: number
}

/** Sequences that would give an id again. */
export async function lowSequences(session: DoctorSession): Promise<LowSequence[]> {
  const low: LowSequence[] = []
  for (const table of (Object.keys(highestIds) as CopiedTable[]).toSorted()) {
    let highest = 0
    for (const select of highestIds[table]) {
      const [row] = await session.rows<{ id: number | null }>(select)
      highest = Math.max(highest, row?.id ?? 0)
    }
    // Read behind the ids: what is drawn meanwhile is above them.
    const sequence = sequences[table]
    const [given] = await session.rows<{ id: number }>('select coalesce(pg_sequence_last_value($1::regclass), 0) as id', [sequence])
    const behind = highest - (given?.id ?? 0)
    if (behind > 0) low.push({ table, sequence, behind })
  }
  return low
}

const drawnMax = 1_000_000

/** Draws the ids that would be given again, as a server does, since it draws at the same time. */
export async function raiseSequences(session: DoctorSession): Promise<void> {
  for (const { sequence, behind } of await lowSequences(session)) {
    for (let left = behind; left > 0; left -= drawnMax) {
      await session.rows('select max(nextval($1::regclass)) from generate_series(1, $2::bigint)', [sequence, Math.min(left, drawnMax)])
    }
  }
}

/** Rows of organizations that do not exist, but for those of customers. */
export async function strayReferences(session: DoctorSession): Promise<string[]> {
  const found: string[] = []
  for (const table of ['api_keys', 'tags', 'attributes']) {
    const rows = await session.rows<{ id: number }>(
      `select id from ${table} where not exists (select from organizations where organizations.id = ${table}.organization_id) order by id`)
    found.push(...rows.map(({ id }) => `${table} ${id}`))
  }
  return found
}
