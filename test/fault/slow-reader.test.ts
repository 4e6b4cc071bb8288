import { once } from 'node:events'
import type { Socket } from 'node:net'
import { expect, test, vi } from 'vitest'
import { limits } from '../../src/limits.ts'
import { speakTo } from '../conformance/open-organization.ts'
import { startServer } from '../start-server.ts'
import type { Connection } from './connection.ts'
import { open } from './connection.ts'

interface Question {
  readonly path: string
  /** Of a search. */
  readonly body?: string
}

// Before others, whose garbage might be collected meanwhile.
test('what clients left unread is not kept', async () => {
  const server = await startServer()
  const { create } = speakTo(server.store, { organizationId: 1, keyId: 1, requestId: 'test' })
  await Promise.all(Array.from({ length: 20 }, () => create({ name: 'Ann', notes: 'a'.repeat(limits.longTextCharactersMax) })))
  const url = await server.listen()
  const { socket, ended } = await open(url)
  socket.pause()
  const before = process.memoryUsage().arrayBuffers
  const [pages, bytesPerPage] = [20, 20 * limits.longTextCharactersMax]
  socket.write(requestOf({ path: '/v1/customers?limit=20' }, { authorization: `Bearer ${server.key}` }).repeat(pages))
  const held = (): number => process.memoryUsage().arrayBuffers - before
  await vi.waitUntil(() => held() > (pages - 5) * bytesPerPage, { timeout: 20_000 })

  socket.resetAndDestroy()
  await ended
  // Nothing is asked meanwhile, so no garbage is collected either.
  await vi.waitUntil(() => held() < 5 * bytesPerPage, { timeout: 20_000 })
})

test('a connection on which much waits to be read gets no further page until it has been', async () => {
  const server = await startServer()
  const { create } = speakTo(server.store, { organizationId: 1, keyId: 1, requestId: 'test' })
  await Promise.all(Array.from({ length: 20 }, () => create({ name: 'Ann', notes: 'a'.repeat(limits.longTextCharactersMax) })))
  const url = await server.listen()
  const connection = await open(url)
  const { socket, ended } = connection
  socket.pause()
  const request = (others: Record<string, string> = {}): string => requestOf({ path: '/v1/customers?limit=20' }, { authorization: `Bearer ${server.key}`, ...others })
  const asked = 100
  let received = 0
  server.http.server.on('request', () => { received += 1 })
  socket.write(request().repeat(asked))
  // What is refused is told once it is read, so that all have been answered is seen by what still waits.
  await vi.waitUntil(async () => received === asked && (await server.metrics()).includes('clientele_reads_waiting 0\n'), { timeout: 20_000 })
  socket.resume()
  await vi.waitUntil(() => wholeBodies(connection.bytes).length === asked, { timeout: 20_000, interval: 100 })
  socket.write(request({ connection: 'close' }))
  await ended

  const bodies = wholeBodies(connection.bytes).map((body) => JSON.parse(body.toString()) as { data?: unknown[]; errors?: unknown[] })
  const pages = bodies.slice(0, asked).filter(({ data }) => data !== undefined).length
  const bytesPerPage = 20 * limits.longTextCharactersMax
  expect(pages).toBeGreaterThanOrEqual(Math.floor(limits.unreadPageBytesMax / bytesPerPage))
  expect(pages).toBeLessThan(asked)
  expect(bodies.find(({ errors }) => errors !== undefined)).toEqual({ errors: [{
    code: 'unavailable', message: 'More than 33554432 bytes of answers wait on this connection for you to read them. Read them, then ask again.'
  }] })
  expect(bodies.at(-1)?.data).toHaveLength(20)
})

