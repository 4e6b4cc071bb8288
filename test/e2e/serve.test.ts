import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, onTestFinished, test, vi } from 'vitest'
import { temporaryFolder } from '../engines.ts'
import type { CliAnswer, RunningCli } from './start-cli.ts'
import { entry, root, runCli, runProgram, startCli, startProgram } from './start-cli.ts'

vi.setConfig({ testTimeout: 60_000 })

const emptyPage = { data: [], total: 0, meta: { total: 0, limit: 100, cursor: null } }

test('the first start makes folder, file and key, and a second start prints no key and keeps all data', async () => {
  const folder = temporaryFolder()
  const first = await startCli({ cwd: folder })
  const { url, key, database } = JSON.parse(first.stdout()) as Record<string, string>
  expect({ url, key, database }).toEqual({
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), key: expect.stringMatching(/^ck_[\w-]{43}$/), database: 'sqlite:./data/clientele.db'
  })
  expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700)
  for (const suffix of ['', '-wal', '-shm']) expect(statSync(join(folder, `data/clientele.db${suffix}`)).mode & 0o777).toBe(0o600)
  const created = await first.call('POST', '/v1/customers', { name: 'Ada' })
  expect(await first.end('SIGTERM')).toMatchObject({ status: 0 })

  const second = await startCli({ cwd: folder, ...(key === undefined ? {} : { key }) })
  expect(JSON.parse(second.stdout())).toEqual({ url: second.url, database: 'sqlite:./data/clientele.db' })
  expect((await second.call('GET', '/v1/customers/1')).body).toEqual(created.body)
})

test('a server that is stopped amid the purge of its start stops without a word of that', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  await (await startCli({ database })).end('SIGTERM')
  // Another writer keeps the purge waiting until the stop has begun.
  const other = new Database(database)
  other.exec('begin immediate')
  const server = await startCli({ database })
  const ended = server.end('SIGTERM')
  await vi.waitFor(() => { expect(server.stderr()).toContain('"stopping"') })
  other.exec('rollback')
  other.close()
  const { status, stderr } = await ended
  const said = stderr.trimEnd().split('\n').map((line) => (JSON.parse(line) as { msg: string }).msg)
  expect({ status, said }).toEqual({ status: 0, said: ['listening', 'stopping', 'stopped'] })
})

test.for<[string, Record<string, string>, string[]]>([
  ['gives large arrays back to the system, and has few areas of small ones', {}, ['MALLOC_ARENA_MAX=2', 'MALLOC_MMAP_THRESHOLD_=131072']],
  ['keeps what its environment says of that', { MALLOC_MMAP_THRESHOLD_: '65536' }, ['MALLOC_ARENA_MAX=2', 'MALLOC_MMAP_THRESHOLD_=65536']]
])('on Linux a server %s', async ([, env, expected], { skip }) => {
  if (process.platform !== 'linux') skip('only glibc, on Linux, is told when to give memory back')
  const { child } = await startCli({ cwd: temporaryFolder(), env })
  const environment = readFileSync(`/proc/${child.pid}/environ`, 'latin1').split('\0')
  expect(environment.filter((one) => /^MALLOC_(ARENA_MAX|MMAP_THRESHOLD_)=/.test(one)).sort()).toEqual(expected)
})

test.for<[string, Record<string, string>, string[]]>([
  ['holds little that is young, of which V8 would gather as much as the machine allows', {}, ['--max-semi-space-size=16']],
  ['keeps what NODE_OPTIONS say of that', { NODE_OPTIONS: '--max-semi-space-size=8' }, []]
])('on Linux a server %s', async ([, env, expected], { skip }) => {
  if (process.platform !== 'linux') skip('the program is started anew on Linux')
  const { child } = await startCli({ cwd: temporaryFolder(), env })
  const words = readFileSync(`/proc/${child.pid}/cmdline`, 'latin1').split('\0')
  expect(words.filter((word) => word.includes('semi'))).toEqual(expected)
})

