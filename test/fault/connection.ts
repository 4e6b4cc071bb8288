import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Connection {
  readonly socket: Socket
  /** What the server has sent. */
  readonly bytes: Buffer
  readonly text: string
  /** Resolves when the server has closed it. */
  readonly ended: Promise<unknown>
}

/** A bare connection, for what no HTTP client would do. */
export async function open(url: string): Promise<Connection> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  onTestFinished(() => { socket.destroy() })
  const chunks: Buffer[] = []
  const received = (): Buffer => Buffer.concat(chunks)
  socket.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  // A connection that is cut has ended too.
  socket.on('error', () => undefined)
  const ended = new Promise((resolve) => { socket.once('close', resolve) })
  await once(socket, 'connect')
  return { socket, ended, get bytes() { return received() }, get text() { return received().toString() } }
}