// The memory of an answered page is freed at once: a moment too early, and what is sent is cut short, or has what others put there by then.
test('whoever reads slowly gets whole pages as they are, while others leave amid theirs and yet others are answered', async () => {
  const server = await startServer()
  const { create } = speakTo(server.store, { organizationId: 1, keyId: 1, requestId: 'test' })
  // Pages are larger than what the system takes for a client who does not read.
  await Promise.all(Array.from({ length: limits.pageCustomersMax }, (_, index) =>
    create({ name: 'Ann', notes: `note ${index} `.padEnd(limits.longTextCharactersMax, `${index} `) })))
  const url = await server.listen()
  const headers = { authorization: `Bearer ${server.key}` }
  const ask = async ({ path, body }: Question): Promise<Buffer> => {
    const answer = await fetch(url + path, body === undefined ? { headers } : { method: 'POST', headers, body })
    expect(answer.status).toBe(200)
    return Buffer.from(await answer.arrayBuffer())
  }
  const { meta: { cursor } } = JSON.parse((await ask({ path: '/v1/customers?limit=1' })).toString()) as { meta: { cursor: string } }
  const search = { filter: [{ field: 'name', operator: '=', value: 'ann' }], sort: 'id', limit: limits.pageCustomersMax }
  // None is followed by another, so that no cursor makes the bytes depend on the moment.
  const questions: Question[] = [
    { path: `/v1/customers?limit=${limits.pageCustomersMax}` },
    { path: '/v1/customers/search', body: JSON.stringify({ ...search, order: 'desc' }) },
    { path: `/v1/customers?limit=${limits.walkCustomersMax}&cursor=${cursor}` },
    { path: '/v1/customers/search', body: JSON.stringify({ ...search, fields: ['id', 'notes'] }) }
  ]
  const pages: Buffer[] = []
  for (const question of questions) pages.push(await ask(question))
  const pagesIn = (bodies: readonly Buffer[]): number[] => bodies.map((body) => pages.findIndex((page) => page.equals(body)))

  const asked: Socket[] = []
  server.http.server.on('connection', (socket) => { asked.push(socket) })
  /** All questions at once, from this one on, and none of the answers read. */
  const askAll = async (first: number): Promise<Connection> => {
    const connection = await open(url)
    connection.socket.pause()
    const order = [...questions.slice(first), ...questions.slice(0, first)]
    connection.socket.write(order.map((question, index) => requestOf(question, { ...headers, connection: index === order.length - 1 ? 'close' : 'keep-alive' })).join(''))
    return connection
  }
  const reading = [await askAll(0), await askAll(1), await askAll(2)]
  const [atOnce, soon, later] = [await askAll(3), await askAll(0), await askAll(1)]
  await vi.waitUntil(() => asked.length === 6 && asked.every(({ writableLength }) => writableLength > 0), { timeout: 20_000 })

  atOnce.socket.resetAndDestroy()
  const served: Buffer[] = []
  for (const question of [...questions, ...questions]) {
    served.push(await ask(question))
    for (const connection of [...reading, soon]) await readOn(connection)
  }
  soon.socket.destroy()
  while (later.socket.bytesRead - later.socket.readableLength < Number(pages[1]?.length) + 10_000) await readOn(later)
  later.socket.destroy()
  for (const question of questions) {
    served.push(await ask(question))
    for (const connection of reading) await readOn(connection)
  }
  for (const { socket } of reading) socket.resume()
  await Promise.all(reading.map(({ ended }) => ended))

  expect(reading.map(({ bytes }) => pagesIn(wholeBodies(bytes)))).toEqual([[0, 1, 2, 3], [1, 2, 3, 0], [2, 3, 0, 1]])
  expect([atOnce, soon, later].map(({ bytes }) => pagesIn(wholeBodies(bytes)))).toEqual([[], [], [1]])
  expect(pagesIn(served)).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3])
  expect(server.logged.filter(({ level }) => level !== 30)).toEqual([])
})

function requestOf({ path, body }: Question, headers: Record<string, string>): string {
  const lines = Object.entries({ ...headers, 'host': 'localhost', 'content-length': body?.length ?? 0 }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${body === undefined ? 'GET' : 'POST'} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body ?? ''}`
}

/** Takes what one reading of the socket brings. */
async function readOn({ socket, ended }: Connection): Promise<void> {
  if (socket.destroyed) throw new Error('The server has cut the connection')
  socket.resume()
  await Promise.race([once(socket, 'data'), ended])
  socket.pause()
}

/** Of the answers in what a server has sent. */
function wholeBodies(bytes: Buffer): Buffer[] {
  const bodies: Buffer[] = []
  for (let from = 0; ;) {
    const bodyFrom = bytes.indexOf('\r\n\r\n', from) + 4
    const length = /^content-length: (\d+)/im.exec(bytes.toString('latin1', from, bodyFrom))?.[1]
    const end = bodyFrom + Number(length)
    if (length === undefined || end > bytes.length) return bodies
    bodies.push(bytes.subarray(bodyFrom, end))
    from = end
  }
}
