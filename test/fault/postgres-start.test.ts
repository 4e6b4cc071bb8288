import { expect, inject, test, vi } from 'vitest'
import { withClient } from '../../src/postgres/connection.ts'
import { readMigrations } from '../../src/sql/migrations.ts'
import type { Ended } from '../e2e/start-cli.ts'
import { runCli } from '../e2e/start-cli.ts'
import { create, createDatabase, createEmptyDatabase, rows, startServer, withDatabase } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 120_000 })

const serve = async (url: string): Promise<Ended> => await runCli(['serve', '--port', '0', '--database', url])
const refusal = (stderr: string): Ended => ({ status: 1, stdout: '', stderr: `error: ${stderr}\n` })

test('ten processes that start together on an empty database migrate it once, make one first key, and all serve', async () => {
  const { ownerUrl } = await createEmptyDatabase()
  const servers = await Promise.all(Array.from({ length: 10 }, async () => await startServer(ownerUrl)))
  const keys = servers.flatMap(({ key }) => key ?? [])
  expect(keys).toHaveLength(1)
  const migrations = readMigrations(new URL('../../src/postgres/migrations/', import.meta.url))
  expect(await rows(ownerUrl, 'select version, name from schema_migrations order by version')).toEqual(migrations.map(({ version, name }) => ({ version, name })))
  const ids = await Promise.all(servers.map(async (server) => await create(server.withKey(keys[0]), {})))
  expect(new Set(ids).size).toBe(10)
})

