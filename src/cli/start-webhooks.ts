import { randomUUID } from 'node:crypto'
import type pino from 'pino'
import { OperatorError } from '../errors.ts'
import type { Metrics } from '../http/metrics.ts'
import type { Store } from '../store.ts'
import type { WebhookRoom } from '../webhook.ts'
import type { DelivererSettings } from '../webhooks/deliverer.ts'
import { Deliverer } from '../webhooks/deliverer.ts'
import type { DeliveryListener } from '../webhooks/delivery-lane.ts'
import { hostLookup } from '../webhooks/host-lookup.ts'
import { createSecretBox } from '../webhooks/secret-box.ts'
import type { SecretKey } from '../webhooks/secret-key.ts'
import { givenKey, keyFile, missingKey } from '../webhooks/secret-key.ts'
import { createWebhookRoom } from '../webhooks/webhook-room.ts'
import type { ServeConfig } from './config.ts'
import { sqlitePath } from './config.ts'

export interface Webhooks {
  /** For the routes. */
  readonly room: WebhookRoom
  /** From now on changes are delivered. */
  start(): void
  close(): Promise<void>
}

interface WebhooksOptions {
  readonly store: Store
  readonly config: Pick<ServeConfig, 'database' | 'secretKey' | 'allowsPrivateWebhooks' | 'http'>
  readonly settings: DelivererSettings
  readonly log: pino.Logger
  readonly metrics: Metrics
  readonly version: string
}

export function createWebhooks({ store, config, settings, log, metrics, version }: WebhooksOptions): Webhooks {
  const box = createSecretBox(secretKeyOf(config))
  const target = {
    allowsPrivate: config.allowsPrivateWebhooks, timeoutMs: settings.timeoutMs, connectionsMax: settings.sendsMax, userAgent: `Clientele/${version}`,
    lookup: hostLookup({ allowsPrivate: config.allowsPrivateWebhooks })
  }
  const dates = config.http.timestamps
  let deliverer: Deliverer | undefined
  return {
    room: createWebhookRoom({ store, box, target, dates, onChanged: () => { deliverer?.changed() } }),
    start() {
      deliverer = new Deliverer({ store, worker: randomUUID(), box, target, settings, dates, listener: listenerOf(log, metrics) })
      metrics.watchWebhooks(deliverer)
    },
    async close() {
      await deliverer?.close()
    }
  }
}

function secretKeyOf({ database, secretKey }: WebhooksOptions['config']): SecretKey {
  if (secretKey !== undefined) return givenKey(secretKey)
  const path = sqlitePath(database)
  return path === undefined ? missingKey() : keyFile(`${path}.key`)
}

function listenerOf(log: pino.Logger, metrics: Metrics): DeliveryListener {
  return {
    onAttempt: (attempt) => { metrics.observeDelivery(attempt) },
    onPaused: ({ id, organizationId, reason }) => { log.error({ webhook: id, organization: organizationId, reason }, 'paused a webhook') },
    onGap: ({ id, organizationId }) => { log.error({ webhook: id, organization: organizationId }, 'changes were forgotten before a webhook was told') },
    onError: (error, webhook) => {
      const fields = webhook === null ? {} : { webhook: webhook.id }
      // What an operator has to do needs no stack.
      const err = error instanceof OperatorError ? { type: error.name, message: error.message } : error
      log.error({ ...fields, err }, 'delivering for webhooks failed, and is tried again')
    }
  }
}