test('a person reads address, key and a curl line that can be pasted on stdout', async (context) => {
  const server = await startPerson(join(temporaryFolder(), 'clientele.db'))
  const key = /ck_[\w-]{43}/.exec(server.stdout())?.[0]
  expect(server.stdout()).toBe([
    `Clientele listens on ${server.url}`,
    `Reference: ${server.url}/docs`,
    '',
    'The first API key, shown this once:',
    '',
    `  ${key}`,
    '',
    'Try it:',
    '',
    `  curl -H 'Authorization: Bearer ${key}' ${server.url}/v1/customers`,
    ''
  ].join('\n'))
  const line = server.stdout().split('\n').find((text) => text.includes('curl'))?.trim() ?? ''
  const curl = await runProgram('sh', ['-c', `command -v curl > /dev/null || exit 127; ${line}`])
  if (curl.status === 127) context.skip('the curl line was not run: there is no curl on this machine')
  expect({ status: curl.status, body: JSON.parse(curl.stdout) as unknown }).toEqual({ status: 0, body: emptyPage })
})

test('a person is told no key by a second start', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  await runCli(['key', 'create', '--database', `sqlite:${database}`])
  const server = await startPerson(database)
  expect(server.stdout()).toBe(`Clientele listens on ${server.url}\nReference: ${server.url}/docs\n`)
})

test('a first start that cannot listen leaves the first key to the next start', async () => {
  const folder = temporaryFolder()
  const { port } = new URL((await startCli({ database: join(folder, 'other.db') })).url)
  const database = join(folder, 'clientele.db')
  expect(await runCli(['serve', '--port', port, '--database', `sqlite:${database}`])).toEqual({
    status: 1, stdout: '', stderr: `error: Port ${port} of 127.0.0.1 is taken. Name another with --port, or 0 for any that is free.\n`
  })
  const server = await startCli({ database })
  expect(server.key).toMatch(/^ck_[\w-]{43}$/)
  expect((await server.call('GET', '/v1/customers')).body).toEqual(emptyPage)
})

test('two servers that start together on an empty database both serve it, and one prints the key', async () => {
  const database = join(temporaryFolder(), 'data', 'clientele.db')
  const servers = await Promise.all([startCli({ database }), startCli({ database })])
  const keys = servers.flatMap(({ key }) => key ?? [])
  expect(keys).toEqual([expect.stringMatching(/^ck_[\w-]{43}$/)])
  const [one, other] = servers.map((server) => server.withKey(keys[0])) as [RunningCli, RunningCli]
  const customers = await Promise.all([one, other].flatMap((server) =>
    Array.from({ length: 20 }, (_, count) => server.call('POST', '/v1/customers', { name: `${count}`, tags: [`${count % 3}`], customData: { count } }))))
  const ids = customers.map(({ body }) => (body as { id: number }).id)
  expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
  const asked = await Promise.all([one, other].map((server) => server.call('GET', '/v1/customers?limit=50')))
  expect(asked[0]?.body).toEqual(asked[1]?.body)
  expect((asked[0]?.body as { data: unknown[] } | undefined)?.data).toEqual(
    customers.map(({ body }) => body).toSorted((a, b) => order(a) - order(b)))
})

const settings = [
  ['error-style', 'legacy'], ['put-mode', 'merge'], ['empty-search', '404'], ['timestamps', 'integer'],
  ['strict-attributes', 'on'], ['trust-proxy', 'on'], ['metrics-host', '203.0.113.7'], ['rate-limit', '5/min'], ['change-days', '1']
] as const

test('settings are taken from flags', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database, args: settings.flatMap(([name, value]) => [`--${name}`, value]) })
  expect(await behaviour(server)).toEqual(changedBehaviour)
})

test('settings are taken from the environment', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const env = Object.fromEntries(settings.map(([name, value]) => [`CLIENTELE_${name.toUpperCase().replaceAll('-', '_')}`, value]))
  const server = await startCli({ env: { ...env, CLIENTELE_DATABASE: `sqlite:${database}` } })
  expect(await behaviour(server)).toEqual(changedBehaviour)
  expect(existsSync(database)).toBe(true)
})

