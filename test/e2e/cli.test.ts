import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { temporaryFolder } from '../engines.ts'
import { root, runCli, runProgram, startCli } from './start-cli.ts'

// Each command is a process of its own.
vi.setConfig({ testTimeout: 60_000 })

const migrations = readdirSync(new URL('../../src/sqlite/migrations/', import.meta.url)).filter((name) => name.endsWith('.sql')).toSorted()

test('key create on an empty database migrates it, makes the organization default and prints the key alone', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'data', 'clientele.db')
  const { stdout, ...rest } = await runCli(['key', 'create', '--database', `sqlite:${database}`])
  expect(rest).toEqual({ status: 0, stderr: 'Created key 1 of organization "default". It is shown this once.\n' })
  expect(stdout).toMatch(/^ck_[\w-]{43}\n$/)
  expect({ file: mode(database), folder: mode(join(folder, 'data')) }).toEqual({ file: 0o600, folder: 0o700 })

  const server = await startCli({ database, key: stdout.trim() })
  expect(server.key).toBe(undefined)
  expect((await server.call('GET', '/v1/customers')).body).toEqual({ data: [], total: 0, meta: { total: 0, limit: 100, cursor: null } })
  expect(await json(['organization', 'list'], database)).toEqual([{ id: 1, name: 'default', createdAt: expect.any(Number), customers: 0 }])
})

test('key create asks which organization as soon as there are several', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  await json(['key', 'create'], database)
  await json(['organization', 'create', 'Café'], database)
  const at = ['--database', `sqlite:${database}`]
  expect(await runCli(['key', 'create', ...at])).toEqual({
    status: 2, stdout: '', stderr: 'error: There are several organizations. Name one with --organization: "default", "Café"\n'
  })
  expect(await runCli(['key', 'create', '--organization', 'Cafe', ...at])).toEqual({
    status: 1, stdout: '', stderr: 'error: There is no organization "Cafe". There are: "default", "Café"\n'
  })
  expect(await json(['key', 'create', '--organization', 'Café', '--name', 'till'], database)).toEqual({
    id: 2, organization: 'Café', name: 'till', createdAt: expect.any(Number), revokedAt: null, key: expect.stringMatching(/^ck_[\w-]{43}$/)
  })
})

test('every command says as JSON what it did', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'clientele.db')
  const copy = join(folder, 'copy.db')
  const url = `sqlite:${database}`
  const key = { id: 1, organization: 'default', name: 'unnamed', createdAt: expect.any(Number), revokedAt: null }
  expect(await json(['migrate'], database)).toEqual({ database: url, migrations })
  expect(await json(['migrate'], database)).toEqual({ database: url, migrations: [] })
  expect(await json(['key', 'create'], database)).toEqual({ ...key, key: expect.stringMatching(/^ck_[\w-]{43}$/) })
  expect(await json(['key', 'list'], database)).toEqual([key])
  expect(await json(['key', 'revoke', '1'], database)).toEqual({ ...key, revokedAt: expect.any(Number) })
  const acme = { id: 2, name: 'acme', createdAt: expect.any(Number), customers: 0 }
  expect(await json(['organization', 'create', 'acme'], database)).toEqual(acme)
  expect(await json(['organization', 'list'], database)).toEqual([{ id: 1, name: 'default', createdAt: expect.any(Number), customers: 0 }, acme])
  expect(await json(['backup', '--to', copy], database)).toEqual({ database: url, to: copy, customers: 0, bytes: statSync(copy).size })
  expect(await json(['doctor'], database)).toEqual({ database: url, customers: 0, isSound: true, findings: [] })
  expect(await json(['version'])).toEqual({ version: manifest.version, node: process.versions.node })
  const { stdout: help } = await runCli(['help'])
  expect(await json(['help'])).toEqual({ help: help.trimEnd() })
})

