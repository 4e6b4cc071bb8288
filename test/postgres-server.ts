import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'
import { withClient } from '../src/postgres/connection.ts'
import { migrateDatabase } from '../src/postgres/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The URL of the server that all tests of a run share, as its superuser. */
    postgresUrl: string
  }
}

export interface PostgresServer {
  /** As its superuser. */
  readonly url: string
  /** `stop` ends what is under way, `crash` does so without a word. */
  order(order: 'stop' | 'crash' | 'start'): Promise<void>
  /** Stops it and removes its files. */
  close(): Promise<void>
}

/** What every test database starts from. */
const template = 'clientele_template'
/** Owns the tables; may not do more than the owner of a database. */
const owner = 'clientele_owner'
/** What the servers under test connect as: owns nothing, and has what docs/operations.md says. */
const app = 'clientele_app'

/** For vitest: one server for all tests of a run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres()
  project.provide('postgresUrl', server.url)
  return server.close
}

/** A server with a migrated template, which does not outlive this process however that ends. */
export async function startPostgres(settings: Record<string, string> = {}): Promise<PostgresServer> {
  // In a session of its own, so that an interrupt from the terminal reaches it only through us.
  const child = spawn(process.execPath, [fileURLToPath(new URL('postgres-process.ts', import.meta.url)), JSON.stringify(settings)], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const nextAnswer = async (): Promise<{ url?: string; error?: string }> => {
    const { value, done } = await lines.next()
    if (done === true) throw new Error('PostgreSQL for the tests ended unasked')
    const answer = JSON.parse(value) as { url?: string; error?: string }
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }
  const close = async (): Promise<void> => {
    child.stdin.end()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  try {
    const { url = '' } = await nextAnswer()
    await createTemplate(url)
    return {
      url,
      close,
      async order(order) {
        child.stdin.write(`${order}\n`)
        await nextAnswer()
      }
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function createTemplate(url: string): Promise<void> {
  const { password } = new URL(url)
  await withClient(url, async (client) => {
    for (const role of [owner, app]) await client.query(`create role ${role} login password '${password}'`)
    await client.query(`create database ${template} owner ${owner}`)
  })
  await migrateDatabase(urlOf(url, template, owner))
  await withClient(urlOf(url, template, owner), async (client) => {
    await client.query(`grant select, insert, update, delete on all tables in schema public to ${app}`)
    await client.query(`grant usage on all sequences in schema public to ${app}`)
  })
}

export interface PostgresDatabase {
  /** As the role that servers connect as. */
  readonly url: string
  /** As the owner of the tables. */
  readonly ownerUrl: string
  /** Ends its connections, too. */
  drop(): Promise<void>
}

/** A database of its own, migrated; or a copy of another one, to which nobody is connected. */
export async function createPostgresDatabase(serverUrl: string, original?: PostgresDatabase): Promise<PostgresDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const copied = original === undefined ? template : new URL(original.url).pathname.slice(1)
  // Copied as files, since nothing is synced here: half the time of writing each page through the log.
  await withClient(serverUrl, async (client) => await client.query(`create database ${name} template ${copied} owner ${owner} strategy file_copy`))
  return {
    url: urlOf(serverUrl, name, app),
    ownerUrl: urlOf(serverUrl, name, owner),
    async drop() {
      await withClient(serverUrl, async (client) => await client.query(`drop database ${name} with (force)`))
    }
  }
}

function urlOf(serverUrl: string, database: string, role: string): string {
  const url = new URL(serverUrl)
  url.username = role
  url.pathname = `/${database}`
  return url.href
}
