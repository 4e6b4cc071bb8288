import { setTimeout } from 'node:timers/promises'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { OperatorError } from '../../src/errors.ts'
import { inSequence, placements, placeTables } from '../../src/postgres/citus.ts'
import { withClient } from '../../src/postgres/connection.ts'
import type { Distribution } from '../../src/postgres/distribute.ts'
import { distributeDatabase } from '../../src/postgres/distribute.ts'
import { migrateDatabase } from '../../src/postgres/migrate.ts'
import { PostgresStore } from '../../src/postgres/store.ts'
import { createClusterDatabase } from '../citus-cluster.ts'
import type { TestOrganization } from '../conformance/open-organization.ts'
import { openOrganization, speakTo } from '../conformance/open-organization.ts'
import { runCli } from './start-cli.ts'

// Each test makes a database on several machines.
vi.setConfig({ testTimeout: 120_000 })

const cluster = inject('citusUrl')

const distributed = Object.entries(placements).filter(([, { on }]) => on !== 'coordinator').map(([name]) => name)

async function openStore(url: string): Promise<PostgresStore> {
  const store = await PostgresStore.open({ url })
  onTestFinished(async () => { await store.close() })
  return store
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  return await withClient(url, async (client) => (await client.query<Record<string, unknown>>(text)).rows)
}

/** Every row of every table but one, which says nothing of customers. */
async function dump(url: string): Promise<Record<string, unknown>> {
  const tables = await Promise.all(Object.keys(placements).filter((name) => name !== 'purges').map(async (name) => [name, (await query(url, `select * from ${name}`)).map((row) => JSON.stringify(row)).toSorted()] as const))
  return Object.fromEntries(tables)
}

async function fill(organization: TestOrganization): Promise<void> {
  for (let index = 0; index < 20; index += 1) {
    const { id } = await organization.create({ userId: `u${index}`, tags: ['vip', `t${index % 3}`], customData: { plan: 'pro', n: index } })
    await organization.recordEvent({ name: 'paid', customer: id, data: { index } })
    await organization.patch(id, { name: `Ann ${index}` })
  }
}

/** Where Citus has the tables. */
async function found(url: string): Promise<unknown[]> {
  return await query(url, `
    select tables.name, coalesce(citus_table_type, 'local') as type, nullif(distribution_column, '<none>') as by,
      (select min(others.table_name::text) from citus_tables as others where others.colocation_id = citus_tables.colocation_id and citus_table_type = 'distributed') as first_beside
    from unnest(array[${Object.keys(placements).map((name) => `'${name}'`).join()}]) as tables (name)
    left join citus_tables on citus_tables.table_name = tables.name::regclass order by name collate "C"`)
}

const expected = Object.entries(placements).toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([name, placement]) => {
  if (placement.on === 'coordinator') return { name, type: 'local', by: null, first_beside: null }
  if (placement.on === 'everywhere') return { name, type: 'reference', by: null, first_beside: null }
  return { name, type: 'distributed', by: placement.by, first_beside: name === 'user_ids' ? 'user_ids' : 'changes' }
})

test('distributing puts each table in its place with its rows, and does nothing a second time', async () => {
  const { url } = await createClusterDatabase(cluster)
  await migrateDatabase(url)
  const organization = await openOrganization(await openStore(url))
  await fill(organization)
  const before = await dump(url)

  expect(await distributeDatabase(url, { shards: 4 })).toEqual({ migrations: [], tables: distributed, machines: 2, shards: 4 })
  expect(await found(url)).toEqual(expected)
  expect(await dump(url)).toEqual(before)
  // Nothing stays behind in the tables that rows were moved from.
  expect(await query(url, 'select table_name from citus_tables where pg_relation_size(table_name) > 0')).toEqual([])

  expect(await distributeDatabase(url)).toEqual({ migrations: [], tables: [], machines: 2, shards: 4 })
  expect(await dump(url)).toEqual(before)
  // A table without a place would have been forgotten.
  const tables = await query(url, "select tablename as name from pg_tables where schemaname = 'public' order by tablename collate \"C\"")
  expect(tables.map(({ name }) => name)).toEqual(expected.map(({ name }) => name))
})

test('processes that distribute at the same time do it once', async () => {
  const { url } = await createClusterDatabase(cluster)
  const answers = await Promise.all(Array.from({ length: 5 }, async () => await distributeDatabase(url, { shards: 4 })))

  const busy = answers.filter(({ tables }) => tables.length > 0)
  expect(busy.map(({ tables }) => tables)).toEqual([distributed])
  expect(answers.map(({ shards }) => shards)).toEqual([4, 4, 4, 4, 4])
  expect(await found(url)).toEqual(expected)
})

