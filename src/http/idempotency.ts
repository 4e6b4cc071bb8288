import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { setTimeout } from 'node:timers/promises'
import type { TObject, TSchema } from 'typebox'
import { Type } from 'typebox'
import type { Caller } from '../api-key.ts'
import { invalidRequest } from '../errors.ts'
import type { RepeatableRequest } from '../idempotency.ts'
import { stillUnderWay } from '../idempotency.ts'
import { limits } from '../limits.ts'
import type { Store } from '../store.ts'
import { callerIfKnown, callerOf } from './auth.ts'
import { sendJson } from './customer-answer.ts'

const unchanging: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** What else the store keeps: refusals that hold however often they are asked for. */
const keptStatuses: ReadonlySet<number> = new Set([404, 409, 412])

/**
 * Carries out a request with an Idempotency-Key once. The store keeps what came of it in the transaction of the work; what changes
 * nothing by itself, such as a search, has its answer kept behind it. A repeat waits for the first.
 */
export function repeatRequests(server: FastifyInstance, { store }: { store: Store }): void {
  const underWay = new Map<string, Promise<void>>()
  const leave = new WeakMap<FastifyRequest, () => void>()

  // On the routes that change something, so that a GET passes none of it.
  server.addHook('onRoute', (route) => {
    if ([route.method].flat().every((method) => unchanging.has(method))) return
    route.schema = { ...route.schema, headers: withKey(route.schema?.headers) }
    route.preHandler = [route.preHandler ?? [], recall].flat()
    route.onSend = [route.onSend ?? [], keep].flat()
    // Also when the client has gone before it was answered.
    route.onResponse = [route.onResponse ?? [], async (request: FastifyRequest) => { leave.get(request)?.() }].flat()
  })

  async function recall(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const key = request.headers['idempotency-key']
    if (key === undefined) return undefined
    const caller = callerOf(request)
    const repeatable: RepeatableRequest = { key: readKey(key), fingerprint: fingerprintOf(request), state: 'new' }
    await enter(request, `${caller.organizationId} ${repeatable.key}`)
    const kept = await store.recallAnswer(caller.organizationId, repeatable)
    if (kept !== undefined) {
      void reply.header('Idempotency-Replayed', 'true').code(kept.status)
      return await sendJson(reply, kept.body)
    }
    request.setDecorator<Caller>('caller', { ...caller, repeatable })
    return undefined
  }

  async function keep(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<void> {
    const caller = callerIfKnown(request)
    if (caller?.repeatable === undefined) return
    if (caller.repeatable.state === 'repeated') void reply.header('Idempotency-Replayed', 'true')
    const isKept = (reply.statusCode >= 200 && reply.statusCode < 300) || keptStatuses.has(reply.statusCode)
    if (caller.repeatable.state === 'new' && isKept && (typeof payload === 'string' || Buffer.isBuffer(payload))) {
      await store.keepAnswer(caller.organizationId, caller.repeatable, { status: reply.statusCode, body: payload.toString() })
    }
    leave.get(request)?.()
  }

  async function enter(request: FastifyRequest, name: string): Promise<void> {
    const until = Date.now() + limits.idempotencyWaitSeconds * 1000
    for (let first = underWay.get(name); first !== undefined; first = underWay.get(name)) {
      const left = until - Date.now()
      if (left <= 0) throw stillUnderWay()
      await Promise.race([first, setTimeout(left, undefined, { ref: false })])
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    underWay.set(name, promise)
    leave.set(request, () => {
      if (underWay.get(name) === promise) underWay.delete(name)
      resolve()
    })
  }
}

/** The headers of a route, and the key. */
function withKey(headers: unknown): TSchema {
  const others = (headers as TObject | undefined)?.properties ?? {}
  const key = Type.String({
    minLength: 1, maxLength: limits.idempotencyKeyCharactersMax,
    description: `A repeat with the same key is answered as the first time, for ${limits.idempotencyKeyHours} h.`
  })
  return Type.Object({ ...others, 'idempotency-key': Type.Optional(key) })
}

function readKey(header: string | string[]): string {
  const key = String(header)
  if (key.length < 1 || key.length > limits.idempotencyKeyCharactersMax) {
    throw invalidRequest([{ path: 'Idempotency-Key', message: `This header should have 1 to ${limits.idempotencyKeyCharactersMax} characters.` }])
  }
  return key
}

function fingerprintOf({ method, url, body }: FastifyRequest): string {
  const hash = createHash('sha256').update(`${method} ${url}\n`)
  return (Buffer.isBuffer(body) ? hash.update(body) : hash).digest('hex')
}
