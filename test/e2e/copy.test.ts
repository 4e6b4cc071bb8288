import { statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import SqliteDatabase from 'better-sqlite3'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { hashSecret } from '../../src/api-key.ts'
import type { FeedPosition } from '../../src/change-store.ts'
import { openStore } from '../../src/cli/open-store.ts'
import { systemClock } from '../../src/clock.ts'
import type { CopyProgress, CopySource, CopyTarget } from '../../src/copy.ts'
import { copyDatabase } from '../../src/copy.ts'
import { withClient } from '../../src/postgres/connection.ts'
import * as postgresSource from '../../src/postgres/copy-source.ts'
import * as postgresTarget from '../../src/postgres/copy-target.ts'
import * as sqliteSource from '../../src/sqlite/copy-source.ts'
import * as sqliteTarget from '../../src/sqlite/copy-target.ts'
import type { Store } from '../../src/store.ts'
import type { Delivery, DeliveryProgress, WebhookDraft } from '../../src/webhook.ts'
import { speakTo } from '../conformance/open-organization.ts'
import { temporaryFolder } from '../engines.ts'
import { createPostgresDatabase } from '../postgres-server.ts'
import type { RunningCli } from './start-cli.ts'
import { interruptCli, runCli, startCli } from './start-cli.ts'

// Each command is a process of its own.
vi.setConfig({ testTimeout: 120_000 })

type Place = 'sqlite' | 'postgres'

const pairs: [from: Place, to: Place][] = inject('engine') === 'postgres'
  ? [['sqlite', 'postgres'], ['postgres', 'sqlite'], ['postgres', 'postgres']]
  : [['sqlite', 'sqlite']]

/** The URL of a database that is empty, or that is not there yet. */
const newDatabase: Record<Place, () => Promise<string>> = {
  sqlite: async () => `sqlite:${join(temporaryFolder(), 'clientele.db')}`,
  async postgres() {
    const { ownerUrl, drop } = await createPostgresDatabase(inject('postgresUrl'))
    onTestFinished(drop)
    return ownerUrl
  }
}

const secrets = { first: 'ck_first', other: 'ck_other', revoked: 'ck_revoked' }

/** A database with something of everything. Answers the highest ids, of which that of a customer is not there any more. */
async function fill(url: string, { customers = 3 }: { customers?: number } = {}): Promise<{ customerId: number; eventId: number }> {
  const store = await openStore(url)
  try {
    await store.createDefault({ name: 'first', secretHash: hashSecret(secrets.first) })
    const { id: otherId } = await store.createOrganization('Café')
    await store.createKey({ organizationId: otherId, name: 'other', secretHash: hashSecret(secrets.other) })
    const { id: keyId } = await store.createKey({ organizationId: 1, name: 'revoked', secretHash: hashSecret(secrets.revoked) })
    await store.revokeKey(keyId)
    await store.createOrganization('empty')
    const { create, patch, tag, recordEvent, delete: remove } = speakTo(store, { organizationId: 1, keyId: 1, requestId: 'r-1' })
    const full = await create({
      name: 'Zoë Ünal', email: 'Zoe@Example.com', userId: 'u-1', phone: '+49 (30) 123', company: 'ACME', firstSeen: '1700000000', lastSeen: '1700000001',
      location: { city: 'Köln', countryCode: 'DE', regionCode: 'NW' }, device: { platform: 'mobile', ip: '10.0.0.1', timezone: 'Europe/Berlin' },
      unsubscribed: true, notes: 'two\nlines', tags: [{ name: 'vip', color: '#ff0000' }, 'Café'], customData: { plan: 'Pro', 2024: 1.5, paid: true }
    })
    await patch(full.id, { name: 'Zoë Öz', customData: { plan: 'Free', 2024: 2.5 } })
    await tag(full.id, [{ name: 'vip', color: '#00ff00' }])
    const numbers = Array.from({ length: customers - 2 }, (_, index) => index + 2)
    await Promise.all(numbers.map(async (number) => await create({ userId: `u-${number}`, tags: number % 2 === 0 ? ['even'] : [], customData: { number } })))
    await speakTo(store, { organizationId: otherId, keyId: 2, requestId: 'r-2' }).create({ userId: 'u-1', tags: ['vip'] })
    await recordEvent({ name: 'paid', data: { total: 12.5, note: '☕' }, customer: full.id, createdAt: 1_700_000_000 })
    const last = await create({ name: 'gone' })
    const { id: eventId } = await recordEvent({ name: 'seen', customer: last.id })
    await remove(last.id)
    await fillWebhooks(store)
    return { customerId: last.id, eventId }
  } finally {
    await store.close()
  }
}

const webhookDraft: WebhookDraft = {
  url: 'https://example.com/', format: 'standard', events: ['customer.created'], filter: '{"filter":[]}', secret: 'sealed', previousSecret: 'old', previousUntil: 5
}

/** Three webhooks: one half-way, with deliveries and held customers, one at the end, and one that was deleted. */
async function fillWebhooks(store: Store): Promise<void> {
  const caller = { organizationId: 1, keyId: 1, requestId: 'r-4' }
  const [halfWay, paused, deleted] = [
    await store.createWebhook(caller, webhookDraft), await store.createWebhook(caller, { ...webhookDraft, format: 'helpcrunch' }), await store.createWebhook(caller, webhookDraft)
  ]
  await store.claimWebhooks('worker', 60)
  const { items: [, , third] } = await store.readFeed(1, { after: null, limit: 3, kinds: null, wantsCustomers: false })
  // Of today, or a server would purge them.
  const attemptedAt = systemClock()
  const delivery: Delivery = {
    id: '00000000-0000-8000-8000-000000000001', changeId: 1, part: 0, customerId: 1, event: 'customer.created', status: 'delivered', attempts: 1, firstAttemptAt: attemptedAt, lastAttemptAt: attemptedAt,
    nextAttemptAt: null, responseStatus: 200, responseText: '☕\nOk', error: null, durationMs: 7, isReplay: false
  }
  const progress: DeliveryProgress = {
    position: third?.position ?? '', succeededAt: 10, failingSince: 11, pauseReason: null, released: [],
    held: [7, 0].map((customerId) => ({ customerId, next: { changeId: 2, part: 1 }, attempts: 3, nextAttemptAt: 12, lastChangeId: 4 })),
    deliveries: [delivery, { ...delivery, id: '00000000-0000-8000-8000-000000000002', customerId: null, status: 'retrying', responseStatus: null, responseText: null, error: 'reset', nextAttemptAt: attemptedAt + 2 }]
  }
  for (const { id } of [halfWay, deleted]) expect(await store.keepProgress('worker', id, progress)).toBe(true)
  await store.updateWebhook(caller, paused.id, { pauseReason: 'asked' })
  await store.deleteWebhook(caller, deleted.id)
  await store.releaseWebhooks('worker')
}

/** What is kept for webhooks, and what each has still to be told of, by the ids of changes: as many as given. */
async function webhooksOf(url: string, counts: readonly number[]): Promise<object[]> {
  const store = await openStore(url)
  try {
    const kept = await store.webhooks(1)
    for (const { id } of kept) await store.updateWebhook({ organizationId: 1, keyId: 1, requestId: 'r-5' }, id, { pauseReason: null })
    const claims = new Map((await store.claimWebhooks('other worker', 60)).map((claim) => [claim.webhook.id, claim]))
    expect(claims.size).toBe(counts.length)
    return await Promise.all(kept.map(async (webhook, index) => {
      const { position = null, secrets } = claims.get(webhook.id) ?? {}
      const left = await readLeft(store, position, counts[index] ?? 0)
      return {
        webhook, secrets, left,
        held: await store.heldCustomers(webhook.id), deliveries: await store.deliveries(1, webhook.id, { before: null, status: null, limit: 10 })
      }
    }))
  } finally {
    await store.releaseWebhooks('other worker')
    await store.close()
  }
}

/** On PostgreSQL a change can be read when every transaction that was under way at its commit has ended. */
async function readLeft(store: Store, after: FeedPosition | null, count: number): Promise<number[]> {
  const until = performance.now() + 10_000
  for (;;) {
    const { items } = await store.readFeed(1, { after, limit: 100, kinds: null, wantsCustomers: false })
    if (items.length >= count) return items.map(({ change }) => change.id).toSorted((one, other) => one - other)
    if (performance.now() > until) throw new Error(`Of ${count} changes ${items.length} could be read`)
    await setTimeout(10)
  }
}

/** Adds a customer to a filled database. */
async function addCustomer(url: string, body: object): Promise<void> {
  const store = await openStore(url)
  await speakTo(store, { organizationId: 1, keyId: 1, requestId: 'r-3' }).create(body)
  await store.close()
}

function withSource<Answer>(url: string, use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
  return url.startsWith('sqlite:') ? sqliteSource.withCopySource(pathOf(url), use) : postgresSource.withCopySource({ url, name: 'source' }, use)
}

function withTarget<Answer>(url: string, use: (target: CopyTarget) => Promise<Answer>): Promise<Answer> {
  return url.startsWith('sqlite:') ? sqliteTarget.withCopyTarget(pathOf(url), use) : postgresTarget.withCopyTarget({ url, name: 'target' }, use)
}

function pathOf(url: string): string {
  return url.slice('sqlite:'.length)
}

/** A copy that breaks off as soon as it has come as far as told. */
async function interrupt(from: string, to: string, isReached: (progress: CopyProgress) => boolean): Promise<void> {
  const onProgress = (progress: CopyProgress): void => {
    if (isReached(progress)) throw new Error('interrupted')
  }
  await expect(withSource(from, (source) => withTarget(to, (target) => copyDatabase(source, target, { overwrite: false, onProgress })))).rejects.toThrow('interrupted')
}

async function execute(url: string, text: string): Promise<void> {
  if (!url.startsWith('sqlite:')) {
    await withClient(url, async (client) => await client.query(text))
    return
  }
  const db = new SqliteDatabase(pathOf(url))
  db.exec(text)
  db.close()
}

interface Report {
  readonly resumedAfter: number
  readonly isEqual: boolean
  readonly tables: { readonly table: string; readonly source: { readonly rows: number }; readonly isEqual: boolean }[]
}

async function copy(from: string, to: string, ...flags: string[]): Promise<Report> {
  const { status, stdout, stderr } = await runCli(['copy', '--from', from, '--to', to, '--json', ...flags])
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return JSON.parse(stdout) as Report
}

async function refusal(from: string, to: string, ...flags: string[]): Promise<string> {
  const { status, stdout, stderr } = await runCli(['copy', '--from', from, '--to', to, ...flags])
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  return stderr
}

/** As messages call it. */
function shown(url: string): string {
  return url.startsWith('sqlite:') ? pathOf(url) : url.replace(/(:\/\/[^:]*:).*@/, '$1***@')
}

/** The bodies of answers to questions of all kinds. */
async function answers(server: RunningCli): Promise<unknown[]> {
  const search = (body: object): Promise<{ status: number; body: unknown }> => server.call('POST', '/v1/customers/search', body)
  const filtered = (field: string, operator: string, value: unknown): Promise<{ status: number; body: unknown }> => search({ filter: [{ field, operator, value }] })
  const asked = await Promise.all([
    server.call('GET', '/v1/customers?sort=id'),
    server.call('GET', '/v1/customers/1'),
    search({ sort: 'firstSeen', order: 'asc' }),
    filtered('customers.name', '~', 'öz'),
    filtered('customers.email', '=', 'zoe@example.com'),
    filtered('customers.userId', '=', 'u-1'),
    filtered('text', '~', '4930123'),
    filtered('customers.tags', 'any', ['vip']),
    filtered('customers.customData.plan', '=', 'free'),
    filtered('customers.customData.2024', '>', 1),
    filtered('customers.unsubscribed', '=', true),
    filtered('events.paid', '>=', 1)
  ])
  expect(asked.map(({ status, body }) => [status, (body as { data?: unknown[] }).data?.length])).toEqual([
    [200, 39], [200, undefined], [200, 39], ...asked.slice(3).map(() => [200, 1])
  ])
  return asked.map(({ body }) => body)
}

function idOf(body: unknown): number {
  return (body as { id: number }).id
}

describe.each(pairs)('from %s to %s', (from, to) => {
  test('everything arrives, and keys, cursors and answers are those of before', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    const highest = await fill(source, { customers: 40 })
    const before = await startCli({ args: ['--database', source] })
    const [first, other] = [before.withKey(secrets.first), before.withKey(secrets.other)]
    const page = await first.call('GET', '/v1/customers?sort=id&limit=10&cursor=')
    const { meta: { cursor } } = page.body as { meta: { cursor: string } }
    const walk = `/v1/customers?sort=id&limit=10&cursor=${encodeURIComponent(cursor)}`
    const expected = [await answers(first), (await other.call('GET', '/v1/customers')).body, (await first.call('GET', walk)).body]
    const report = await copy(source, target)

    expect(report.tables.map(({ table, source: { rows }, isEqual }) => [table, rows, isEqual])).toEqual([
      ['organizations', 3, true], ['tags', 4, true], ['attributes', 4, true], ['customers', 40, true], ['events', 2, true],
      ['changes', 46, true], ['webhooks', 2, true], ['deliveries', 2, true], ['api_keys', 3, true], ['secrets', 1, true], ['highest ids', 9, true]
    ])
    const after = await startCli({ args: ['--database', target] })
    const [sameFirst, sameOther] = [after.withKey(secrets.first), after.withKey(secrets.other)]
    expect([await answers(sameFirst), (await sameOther.call('GET', '/v1/customers')).body, (await sameFirst.call('GET', walk)).body]).toEqual(expected)
    expect((await after.withKey(secrets.revoked).call('GET', '/v1/customers')).status).toBe(401)
    expect((await sameFirst.call('POST', '/v1/customers', { userId: 'u-1' })).body).toEqual((await first.call('POST', '/v1/customers', { userId: 'u-1' })).body)
    const made = await sameFirst.call('POST', '/v1/customers', { name: 'new' })
    const event = await sameFirst.call('POST', '/v1/events', { name: 'seen', customer: 1 })
    expect([idOf(made.body) > highest.customerId, idOf(event.body) > highest.eventId]).toEqual([true, true])
  })

  test('webhooks arrive with their deliveries, and miss nothing', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    await fill(source)
    await copy(source, target)
    const copied = await webhooksOf(target, [5, 0])

    expect(copied).toEqual(await webhooksOf(source, [5, 0]))
    expect(copied).toMatchObject([{ left: { length: 5 }, held: { length: 2 }, deliveries: { length: 2 } }, { left: [] }])
    const store = await openStore(target)
    const { id } = await store.createWebhook({ organizationId: 1, keyId: 1, requestId: 'r-6' }, webhookDraft)
    await store.close()
    expect(id).toBe(4)
    await addCustomer(target, { name: 'new' })
    expect(await webhooksOf(target, [6, 1, 1])).toMatchObject([{ left: { length: 6 } }, { left: { length: 1 } }, { left: { length: 1 } }])
  })

  test('an interrupted copy goes on where it was', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    // More than a batch.
    await fill(source, { customers: 1_500 })
    await interrupt(source, target, ({ table, done }) => table === 'customers' && done < 1_400)
    const first = await copiedRows(target)
    await interrupt(source, target, ({ table }) => table === 'changes')
    const second = await copiedRows(target)
    const report = await copy(source, target)

    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThan(1_400)
    expect(second).toBeGreaterThan(1_500)
    expect(report).toEqual({ ...report, resumedAfter: second, isEqual: true })
    expect(await refusal(source, target)).toBe(notEmpty(target))
  })

  test('what a copy has not finished is neither served nor checked nor copied, until it is finished', async () => {
    const [source, target, other] = [await newDatabase[from](), await newDatabase[to](), await newDatabase[from]()]
    await fill(source)
    await interrupt(source, target, ({ table }) => table === 'changes')
    const commands = [['serve', '--port', '0'], ['key', 'list'], ['doctor', '--check'], ['doctor']]
    const ends = await Promise.all(commands.map(async (args) => await runCli([...args, '--database', target])))

    const name = to === 'sqlite' ? pathOf(target) : 'this database'
    const sentence = `A copy into ${name} has not finished, so it lacks some of what it should hold. Run the same npx clientele copy again to finish it, or copy anew with --overwrite.`
    expect(ends).toEqual(commands.map(() => ({ status: 1, stdout: '', stderr: `error: ${sentence}\n` })))
    expect(await refusal(target, other)).toBe(`error: ${to === 'sqlite' ? '' : `${shown(target)} cannot be copied. `}${sentence}\n`)
    await copy(source, target)
    expect(await runCli(['doctor', '--check', '--database', target])).toMatchObject({ status: 0 })
  })

  test('an interrupted copy of a source that was written to meanwhile is refused, unless it may begin anew', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    await fill(source)
    await interrupt(source, target, ({ table }) => table === 'events')
    await addCustomer(source, { name: 'late' })

    expect(await refusal(source, target)).toBe(
      `error: The source is another one, or was written to, since the copy to ${shown(target)} was interrupted, so what is there may be out of date. ` +
      'Copy anew with --overwrite, which removes what is there. With the servers of the source stopped an interrupted copy can go on.\n')
    expect(await copy(source, target, '--overwrite')).toMatchObject({ resumedAfter: 0, isEqual: true })
  })

  test('a target that holds something is refused, unless it may be overwritten', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    await fill(source)
    await fill(target, { customers: 10 })

    expect(await refusal(source, target)).toBe(notEmpty(target))
    expect(await copy(source, target, '--overwrite')).toMatchObject({ resumedAfter: 0, isEqual: true })
    const [, back] = [target, await newDatabase[from]()]
    expect((await copy(target, back)).tables).toEqual((await copy(source, await newDatabase[to]())).tables)
  })

  test('a target that is overwritten remembers nothing of before, and what was purged and made final in the source stays so', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    const { customerId } = await fill(source)
    const before = await startCli({ database: source, key: secrets.first })
    const { body: deletions } = await before.call('GET', `/v1/customers/${customerId}/history`)
    const deletion = (deletions as { data: { id: number; kind: string }[] }).data.find(({ kind }) => kind === 'customer.deleted')
    const { body: feed } = await before.call('GET', '/v1/changes?limit=1')
    await before.end('SIGTERM')
    const inTwoYears = Math.floor(Date.now() / 1000) + 63_072_000
    await execute(source, `update trash set final_before = ${inTwoYears}`)
    if (from === 'sqlite') await execute(source, "delete from changes where id <= 2; insert into change_horizons (organization_id, change_id, request_id) values (1, 2, 'purged')")

    await fill(target)
    const repeated = async (server: RunningCli): Promise<unknown> => {
      const { status, headers } = await server.call('POST', '/v1/customers', { userId: 'sent twice' }, { 'idempotency-key': 'import-1' })
      return [status, headers.get('idempotency-replayed')]
    }
    const overwritten = await startCli({ database: target, key: secrets.first })
    expect([await repeated(overwritten), await repeated(overwritten)]).toEqual([[201, null], [201, 'true']])
    await overwritten.end('SIGTERM')
    const far = to === 'sqlite' ? "(organization_id, change_id, request_id) values (1, 1000000, 'far')" : '(organization_id, stamp, position) values (1, 1000000000000, 1)'
    await execute(target, `insert into change_horizons ${far}`)
    await copy(source, target, '--overwrite')

    const after = await startCli({ database: target, key: secrets.first })
    expect(await repeated(after)).toEqual([201, null])
    expect((await after.call('POST', `/v1/changes/${deletion?.id}/undo`)).status).toBe(410)
    const cursor = async (text: string): Promise<number> => (await after.call('GET', `/v1/changes?cursor=${encodeURIComponent(text)}`)).status
    expect(await cursor((feed as { meta: { cursor: string } }).meta.cursor)).toBe(410)
    const { body: begun } = await after.call('GET', '/v1/changes?limit=1')
    expect(await cursor((begun as { meta: { cursor: string } }).meta.cursor)).toBe(200)
  })

  test('what is written to the source after the beginning is not in the copy', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    await fill(source)
    const report = await withSource(source, async (moment) => {
      await moment.count('customers')
      await addCustomer(source, { userId: 'late' })
      return await withTarget(target, (empty) => copyDatabase(moment, empty, { overwrite: false, onProgress: () => undefined }))
    })

    expect(report.tables.map(({ table, source: { rows }, isEqual }) => [table, rows, isEqual]).slice(0, 4)).toEqual([
      ['organizations', 3, true], ['tags', 4, true], ['attributes', 4, true], ['customers', 3, true]
    ])
  })

  test('a target that something else writes to comes out wrong, is said to, and is not taken for a copy', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    await fill(source)
    await interrupt(source, target, ({ doing }) => doing === 'completing')
    await execute(target, "update customers set rendering = replace(rendering, 'Zo', 'Mo') where id = 1")
    const { status, stdout, stderr } = await runCli(['copy', '--from', source, '--to', target])

    expect({ status, lastLine: stderr.split('\n').at(-2) }).toEqual({
      status: 1, lastLine: 'error: The copy is not like the source. Is something else writing to the target? Copy anew with --overwrite.'
    })
    expect(stdout.split('\n').map((line) => line.split(/ +/).map((cell) => (/^[0-9a-f]{32}$/.test(cell) ? 'checksum' : cell)).join(' '))).toEqual([
      'table rows of source of target checksum of source of target', 'organizations 3 3 checksum the same', 'tags 4 4 checksum the same',
      'attributes 4 4 checksum the same', 'customers 3 3 checksum checksum', 'events 2 2 checksum the same', 'changes 9 9 checksum the same',
      'webhooks 2 2 checksum the same', 'deliveries 2 2 checksum the same', 'api_keys 3 3 checksum the same', 'secrets 1 1 checksum the same',
      'highest ids 9 9 checksum the same', ''
    ])
    expect(await refusal(source, target)).toBe(`error: A copy to ${shown(target)} came out wrong. Copy anew with --overwrite, which removes what is there.\n`)
    expect(await copy(source, target, '--overwrite')).toMatchObject({ isEqual: true })
  })

  test('a damaged customer is named', async () => {
    const [source, target] = [await newDatabase[from](), await newDatabase[to]()]
    await fill(source)
    await execute(source, "update customers set rendering = '{' where id = 2")

    const said = (await refusal(source, target)).split('\n').at(-2)
    expect(said).toBe('error: Customer 2 of the source is damaged, so it cannot be copied. See what is wrong with: npx clientele doctor')
  })
})