test('every command says to a person what it did', async () => {
  const folder = temporaryFolder()
  const url = `sqlite:${join(folder, 'clientele.db')}`
  const copy = join(folder, 'copy.db')
  const say = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await runCli([...args, '--database', url])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    return stdout.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, 'TIME')
  }
  expect(await say('migrate')).toBe(`Brought ${url} up to date: ${migrations.join(', ')}\n`)
  expect(await say('migrate')).toBe(`${url} is up to date.\n`)
  expect(await say('key', 'list')).toBe('There are no keys. Make one with: npx clientele key create\n')
  expect(await say('organization', 'list')).toBe('There are no organizations. npx clientele serve makes the first.\n')
  expect(await say('organization', 'create', 'acme')).toBe('Created organization "acme". Make it a key with: npx clientele key create --organization "acme"\n')
  await runCli(['key', 'create', '--name', 'till', '--database', url])
  expect(await say('key', 'list')).toBe('id  organization  name  created                   revoked\n1   acme          till  TIME  no\n')
  expect(await say('key', 'revoke', '1')).toBe('Revoked key 1 of organization "acme". Servers refuse it within a second.\n')
  expect(await say('organization', 'list')).toBe('id  name  created                   customers\n1   acme  TIME  0\n')
  expect(await say('backup', '--to', copy)).toBe(`Wrote ${copy}: 0 customers, ${statSync(copy).size} bytes. The copy was opened and checked.\n`)
  expect(await say('doctor')).toBe(`${url}: 0 customers, all sound.\n`)
  expect(await say('version')).toBe(`${manifest.version}\n`)
  const help = await say('help')
  for (const command of ['serve', 'key', 'organization', 'migrate', 'backup', 'doctor', 'version', 'help']) expect(help).toContain(`\n  ${command} `)
})

