import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { limits } from '../limits.ts'
import type { Store } from '../store.ts'
import { sendJson } from './customer-answer.ts'
import { ref } from './schema.ts'

const answer = Type.Object({ status: Type.Literal('ok') })
const responseOfLive = { 200: { ...answer, description: 'It answers.' } }
const responseOfReady = {
  200: { ...answer, description: 'It can read and write.' },
  503: { ...ref('ErrorBody'), description: 'It cannot; see Retry-After.' }
}
const ok = JSON.stringify({ status: 'ok' })

export function healthRoutes(server: FastifyInstance, { store }: { store: Store }): void {
  server.get('/health/live', {
    schema: { operationId: 'isLive', summary: 'Whether the process answers', tags: ['health'], security: [], response: responseOfLive }
  }, async (_request, reply) => sendJson(reply, ok))

  let probe: { readonly atMs: number; readonly result: Promise<void> } | undefined
  server.get('/health/ready', {
    schema: {
      operationId: 'isReady', summary: 'Whether the database can be read and written',
      tags: ['health'], security: [], response: responseOfReady
    }
  }, async (_request, reply) => {
    // Anyone may ask, and each probe is a durable write: one a second is enough.
    if (probe === undefined || Date.now() - probe.atMs >= limits.readyProbeSeconds * 1000) {
      probe = { atMs: Date.now(), result: store.probe() }
    }
    await probe.result
    return sendJson(reply, ok)
  })
}
