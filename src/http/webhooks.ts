import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { systemClock } from '../clock.ts'
import type { Delivery as DeliveryJson, PingOutcome, Webhook as WebhookJson } from '../contract/webhook.ts'
import { DeliveryQuery, deliveryStatuses } from '../contract/webhook.ts'
import type { CursorSeal } from '../cursor.ts'
import { issueSealed } from '../cursor.ts'
import { ApiError } from '../errors.ts'
import type { Store } from '../store.ts'
import { readLimit, readOneOf, readQuery, readSealedCursor, readStrictBody } from '../strict-input.ts'
import { Findings } from '../untrusted.ts'
import type { WebhookContext } from '../webhook-draft.ts'
import { parseReplay, parseRotation, parseWebhook, parseWebhookPatch, rotateSecrets } from '../webhook-draft.ts'
import type { Delivery, DeliveryPage, SendOutcome, ShownWebhook, StoredWebhook, WebhookPatch, WebhookRoom } from '../webhook.ts'
import { callerOf } from './auth.ts'
import { sendJson } from './customer-answer.ts'
import { isDone } from './idempotency.ts'
import { jsonBody } from './json-body.ts'
import { idInPath, idParams, uuidOf } from './path-id.ts'
import { bodyFailures, ref, responses } from './schema.ts'

const params = idParams('webhook')
const deliveryParams = Type.Object({ ...params.properties, deliveryId: Type.String({ format: 'uuid', description: 'Id of the delivery.' }) })
const tags = ['webhooks']

