import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { ApiError } from '../errors.ts'
import { callerIfKnown } from './auth.ts'
import type { Metrics } from './metrics.ts'

/** One line and one observation for each request; no key, no customer field, and routes rather than URLs. */
export function logRequests(server: FastifyInstance, { log, metrics }: { log: Logger; metrics: Metrics }): void {
  server.decorateRequest('failure', null)

  server.addHook('onResponse', (request, reply, done) => {
    const { method, id: requestId } = request
    const route = request.routeOptions.url ?? 'unknown'
    const status = reply.statusCode
    const durationMs = Math.round(reply.elapsedTime * 1000) / 1000
    metrics.observeRequest({ method, route, status, seconds: reply.elapsedTime / 1000 })

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
    done()
  })
}

/** An id that the client made, if it is one we may repeat in a header and in the log. */
export function clientRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[A-Za-z0-9._-]{1,128}$/.test(header) ? header : undefined
}