test('a flag wins over the environment', async () => {
  const server = await startCli({
    database: join(temporaryFolder(), 'clientele.db'),
    args: ['--timestamps', 'string', '--rate-limit', 'off'],
    env: { CLIENTELE_TIMESTAMPS: 'integer', CLIENTELE_RATE_LIMIT: '1/min', CLIENTELE_PORT: '1', CLIENTELE_DATABASE: 'sqlite:not-this.db' }
  })
  const { status, body } = await server.call('POST', '/v1/customers', { firstSeen: 1, lastSeen: 2 })
  expect({ status, body }).toMatchObject({ status: 201, body: { firstSeen: '1', lastSeen: '2' } })
  expect((await server.call('GET', '/v1/customers/1')).status).toBe(200)
})

const changedBehaviour = {
  created: { status: 201, dates: [1, 2] },
  strict: { status: 400, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }] } },
  merged: { status: 200, name: 'Ada', company: 'Engines' },
  empty: { status: 404, body: { errors: [{ code: 'entity_not_found', message: 'Customer not found' }] } },
  fifth: 200,
  sixth: { status: 429, body: { errors: [{ code: 'too_many_requests', message: 'You have exceeded your requests limit' }] } },
  metricsHere: 404,
  metricsThere: 200
}

/** What each setting changes, in six requests, of which the rate limit of five refuses the last. */
async function behaviour(server: RunningCli): Promise<object> {
  const created = await server.call('POST', '/v1/customers', { name: 'Ada', firstSeen: 1, lastSeen: 2 })
  const { firstSeen, lastSeen } = created.body as Record<string, unknown>
  const strict = await server.call('POST', '/v1/customers', { customData: { plan: 'gold' } })
  const merged = await server.call('PUT', '/v1/customers/1', { company: 'Engines' })
  const { name, company } = merged.body as Record<string, unknown>
  const empty = await server.call('POST', '/v1/customers/search', { filter: [{ field: 'customers.name', operator: '=', value: 'Nobody' }] })
  const fifth = await server.call('GET', '/v1/customers/1')
  const sixth = await server.call('GET', '/v1/customers/1')
  return {
    created: { status: created.status, dates: [firstSeen, lastSeen] },
    strict: statusAndBody(strict),
    merged: { status: merged.status, name, company },
    empty: statusAndBody(empty),
    fifth: fifth.status,
    sixth: statusAndBody(sixth),
    metricsHere: (await server.call('GET', '/metrics')).status,
    metricsThere: (await server.call('GET', '/metrics', undefined, { 'x-forwarded-for': '203.0.113.7' })).status
  }
}

