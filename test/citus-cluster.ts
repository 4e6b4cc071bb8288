import { randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { withClient } from '../src/postgres/connection.ts'

interface Node {
  readonly host: string
  readonly port: number
  readonly isCoordinator: boolean
}

export interface ClusterDatabase {
  /** On the coordinator. */
  readonly url: string
  /** On a worker. */
  readonly workerUrl: string
}

/** The machines of the cluster that a database is on, the coordinator first. */
async function nodesOf(url: string): Promise<Node[]> {
  return await withClient(url, async (client) => (await client.query<Node>(`
    select nodename as host, nodeport as port, groupid = 0 as "isCoordinator" from pg_dist_node where isactive and noderole = 'primary' order by groupid`)).rows)
}

/** A new database on every machine of the cluster, of which the coordinator knows as much as wanted; gone when the test has finished. */
export async function createClusterDatabase(url: string, { knows = 'workers' }: { knows?: 'nothing' | 'itself' | 'workers' } = {}): Promise<ClusterDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const nodes = await nodesOf(url)
  const on = ({ host, port }: Node, database = name): string => Object.assign(new URL(url), { host: `${host}:${port}`, pathname: `/${database}` }).href
  onTestFinished(async () => {
    await Promise.all(nodes.map(async (node) => await withClient(on(node, 'postgres'), async (client) => await client.query(`drop database if exists ${name} with (force)`))))
  })
  await Promise.all(nodes.map(async (node) => {
    await withClient(on(node, 'postgres'), async (client) => await client.query(`create database ${name}`))
    await withClient(on(node), async (client) => await client.query('create extension citus'))
  }))
  const [coordinator, worker] = nodes
  if (coordinator === undefined || worker === undefined) throw new Error('The cluster of CLIENTELE_TEST_CITUS_URL has no workers')
  await withClient(on(coordinator), async (client) => {
    for (const { host, port, isCoordinator } of knows === 'nothing' ? [] : nodes) {
      if (isCoordinator) await client.query('select citus_set_coordinator_host($1, $2)', [host, port])
      else if (knows === 'workers') await client.query('select citus_add_node($1, $2)', [host, port])
    }
  })
  return { url: on(coordinator), workerUrl: on(worker) }
}
