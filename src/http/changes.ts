import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Logger } from 'pino'
import { Type } from 'typebox'
import { changeKinds } from '../change-record.ts'
import type { ChangeItem } from '../change-store.ts'
import { FeedQuery, HistoryQuery, StreamQuery } from '../contract/change-page.ts'
import type { CursorSeal } from '../cursor.ts'
import { issueSealed } from '../cursor.ts'
import { ApiError, customerNotFound } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Store } from '../store.ts'
import { readChoices, readLimit, readQuery, readSealedCursor } from '../strict-input.ts'
import { Findings } from '../untrusted.ts'
import { callerOf, hasValidKey } from './auth.ts'
import { renderChange } from './change-answer.ts'
import { ChangeStreams } from './change-stream.ts'
import { sendJson } from './customer-answer.ts'
import type { Metrics } from './metrics.ts'
import { freeWhenSent } from './pages-under-way.ts'
import { idInPath, idParams } from './path-id.ts'
import { responses } from './schema.ts'
import type { HttpSettings } from './settings.ts'

const tags = ['changes']

/** Changes of a page that are rendered before others are served. */
const renderedAStep = 100

interface ChangeRoutesOptions {
  readonly store: Store
  readonly settings: Pick<HttpSettings, 'timestamps'>
  readonly log: Logger
  readonly metrics: Metrics
}

/** What was done: of one customer, of the organization since a cursor, and as it happens. */
export function changeRoutes(server: FastifyInstance, { store, settings, log, metrics }: ChangeRoutesOptions): void {
  const render = (item: ChangeItem): string => renderChange(item, settings.timestamps)
  const streams = new ChangeStreams(store, { onCount: (listeners) => { metrics.streamListeners.set(listeners) } })
  server.addHook('preClose', (done) => {
    streams.close()
    done()
  })

  server.get('/customers/:id/history', {
    schema: {
      operationId: 'getCustomerHistory', summary: 'What was done to a customer', tags, params: idParams('customer'),
      description: 'Newest first, of a deleted customer too, for as long as changes are kept.',
      querystring: HistoryQuery, response: responses(200, 'ChangePage', [400, 404])
    }
  }, async (request, reply) => {
    const { organizationId } = callerOf(request)
    const id = idInPath(request)
    const findings = new Findings()
    const query = readQuery(findings, request.query, ['cursor', 'limit'])
    const seal = await sealOf(organizationId, ['history', id])
    const cursor = readSealedCursor(findings, query.cursor, seal)
    const limit = readLimit(findings, query.limit)
    findings.throwIfAny()
    const { items, hasMore } = await store.history(organizationId, id ?? 0, { beforeId: cursor === undefined ? null : Number(cursor), limit })
    if (items.length === 0 && cursor === undefined && (id === undefined || await store.find(organizationId, id) === undefined)) throw customerNotFound()
    const last = items.at(-1)
    return await sendPage(reply, items, { limit, cursor: hasMore && last !== undefined ? issueSealed(String(last.change.id), seal) : null })
  })

  server.get('/changes', {
    schema: {
      operationId: 'listChanges', summary: 'Everything that was done since a cursor', tags,
      description: 'Each change once, in an order that never changes and for each customer is that of its changes.',
      querystring: FeedQuery, response: responses(200, 'FeedPage', [400, 410])
    }
  }, async (request, reply) => {
    const { organizationId } = callerOf(request)
    const findings = new Findings()
    const query = readQuery(findings, request.query, ['cursor', 'limit', 'kinds'])
    const seal = await feedSeal(organizationId)
    const after = readSealedCursor(findings, query.cursor, seal) ?? null
    const limit = readLimit(findings, query.limit)
    const kinds = readChoices(findings, 'kinds', { value: query.kinds, choices: changeKinds })
    findings.throwIfAny()
    const { items, next, hasMore } = await store.readFeed(organizationId, { after, limit, kinds, wantsCustomers: false })
    return await sendPage(reply, items, { limit, cursor: issueSealed(next, seal), hasMore })
  })

  server.get('/changes/:id', {
    schema: { operationId: 'getChange', summary: 'Get a change', tags, params: idParams('change'), response: responses(200, 'Change', [400, 404]) }
  }, async (request, reply) => {
    const findings = new Findings()
    readQuery(findings, request.query, [])
    findings.throwIfAny()
    const id = idInPath(request)
    const item = id === undefined ? undefined : await store.findChange(callerOf(request).organizationId, id)
    if (item === undefined) throw new ApiError('not_found', 'There is no such change, or it is no longer kept.')
    return sendJson(reply, render(item))
  })

  server.get('/changes/stream', {
    schema: {
      operationId: 'streamChanges', summary: 'Everything that is done, as it is done', tags,
      description: 'Server-Sent Events: `id` is a cursor, `event` the kind and `data` the change, as `GET /v1/changes` has them.',
      querystring: StreamQuery,
      response: responses(200, {
        description: 'Events, until either side closes the connection.', content: { 'text/event-stream': { schema: Type.String() } }
      }, [400, 410])
    }
  }, async (request, reply) => {
    const { organizationId } = callerOf(request)
    const findings = new Findings()
    const query = readQuery(findings, request.query, ['cursor', 'kinds'])
    const seal = await feedSeal(organizationId)
    // A reader that connects again sends the header, and the address it was given first.
    const lastEventId = request.headers['last-event-id']
    const after = readSealedCursor(findings, typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : query.cursor, seal)
    const kinds = readChoices(findings, 'kinds', { value: query.kinds, choices: changeKinds })
    findings.throwIfAny()
    streams.requireRoom()
    // Whoever cannot go on there is told so while that can be told.
    if (after !== undefined) await store.readFeed(organizationId, { after, limit: 1, kinds: null, wantsCustomers: false })
    const response = reply.raw
    reply.hijack()
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) response.setHeader(name, value)
    // A proxy that gathers an answer before it passes it on would pass on nothing.
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' })
    // Nothing else would ever end it.
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    response.write(`retry: ${limits.retryAfterSeconds * 1000}\n\n`)
    streams.listen({
      organizationId, response, kinds, after, seal: (position) => issueSealed(position, seal), render,
      mayListen: async () => await hasValidKey(request, store)
    }).catch((error: unknown) => { log.error({ err: error, requestId: request.id }, 'a stream of changes broke') })
  })

  async function feedSeal(organizationId: number): Promise<CursorSeal> {
    return await sealOf(organizationId, ['changes'])
  }

  async function sealOf(organizationId: number, question: readonly unknown[]): Promise<CursorSeal> {
    return { secret: await store.cursorSecret(), question: JSON.stringify([organizationId, ...question]) }
  }

  async function sendPage(reply: FastifyReply, items: readonly ChangeItem[], meta: object): Promise<FastifyReply> {
    const data: string[] = []
    for (const item of items) {
      if (data.length % renderedAStep === renderedAStep - 1) await setImmediate()
      data.push(render(item))
    }
    const body = Buffer.from(`{"data":[${data.join()}],"meta":${JSON.stringify(meta)}}`)
    freeWhenSent(reply, body)
    return sendJson(reply, body)
  }
}