test('a role that may only read and write rows serves a migrated database, and is told what it lacks on an empty one', async () => {
  const { url, ownerUrl } = await createEmptyDatabase()
  expect(await serve(url)).toEqual(refusal(
    'The database user may not run the migration 0001-customers.sql: permission denied to create extension "pg_trgm". Run npx clientele migrate as the owner of the database.'))
  expect(await rows(ownerUrl, "select tablename from pg_tables where schemaname = 'public'")).toEqual([])

  expect(await runCli(['migrate', '--database', ownerUrl])).toMatchObject({ status: 0 })
  const role = new URL(url).username
  await rows(ownerUrl, `grant select, insert, update, delete on all tables in schema public to ${role}`)
  await rows(ownerUrl, `grant usage on all sequences in schema public to ${role}`)
  const server = await startServer(url, { args: ['--rate-limit', '1000/min'] })
  const id = await create(server, { userId: 'u', tags: ['new'], customData: { new: 1 } })
  const asked = [
    await server.call('PATCH', `/v1/customers/${id}`, { name: 'n' }),
    await server.call('POST', '/v1/events', { name: 'e', customer: id }),
    await server.call('POST', '/v1/customers/search', { filter: [{ field: 'customers.name', operator: '~', value: 'n' }] }),
    await server.call('GET', '/health/ready'),
    await server.call('DELETE', `/v1/customers/${id}`)
  ]
  expect(asked.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
})

test('a newer schema that breaks nothing lets this version serve, and one that does refuses it', async () => {
  const { url, ownerUrl } = await createDatabase()
  const { length: known } = readMigrations(new URL('../../src/postgres/migrations/', import.meta.url))
  await rows(ownerUrl, `insert into schema_migrations (version, name, usable_from) values (${known + 1}, 'newer.sql', 0)`)
  await create(await startServer(url), {})

  await rows(ownerUrl, `update schema_migrations set usable_from = ${known + 1} where version = ${known + 1}`)
  expect(await serve(url)).toEqual(refusal(
    `The database was written by a newer version of Clientele (schema ${known + 1}, this one knows ${known}). Start that version instead.`))
})

test('a database without an extension is refused with what to do, and an extension that is not on its machine is named', async () => {
  const { url, ownerUrl } = await createDatabase()
  await withClient(superuserUrlOf(ownerUrl), async (client) => await client.query('drop extension btree_gin cascade'))
  expect(await serve(url)).toEqual(refusal(
    'Searches lack an extension, and with it their indexes. As the owner of the database run "create extension btree_gin" in it, then npx clientele doctor.'))
  await withClient(superuserUrlOf(ownerUrl), async (client) => await client.query('create extension btree_gin'))
  expect(await runCli(['doctor', '--database', ownerUrl])).toMatchObject({ status: 0 })
  await startServer(url)

  const { ownerUrl: empty } = await createEmptyDatabase()
  // As PostgreSQL says it where the package of the extension is not installed.
  await withClient(superuserUrlOf(empty), async (client) => await client.query(`
    create function lack() returns event_trigger language plpgsql as $$
      begin raise exception 'extension "pg_trgm" is not available' using errcode = 'feature_not_supported'; end $$;
    create event trigger lack on ddl_command_start when tag in ('CREATE EXTENSION') execute function lack()`))
  expect(await serve(empty)).toEqual(refusal(
    'PostgreSQL has not got the extension pg_trgm there. Install its contrib package on the machine of the database, then run npx clientele migrate.'))
})

test('a read-only database is named as such: by what has to write to it, and in the log of a server that reads from it', async () => {
  const { url, ownerUrl } = await createDatabase()
  const { ownerUrl: empty } = await createEmptyDatabase()
  const switchTo = async (one: string, value: 'on' | 'off'): Promise<void> => {
    const name = new URL(one).pathname.slice(1)
    await rows(inject('postgresUrl'), `alter database ${name} set default_transaction_read_only = ${value}`)
  }
  // As every command does, it takes a database that was made as a copy for its own.
  expect(await runCli(['key', 'list', '--database', url])).toMatchObject({ status: 0 })
  await Promise.all([switchTo(url, 'on'), switchTo(empty, 'on')])
  const remedy = 'It is read-only. If it is a standby, name its primary; if not, default_transaction_read_only is on for the database, its user or the server: switch that off.'
  const shown = (one: string): string => one.replace(/:[^:]*@/, ':***@')
  const cannotMigrate = refusal(`The database cannot be used: cannot execute CREATE EXTENSION in a read-only transaction. ${remedy}`)
  expect(await runCli(['migrate', '--database', empty])).toEqual(cannotMigrate)
  expect(await serve(empty)).toEqual(cannotMigrate)
  const cannotInsert = refusal(`${shown(url)}: cannot execute INSERT in a read-only transaction. ${remedy}`)
  expect(await serve(url)).toEqual(cannotInsert)
  expect(await runCli(['key', 'create', '--database', url])).toEqual(cannotInsert)
  const { ownerUrl: source } = await createDatabase()
  expect(await runCli(['copy', '--from', source, '--to', ownerUrl])).toEqual(refusal(`${shown(ownerUrl)}: cannot execute TRUNCATE TABLE in a read-only transaction. ${remedy}`))

  await switchTo(url, 'off')
  const { key } = await startServer(url)
  await switchTo(url, 'on')
  const server = await startServer(url, key === undefined ? {} : { key })
  const { status, body } = await server.call('POST', '/v1/customers', {})
  expect({ status, body }).toMatchObject({ status: 503, body: { errors: [{ message: 'The database cannot be written: it is read-only, as a standby is, or set so. Nothing was changed; try again.' }] } })
  expect((await server.call('GET', '/v1/customers')).status).toBe(200)
  const { stderr } = await server.end('SIGTERM')
  expect(stderr).toContain('The database cannot be written: it is read-only, as a standby is, or set so.')
})

test('what a URL leaves out is named when the database cannot be used, with what was taken instead', async () => {
  const { url } = await createDatabase()
  const { username, port, password } = new URL(url)
  const nobody = { USER: '', USERNAME: '', PGUSER: '' }
  const cases: [url: string, env: Record<string, string>, said: string][] = [
    [`postgres://${username}:${password}@127.0.0.1:${port}/`, {}, `database "${username}" does not exist. The URL names no database, so ${username} was taken. Check its URL, and whether it runs.`],
    [`postgres://127.0.0.1:1/x`, { PGUSER: 'somebody' }, 'connect ECONNREFUSED 127.0.0.1:1. The URL names no user, so somebody was taken. Check its URL, and whether it runs.'],
    [`postgres://127.0.0.1:${port}`, nobody,
      'no PostgreSQL user name specified in startup packet. The URL names no user and no database: it should read postgres://user:password@host:port/database. Check its URL, and whether it runs.'],
    ['postgres:///', { ...nobody, PGHOST: '127.0.0.1', PGPORT: '1', PGUSER: 'somebody', PGDATABASE: 'something' },
      'connect ECONNREFUSED 127.0.0.1:1. The URL names no host, so 127.0.0.1 was taken. The URL names no user, so somebody was taken. The URL names no database, so something was taken. Check its URL, and whether it runs.']
  ]
  const ends = await Promise.all(cases.map(async ([one, env]) => await runCli(['migrate'], { env: { ...env, CLIENTELE_DATABASE: one } })))
  expect(ends).toEqual(cases.map(([, , said]) => refusal(`The database cannot be used: ${said}`)))
  expect(await runCli(['copy', '--from', `postgres://${username}:${password}@127.0.0.1:${port}`, '--to', 'sqlite:never.db'])).toEqual(refusal(
    `postgres://${username}:***@127.0.0.1:${port}: database "${username}" does not exist. The URL names no database, so ${username} was taken. ` +
    "Name one that is there, or make it first: create database … encoding 'UTF8' template template0"))
})

/** The same database as its superuser. */
function superuserUrlOf(url: string): string {
  return withDatabase(inject('postgresUrl'), new URL(url).pathname.slice(1))
}

test('what is wrong with the database or its URL is said in a sentence without the password', async () => {
  const { url } = await createDatabase()
  const { url: ascii } = await createEmptyDatabase("encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' locale_provider libc")
  const wrongPassword = new URL(url)
  wrongPassword.password = 'not-the-secret'
  const { password, username } = new URL(url)
  const nobody = new URL(url)
  nobody.port = '1'
  const cases: Record<string, string> = {
    [ascii]: "The database has the encoding SQL_ASCII, which cannot hold every text. Make one with: create database … encoding 'UTF8' template template0",
    [wrongPassword.href]: `The database cannot be used: password authentication failed for user "${username}". Check its URL, and whether it runs.`,
    [withDatabase(url, 'nowhere')]: 'The database cannot be used: database "nowhere" does not exist. Check its URL, and whether it runs.',
    [`${url}?sslmode=require`]: 'The database cannot be used: The server does not support SSL connections. Check its URL, and whether it runs.',
    [`${url}?sslmode=verify_full`]: 'The URL of the database cannot be used: sslmode=verify_full is not one of disable, allow, prefer, require, verify-ca, verify-full.',
    [`${url}?sslmode=verify-full&sslrootcert=/nowhere.pem`]: 'The URL of the database cannot be used: the file /nowhere.pem, which it names, cannot be read (ENOENT).',
    [nobody.href]: 'The database cannot be used: connect ECONNREFUSED 127.0.0.1:1. Check its URL, and whether it runs.'
  }
  const answers = await Promise.all(Object.keys(cases).map(async (one) => await serve(one)))
  expect(answers).toEqual(Object.values(cases).map(refusal))
  for (const { stderr } of answers) {
    expect(stderr).not.toContain(password)
    expect(stderr).not.toContain('not-the-secret')
  }
  // Of two addresses that do not answer, as localhost may have, at least one is named.
  nobody.hostname = 'localhost'
  expect((await serve(nobody.href)).stderr).toMatch(/^error: The database cannot be used: connect ECONNREFUSED \S+:1\b.*\. Check its URL, and whether it runs\.\n$/)
})
