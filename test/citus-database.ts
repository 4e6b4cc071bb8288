import type { TestProject } from 'vitest/node'
import { placements } from '../src/postgres/citus.ts'
import { withClient } from '../src/postgres/connection.ts'
import { distributeDatabase } from '../src/postgres/distribute.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The URL of the database on a Citus cluster that the tests empty, one after the other. */
    citusUrl: string
  }
}

const mark = 'of the tests of Clientele'

/** For vitest: distributes the database that CLIENTELE_TEST_CITUS_URL names, which should be empty or of an earlier run. */
export async function setup(project: TestProject): Promise<void> {
  const url = process.env.CLIENTELE_TEST_CITUS_URL ?? ''
  await withClient(url, async (client) => {
    const { rows: [found] } = await client.query<{ name: string; tables: number; mark: string | null }>(`
      select current_database() as name, (select count(*) from pg_tables where schemaname = 'public')::int as tables,
        shobj_description(oid, 'pg_database') as mark from pg_database where datname = current_database()`)
    // The tests empty it.
    if (found === undefined || (found.tables > 0 && found.mark !== mark)) throw new Error(`The database of CLIENTELE_TEST_CITUS_URL is not empty. Make one for the tests`)
    await client.query(`comment on database ${client.escapeIdentifier(found.name)} is '${mark}'`)
  })
  // Few shards show what many do, in less time.
  await distributeDatabase(url, { shards: 4 })
  project.provide('citusUrl', url)
}

const kept = ['schema_migrations', 'secrets', 'purges', 'feed_origin', 'trash']

/** As a database is that was just distributed. A database for each test would take seconds. */
export async function emptyCitusDatabase(url: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rows: sequences } = await client.query<{ name: string }>("select oid::regclass::text as name from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace")
    const tables = Object.keys(placements).filter((name) => !kept.includes(name))
    await client.query([
      'begin',
      ...tables.map((name) => `delete from ${name}`),
      ...sequences.map(({ name }) => `select setval('${name}', 1, false)`),
      'update trash set final_before = 0, emptied_before = 0',
      'commit'
    ].join(';'))
  })
}
