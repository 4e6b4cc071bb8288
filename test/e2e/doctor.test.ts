import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import { temporaryFolder } from '../engines.ts'
import { untilIndexed } from './indexed.ts'
import { runCli, startCli } from './start-cli.ts'

// Each command is a process of its own.
vi.setConfig({ testTimeout: 60_000 })

const someCustomers = [
  { name: 'Ann', tags: ['Lead'], customData: { plan: 'pro' } }, { name: 'Bob', userId: 'b', tags: ['Lead'] }, { name: 'Cy', userId: 'c' }
]

test('doctor says to a person what it found and mended, where, and what is left to do', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const url = `sqlite:${database}`
  const server = await startCli({ database })
  for (const body of someCustomers) await server.call('POST', '/v1/customers', body)
  await server.end('SIGTERM')
  const doctor = (...args: string[]) => runCli(['doctor', ...args, '--database', url])
  expect(await doctor()).toEqual({ status: 0, stdout: `${url}: 3 customers, all sound.\n`, stderr: '' })

  damage(database, `
    update customers set name = 'x' where id in (1, 2); delete from customer_tags;
    update customers set rendering = json_set(rendering, '$.userId', 'b'), user_id = null where id = 3`)
  expect(await doctor('--check')).toEqual({
    status: 1,
    stdout: [
      'columns that differ from their rendering: 2 (customers 1, 2).',
      'userIds that another customer has: 1 (customer 3). Give these customers another userId, then run doctor again.',
      'entries that customer_tags lacks: 2 (customers 1, 2).',
      `${url}: 3 customers, not sound.\n`
    ].join('\n'),
    stderr: 'error: Mend what can be mended with: npx clientele doctor\n'
  })
  expect(await doctor()).toEqual({
    status: 1,
    stdout: [
      'columns that differ from their rendering: 2, mended (customers 1, 2).',
      'userIds that another customer has: 1, of which 1 left (customer 3). Give these customers another userId, then run doctor again.',
      'entries that customer_tags lacks: 2, mended (customers 1, 2).',
      `${url}: 3 customers, not sound.\n`
    ].join('\n'),
    stderr: 'error: Not all of it could be mended.\n'
  })

  const again = await startCli({ database, key: server.key ?? '' })
  expect((await again.call('PATCH', '/v1/customers/3', { userId: 'd' })).status).toBe(200)
  expect(await doctor()).toEqual({ status: 0, stdout: `${url}: 3 customers, all sound.\n`, stderr: '' })
})

test('doctor says the same as JSON', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const url = `sqlite:${database}`
  const server = await startCli({ database })
  for (const body of someCustomers) await server.call('POST', '/v1/customers', body)
  const doctor = async (...args: string[]) => {
    const { status, stdout } = await runCli(['doctor', '--json', ...args, '--database', url])
    return { status, said: JSON.parse(stdout) as unknown }
  }
  damage(database, 'update organizations set customer_count = 7; update customers set rendering = 5 where id = 2')
  const count = { kind: 'customerCounts', count: 1, ids: [1], remedy: null }
  const unreadable = { kind: 'unreadable', count: 1, left: 1, ids: [2], remedy: 'Restore these customers from a backup.' }

  expect(await doctor('--check')).toEqual({
    status: 1, said: { database: url, customers: 3, isSound: false, findings: [unreadable, { ...count, left: 1 }] }
  })
  expect(await doctor()).toEqual({
    status: 1, said: { database: url, customers: 3, isSound: false, findings: [unreadable, { ...count, left: 0 }] }
  })
})

test('a server that runs finds by what doctor has mended, at once and when its index has followed', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database })
  for (const body of someCustomers) await server.call('POST', '/v1/customers', body)
  const totalOf = async (name: string): Promise<unknown> => {
    const { body } = await server.call('POST', '/v1/customers/search', { filter: [{ field: 'customers.name', operator: '=', value: name }] })
    return (body as { total: unknown }).total
  }
  await untilIndexed(server)
  expect(await totalOf('Ann')).toBe(1)
  damage(database, `update customers set rendering = json_set(rendering, '$.name', 'Anna') where id = 1`)

  expect((await runCli(['doctor', '--database', `sqlite:${database}`])).status).toBe(0)
  expect([await totalOf('Ann'), await totalOf('Anna')]).toEqual([0, 1])
  await untilIndexed(server)
  expect([await totalOf('Ann'), await totalOf('Anna')]).toEqual([0, 1])
})

test('doctor mends while a server writes: every write is answered, and nothing is wrong afterwards', async () => {
  const database = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database })
  const statuses = new Set<number>()
  let count = 0
  let isWriting = true
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let own = 0; isWriting; own += 1) {
      const { status, body } = await server.call('POST', '/v1/customers', {
        userId: `${writer}-${own}`, firstSeen: own, tags: ['Lead', `t${own % 9}`], customData: { own, writer: `w${writer}` }
      })
      statuses.add(status)
      const { id } = body as { id: number }
      if (own % 3 === 0) await server.call('PATCH', `/v1/customers/${id}`, { lastSeen: null, customData: { own: -own } })
      if (own % 7 === 0) await server.call('DELETE', `/v1/customers/${id}`)
      count += 1
    }
  })
  await vi.waitUntil(() => count > 300, { timeout: 20_000 })
  const url = `sqlite:${database}`
  expect((await runCli(['doctor', '--check', '--database', url])).status).toBe(0)
  damage(database, `
    delete from customer_tags where customer_id % 2 = 0; update customer_attributes set customer_id = -customer_id where customer_id % 5 = 0;
    delete from order_buckets; update organizations set customer_count = 0; update customers set company = 'x' where id % 3 = 0`)
  const mended = await runCli(['doctor', '--json', '--database', url])
  const after = count
  await vi.waitUntil(() => count > after + 50, { timeout: 20_000 })
  isWriting = false
  await Promise.all(writers)

  expect((JSON.parse(mended.stdout) as { findings: { kind: string; left: number }[] }).findings.map(({ kind, left }) => [kind, left])).toEqual([
    ['columns', 0], ['tagEntriesMissing', 0], ['attributeEntriesMissing', 0], ['attributeEntriesSurplus', 0], ['customerCounts', 0], ['orderBuckets', 0]
  ])
  expect(mended.status).toBe(0)
  expect([...statuses]).toEqual([201])
  expect((await runCli(['doctor', '--check', '--database', url])).status).toBe(0)
})

function damage(path: string, text: string): void {
  const db = new Database(path, { timeout: 5_000 })
  try {
    db.transaction(() => { db.exec(text) }).immediate()
  } finally {
    db.close()
  }
}
