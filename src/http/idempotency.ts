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
import { failing } from './schema.ts'

const unchanging: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** What else the store keeps: refusals that hold however often they are asked for. */
const keptStatuses: ReadonlySet<number> = new Set([404, 409, 412])

/**
 * Carries out a request with an Idempotency-Key once. The store keeps what came of it in the transaction of the work; what changes
 * nothing by itself, such as a search, has its answer kept behind it. A repeat waits for the first.
 */
export function repeatRequests(server: FastifyInstance, { store, waitMs }: { store: Store; waitMs: number }): void {
  /** When the last that came with a key will have been answered. */
  const underWay = new Map<string, Promise<void>>()
  const leave = new WeakMap<FastifyRequest, () => void>()

  // On the routes that change something, so that a GET passes none of it.
  server.addHook('onRoute', (route) => {
    if ([route.method].flat().every((method) => unchanging.has(method))) return
    const { headers, response } = route.schema ?? {}
    route.schema = { ...route.schema, headers: withKey(headers), response: { ...failing([400, 409]), ...response as object | undefined } }
    route.preHandler = [route.preHandler ?? [], recall].flat()
    // Also when the client has gone by then, unlike onResponse.
    route.onSend = [route.onSend ?? [], async (request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
      await keep(request, reply, payload).finally(() => { leave.get(request)?.() })
    }].flat()
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
  }

  /** One after the other, so that an answer wakes one of those who wait, however many they are. */
  async function enter(request: FastifyRequest, name: string): Promise<void> {
    const before = underWay.get(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    underWay.set(name, promise)
    const end = (): void => {
      if (underWay.get(name) === promise) underWay.delete(name)
      resolve()
    }
    if (before !== undefined && !await isOverInTime(before, waitMs)) {
      // Those behind it wait on.
      void before.then(end)
      throw stillUnderWay()
    }
    leave.set(request, end)
  }
}

async function isOverInTime(before: Promise<void>, waitMs: number): Promise<boolean> {
  const timer = new AbortController()
  const timeout = setTimeout(waitMs, false, { ref: false, signal: timer.signal }).catch(() => false)
  const isOver = await Promise.race([before.then(() => true), timeout])
  timer.abort()
  return isOver
}

/** Whether the store has what came of the work of a request. Then what the work is about may be gone by now. */
export function isDone(request: FastifyRequest): boolean {
  return callerOf(request).repeatable?.state === 'done'
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