test('npx clientele runs in the checkout', async () => {
  const { status, stdout } = await runProgram('npx', ['clientele', 'version'], { cwd: root })
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${manifest.version}\n` })
})

test('a failure is told on stderr, with exit code 1', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'clientele.db')
  const at = ['--database', `sqlite:${database}`]
  await json(['key', 'create'], database)
  expect(await runCli(['key', 'revoke', '7', ...at])).toEqual({
    status: 1, stdout: '', stderr: 'error: There is no key 7. See: npx clientele key list\n'
  })
  expect(await runCli(['organization', 'create', 'default', ...at])).toEqual({
    status: 1, stdout: '', stderr: 'error: An organization named "default" exists already\n'
  })
  expect(await runCli(['key', 'create', '--organization', 'acme', ...at])).toEqual({
    status: 1, stdout: '', stderr: 'error: There is no organization "acme". There are: "default"\n'
  })
  const { port } = new URL((await startCli({ database })).url)
  expect(await runCli(['serve', '--port', port, ...at])).toEqual({
    status: 1, stdout: '', stderr: `error: Port ${port} of 127.0.0.1 is taken. Name another with --port, or 0 for any that is free.\n`
  })
})

test('a command for which something must be there makes no database where there is none', async () => {
  const folder = temporaryFolder()
  const looking = [['key', 'list'], ['key', 'revoke', '1'], ['key', 'create', '--organization', 'nope'], ['organization', 'list'], ['backup', '--to', 'copy.db'], ['doctor'], ['doctor', '--check']]
  const ends = await inTurns(looking, (args) => runCli([...args, '--database', 'sqlite:data/misspelt.db'], { cwd: folder }))
  expect(ends).toEqual(looking.map(() => ({
    status: 1, stdout: '', stderr: 'error: There is no database data/misspelt.db. Name it with --database.\n'
  })))
  expect(readdirSync(folder)).toEqual([])
})

const wrongUsages: readonly { args: readonly string[]; env?: Record<string, string>; stderr: string }[] = [
  { args: ['srve'], stderr: "error: unknown command 'srve'\n(Did you mean serve?)\n" },
  { args: ['help', 'srve'], stderr: "error: unknown command 'srve'\n(Did you mean serve?)\n" },
  { args: ['help', 'key', 'revok'], stderr: "error: unknown command 'revok'\n(Did you mean revoke?)\n" },
  { args: ['key', 'creat'], stderr: "error: unknown command 'creat'\n(Did you mean create?)\n" },
  { args: ['key', 'revoke'], stderr: "error: missing required argument 'id'\n" },
  {
    args: ['key', 'revoke', 'first'],
    stderr: "error: command-argument value 'first' is invalid for argument 'id'. It should be the number that key list shows.\n"
  },
  { args: ['migrate', 'now'], stderr: "error: too many arguments for 'migrate'. Expected 0 arguments but got 1.\n" },
  { args: ['backup'], stderr: "error: required option '--to <file>' not specified\n" },
  { args: ['version', '--jsn'], stderr: "error: unknown option '--jsn'\n(Did you mean --json?)\n" },
  { args: ['serve', '--prot', '1'], stderr: "error: unknown option '--prot'\n(Did you mean --port?)\n" },
  { args: ['serve', '--port', 'x'], stderr: `error: option '--port <number>' argument 'x' is invalid. It should be a whole number from 0 to 65535.\n` },
  {
    args: ['serve', '--port', '70000'],
    stderr: "error: option '--port <number>' argument '70000' is invalid. It should be a whole number from 0 to 65535. The nearest is 65535.\n"
  },
  {
    args: ['serve', '--rate-limit', '120'],
    stderr: "error: option '--rate-limit <limit>' argument '120' is invalid. It should be off, or a number with /min. Did you mean 120/min?\n"
  },
  {
    args: ['serve', '--error-style', 'legasy'],
    stderr: "error: option '--error-style <style>' argument 'legasy' is invalid. Allowed are current and legacy. Did you mean legacy?\n"
  },
  {
    args: ['serve', '--put-mode', 'merg'],
    stderr: "error: option '--put-mode <mode>' argument 'merg' is invalid. Allowed are replace and merge. Did you mean merge?\n"
  },
  {
    args: ['serve', '--empty-search', '403'],
    stderr: "error: option '--empty-search <status>' argument '403' is invalid. Allowed are 200 and 404. Did you mean 404?\n"
  },
  {
    args: ['serve', '--timestamps', 'Integer'],
    stderr: "error: option '--timestamps <type>' argument 'Integer' is invalid. Allowed are string and integer. Did you mean integer?\n"
  },
  {
    args: ['serve', '--strict-attributes', 'onn'],
    stderr: "error: option '--strict-attributes <switch>' argument 'onn' is invalid. Allowed are off and on. Did you mean on?\n"
  },
  {
    args: ['serve', '--trust-proxy', 'of'],
    stderr: "error: option '--trust-proxy [switch]' argument 'of' is invalid. Allowed are off and on. Did you mean off?\n"
  },
  {
    args: ['serve', '--metrics-host', 'nowhere'],
    stderr: `error: option '--metrics-host <addresses>' argument 'nowhere' is invalid. "nowhere" is not an address or a network such as 10.0.0.5 or 10.1.0.0/16\n`
  },
  {
    args: ['serve', '--change-days', '0'],
    stderr: "error: option '--change-days <days>' argument '0' is invalid. It should be a whole number from 1 to 36500. The nearest is 1.\n"
  },
  {
    args: ['serve', '--database', 'slite:clientele.db'],
    stderr: "error: option '--database <url>' argument 'slite:clientele.db' is invalid. A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. Did you mean sqlite:clientele.db?\n"
  },
  {
    args: ['serve', '--database', 'postgress://u:secret@h/d'],
    stderr: "error: option '--database <url>' argument 'postgress://u:***@h/d' is invalid. A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. Did you mean postgres://…?\n"
  },
  { args: ['serve', '--databse=postgres://u:secret@h/d'], stderr: "error: unknown option '--databse=postgres://u:***@h/d'\n(Did you mean --database?)\n" },
  { args: ['serve', '--prot=1'], stderr: "error: unknown option '--prot=1'\n(Did you mean --port?)\n" },
  { args: ['serve', '-p', '1'], stderr: "error: unknown option '-p'\n(Did you mean --port?)\n" },
  { args: ['stat'], stderr: "error: unknown command 'stat'\n(Did you mean serve?)\n" },
  { args: ['organization', 'create', ' '], stderr: 'error: The name of an organization should not be blank\n' },
  { args: ['key', 'create', '--name', ' '], stderr: 'error: The name of a key should not be blank\n' },
  {
    args: ['serve', '--host', ''],
    stderr: "error: option '--host <address>' argument '' is invalid. It should be an address or a name of this machine, such as 127.0.0.1, or 0.0.0.0 for all of its addresses.\n"
  },
  {
    args: ['serve'], env: { CLIENTELE_HOST: '' },
    stderr: "error: option '--host <address>' value '' from env 'CLIENTELE_HOST' is invalid. It should be an address or a name of this machine, such as 127.0.0.1, or 0.0.0.0 for all of its addresses.\n"
  },
  { args: ['version'], env: { CLIENTELE_PRT: '1' }, stderr: 'error: unknown setting CLIENTELE_PRT in the environment. Did you mean CLIENTELE_PORT?\n' },
  {
    args: ['serve'], env: { CLIENTELE_TIMESTAMPS: 'int' },
    stderr: "error: option '--timestamps <type>' value 'int' from env 'CLIENTELE_TIMESTAMPS' is invalid. Allowed are string and integer. Did you mean string?\n"
  }
]

test('wrong usage ends with exit code 2, names the nearest right one and makes no file', async () => {
  const folder = temporaryFolder()
  const ends = await inTurns(wrongUsages, async ({ args, env = {} }) => ({ args, env, ...await runCli(args, { cwd: folder, env }) }))
  expect(ends).toEqual(wrongUsages.map(({ args, env = {}, stderr }) => ({ args, env, status: 2, stdout: '', stderr })))
  expect(readdirSync(folder)).toEqual([])
})

test('a command that is not complete prints its help on stderr, with exit code 2', async () => {
  const incomplete = [[], ['key'], ['organization']]
  const helps = await inTurns(incomplete, (args) => runCli(['help', ...args]))
  expect(await inTurns(incomplete, (args) => runCli(args))).toEqual(helps.map(({ stdout }) => ({ status: 2, stdout: '', stderr: stdout })))
})

test('a key revoked by another process stops within a second', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database })
  const other = await json(['key', 'create'], database) as { key: string }
  expect((await server.call('GET', '/v1/customers')).status).toBe(200)
  await json(['key', 'revoke', '1'], database)
  await vi.waitFor(async () => {
    expect(await server.call('GET', '/v1/customers')).toMatchObject({
      status: 401, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, { code: 'unauthorized', message: 'Unauthorized' }] }
    })
  }, { timeout: 1000, interval: 20 })
  expect((await server.withKey(other.key).call('GET', '/v1/customers')).status).toBe(200)
})

test('commands that start together on an empty database all work, and it is migrated once', async () => {
  const database = join(temporaryFolder(), 'data', 'clientele.db')
  const answers = await Promise.all([
    json(['migrate'], database), json(['migrate'], database), json(['key', 'create'], database), json(['key', 'create'], database)
  ]) as [{ migrations: string[] }, { migrations: string[] }, { key: string }, { key: string }]
  const [one, other, firstKey, secondKey] = answers
  // Whichever came first, maybe a key create, ran them.
  expect([[], migrations]).toContainEqual([...one.migrations, ...other.migrations])
  expect(await json(['organization', 'list'], database)).toEqual([{ id: 1, name: 'default', createdAt: expect.any(Number), customers: 0 }])
  const server = await startCli({ database })
  expect(server.key).toBe(undefined)
  for (const { key } of [firstKey, secondKey]) expect((await server.withKey(key).call('GET', '/v1/customers')).status).toBe(200)
  expect(readdirSync(join(database, '..')).filter((name) => !/^clientele\.db(-wal|-shm)?$/.test(name))).toEqual([])
})

test('a database of a newer version is refused by every command, and left byte for byte', async () => {
  const folder = temporaryFolder()
  await runCli(['migrate', '--database', 'sqlite:clientele.db'], { cwd: folder })
  const path = join(folder, 'clientele.db')
  const db = new Database(path)
  db.pragma('user_version = 4711')
  db.close()
  const before = readFileSync(path)
  const commands = [['serve', '--port', '0'], ['migrate'], ['key', 'create'], ['key', 'list'], ['backup', '--to', 'copy.db'], ['doctor'], ['doctor', '--check']]
  const ends = await inTurns(commands, (args) => runCli([...args, '--database', 'sqlite:clientele.db'], { cwd: folder }))
  expect(ends).toEqual(commands.map(() => ({
    status: 1,
    stdout: '',
    stderr: `error: clientele.db was written by a newer version of Clientele (schema 4711; this version knows up to ${migrations.length}). ` +
      'Start the newer version, or restore a backup made before the upgrade.\n'
  })))
  expect(readFileSync(path).equals(before)).toBe(true)
  expect(existsSync(join(folder, 'copy.db'))).toBe(false)
})

test('backup refuses a file that exists, and leaves it as it is', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'clientele.db')
  const copy = join(folder, 'copy.db')
  await json(['migrate'], database)
  await json(['backup', '--to', copy], database)
  const before = readFileSync(copy)
  await json(['organization', 'create', 'acme'], database)
  expect(await runCli(['backup', '--to', copy, '--database', `sqlite:${database}`])).toEqual({
    status: 1, stdout: '', stderr: `error: ${copy} exists already. Name a new file, or remove it first.\n`
  })
  expect(readFileSync(copy).equals(before)).toBe(true)
})

test('a backup made while the server is written to holds all that was acknowledged before, and is whole', async () => {
  const folder = temporaryFolder()
  const database = join(folder, 'clientele.db')
  const copy = join(folder, 'copy.db')
  const server = await startCli({ database })
  const acknowledged: string[] = []
  let isWriting = true
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let count = 0; isWriting; count += 1) {
      const userId = `${writer}-${count}`
      const { status } = await server.call('POST', '/v1/customers', { userId, tags: ['written'], customData: { count } })
      expect(status).toBe(201)
      acknowledged.push(userId)
    }
  })
  await vi.waitUntil(() => acknowledged.length >= 200, { timeout: 20_000 })
  const before = [...acknowledged]
  const report = await json(['backup', '--to', copy], database) as { customers: number }
  const after = [...acknowledged]
  isWriting = false
  await Promise.all(writers)
  expect(after.length).toBeGreaterThan(before.length)
  expect(mode(copy)).toBe(0o600)

  const restored = await startCli({ database: copy, ...(server.key === undefined ? {} : { key: server.key }) })
  expect(restored.key).toBe(undefined)
  const found = new Set<string>()
  for (let offset = 0; offset < report.customers; offset += 100) {
    const { body } = await restored.call('GET', `/v1/customers?offset=${offset}`)
    for (const { userId } of (body as { data: { userId: string }[] }).data) found.add(userId)
  }
  const tagged = await restored.call('POST', '/v1/customers/search', {
    filter: [{ field: 'customers.tagsData', operator: '=', value: ['written'] }], offset: report.customers
  })
  expect(tagged.body).toEqual({ data: [], total: report.customers, meta: { total: report.customers, limit: 100, cursor: null } })
  expect(found.size).toBe(report.customers)
  expect(before.filter((userId) => !found.has(userId))).toEqual([])
  expect((await restored.call('POST', '/v1/customers', { userId: 'new' })).status).toBe(201)
})

/** As many at a time as there are processors. */
async function inTurns<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  const rest = items.entries()
  await Promise.all(Array.from({ length: availableParallelism() }, async () => {
    for (const [index, item] of rest) results[index] = await work(item)
  }))
  return results
}

async function json(args: readonly string[], database?: string): Promise<unknown> {
  const { status, stdout, stderr } = await runCli([...args, '--json', ...(database === undefined ? [] : ['--database', `sqlite:${database}`])])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout)
}

function mode(path: string): number {
  return statSync(path).mode & 0o777
}
