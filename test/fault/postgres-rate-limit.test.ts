import { expect, inject, test, vi } from 'vitest'
import { withClient } from '../../src/postgres/connection.ts'
import { createDatabase, rows, startServers } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 90_000 })

test('three processes under uneven load grant what one would within a tenth, with at most one question a second each', async () => {
  const { url, ownerUrl } = await createDatabase()
  const name = new URL(url).pathname.slice(1)
  await withClient(inject('postgresUrl'), async (client) => await client.query(`alter database ${name} set track_functions = 'all'`))
  const perMinute = 600
  const servers = await startServers(url, 3, { args: ['--rate-limit', `${perMinute}/min`] })

  const started = performance.now()
  let granted = 0
  let lastGrantedAt = started
  const refused = servers.map(() => 0)
  const isOver = (): boolean => refused.every((count) => count > 0) && performance.now() - lastGrantedAt > 2_500
  const load = servers.flatMap((server, index) => Array.from({ length: [8, 3, 1][index] ?? 0 }, async () => {
    while (!isOver()) {
      const { status, headers } = await server.call('GET', '/v1/customers/1')
      if (status === 429) {
        refused[index] = (refused[index] ?? 0) + 1
        expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
        // A client that heeds the answer a little.
        await new Promise((resolve) => { setTimeout(resolve, 50) })
        continue
      }
      expect(status).toBe(404)
      granted += 1
      lastGrantedAt = performance.now()
    }
  }))
  await Promise.all(load)
  const seconds = (performance.now() - started) / 1000
  // All of it in one minute, after which what was granted first would be free again.
  expect(seconds).toBeLessThan(55)
  expect(granted).toBeGreaterThanOrEqual(perMinute * 0.9)
  expect(granted).toBeLessThanOrEqual(perMinute * 1.1)

  // Sessions tell what they counted as they end.
  await Promise.all(servers.map(async (server) => await server.end('SIGTERM')))
  const endedAfter = (performance.now() - started) / 1000
  const [lease] = await vi.waitUntil(async () => {
    const counted = await rows<{ calls: number }>(ownerUrl, "select calls from pg_stat_user_functions where funcname = 'lease_requests'")
    return counted.length > 0 && counted
  }, { timeout: 10_000, interval: 50 })
  expect(lease?.calls).toBeGreaterThan(0)
  expect(lease?.calls).toBeLessThanOrEqual(servers.length * Math.ceil(endedAfter + 1))
})
