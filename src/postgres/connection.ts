import pg from 'pg'
import { parse } from 'pg-connection-string'
import { OperatorError } from '../errors.ts'
import { limits } from '../limits.ts'
import { refuseWorker } from './citus.ts'
import { insufficientPrivilege, readOnly, sqlState } from './storage-error.ts'

export interface ConnectionOptions {
  readonly url: string
  /** Connections that this process holds at most. */
  readonly poolSize?: number
}

/** The oldest version of PostgreSQL whose every function we use is there, as server_version_num tells it. */
const serverVersionMin = 150_000

/** Numbers of types in PostgreSQL's catalog. */
const [int8, int8Array] = [20, 1016]

/** Ids and counts stay below 2^53, so they are numbers; all else is read as the driver does. */
const types: pg.CustomTypesConfig = {
  getTypeParser(oid, format) {
    if (Number(oid) === int8) return Number
    if (Number(oid) === int8Array) return parseIds
    // The driver's own signature has one overload for each format.
    return (format === 'binary' ? pg.types.getTypeParser(oid, 'binary') : pg.types.getTypeParser(oid, 'text')) as (value: string) => unknown
  }
}

/** An array of integers as PostgreSQL writes it, such as `{4,2}`. */
function parseIds(text: string): number[] {
  return text === '{}' ? [] : text.slice(1, -1).split(',').map(Number)
}

function clientConfig(url: string): pg.ClientConfig {
  return {
    application_name: 'clientele',
    ...readUrl(url),
    keepAlive: true,
    connectionTimeoutMillis: limits.connectionWaitSeconds * 1000,
    types
  }
}

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']

/** The parser of URLs takes any other for `require`. */
function requireKnownSslMode(url: string): void {
  const mode = URL.parse(url)?.searchParams.get('sslmode') ?? null
  if (mode === null || sslModes.includes(mode)) return
  throw new OperatorError(`The URL of the database cannot be used: sslmode=${mode} is not one of ${sslModes.join(', ')}.`)
}

/** The parts of a URL; `sslmode` means what it means to other clients of PostgreSQL, but that `allow` and `prefer` do not go on without encryption. */
function readUrl(url: string): pg.ClientConfig {
  requireKnownSslMode(url)
  try {
    const { ssl, host, port, user, password, database, application_name } = parse(url, { useLibpqCompat: true })
    return {
      ...(host === null || host === '' ? {} : { host }),
      ...(port === null || port === undefined || port === '' ? {} : { port: Number(port) }),
      ...(user === undefined || user === '' ? {} : { user }),
      ...(password === undefined || password === '' ? {} : { password }),
      ...(database === null || database === undefined ? {} : { database }),
      ...(application_name === undefined ? {} : { application_name }),
      ...(ssl === undefined ? {} : { ssl: ssl as pg.ClientConfig['ssl'] & object })
    }
  } catch (error) {
    // The parser's own message may hold the password.
    throw new OperatorError(`The URL of the database cannot be used: ${urlFault(error)}.`)
  }
}

function urlFault(error: unknown): string {
  const { code, path } = error as NodeJS.ErrnoException
  if (code !== undefined && path !== undefined) return `the file ${path}, which it names, cannot be read (${code})`
  return error instanceof Error && error.message.includes('sslrootcert')
    ? 'sslmode=verify-ca needs sslrootcert, the file of the authority'
    : urlForm
}

const urlForm = 'it should read postgres://user:password@host:port/database'

/** A pool that never ends the process: a connection that breaks while idle is replaced by the next one that is needed. */
export function openPool({ url, poolSize = limits.poolSizeDefault }: ConnectionOptions): pg.Pool {
  const pool = new pg.Pool({
    ...clientConfig(url),
    max: poolSize,
    // What belongs together is sent together, and answered in order.
    pipeline: true,
    // For a server that has stopped answering at all; each statement has its own limit there.
    query_timeout: (limits.searchSecondsMax + limits.lockWaitSeconds) * 1000,
    idleTimeoutMillis: 60_000
  })
  pool.on('error', () => undefined)
  // Also while the pool hands it to who waits: PostgreSQL may end a connection in the packet in which it says that it is ready.
  pool.on('connect', (client) => { client.on('error', () => undefined) })
  return pool
}

