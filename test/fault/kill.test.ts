import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import type { RunningCli } from '../e2e/start-cli.ts'
import { startCli } from '../e2e/start-cli.ts'
import { createDatabase } from '../engines.ts'
import type { Acknowledged } from './load.ts'
import { sorted, startLoad, walkAll } from './load.ts'

vi.setConfig({ testTimeout: 90_000 })

test('what was acknowledged before a kill amid writes from 32 connections is there, once and whole', async () => {
  const { url: database } = await createDatabase()
  let server: RunningCli = await startCli({ database })
  const { key } = server
  const acknowledged: Acknowledged[] = []
  for (const round of [1, 2, 3]) {
    const load = startLoad(server, { connections: 32, prefix: `round-${round}` })
    await vi.waitUntil(() => load.acknowledged.length >= 500, { timeout: 20_000, interval: 5 })
    await server.end('SIGKILL')
    await load.ended
    acknowledged.push(...load.acknowledged)
    expect(load.refused).toEqual([])

    server = await startCli({ database, ...(key === undefined ? {} : { key }) })
    const { customers, total, taggedTotal } = await walkAll(server)
    const known = new Set(acknowledged.map(({ userId }) => userId))
    expect(customers.filter(({ userId }) => known.has(userId))).toEqual(sorted(acknowledged))
    expect(new Set(customers.map(({ userId }) => userId)).size).toBe(customers.length)
    expect({ total, taggedTotal }).toEqual({ total: customers.length, taggedTotal: customers.length })
    // Each connection may have had one write under way that was kept though nobody was told.
    expect(customers.length - acknowledged.length).toBeLessThanOrEqual(32 * round)
  }
  await server.end('SIGTERM')
  // PostgreSQL was not killed.
  if (!database.startsWith('sqlite:')) return
  const db = new Database(database.slice('sqlite:'.length), { readonly: true })
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  db.close()
})