/** How an organization manages what is told to whom. */
export function webhookRoutes(server: FastifyInstance, { store, room }: { store: Store; room: WebhookRoom }): void {
  server.post('/webhooks', {
    schema: {
      operationId: 'createWebhook', summary: 'Create a webhook', tags,
      description: 'It is told of every change from now on. The answer shows its secret, this once.',
      body: ref('WebhookDraft'), response: responses(201, 'WebhookWithSecret', [...bodyFailures, 409])
    }
  }, async (request, reply) => {
    const { ownSecret, ...draft } = parseWebhook(readNoQuery(request), jsonBody(request), await context(request))
    const secret = await room.newSecret(draft.format, ownSecret)
    const webhook = await store.createWebhook(callerOf(request), { ...draft, secret, previousSecret: null, previousUntil: null })
    room.changed()
    return await sendWithSecret(reply.code(201), webhook)
  })

  server.get('/webhooks', {
    schema: { operationId: 'listWebhooks', summary: 'List webhooks', tags, response: responses(200, 'Webhooks', [400]) }
  }, async (request, reply) => {
    refuseQuery(request)
    return send(reply, { data: (await store.webhooks(callerOf(request).organizationId)).map(present) })
  })

  server.get('/webhooks/:id', {
    schema: { operationId: 'getWebhook', summary: 'Get a webhook', tags, params, response: responses(200, 'Webhook', [400, 404]) }
  }, async (request, reply) => {
    refuseQuery(request)
    return send(reply, present(await find(request)))
  })

  server.patch('/webhooks/:id', {
    schema: {
      operationId: 'updateWebhook', summary: 'Change a webhook', tags, params, body: ref('WebhookPatch'), response: responses(200, 'Webhook', [...bodyFailures, 404])
    }
  }, async (request, reply) => {
    if (isDone(request)) return await update(request, reply, {})
    const webhook = await findIfAny(request)
    const patch = parseWebhookPatch(readNoQuery(request), jsonBody(request), { ...await context(request), format: webhook?.format })
    if (webhook === undefined) throw webhookNotFound()
    return await update(request, reply, patch)
  })

  server.delete('/webhooks/:id', {
    schema: {
      operationId: 'deleteWebhook', summary: 'Delete a webhook', tags, params,
      response: responses(200, Type.Literal('Ok', { description: 'It is gone, and its deliveries with it.' }), [...bodyFailures, 404])
    }
  }, async (request, reply) => {
    refuseInput(request)
    if (!await store.deleteWebhook(callerOf(request), idInPath(request) ?? noWebhook)) throw webhookNotFound()
    room.changed()
    return send(reply, 'Ok')
  })

  server.post('/webhooks/:id/rotate-secret', {
    schema: {
      operationId: 'rotateWebhookSecret', summary: 'Give a webhook a new secret', tags, params,
      description: 'For another 24 h a webhook of the format `standard` sends the signatures of both secrets, and one of the format `helpcrunch`, ' +
        'which sends one signature, that of the secret before, unless the body says `{"now": true}`. While it does, another rotation is 409 without that.',
      body: ref('RotationDraft'), response: responses(200, 'WebhookWithSecret', [...bodyFailures, 404, 409])
    }
  }, async (request, reply) => {
    if (isDone(request)) return await sendWithSecret(reply, await change(request, {}))
    const webhook = await findIfAny(request)
    const { atOnce, ownSecret } = parseRotation(readNoQuery(request), jsonBody(request), { format: webhook?.format })
    if (webhook === undefined) throw webhookNotFound()
    const secret = await room.newSecret(webhook.format, ownSecret)
    return await sendWithSecret(reply, await change(request, rotateSecrets(webhook.secrets, secret, { atOnce, now: systemClock() })))
  })

  for (const { action, operationId, summary, description, pauseReason } of [
    { action: 'pause', operationId: 'pauseWebhook', summary: 'Send nothing for now', description: 'It goes on from where it was.', pauseReason: 'asked' },
    { action: 'resume', operationId: 'resumeWebhook', summary: 'Go on sending', description: 'From where it was, whatever it was paused for.', pauseReason: null }
  ] as const) {
    server.post(`/webhooks/:id/${action}`, {
      schema: { operationId, summary, description, tags, params, response: responses(200, 'Webhook', [...bodyFailures, 404]) }
    }, async (request, reply) => {
      refuseInput(request)
      return await update(request, reply, { pauseReason })
    })
  }

  server.post('/webhooks/:id/test', {
    schema: {
      operationId: 'testWebhook', summary: 'Send a ping now', tags, params,
      description: 'Also to a webhook that is paused. A receiver that fails is no failure of this request.',
      response: responses(200, 'PingOutcome', [...bodyFailures, 404])
    }
  }, async (request, reply) => {
    refuseInput(request)
    const { secrets, ...webhook } = await find(request)
    return send(reply, presentOutcome(await room.ping(webhook, secrets)))
  })

  server.get('/webhooks/:id/deliveries', {
    schema: {
      operationId: 'listDeliveries', summary: 'List deliveries', tags, params, querystring: DeliveryQuery, response: responses(200, 'DeliveryPage', [400, 404])
    }
  }, async (request, reply) => {
    const { page, seal } = await readPage(request)
    const { id } = await find(request)
    const { organizationId } = callerOf(request)
    // One more tells whether there is a next page.
    const found = await store.deliveries(organizationId, id, { ...page, limit: page.limit + 1 })
    const data = found.slice(0, page.limit)
    const last = found.length > page.limit ? data.at(-1) : undefined
    const cursor = last === undefined ? null : issueSealed(JSON.stringify([last.firstAttemptAt, last.id]), seal)
    return send(reply, { data: data.map(presentDelivery), meta: { limit: page.limit, cursor } })
  })

  server.get('/webhooks/:id/deliveries/:deliveryId', {
    schema: { operationId: 'getDelivery', summary: 'Get a delivery', tags, params: deliveryParams, response: responses(200, 'DeliveryWithRequest', [400, 404]) }
  }, async (request, reply) => {
    refuseQuery(request)
    const { secrets: _, ...webhook } = await find(request)
    const delivery = await findDelivery(request, webhook.id)
    return send(reply, { ...presentDelivery(delivery), request: await room.requestOf(webhook, delivery) })
  })

  server.post('/webhooks/:id/deliveries/:deliveryId/replay', {
    schema: {
      operationId: 'replayDelivery', summary: 'Try a delivery again', tags, params: deliveryParams,
      description: 'One that failed, or arrived. Others of its customer do not wait for it.',
      response: responses(200, 'Replayed', [...bodyFailures, 404, 409])
    }
  }, async (request, reply) => {
    refuseInput(request)
    const { deliveryId } = request.params as { deliveryId: string }
    if (!isDone(request)) await findDelivery(request, (await find(request)).id)
    const replayed = await store.replayDeliveries(callerOf(request), idInPath(request) ?? noWebhook, { id: uuidOf(deliveryId) ?? deliveryId })
    if (replayed === 0) throw new ApiError('conflict', 'This delivery is being retried already. Its nextAttemptAt says when.')
    room.changed()
    return send(reply, { replayed })
  })

  server.post('/webhooks/:id/replay', {
    schema: {
      operationId: 'replayFailedDeliveries', summary: 'Try all failed deliveries again', tags, params,
      body: ref('ReplayDraft'), response: responses(200, 'Replayed', [...bodyFailures, 404])
    }
  }, async (request, reply) => {
    const since = parseReplay(readNoQuery(request), jsonBody(request))
    if (!isDone(request)) await find(request)
    const replayed = await store.replayDeliveries(callerOf(request), idInPath(request) ?? noWebhook, { since })
    room.changed()
    return send(reply, { replayed })
  })

  async function findIfAny(request: FastifyRequest): Promise<StoredWebhook | undefined> {
    return await store.findWebhook(callerOf(request).organizationId, idInPath(request) ?? noWebhook)
  }

  async function find(request: FastifyRequest): Promise<StoredWebhook> {
    const webhook = await findIfAny(request)
    if (webhook === undefined) throw webhookNotFound()
    return webhook
  }

  async function findDelivery(request: FastifyRequest, webhookId: number): Promise<Delivery> {
    const id = uuidOf((request.params as { deliveryId: string }).deliveryId)
    const delivery = id === undefined ? undefined : await store.findDelivery(callerOf(request).organizationId, webhookId, id)
    if (delivery === undefined) throw new ApiError('not_found', 'Delivery not found')
    return delivery
  }

  async function change(request: FastifyRequest, patch: WebhookPatch): Promise<StoredWebhook> {
    const webhook = await store.updateWebhook(callerOf(request), idInPath(request) ?? noWebhook, patch)
    if (webhook === undefined) throw webhookNotFound()
    room.changed()
    return webhook
  }

  async function update(request: FastifyRequest, reply: FastifyReply, patch: WebhookPatch): Promise<FastifyReply> {
    return send(reply, present(await change(request, patch)))
  }

  /** Of what is kept of the request, so that a repeated one is answered as at first; no answer with a secret is kept itself. */
  async function sendWithSecret(reply: FastifyReply, webhook: StoredWebhook): Promise<FastifyReply> {
    return send(reply, { ...present(webhook), secret: await room.reveal(webhook.secrets.secret) })
  }

  async function context(request: FastifyRequest): Promise<WebhookContext> {
    // What was taken once is not refused when it is repeated.
    const allowsPrivate = room.allowsPrivate || isDone(request)
    return { attributes: await store.attributes(callerOf(request).organizationId), allowsPrivate, now: systemClock() }
  }

  async function readPage(request: FastifyRequest): Promise<{ page: DeliveryPage; seal: CursorSeal }> {
    const findings = new Findings()
    const query = readQuery(findings, request.query, ['status', 'cursor', 'limit'])
    const status = query.status === undefined ? null : readOneOf(findings, 'status', query.status, deliveryStatuses) ?? null
    const seal = { secret: await store.cursorSecret(), question: JSON.stringify(['deliveries', callerOf(request).organizationId, idInPath(request), status]) }
    const position = readSealedCursor(findings, query.cursor, seal)
    const limit = readLimit(findings, query.limit)
    findings.throwIfAny()
    // Only the route has sealed it.
    const [firstAttemptAt, deliveryId] = position === undefined ? [] : JSON.parse(position) as [number, string]
    const before = firstAttemptAt === undefined || deliveryId === undefined ? null : { firstAttemptAt, id: deliveryId }
    return { page: { before, status, limit }, seal }
  }
}

