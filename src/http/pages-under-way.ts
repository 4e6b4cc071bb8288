import type { FastifyReply } from 'fastify'
import { unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import { freeBytes } from './customer-answer.ts'

/** By connection, the bytes of pages that its client has not read yet: it may ask for hundreds of them in one packet. */
const unread = new WeakMap<object, number>()

/**
 * To be called just before a page is sent: it is freed once nobody reads it any more. Throws when so much waits for the client of
 * this connection to read it that it gets no further page.
 */
export function freeWhenSent({ raw, request }: FastifyReply, page: Uint8Array): void {
  const { socket } = request.raw
  const { byteLength } = page
  const waiting = unread.get(socket) ?? 0
  if (waiting > limits.unreadPageBytesMax) {
    freeBytes(page)
    throw unavailable(`More than ${limits.unreadPageBytesMax} bytes of answers wait on this connection for you to read them. Read them, then ask again.`)
  }
  unread.set(socket, waiting + byteLength)
  // Said when the system has taken all of it, or when the connection is closed, after which it takes no more.
  raw.once('close', () => {
    unread.set(socket, (unread.get(socket) ?? 0) - byteLength)
    freeBytes(page)
  })
}
