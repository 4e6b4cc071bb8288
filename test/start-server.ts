import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import pino from 'pino'
import { onTestFinished } from 'vitest'
import { generateSecret, hashSecret } from '../src/api-key.ts'
import { Metrics } from '../src/http/metrics.ts'
import { createServer } from '../src/http/server.ts'
import type { HttpSettings } from '../src/http/settings.ts'
import { defaultHttpSettings } from '../src/http/settings.ts'
import type { Store } from '../src/store.ts'
import type { WebhookRoom } from '../src/webhook.ts'
import type { TestDatabase } from './engines.ts'
import { createDatabase } from './engines.ts'
import { standInRoom } from './webhook-room.ts'

export interface Answer {
  readonly status: number
  /** Parsed when it is JSON. */
  readonly body: unknown
  /** The body as it came, for what a parsed one does not show. */
  readonly text: string
  readonly headers: Record<string, string | string[] | number | undefined>
}

export interface TestServer {
  readonly store: Store
  /** What answers, for what a call cannot say or show. */
  readonly http: FastifyInstance
  readonly key: string
  /** Lines of the log so far, parsed. */
  readonly logged: Record<string, unknown>[]
  /** A request with the key of `default`. A string or buffer is sent as it is, all else as JSON. */
  call(method: Method, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Listens on this machine, for what cannot be injected, and answers where. */
  listen(): Promise<string>
  /** As a process does that is told to stop. */
  close(): Promise<void>
  /** What Prometheus is told. */
  metrics(): Promise<string>
  /** A key of another, new organization. */
  createForeignKey(name?: string): Promise<string>
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'HEAD' | 'OPTIONS'

/** The server that production starts, on a database of its own unless it is given one; requests are injected. */
export async function startServer(
  settings: Partial<HttpSettings> = {}, database?: Pick<TestDatabase, 'openStore'>, { webhooks = standInRoom, ...others }: { webhooks?: WebhookRoom; repeatWaitMs?: number } = {}
): Promise<TestServer> {
  const metrics = new Metrics()
  const store = await (database ?? await createDatabase()).openStore({ onCommit: metrics.onCommit })
  metrics.watch(store)
  const logged: Record<string, unknown>[] = []
  const log = pino({ base: null }, { write: (line: string) => { logged.push(JSON.parse(line) as Record<string, unknown>) } })
  const server = await createServer({ store, settings: { ...defaultHttpSettings, ...settings }, log, metrics, version: 'test', webhooks, ...others })
  // Runs before the store is closed: callbacks are called last in, first out.
  onTestFinished(async () => {
    await server.close()
    metrics.close()
  })
  const key = generateSecret()
  await store.createDefault({ name: 'first', secretHash: hashSecret(key) })

  return {
    store,
    http: server,
    key,
    logged,
    async call(method, path, body, headers = {}) {
      const isRaw = typeof body === 'string' || Buffer.isBuffer(body)
      const { 'content-type': contentType = 'application/json' } = headers
      const answer = await server.inject({
        method,
        url: path,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': contentType }),
          ...headers
        },
        ...(body === undefined ? {} : { payload: isRaw ? body : JSON.stringify(body) })
      })
      // The response closes behind its last byte, and only then has the log its line.
      await setImmediate()
      const isJson = String(answer.headers['content-type'] ?? '').startsWith('application/json')
      return { status: answer.statusCode, body: isJson ? answer.json<unknown>() : answer.body, text: answer.body, headers: answer.headers }
    },
    listen: async () => await server.listen({ host: '127.0.0.1', port: 0 }),
    close: async () => { await server.close() },
    metrics: async () => await metrics.text(),
    async createForeignKey(name = 'other') {
      const { id } = await store.createOrganization(name)
      const secret = generateSecret()
      await store.createKey({ organizationId: id, name: 'test', secretHash: hashSecret(secret) })
      return secret
    }
  }
}
