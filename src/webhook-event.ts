import { changeKinds } from './change-record.ts'
import type { WebhookFormat } from './webhook.ts'

/** HelpCrunch: what its webhooks tell of customers. */
const helpcrunchEvents = [
  'customer.new', 'customer.email_updated', 'customer.tags_changed', 'customer.unsubscribed', 'customer.subscribed',
  'customer.blocked', 'customer.unblocked', 'customer.deleted'
] as const
export type HelpcrunchEvent = (typeof helpcrunchEvents)[number]

/** What a webhook of a format may want. */
export const webhookEvents = { helpcrunch: helpcrunchEvents, standard: changeKinds } as const satisfies Record<WebhookFormat, readonly string[]>
