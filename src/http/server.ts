import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fastify from 'fastify'
import type { Logger } from 'pino'
import type { ApiError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Store } from '../store.ts'
import type { WebhookRoom } from '../webhook.ts'
import { requireKey } from './auth.ts'
import { entityTag } from './conditional.ts'
import { sendJson } from './customer-answer.ts'
import { changeRoutes } from './changes.ts'
import { customerEventRoutes } from './customer-events.ts'
import { customerRoutes } from './customers.ts'
import { drainOnClose } from './drain.ts'
import { errorBody, statusByCode, toApiError } from './error-response.ts'
import { healthRoutes } from './health.ts'
import { repeatRequests } from './idempotency.ts'
import { takeAnyBody } from './json-body.ts'
import type { Metrics } from './metrics.ts'
import { metricsRoute } from './metrics.ts'
import { decodableUrl, refuseUnknownRoute, watchRoutes } from './not-found.ts'
import { describeApi } from './openapi.ts'
import { requestIdAt } from './request-id.ts'
import { clientRequestId, logRequests } from './request-log.ts'
import type { HttpSettings } from './settings.ts'
import { undoRoutes } from './undo.ts'
import { webhookRoutes } from './webhooks.ts'

export interface ServerOptions {
  readonly store: Store
  readonly settings: HttpSettings
  readonly log: Logger
  readonly metrics: Metrics
  readonly version: string
  readonly webhooks: WebhookRoom
  /** How long a repeated request waits for the first. */
  readonly repeatWaitMs?: number
}

/** The whole service but for its listening. Closing it leaves the store open. */
export async function createServer(
  { store, settings, log, metrics, version, webhooks, repeatWaitMs = limits.idempotencyWaitSeconds * 1000 }: ServerOptions
): Promise<FastifyInstance> {
  const server = fastify({
    // Requests are logged by logRequests, a line each.
    logger: false,
    bodyLimit: limits.bodyBytesMax,
    trustProxy: settings.trustProxy,
    genReqId: () => requestIdAt(Date.now()),
    requestIdHeader: false,
    requestTimeout: limits.requestTimeoutSeconds * 1000,
    keepAliveTimeout: limits.idleTimeoutSeconds * 1000,
    connectionTimeout: limits.stalledTimeoutSeconds * 1000,
    http: {
      // Node would answer without a body, and without telling anybody.
      requireHostHeader: false,
      headersTimeout: limits.headerTimeoutSeconds * 1000,
      maxHeaderSize: limits.headerBytesMax,
      // How often Node looks for connections over those times; its default is every 30 s.
      connectionsCheckingInterval: 1000
    },
    // Fastify answers a path it cannot decode before any hook: without an id, a log line or a look at the key.
    rewriteUrl: ({ url = '/' }) => decodableUrl(url),
    // What is accepted while closing is finished; new connections are refused by then.
    return503OnClosing: false,
    // HelpCrunch: clients put a slash behind any path.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: limits.headerBytesMax },
    clientErrorHandler: (error, socket) => { answerBrokenRequest(error, socket, log) },
    frameworkErrors: (error, request, reply: FastifyReply) => {
      watchRequest(request, reply)
      void reply.header('X-Request-Id', request.id)
      sendError(reply, toApiError(error))
    }
  })
  // Bodies are read by the domain's parse functions and answers are sent as stored, so the schemas
  // of the routes describe and do nothing else.
  server.setValidatorCompiler(() => () => true)
  server.setSerializerCompiler(() => (value) => JSON.stringify(value))

  server.decorateRequest('caller', null)
  drainOnClose(server)
  const watchRequest = logRequests(server, { log, metrics })
  // Of an expectation that is not known Node would say 417, without a body; it may as well be ignored (RFC 9110, 10.1.1).
  server.server.on('checkExpectation', (request, response) => server.server.emit('request', request, response))
  server.addHook('onRequest', (request, reply, done) => {
    void reply.header('X-Request-Id', request.id)
    const clientId = clientRequestId(request.headers['x-request-id'])
    if (clientId !== undefined) void reply.header('X-Client-Request-Id', clientId)
    done()
  })
  server.setErrorHandler((error, request, reply) => {
    const apiError = toApiError(error)
    request.setDecorator<ApiError>('failure', apiError)
    sendError(reply, apiError)
  })
  const routes = watchRoutes(server)
  const refuse = refuseUnknownRoute(routes)
  server.setNotFoundHandler(refuse)
  // After the key and the rate limit, before a body that may be too large is read.
  server.addHook('preParsing', (request, reply, _payload, done) => {
    if (request.is404) refuse(request, reply)
    done()
  })
  takeAnyBody(server)

  await describeApi(server, { version })
  metricsRoute(server, { metrics, settings })
  healthRoutes(server, { store })
  await server.register(async (v1) => {
    requireKey(v1, { store, settings })
    v1.setNotFoundHandler(refuse)
    repeatRequests(v1, { store, waitMs: repeatWaitMs })
    customerRoutes(v1, { store, settings })
    customerEventRoutes(v1, { store, settings })
    changeRoutes(v1, { store, settings, log, metrics })
    undoRoutes(v1, { store, settings })
    webhookRoutes(v1, { store, room: webhooks })
  }, { prefix: '/v1' })
  return server

  function sendError(reply: FastifyReply, error: ApiError): void {
    if (error.retryAfterSeconds !== undefined) void reply.header('Retry-After', error.retryAfterSeconds)
    if (error.revision !== undefined) void reply.header('ETag', entityTag(error.revision))
    void sendJson(reply.code(statusByCode[error.code]), JSON.stringify(errorBody(error, settings.errorStyle)))
  }
}

const statusByNodeCode: Record<string, string> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large'
}

/** What is no HTTP, or took too long to arrive, never reaches a route. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket, log: Logger): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = statusByNodeCode[error.code ?? ''] ?? '400 Bad Request'
  // One that was cut short is noted as what it began to be.
  if (error.code !== 'HPE_INVALID_EOF_STATE') log.info({ status: Number.parseInt(status, 10) }, 'request could not be read')
  const body = JSON.stringify({ errors: [{ code: 'invalid_request', message: 'Invalid request' }] })
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
}
