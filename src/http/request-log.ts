import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { ApiError } from '../errors.ts'
import { callerIfKnown } from './auth.ts'
import type { Metrics } from './metrics.ts'

/** As nginx counts them: the client left before the answer was sent. What it asked for may have been done. */
const clientGone = 499

/** Follows a request until its answer is sent, or nobody is there any more to take it. */
export type RequestWatch = (request: FastifyRequest, reply: FastifyReply) => void

/** One line and one observation for each request; no key, no customer field, and routes rather than URLs. */
export function logRequests(server: FastifyInstance, { log, metrics }: { log: Logger; metrics: Metrics }): RequestWatch {
  server.decorateRequest('failure', null)

  const watch: RequestWatch = (request, reply) => {
    const startedMs = performance.now()
    let isAnswered = false
    reply.raw.on('finish', () => { isAnswered = true })
    // Fastify's onResponse says nothing of clients that have left.
    reply.raw.on('close', () => { note(request, isAnswered ? reply.statusCode : clientGone, performance.now() - startedMs) })
  }
  server.addHook('onRequest', (request, reply, done) => {
    watch(request, reply)
    done()
  })
  return watch

  function note(request: FastifyRequest, status: number, milliseconds: number): void {
    const { method, id: requestId } = request
    const route = request.routeOptions.url ?? 'unknown'
    const durationMs = Math.round(milliseconds * 1000) / 1000
    metrics.observeRequest({ method, route, status, seconds: milliseconds / 1000 })

    const failure = request.getDecorator<ApiError | null>('failure')
    const line = {
      requestId,
      clientRequestId: clientRequestId(request.headers['x-request-id']),
      keyId: callerIfKnown(request)?.keyId,
      method, route, status, durationMs,
      ...(failure === null ? {} : { code: failure.code })
    }
    if (status >= 500) log.error({ ...line, err: failure?.cause ?? failure }, 'request failed')
    else log.info(line, 'request')
  }
}

/** An id that the client made, if it is one we may repeat in a header and in the log. */
export function clientRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(header) ? header : undefined
}
