import { randomBytes } from 'node:crypto'
import { inject, onTestFinished } from 'vitest'
import type { RunningCli } from '../e2e/start-cli.ts'
import { startCli } from '../e2e/start-cli.ts'
import { withClient } from '../../src/postgres/connection.ts'
import type { PostgresDatabase } from '../postgres-server.ts'
import { createPostgresDatabase } from '../postgres-server.ts'

/** An empty, migrated database of one test. */
export async function createDatabase(serverUrl = inject('postgresUrl')): Promise<PostgresDatabase> {
  const database = await createPostgresDatabase(serverUrl)
  onTestFinished(database.drop)
  return database
}

interface EmptyDatabase {
  /** As the owner, who may make tables. */
  readonly ownerUrl: string
  /** As the role of servers, which may not. */
  readonly url: string
}

/** A database of one test without a schema; `options` as CREATE DATABASE takes them. */
export async function createEmptyDatabase(options = ''): Promise<EmptyDatabase> {
  const { url, ownerUrl } = await createDatabase()
  const name = `empty_${randomBytes(6).toString('hex')}`
  const owner = new URL(ownerUrl).username
  const superuserUrl = inject('postgresUrl')
  await withClient(superuserUrl, async (client) => await client.query(`create database ${name} template template0 owner ${owner} ${options}`))
  onTestFinished(async () => {
    await withClient(superuserUrl, async (client) => await client.query(`drop database ${name} with (force)`))
  })
  return { url: withDatabase(url, name), ownerUrl: withDatabase(ownerUrl, name) }
}

/** The same server and role, another database. */
export function withDatabase(url: string, name: string): string {
  const changed = new URL(url)
  changed.pathname = `/${name}`
  return changed.href
}

interface ServersOptions {
  readonly args?: readonly string[]
  /** Of an organization that is there already. */
  readonly key?: string
}

/** A real server process on a database that may be anywhere. */
export async function startServer(url: string, { args = [], key }: ServersOptions = {}): Promise<RunningCli> {
  return await startCli({ args: ['--database', url, ...args], ...(key === undefined ? {} : { key }) })
}

/** Several server processes on one empty database, with the key that the first one made. */
export async function startServers(url: string, count: number, options: ServersOptions = {}): Promise<[RunningCli, RunningCli, ...RunningCli[]]> {
  const first = await startServer(url, options)
  const { key = '' } = first
  const [second, ...others] = await Promise.all(Array.from({ length: count - 1 }, async () => await startServer(url, { ...options, key })))
  if (second === undefined) throw new Error('Several servers are at least two')
  return [first, second, ...others]
}

/** The server whose turn it is, so that neighbors in a list of requests go to different processes. */
export function inTurn(servers: readonly RunningCli[], index: number): RunningCli {
  const server = servers[index % servers.length]
  if (server === undefined) throw new Error('There are no servers')
  return server
}

/** Throws what was answered instead, so that a failure shows it. */
export async function create(server: RunningCli, draft: object): Promise<number> {
  const { status, body } = await server.call('POST', '/v1/customers', draft)
  if (status !== 201) throw new Error(`A customer was not created: ${status} ${JSON.stringify(body)}`)
  return (body as { id: number }).id
}

/** What SQL answers. */
export async function rows<Row extends Record<string, unknown>>(url: string, text: string): Promise<Row[]> {
  return await withClient(url, async (client) => (await client.query<Row>(text)).rows)
}