test('what was interrupted is undone, and done by the next attempt', async () => {
  const { url } = await createClusterDatabase(cluster)
  await migrateDatabase(url)
  const organization = await openOrganization(await openStore(url))
  await fill(organization)
  const before = await dump(url)
  const interrupted = distributeDatabase(url).then(() => 'done', (error: unknown) => error)
  await withClient(url, async (client) => {
    for (let isEnded = false; !isEnded; await setTimeout(1)) {
      const { rows } = await client.query(`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and query like 'select create_distributed_table%'`)
      isEnded = rows.length > 0
    }
  })

  expect(await interrupted).toBeInstanceOf(Error)
  expect(await query(url, 'select table_name from citus_tables')).toEqual([])
  expect(await dump(url)).toEqual(before)
  await organization.patch(1, { name: 'Bob' })
  const { tables } = await distributeDatabase(url, { shards: 4 })
  expect(tables).toEqual(distributed)
  expect((await organization.find(1))?.name).toBe('Bob')
})

test('a server at work loses nothing while its database is distributed, and goes on', async () => {
  const { url } = await createClusterDatabase(cluster)
  await migrateDatabase(url)
  const store = await openStore(url)
  const organization = await openOrganization(store)
  const ids = await Promise.all(Array.from({ length: 50 }, async (_, index) => (await organization.create({ userId: `u${index}` })).id))
  const state: { distribution?: Distribution; written: number } = { written: 0 }
  const distributing = distributeDatabase(url, { shards: 4 }).then((distribution) => { state.distribution = distribution })
  const expectedTags = new Map(ids.map((id): [number, string[]] => [id, []]))
  await Promise.all(ids.map(async (id, index) => {
    for (let step = 0; state.distribution === undefined || step < 5; step += 1) {
      const tag = `t${index % 5}-${step % 50}`
      if (!(expectedTags.get(id) ?? []).includes(tag)) expectedTags.get(id)?.push(tag)
      await organization.tag(id, [tag])
      expect((await organization.find(id))?.id).toBe(id)
      state.written += 1
    }
  }))
  await distributing

  expect(state.distribution?.tables).toEqual(distributed)
  for (const id of ids) expect((await organization.find(id))?.tags.map(({ name }) => name)).toEqual(expectedTags.get(id))
  expect((await organization.search({ limit: 1 })).total).toBe(50)
  // A batch over several machines, by a server that was started when there was one.
  await organization.batch(ids.slice(0, 10).map((id) => ({ customer: id, name: 'same' })))
  expect((await organization.search({ filter: [{ field: 'customers.name', operator: '=', value: 'same' }] })).total).toBe(10)
})

/** What takes back all migrations but the first, and those that only make indexes, which can be run twice. */
const laterThanFirst = [
  'drop table request_leases', 'drop function lease_requests',
  'alter table customers drop column version', 'alter table feed drop column stamp', 'drop table change_horizons', 'drop table feed_origin', 'drop table trash',
  'drop table idempotency_keys',
  'drop table webhooks', 'drop table webhook_positions', 'drop table webhook_workers', 'drop table held_customers', 'drop table deliveries',
  'delete from schema_migrations where version > 1'
]

describe('a database on which later migrations run', () => {
  test('gets their tables, functions and indexes on every machine', async () => {
    const { url } = await createClusterDatabase(cluster)
    await distributeDatabase(url, { shards: 4 })
    const organization = await openOrganization(await openStore(url))
    await fill(organization)
    for (const undone of laterThanFirst) await query(url, undone)
    await query(url, 'drop index customers_by_email')

    expect(await migrateDatabase(url)).toEqual((await query(url, 'select name from schema_migrations where version > 1 order by version')).map(({ name }) => name))
    expect(await found(url)).toEqual(expected)
    const indexes = await query(url, "select result from run_command_on_shards('customers', 'select count(*) from pg_index where indrelid = ''%s''::regclass')")
    const [here] = await query(url, "select count(*)::text as result from pg_index where indrelid = 'customers'::regclass")
    expect(indexes).toEqual([here, here, here, here])
    expect((await organization.search({ filter: [{ field: 'customers.name', operator: '=', value: 'ann 3' }] })).total).toBe(1)
  })

  test('has a new table in its place as soon as it is there', async () => {
    const { url } = await createClusterDatabase(cluster)
    await distributeDatabase(url, { shards: 4 })
    await withClient(url, async (client) => {
      await client.query('drop table user_ids, attributes')
      await client.query(`begin; ${inSequence}`)
      await client.query('create table user_ids (organization_id bigint not null, digest bytea not null, customer_id bigint not null, primary key (organization_id, digest))')
      await client.query('create table attributes (id bigint generated by default as identity primary key, organization_id bigint not null, name text not null, type text not null)')
      expect(await placeTables(client)).toEqual(['attributes', 'user_ids'])
      await client.query('commit')
    })

    expect(await found(url)).toEqual(expected)
  })
})