function notEmpty(url: string): string {
  return `error: ${shown(url)} is not empty. Name an empty database, or give --overwrite, which removes all that it holds first.\n`
}

/** How many rows an interrupted copy has brought over. */
async function copiedRows(url: string): Promise<number> {
  const progress = await withTarget(url, (target) => target.progress())
  const { parts } = JSON.parse(progress ?? '{}') as { parts: Record<string, { rows: number }> }
  return Object.values(parts).reduce((sum, { rows }) => sum + rows, 0)
}

// On one of the engines, since they are of no other.
if (inject('engine') === 'postgres') {
  test('a database of PostgreSQL is not copied over itself, by whatever URL', async () => {
    const source = await newDatabase.postgres()
    await fill(source)

    expect(await refusal(source, source.replace('127.0.0.1', 'localhost'), '--overwrite')).toBe('error: The source and the target are the same database. Name another one with --to.\n')
  })
} else {
  test('a copy shows how far it is, and in the end how the two compare', async () => {
    const [source, target] = [await newDatabase.sqlite(), await newDatabase.sqlite()]
    await fill(source)
    const { status, stdout, stderr } = await runCli(['copy', '--from', source, '--to', target])

    expect({ status, lastLine: stdout.split('\n').at(-2) }).toEqual({ status: 0, lastLine: `Copied ${source} to ${target}.` })
    expect(stderr.split('\n').filter((line) => !/^(?:(?:copying|comparing) \w+: \d+ of \d+ rows, \d+ %(?:, about [\d.]+ (?:s|min|h) left)?|making indexes and counts|)$/.test(line))).toEqual([])
    expect(stderr).toContain('making indexes and counts\n')
  })

  test('a copy to a file is a database that doctor finds sound', async () => {
    const [source, target] = [await newDatabase.sqlite(), await newDatabase.sqlite()]
    await fill(source, { customers: 1_200 })
    await copy(source, target)

    expect(await runCli(['doctor', '--check', '--database', target])).toEqual({ status: 0, stdout: `${target}: 1200 customers, all sound.\n`, stderr: '' })
    expect(statSync(pathOf(target)).mode & 0o777).toBe(0o600)
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('a copy that %s ends says how to go on', async (signal) => {
    const [source, target] = [await newDatabase.sqlite(), await newDatabase.sqlite()]
    await fill(source)
    // Some seconds.
    await execute(source, `
      with recursive numbers (number) as (select 1 union all select number + 1 from numbers where number < 300000)
      insert into events (customer_id, name, data, created_at) select 1, 'paid', '{"total":1}', number from numbers`)
    const { stderr, ...end } = await interruptCli(['copy', '--from', source, '--to', target], signal)

    expect(end).toEqual({ status: null, stdout: '', signal })
    expect(stderr.split('\n').slice(-2)).toEqual(['Interrupted. What was copied stays; run the same command again to go on.', ''])
    expect((await copy(source, target)).resumedAfter).toBeGreaterThan(10)
  })

  test('a database is not copied over itself, whatever it is called', async () => {
    const source = await newDatabase.sqlite()
    await fill(source)
    const otherName = `${source}.link`
    symlinkSync(pathOf(source), pathOf(otherName))

    expect(await refusal(source, otherName, '--overwrite')).toBe('error: The source and the target are the same database. Name another one with --to.\n')
  })

  test('two copies to one target do not mix', async () => {
    const [source, target] = [await newDatabase.sqlite(), await newDatabase.sqlite()]
    await fill(source)
    const copying = withSource(source, (moment) => withTarget(target, async (first) => {
      await interrupt(source, target, ({ table }) => table === 'customers')
      await first.insert('events', [], { from: 'what it was', to: 'what it would be' })
      return await moment.count('events')
    }))

    await expect(copying).rejects.toThrow(`Another copy writes to ${pathOf(target)}. Wait for it, or end it.`)
  })

  test.each([
    { flags: ['--from', 'sqlite:x.db'], status: 2, stderr: "error: required option '--to <url>' not specified\n" },
      { flags: ['--from', 'sqlite:nowhere.db', '--to', 'sqlite:x.db'], status: 1, stderr: 'error: There is no database nowhere.db. Name it with --from.\n' },
    {
      flags: ['--from', 'postgres://user:secret@127.0.0.1:1/x', '--to', 'sqlite:x.db'], status: 1,
      stderr: 'error: postgres://user:***@127.0.0.1:1/x: connect ECONNREFUSED 127.0.0.1:1. What was copied stays; run the same command again to go on.\n'
    }
  ])('copy $flags ends with $status', async ({ flags, status, stderr }) => {
    expect(await runCli(['copy', ...flags], { cwd: temporaryFolder() })).toEqual({ status, stdout: '', stderr })
  })
}
