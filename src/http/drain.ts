import type { ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** How often a closing server looks whether all is answered. */
const lookEveryMs = 20

/**
 * Lets a server close as soon as every request it accepted is answered. Left alone, Node waits for
 * connections that are owed nothing: kept alive after an answer, or open without a request.
 */
export function drainOnClose(server: FastifyInstance): void {
  const underWay = new Set<ServerResponse>()
  let looking: NodeJS.Timeout | undefined

  function forget(this: ServerResponse): void {
    underWay.delete(this)
  }

  server.addHook('onRequest', (_request, reply, done) => {
    underWay.add(reply.raw)
    reply.raw.on('close', forget)
    done()
  })
  server.addHook('preClose', (done) => {
    // Fastify says so to requests that arrive while it closes, and not to those already there.
    for (const response of underWay) if (!response.headersSent) response.setHeader('Connection', 'close')
    looking = setInterval(() => {
      if (underWay.size === 0 && !server.server.listening) server.server.closeAllConnections()
    }, lookEveryMs)
    done()
  })
  server.addHook('onClose', (_server, done) => {
    clearInterval(looking)
    done()
  })
}
