import { randomUUID } from 'node:crypto'
import type { ChangeStore } from '../change-store.ts'
import type { DateForm } from '../date-form.ts'
import { systemClock } from '../clock.ts'
import { OperatorError, unavailable } from '../errors.ts'
import type { WebhookRoom } from '../webhook.ts'
import { messagesOf, pingBody } from './payload.ts'
import type { SecretBox } from './secret-box.ts'
import { generateSigningSecret, idHeaders, signWith } from './signing.ts'
import type { TargetSettings } from './target.ts'
import { requestHeaders, Target } from './target.ts'
import { changeOf } from './told-change.ts'

interface RoomOptions {
  readonly store: Pick<ChangeStore, 'changesBetween'>
  readonly box: SecretBox
  readonly target: TargetSettings
  readonly dates: DateForm
  readonly onChanged: () => void
}

/** What routes ask of this room. */
export function createWebhookRoom({ store, box, target, dates, onChanged }: RoomOptions): WebhookRoom {
  return {
    allowsPrivate: target.allowsPrivate,
    newSecret: async (format, own) => sayingWhatToDo(() => box.seal(own ?? generateSigningSecret(format))),
    reveal: async (secret) => sayingWhatToDo(() => box.open(secret)),
    async ping(webhook, { secret, previousSecret, previousUntil }) {
      const now = systemClock()
      const id = randomUUID()
      const sign = sayingWhatToDo(() => signWith(webhook.format, {
        secret: box.open(secret), previousSecret: previousSecret === null ? null : box.open(previousSecret), previousUntil
      }))
      const body = pingBody(webhook, id, now)
      const receiver = new Target(webhook.url, { ...target, connectionsMax: 1 })
      try {
        const outcome = await receiver.send({ headers: sign({ id, body, now }), body }, new AbortController().signal)
        if (outcome === undefined) throw new Error('A ping was stopped, though nothing stops them')
        return outcome
      } finally {
        receiver.destroy()
      }
    },
    async requestOf(webhook, delivery) {
      const { part, attempts, lastAttemptAt } = delivery
      const item = await changeOf(store, webhook.organizationId, delivery)
      const message = item && messagesOf(webhook, item, dates).find((one) => one.part === part)
      if (message === undefined) return null
      const headers = { ...requestHeaders(target.userAgent), ...idHeaders(webhook.format, message.id) }
      return { url: webhook.url, headers, body: message.body({ attempts: Math.max(0, attempts - 1), now: lastAttemptAt }) }
    },
    changed: onChanged
  }
}

/** A client is told as well what whoever runs the server has to do. */
function sayingWhatToDo<Answer>(use: () => Answer): Answer {
  try {
    return use()
  } catch (error) {
    throw error instanceof OperatorError ? unavailable(error.message, { cause: error }) : error
  }
}