const noWebhook = 0

function webhookNotFound(): ApiError {
  return new ApiError('not_found', 'Webhook not found')
}

/** What is wrong with the query where there is to be none, for what is found in the body to be added. */
function readNoQuery(request: FastifyRequest): Findings {
  const findings = new Findings()
  readQuery(findings, request.query, [])
  return findings
}

function refuseQuery(request: FastifyRequest): void {
  readNoQuery(request).throwIfAny()
}

/** For what takes no parameters and no body, or an empty one. */
function refuseInput(request: FastifyRequest): void {
  const findings = readNoQuery(request)
  readStrictBody(findings, jsonBody(request), [], { mayBeEmpty: true })
  findings.throwIfAny()
}

function present(webhook: ShownWebhook): WebhookJson {
  const {
    id, url, format, events, filter, pauseReason, pausedAt, succeededAt, failingSince, failedDeliveries, heldCustomers, previousSecretUntil, createdAt, updatedAt
  } = webhook
  return {
    id, url, format, events: [...events],
    // Only the route has made it text.
    filter: filter === null ? null : JSON.parse(filter) as Record<string, unknown>,
    pausedReason: pauseReason, pausedAt, succeededAt, failingSince, failedDeliveries, heldCustomers, previousSecretUntil, createdAt, updatedAt
  }
}

function presentOutcome({ status, text, error, durationMs }: SendOutcome): PingOutcome {
  return { responseStatus: status, responseText: text, error, durationMs: Math.round(durationMs) }
}

function presentDelivery(delivery: Delivery): DeliveryJson {
  const {
    id, changeId, customerId, event, status, attempts, firstAttemptAt, lastAttemptAt, nextAttemptAt, isReplay, responseStatus, responseText, error, durationMs
  } = delivery
  return {
    id, changeId, customerId, event, status, attempts, firstAttemptAt, lastAttemptAt, nextAttemptAt, isReplay, responseStatus, responseText, error, durationMs
  }
}

function send(reply: FastifyReply, answer: object | string): FastifyReply {
  return sendJson(reply, JSON.stringify(answer))
}
