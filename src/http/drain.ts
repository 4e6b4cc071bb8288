import type { FastifyInstance } from 'fastify'

/** How often a closing server looks whether all is answered. */
const lookEveryMs = 20

/**
 * Lets a server close as soon as every request it accepted is answered. Left alone, Node waits for
 * connections that are owed nothing: kept alive after an answer, or open without a request.
 */
export function drainOnClose(server: FastifyInstance): void {
  let underWay = 0
  let looking: NodeJS.Timeout | undefined

  server.addHook('onRequest', (_request, reply, done) => {
    underWay += 1
    reply.raw.once('close', () => { underWay -= 1 })
    done()
  })
  // Fastify says so to requests that arrive while it closes, and not to those already there.
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (looking !== undefined) void reply.header('Connection', 'close')
    done()
  })
  server.addHook('preClose', (done) => {
    looking = setInterval(() => {
      if (underWay === 0 && !server.server.listening) server.server.closeAllConnections()
    }, lookEveryMs)
    done()
  })
  server.addHook('onClose', (_server, done) => {
    clearInterval(looking)
    done()
  })
}
