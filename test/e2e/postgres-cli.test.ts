import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { createDatabase, temporaryFolder } from '../engines.ts'
import { createDatabase as createMigrated, createEmptyDatabase, rows, withDatabase } from '../fault/postgres-servers.ts'
import type { Ended } from './start-cli.ts'
import { runCli, startCli } from './start-cli.ts'

vi.setConfig({ testTimeout: 60_000 })

test('every command works on PostgreSQL, and none shows the password of the URL', async () => {
  const { url: database } = await createDatabase()
  const { password } = new URL(database)
  const shown = database.replace(password, '***')
  const env = { CLIENTELE_DATABASE: database }
  const said: Ended[] = []
  const run = async (...args: string[]): Promise<Ended> => {
    const ended = await runCli(args, { env })
    said.push(ended)
    return ended
  }

  expect(await run('migrate')).toEqual({ status: 0, stdout: `${shown} is up to date.\n`, stderr: '' })
  expect(await run('migrate', '--json')).toEqual({ status: 0, stdout: `${JSON.stringify({ database: shown, migrations: [] })}\n`, stderr: '' })
  const server = await startCli({ env })
  expect(JSON.parse(server.stdout())).toEqual({ url: server.url, database: shown, key: server.key })
  const ada = server.withKey(server.key)
  const { status, body } = await ada.call('POST', '/v1/customers', { name: 'Ada' })
  expect(status).toBe(201)
  expect((await ada.call('GET', '/v1/customers')).body).toMatchObject({ data: [body], total: 1 })
  expect(await run('organization', 'create', 'other')).toMatchObject({ status: 0, stderr: '' })
  const { stdout: key } = await run('key', 'create', '--organization', 'other')
  expect((await server.withKey(key.trim()).call('GET', '/v1/customers')).body).toMatchObject({ data: [], total: 0 })
  expect(await run('key', 'revoke', '2')).toMatchObject({ status: 0, stderr: '' })
  expect(await run('key', 'list')).toMatchObject({ status: 0, stderr: '' })
  expect(await run('organization', 'list', '--json')).toMatchObject({ status: 0, stderr: '' })
  expect(await run('backup', '--to', join(temporaryFolder(), 'copy.db'))).toMatchObject({ status: 0, stderr: '' })
  expect(await run('doctor', '--check')).toEqual({ status: 0, stdout: `${shown}: 1 customers, all sound.\n`, stderr: '' })
  expect(await run('doctor', '--json')).toEqual({
    status: 0, stdout: `${JSON.stringify({ database: shown, customers: 1, isSound: true, findings: [] })}\n`, stderr: ''
  })
  said.push(await server.end('SIGTERM'))
  expect(said.filter(({ stdout, stderr }) => `${stdout}${stderr}`.includes(password))).toEqual([])
})

test('a command for which something must be there makes nothing in a database without a schema', async () => {
  const { ownerUrl } = await createEmptyDatabase()
  const commands = [
    ['key', 'list'], ['key', 'revoke', '1'], ['key', 'create', '--organization', 'nope'], ['organization', 'list'], ['backup', '--to', 'copy.db'], ['doctor'], ['doctor', '--check']
  ]
  const ends = await Promise.all(commands.map(async (args) => await runCli([...args, '--database', ownerUrl], { cwd: temporaryFolder() })))
  expect(ends).toEqual(commands.map(() => ({
    status: 1, stdout: '', stderr: 'error: There is nothing of Clientele in this database. Name another one, or make what it needs: npx clientele migrate\n'
  })))
  expect(await rows(ownerUrl, "select tablename from pg_tables where schemaname = 'public'")).toEqual([])
})

test('a user who may not read everything is told what it lacks, and needs no more than that', async () => {
  const { url } = await createMigrated()
  const role = `reader_${randomBytes(6).toString('hex')}`
  const asReader = Object.assign(new URL(url), { username: role }).href
  const superuserUrl = withDatabase(inject('postgresUrl'), new URL(url).pathname.slice(1))
  const grant = async (text: string): Promise<void> => { await rows(superuserUrl, text) }
  await grant(`create role ${role} login password '${new URL(url).password}'`)
  onTestFinished(async () => { await grant(`drop owned by ${role}; drop role ${role}`) })
  const commands = (): string[][] => [
    ['doctor', '--check', '--database', asReader], ['doctor', '--database', asReader], ['copy', '--from', asReader, '--to', `sqlite:${join(temporaryFolder(), 'copy.db')}`]
  ]
  const shown = asReader.replace(/:[^:]*@/, ':***@')
  const ends = async (lacks: string, grants: string): Promise<void> => {
    const sentence = `The database user ${role} may not read ${lacks}. As the owner of the tables run "${grants}", or name a user who may, such as that of the servers.`
    expect(await Promise.all(commands().map(async (args) => await runCli(args)))).toEqual(
      [sentence, sentence, `${shown} cannot be copied. ${sentence}`].map((said) => ({ status: 1, stdout: '', stderr: `error: ${said}\n` })))
  }
  const [tables, sequences] = [`grant select on all tables in schema public to ${role}`, `grant usage on all sequences in schema public to ${role}`]

  await ends('25 tables, such as api_keys, and 9 sequences, such as api_keys_id_seq', `${tables}; ${sequences}`)
  expect(await runCli(['serve', '--port', '0', '--database', asReader])).toEqual({
    status: 1, stdout: '',
    stderr: 'error: The database cannot be used: permission denied for table schema_migrations. Name a user in the URL who may, or grant this one what docs/operations.md has under PostgreSQL.\n'
  })
  await grant(`${tables}; ${sequences}; revoke all on customer_ids from ${role}`)
  await ends('the sequence customer_ids', sequences)
  await grant(sequences)
  expect(await Promise.all(commands().map(async (args) => (await runCli(args)).status))).toEqual([0, 0, 0])
})

test('a database that cannot be used ends a command with a sentence, without the password of the URL', async () => {
  const { url: database } = await createDatabase()
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(database)
    change(url)
    return url.href
  }
  const urls = [
    changed((url) => { url.password = 'se%40cret' }),
    changed((url) => { url.pathname = '/nowhere'; url.password = 'secret' }),
    changed((url) => { url.username = 'nobody'; url.password = 'secret' }),
    changed((url) => { url.port = '1'; url.password = 'secret' }),
    changed((url) => { url.password = 'secret'; url.searchParams.set('sslmode', 'require') }),
    `${database.replace(/:\/\/[^@]*@/, '://clientele_app:se%cret@')}`,
    'postgres://clientele_app:se/cret@127.0.0.1/d',
    'postgres://clientele_app:secret@127.0.0.1:port/d'
  ]
  const commands = [['migrate'], ['key', 'list'], ['doctor', '--check'], ['serve', '--port', '0']]
  const ends = await Promise.all(urls.map(async (url, index) => {
    const args = commands[index % commands.length] ?? []
    const { status, stdout, stderr } = await runCli(args, { env: { CLIENTELE_DATABASE: url } })
    return { url, args, status, stdout, isSentence: /^error: [^\n]+\.\n$/.test(stderr), tellsPassword: stderr.includes('cret'), stderr }
  }))

  expect(ends).toEqual(ends.map((end) => ({ ...end, status: 1, stdout: '', isSentence: true, tellsPassword: false })))
})
