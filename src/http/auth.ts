import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../api-key.ts'
import { hashSecret } from '../api-key.ts'
import { ApiError } from '../errors.ts'
import type { Store } from '../store.ts'
import { RateLimit } from './rate-limit.ts'
import type { HttpSettings } from './settings.ts'
import { SharedRateLimit } from './shared-rate-limit.ts'
import { WrongKeyBrake } from './wrong-key-brake.ts'

/** Lets in requests with a valid key, at the rate their organization is allowed. */
export function requireKey(server: FastifyInstance, { store, settings }: { store: Store; settings: HttpSettings }): void {
  const brake = new WrongKeyBrake()
  const rateLimit = rateLimitOf(store, settings)

  server.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    const secret = bearerSecret(request.headers.authorization)
    const key = secret === undefined ? undefined : await store.findKey(hashSecret(secret))
    if (key === undefined) {
      if (secret !== undefined) await brake.hold(request.ip, Date.now())
      void reply.header('WWW-Authenticate', 'Bearer')
      throw new ApiError('unauthorized', 'Unauthorized')
    }
    request.setDecorator<Caller>('caller', { organizationId: key.organizationId, keyId: key.id, requestId: request.id })
    const retryAfterSeconds = rateLimit === undefined ? 0 : await rateLimit.take(key.organizationId, Date.now())
    if (retryAfterSeconds > 0) throw new ApiError('too_many_requests', 'Too many requests', { retryAfterSeconds })
  })
  server.addHook('preClose', (done) => {
    brake.close()
    done()
  })
}

function rateLimitOf(store: Store, { rateLimitPerMinute: requestsMax }: HttpSettings): RateLimit | SharedRateLimit | undefined {
  if (requestsMax === undefined) return undefined
  const lease = store.leaseRequests?.bind(store)
  return lease === undefined ? new RateLimit({ requestsMax }) : new SharedRateLimit({ requestsMax, lease })
}

/** Who sent a request that `requireKey` let in. */
export function callerOf(request: FastifyRequest): Caller {
  return request.getDecorator<Caller>('caller')
}

/** Whether the key of a request that was let in is valid now. */
export async function hasValidKey(request: FastifyRequest, store: Pick<Store, 'findKey'>): Promise<boolean> {
  const secret = bearerSecret(request.headers.authorization)
  return secret !== undefined && await store.findKey(hashSecret(secret)) !== undefined
}

/** Who sent a request that may not have got as far, or undefined. */
export function callerIfKnown(request: FastifyRequest): Caller | undefined {
  return request.getDecorator<Caller | null>('caller') ?? undefined
}

/** HelpCrunch: examples write the key in angle brackets, and clients have copied them. */
function bearerSecret(authorization: string | undefined): string | undefined {
  return /^\s*bearer\s+<?([^<>\s]+)>?\s*$/i.exec(authorization ?? '')?.[1]
}
