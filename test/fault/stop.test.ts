import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { limits } from '../../src/limits.ts'
import { startCli } from '../e2e/start-cli.ts'
import { createDatabase } from '../engines.ts'
import { open } from './connection.ts'
import { draftOf, sorted, startLoad, walkAll } from './load.ts'

vi.setConfig({ testTimeout: 60_000 })

test('SIGTERM under load: what was accepted is answered and kept, nothing else is kept, and the process ends well in time', async () => {
  const { url: database } = await createDatabase()
  const server = await startCli({ database })
  const { key = '' } = server
  const load = startLoad(server, { connections: 32, prefix: 'load' })
  await vi.waitUntil(() => load.acknowledged.length >= 200, { timeout: 20_000, interval: 5 })

  // Its headers are accepted before the signal, its body comes after: 100-continue says where the server is.
  const slow = await startRequest(server.url, { key, body: JSON.stringify(draftOf('accepted-before')) })
  const started = performance.now()
  const ended = server.end('SIGTERM')
  await vi.waitUntil(() => server.stderr().includes('"msg":"stopping"'), { interval: 5 })
  const answer = await slow.finish()
  expect(answer).toMatch(/^HTTP\/1\.1 201 Created\r\n/)
  expect(await ended).toMatchObject({ status: 0 })
  expect(performance.now() - started).toBeLessThan(limits.shutdownSeconds * 1000)
  await load.ended
  expect(load.refused).toEqual([])

  const again = await startCli({ database, key })
  const { id } = JSON.parse(answer.slice(answer.indexOf('{'))) as { id: number }
  const { customers, total, taggedTotal } = await walkAll(again)
  expect(customers).toEqual(sorted([...load.acknowledged, { id, userId: 'accepted-before' }]))
  expect({ total, taggedTotal }).toEqual({ total: customers.length, taggedTotal: customers.length })
})

test('connections that are owed no answer do not hold up the end', async () => {
  const server = await startCli({ database: (await createDatabase()).url })
  const silent = await open(server.url)
  const halfAsked = await open(server.url)
  halfAsked.socket.write('GET /v1/customers HTTP/1.1\r\nHost: ')
  // Answered after the others were accepted, and kept alive by this process.
  expect((await server.call('GET', '/v1/customers')).status).toBe(200)
  expect(await server.end('SIGTERM')).toMatchObject({ status: 0 })
  await Promise.all([silent.ended, halfAsked.ended])
  expect([silent.text, halfAsked.text]).toEqual(['', ''])
})

test('a process that cannot finish in time is ended, with status 1 and a line that says why', async () => {
  const { url: database } = await createDatabase()
  const program = fileURLToPath(new URL('impatient-server.ts', import.meta.url))
  const server = await startCli({ database, program, args: ['--shutdown-seconds', '0.2'] })
  const held = await startRequest(server.url, { key: server.key ?? '', body: JSON.stringify(draftOf('never-sent')) })
  const { status, stderr } = await server.end('SIGTERM')
  const said = stderr.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  expect({ status, said: said.map(({ level, msg }) => ({ level, msg })) }).toEqual({
    status: 1, said: [{ level: 30, msg: 'listening' }, { level: 30, msg: 'stopping' }, { level: 50, msg: 'could not finish in time' }]
  })
  expect(await held.cut()).toBe('')
})

/** A request whose headers are with the server, and whose body can be sent when wanted. */
async function startRequest(url: string, { key, body }: { key: string; body: string }): Promise<{ finish(): Promise<string>; cut(): Promise<string> }> {
  const connection = await open(url)
  connection.socket.write(
    `POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nExpect: 100-continue\r\n\r\n`)
  await vi.waitUntil(() => connection.text.startsWith('HTTP/1.1 100 Continue\r\n\r\n'), { interval: 5 })
  const cut = async (): Promise<string> => {
    await connection.ended
    return connection.text.replace('HTTP/1.1 100 Continue\r\n\r\n', '')
  }
  return {
    cut,
    async finish() {
      connection.socket.write(body)
      return await cut()
    }
  }
}
