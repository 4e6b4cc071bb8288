import { expect, test, vi } from 'vitest'
import type { RunningCli } from '../e2e/start-cli.ts'
import { startCli } from '../e2e/start-cli.ts'
import { createDatabase } from '../engines.ts'

vi.setConfig({ testTimeout: 90_000 })

const connections = 16

async function create(server: RunningCli, name: string): Promise<{ status: number; id: unknown; isReplayed: boolean }> {
  const { status, body, headers } = await server.call('POST', '/v1/customers', { name, tags: ['keyed'] }, { 'idempotency-key': name })
  return { status, id: (body as { id: unknown }).id, isReplayed: headers.get('idempotency-replayed') === 'true' }
}

/** The server is gone; whatever else fails, fails the test. */
function noAnswer(error: unknown): undefined {
  if (!(error instanceof TypeError)) throw error
}

test('whoever repeats with its key what a kill left unanswered makes nobody twice, and is answered as the first time', async () => {
  const { url: database } = await createDatabase()
  let server: RunningCli = await startCli({ database })
  const { key = '' } = server
  const ids = new Map<string, unknown>()
  const asked: string[] = []
  for (const round of [1, 2, 3]) {
    const target = ids.size + 300
    const load = Promise.all(Array.from({ length: connections }, async (_, connection) => {
      for (let count = 0; ; count += 1) {
        const name = `${round}-${connection}-${count}`
        asked.push(name)
        const answer = await create(server, name).catch(noAnswer)
        if (answer === undefined) return
        expect(answer).toEqual({ status: 201, id: expect.any(Number) as number, isReplayed: false })
        ids.set(name, answer.id)
      }
    }))
    await vi.waitUntil(() => ids.size >= target, { timeout: 20_000, interval: 5 })
    await server.end('SIGKILL')
    await load
    server = await startCli({ database, key })
    const unanswered = asked.filter((name) => !ids.has(name))
    expect(unanswered.length).toBeGreaterThan(0)
    for (const name of unanswered) ids.set(name, (await create(server, name)).id)
  }
  for (const name of asked.slice(0, 50)) expect(await create(server, name)).toEqual({ status: 201, id: ids.get(name), isReplayed: true })
  const { body } = await server.call('POST', '/v1/customers/search', { filter: [{ field: 'tagsData', operator: '=', value: ['keyed'] }], limit: 1 })
  expect((body as { total: number }).total).toBe(asked.length)
  expect(new Set(ids.values()).size).toBe(asked.length)
  await server.end('SIGTERM')
})
