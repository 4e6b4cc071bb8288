import { setTimeout } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import type { RunningCli } from '../e2e/start-cli.ts'
import { startCli } from '../e2e/start-cli.ts'
import { createDatabase } from '../engines.ts'
import { openStream } from '../event-stream.ts'
import { inTurn } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 120_000 })

interface ChangeJson {
  readonly id: number
  readonly kind: string
  readonly customerId: number | null
  readonly before: { readonly name?: string | null } | null
  readonly after: { readonly name?: string | null } | null
}

const customers = 8
const changesMin = 1_500

/** Renames some of a few customers again and again, several at once and in any order, and makes others. Answers how to stop that. */
function startRenaming(servers: readonly RunningCli[], connections: number): { readonly failed: unknown[]; stop(): Promise<void> } {
  const failed: unknown[] = []
  let isStopped = false
  const write = async (connection: number): Promise<void> => {
    for (let count = 0; !isStopped; count += 1) {
      const server = inTurn(servers, connection + count)
      const named = [1, 2, 3].map((step) => ({ customer: 1 + (connection * 3 + count * step * 5) % customers, name: `${connection} ${count} ${step}` }))
      const answer = count % 4 === 0
        ? await server.call('POST', '/v1/customers', { name: `${connection} ${count}` })
        : await server.call('PUT', '/v1/customers/batch', named)
      if (answer.status === 503) await setTimeout(20)
      else if (answer.status > 201) failed.push(answer.body)
    }
  }
  const ended = Promise.all(Array.from({ length: connections }, (_, connection) => write(connection)))
  return {
    failed,
    async stop() {
      isStopped = true
      await ended
    }
  }
}

test('readers of list and stream miss no change and get none twice, each customer\'s in the order of its commits, while several processes write', async () => {
  const database = await createDatabase()
  const first = await startCli({ database: database.url })
  const { key = '' } = first
  const servers = [first, ...await Promise.all([1, 2].map(() => startCli({ database: database.url, key })))]
  for (let count = 0; count < customers; count += 1) await first.call('POST', '/v1/customers', { name: 'begin' })
  // Transactions of other tests on the same server hold the feed up.
  const begin = await vi.waitUntil(async () => {
    const { body: { data, meta } } = await first.call('GET', '/v1/changes?limit=1') as { body: { data: ChangeJson[]; meta: { cursor: string } } }
    return data.length === 1 && meta.cursor
  }, { timeout: 30_000, interval: 5 })
  const streams = await Promise.all(servers.map(({ url }) => openStream(url, { key, path: `/v1/changes/stream?cursor=${begin}` })))

  const read: ChangeJson[] = []
  let cursor = begin
  let pages = 0
  const readOn = async (): Promise<number> => {
    const { status, body } = await inTurn(servers, pages).call('GET', `/v1/changes?limit=50&cursor=${cursor}`)
    if (status !== 200) throw new Error(`Reading on was answered ${status}: ${JSON.stringify(body)}`)
    const { data, meta } = body as { data: ChangeJson[]; meta: { cursor: string } }
    read.push(...data)
    cursor = meta.cursor
    pages += data.length > 0 ? 1 : 0
    return data.length
  }
  const load = startRenaming(servers, 24)
  while (read.length < changesMin) await readOn()
  await load.stop()
  expect(load.failed).toEqual([])
  const made = (await database.sql('select id from changes order by id')).map(({ id }) => Number(id)).slice(1)
  // Transactions of other tests on the same server hold the feed up, too.
  await vi.waitUntil(async () => await readOn() === 0 && read.length >= made.length, { timeout: 30_000, interval: 5 })

  const ids = read.map(({ id }) => id)
  expect(ids.toSorted((one, other) => one - other)).toEqual(made)
  expect(pages).toBeGreaterThan(10)
  for (const stream of streams) expect((await stream.first(made.length)).map(({ data }) => data.id)).toEqual(ids)
  expect(streams.map((stream) => stream.events().length)).toEqual(streams.map(() => made.length))

  for (let id = 2; id <= customers; id += 1) {
    const own = read.filter(({ customerId }) => customerId === id)
    expect(own.map((change) => change.id)).toEqual(own.map((change) => change.id).toSorted((one, other) => one - other))
    // Each begins with what the one before it left.
    const names = own.map(({ after }) => after?.name)
    expect(own.slice(1).map(({ before }) => before?.name)).toEqual(names.slice(0, -1))
  }
})
