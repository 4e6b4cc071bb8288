import { setTimeout } from 'node:timers/promises'
import { expect, inject, test, vi } from 'vitest'
import { withClient } from '../../src/postgres/connection.ts'
import { openOrganization } from '../conformance/open-organization.ts'
import { createDatabase } from '../engines.ts'

vi.setConfig({ testTimeout: 60_000 })

interface Part {
  /** Of the machine that has it. */
  readonly url: string
  readonly table: string
}

/** Where the only row of user_ids is. */
async function partOfUserId(): Promise<Part> {
  const coordinator = inject('citusUrl')
  return await withClient(coordinator, async (client) => {
    const { rows: [part] } = await client.query<{ shard: number; host: string; port: number }>(`
      select shardid as shard, nodename as host, nodeport as port from pg_dist_shard_placement
      where shardid = (select get_shard_id_for_distribution_column('user_ids', digest) from user_ids)`)
    if (part === undefined) throw new Error('There is no row of user_ids')
    return { url: Object.assign(new URL(coordinator), { host: `${part.host}:${part.port}` }).href, table: `user_ids_${part.shard}` }
  })
}

// A worker that died amid a commit commits its part only when it is back.
test.each([
  { change: 'given to nobody', make: async (organization: Organization, id: number) => await organization.patch(id, { userId: null }) },
  { change: 'changed', make: async (organization: Organization, id: number) => await organization.patch(id, { userId: 'new' }) },
  { change: 'deleted with its customer', make: async (organization: Organization, id: number) => await organization.delete(id) }
])('a userId that is $change before the machine that keeps it has committed its taking is free afterwards', async ({ make }) => {
  const database = await createDatabase()
  const organization = await openOrganization(await database.openStore())
  const { id } = await organization.create({ userId: 'old' })
  const { url, table } = await partOfUserId()
  await withClient(url, async (machine) => {
    await machine.query('set citus.enable_manual_changes_to_shards = on')
    const { rows: [claim] } = await machine.query<{ organization_id: number; digest: Buffer; customer_id: number }>(`delete from ${table} returning *`)
    await machine.query('begin')
    await machine.query(`insert into ${table} (organization_id, digest, customer_id) values ($1, $2, $3)`, [claim?.organization_id, claim?.digest, claim?.customer_id])
    const made = make(organization, id)
    await Promise.race([made, withClient(url, async (client) => {
      while ((await client.query("select from pg_locks where not granted and locktype = 'transactionid'")).rowCount === 0) await setTimeout(5)
    })])
    await machine.query('commit')
    await made
  })

  expect(await organization.create({ userId: 'old' })).toMatchObject({ userId: 'old' })
})

type Organization = Awaited<ReturnType<typeof openOrganization>>
