import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { openPool } from './connection.ts'
import { isConnectionError } from './storage-error.ts'

/** A message of PostgreSQL's protocol: its type, its length without the type, its content. */
function message(type: string, content: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(4 + content.length)
  return Buffer.concat([Buffer.from(type), length, content])
}

const authenticated = message('R', Buffer.alloc(4))
const ready = message('Z', Buffer.from('I'))
const stopping = message('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'))

test('a connection that the database ends as it hands it over fails what is asked there, and does not end the process', async () => {
  const server = createServer((socket) => {
    socket.once('data', () => { socket.end(Buffer.concat([authenticated, ready, stopping])) })
    socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const pool = openPool({ url: `postgres://nobody@127.0.0.1:${(server.address() as AddressInfo).port}/none` })
  onTestFinished(async () => {
    await pool.end()
    server.close()
  })

  const client = await pool.connect()
  const failed: unknown = await client.query('select 1').then(() => 'answered', (error: unknown) => error)
  client.release(true)
  expect(isConnectionError(failed)).toBe(true)
})