/** For who runs a command: what keeps it from the database that a URL names. */
export function cannotBeUsed(error: unknown, url: string): OperatorError {
  if (error instanceof OperatorError) return error
  const { message = '', code = 'no connection' } = error as { message?: string; code?: string }
  // The message of several failed attempts to connect is empty.
  const said = message === '' ? code : message
  return new OperatorError(`The database cannot be used: ${said}. ${operatorRemedy(error) ?? `${defaultsTaken(url)}Check its URL, and whether it runs.`}`, { cause: error })
}

/** What who runs a command can do about an error of PostgreSQL that trying again does not help; undefined for others. */
export function operatorRemedy(error: unknown): string | undefined {
  return { [readOnly]: readOnlyRemedy, [insufficientPrivilege]: privilegeRemedy }[sqlState(error)]
}

export const readOnlyRemedy =
  'It is read-only. If it is a standby, name its primary; if not, default_transaction_read_only is on for the database, its user or the server: switch that off.'

const privilegeRemedy = 'Name a user in the URL who may, or grant this one what docs/operations.md has under PostgreSQL.'

/** Sentences, each with a space behind it, on what the driver takes for what a URL leaves out, since who wrote it may not know. */
export function defaultsTaken(url: string): string {
  const given = clientConfig(url)
  const taken = new pg.Client(given)
  const missing = (['host', 'user', 'database'] as const).filter((part) => given[part] === undefined)
  // Where the driver finds none, it may have empty text.
  const unknown = missing.filter((part) => !taken[part])
  return [
    ...missing.filter((part) => !unknown.includes(part)).map((part) => `The URL names no ${part}, so ${taken[part]} was taken. `),
    unknown.length === 0 ? '' : `The URL names no ${unknown.join(' and no ')}: ${urlForm}. `
  ].join('')
}

/** Runs `use` with a connection of its own, without the limits of requests, for migrations and the like. */
export async function withClient<Answer>(url: string, use: (client: pg.Client) => Promise<Answer>): Promise<Answer> {
  const client = new pg.Client(clientConfig(url))
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await use(client)
  } finally {
    // A connection that broke is at its end already, and what broke it has failed the task.
    await client.end().catch(() => undefined)
  }
}

/**
 * Ends something that is over: a transaction that failed or was only read in, a cursor, a lock of the session. When that fails the
 * connection is broken or the server has ended it already, and there is nothing left to end; why it is over is the caller's to tell.
 */
export async function endQuietly(client: pg.ClientBase, text: string, values: readonly unknown[] = []): Promise<void> {
  await client.query(text, [...values]).catch(() => undefined)
}

interface ServerFacts {
  readonly version: number
  readonly versionName: string
  readonly encoding: string
}

/** Refuses a server on which something would not work, in words that say what to do. */
export async function checkServer(client: pg.ClientBase): Promise<void> {
  const { rows: [facts] } = await client.query<ServerFacts>(`
    select current_setting('server_version_num')::int as version, current_setting('server_version') as "versionName",
      (select pg_encoding_to_char(encoding) from pg_database where datname = current_database()) as encoding`)
  if (facts === undefined) throw new Error('The server does not say its version')
  if (facts.version < serverVersionMin) throw new OperatorError(`The server runs PostgreSQL ${facts.versionName}. Clientele needs 15 or later.`)
  if (facts.encoding !== 'UTF8') {
    throw new OperatorError(`The database has the encoding ${facts.encoding}, which cannot hold every text. Make one with: create database … encoding 'UTF8' template template0`)
  }
  await refuseWorker(client)
}