test('the log is a JSON line for each request on stderr, without a key and without a customer field', async () => {
  const secrets = ['ada.lovelace@example.com', 'Lovelace', 'lovelace-1815', 'Countess', 'Ockham', 'analytical', 'wr0ng-key-of-someone']
  const server = await startPerson(join(temporaryFolder(), 'clientele.db'))
  const key = /ck_[\w-]{43}/.exec(server.stdout())?.[0] ?? ''
  const caller = server.withKey(key)
  const draft = {
    name: 'Ada Lovelace', email: 'ada.lovelace@example.com', userId: 'lovelace-1815', notes: 'Countess',
    location: { city: 'Ockham' }, tags: ['analytical'], customData: { title: 'Countess' }
  }
  const statuses = [
    await caller.call('POST', '/v1/customers', draft),
    await caller.call('POST', '/v1/customers', draft),
    await caller.call('POST', '/v1/customers', { ...draft, email: 'ada.lovelace@example.com@' }),
    await caller.call('POST', '/v1/customers/search', { filter: [{ field: 'customers.email', operator: '=', value: draft.email }] }),
    await caller.call('GET', '/v1/customers?email=ada.lovelace@example.com'),
    await caller.call('GET', '/v1/ada.lovelace@example.com'),
    await caller.call('POST', '/v1/events', { name: 'Countess', customer: 1, data: { city: 'Ockham' } }),
    await server.withKey('wr0ng-key-of-someone').call('GET', '/v1/customers'),
    await server.withKey(undefined).call('GET', '/v1/customers'),
    await caller.call('GET', '/v1/customers/1', undefined, { 'x-request-id': 'mine-1' })
  ].map(({ status }) => status)
  expect(statuses).toEqual([201, 400, 400, 200, 200, 404, 200, 401, 401, 200])

  const { stderr } = await server.end('SIGTERM')
  const lines = stderr.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  const common = { level: 30, time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/), requestId: expect.stringMatching(/^[\da-f-]{36}$/), durationMs: expect.any(Number), msg: 'request' }
  const customers = { ...common, route: '/v1/customers' }
  expect(lines.filter(({ requestId }) => requestId !== undefined)).toEqual([
    { ...customers, keyId: 1, method: 'POST', status: 201 },
    { ...customers, keyId: 1, method: 'POST', status: 400, code: 'invalid_userId_value' },
    { ...customers, keyId: 1, method: 'POST', status: 400, code: 'invalid_request' },
    { ...common, keyId: 1, method: 'POST', route: '/v1/customers/search', status: 200 },
    { ...customers, keyId: 1, method: 'GET', status: 200 },
    { ...common, keyId: 1, method: 'GET', route: 'unknown', status: 404, code: 'not_found' },
    { ...common, keyId: 1, method: 'POST', route: '/v1/events', status: 200 },
    { ...customers, method: 'GET', status: 401, code: 'unauthorized' },
    { ...customers, method: 'GET', status: 401, code: 'unauthorized' },
    { ...common, clientRequestId: 'mine-1', keyId: 1, method: 'GET', route: '/v1/customers/:id', status: 200 }
  ])
  expect([...secrets, key, key.slice(3, 20)].filter((secret) => stderr.includes(secret))).toEqual([])
  expect(lines.filter(({ requestId }) => requestId === undefined).map(({ msg }) => msg)).toEqual(['listening', 'stopping', 'stopped'])
})

test('a server tells Prometheus of its own commits and customers', async () => {
  const server = await startCli({ database: join(temporaryFolder(), 'clientele.db') })
  const figures = async (): Promise<number[]> => {
    const text = String((await server.call('GET', '/metrics')).body)
    return ['clientele_commit_commands_sum', 'clientele_customers'].map((name) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]))
  }
  const [before = NaN] = await figures()
  for (const name of ['Ann', 'Bo']) await server.call('POST', '/v1/customers', { name })
  const [commands = NaN, customers] = await figures()
  // The server itself has some, too: what it purges at its start.
  expect(commands - before).toBeGreaterThanOrEqual(2)
  expect(customers).toBe(2)
})

test('npm start passes flags on', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const npm = await startProgram('npm', ['start', '--', '--port', '0', '--database', `sqlite:${database}`], { cwd: root })
  const key = /ck_[\w-]{43}/.exec(npm.stdout())?.[0]
  expect((await npm.withKey(key).call('GET', '/v1/customers')).body).toEqual(emptyPage)
})

async function startPerson(database: string): Promise<RunningCli> {
  return await startProgram(process.execPath, [entry, 'serve', '--port', '0', '--database', `sqlite:${database}`])
}

function statusAndBody({ status, body }: CliAnswer): object {
  return { status, body }
}

/** Customers by firstSeen, then id, which is how lists have them. */
function order(customer: unknown): number {
  const { firstSeen, id } = customer as { firstSeen: string; id: number }
  return Number(firstSeen) * 1000 + id
}

test('--change-days says how long changes are kept, and the server itself forgets older ones', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database })
  await server.call('POST', '/v1/customers', { name: 'old' })
  await server.end('SIGTERM')
  const db = new Database(database)
  onTestFinished(() => { db.close() })
  db.exec('update changes set at = at - 3 * 86400')
  const kept = db.prepare('select count(*) from changes').pluck()

  const again = await startCli({ database, args: ['--change-days', '4'], ...(server.key === undefined ? {} : { key: server.key }) })
  await again.call('POST', '/v1/customers', { name: 'new' })
  await again.end('SIGTERM')
  expect(kept.get()).toBe(2)

  await startCli({ database, args: ['--change-days', '2'] })
  await expect.poll(() => kept.get(), { timeout: 10_000 }).toBe(1)
})