describe('distributing refuses, and says what to do', () => {
  async function refusal(url: string): Promise<string> {
    const error = await distributeDatabase(url).then(() => undefined, (thrown: unknown) => thrown)
    if (!(error instanceof OperatorError)) throw new Error('It was not refused', { cause: error })
    return error.message
  }

  test('a database without Citus', async () => {
    const { url } = await createClusterDatabase(cluster, { knows: 'nothing' })
    await query(url, 'drop extension citus')

    expect(await refusal(url)).toBe('The database has no extension citus. Make it in this database on the coordinator and on every worker: create extension citus')
    expect(await query(url, "select tablename from pg_tables where schemaname = 'public'")).toEqual([])
  })

  test('a coordinator that has no name', async () => {
    const { url } = await createClusterDatabase(cluster, { knows: 'nothing' })

    expect(await refusal(url)).toBe("The coordinator does not know under which name the workers reach it. Tell it: select citus_set_coordinator_host('name', 5432)")
  })

  test('a cluster without workers', async () => {
    const { url } = await createClusterDatabase(cluster, { knows: 'itself' })

    expect(await refusal(url)).toBe("The cluster has no worker that holds rows. Add each on the coordinator: select citus_add_node('name', 5432)")
  })

  test('a worker, on which no server starts either', async () => {
    const { url, workerUrl } = await createClusterDatabase(cluster)
    await distributeDatabase(url, { shards: 2 })
    const message = 'This server is a worker of a Citus cluster. Name the coordinator of the cluster in the URL.'

    expect(await refusal(workerUrl)).toBe(message)
    await expect(PostgresStore.open({ url: workerUrl })).rejects.toEqual(new OperatorError(message))
  })

  test('a user who does not own the tables', async () => {
    const { url } = await createClusterDatabase(cluster)
    await migrateDatabase(url)
    const role = `test_role_${Date.now()}`
    await query(url, `create role ${role} login; grant select on schema_migrations to ${role}`)
    onTestFinished(async () => { await query(cluster, `drop role ${role}`) })
    const theirs = Object.assign(new URL(url), { username: role }).href

    const said = await refusal(theirs)
    await query(url, `revoke select on schema_migrations from ${role}`)
    expect(said).toBe('The tables could not be distributed, and are as they were: permission denied for table organizations')
    expect(await query(url, 'select table_name from citus_tables')).toEqual([])
  })

  test('another number of shards than there is', async () => {
    const { url } = await createClusterDatabase(cluster)
    await distributeDatabase(url, { shards: 4 })

    await expect(distributeDatabase(url, { shards: 8 })).rejects.toEqual(new OperatorError(
      "The customers are spread in 4 shards already. Citus changes that: select alter_distributed_table('customers', shard_count => 8, cascade_to_colocated => true)"))
  })
})

describe('the command distribute', () => {
  test('says what it did, for people and for programs', async () => {
    const { url } = await createClusterDatabase(cluster)

    expect(await runCli(['distribute', '--database', url, '--shards', '4'])).toEqual({
      status: 0, stderr: '', stdout: `Distributed ${url}, customers are in 4 shards on 2 machines: ${distributed.join(', ')}\n`
    })
    expect(await runCli(['distribute', '--database', url, '--json'])).toEqual({
      status: 0, stderr: '', stdout: `${JSON.stringify({ database: url, migrations: [], tables: [], machines: 2, shards: 4 })}\n`
    })
  })
})

test('who owned a customer before still does: speaking to a distributed database by another process', async () => {
  const { url } = await createClusterDatabase(cluster)
  await migrateDatabase(url)
  const organization = await openOrganization(await openStore(url))
  await fill(organization)
  await distributeDatabase(url, { shards: 4 })
  const other = speakTo(await openStore(url), organization.caller)

  expect(await Promise.all([1, 7, 20].map(async (id) => await other.find(id)))).toEqual(await Promise.all([1, 7, 20].map(async (id) => await organization.find(id))))
  await expect(other.create({ userId: 'u3' })).rejects.toMatchObject({ code: 'invalid_userId_value', existingId: 4 })
})
