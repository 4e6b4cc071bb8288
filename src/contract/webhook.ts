import { Type, type Static } from 'typebox'
import { limits } from '../limits.ts'
import { NullableInteger, NullableString } from './nullable.ts'

const seconds = 'UNIX seconds.'
const Url = Type.String({ format: 'uri', maxLength: limits.urlCharactersMax, description: 'HTTPS, and on the public internet.', examples: ['https://example.com/webhooks'] })
const Format = Type.Unsafe<'standard' | 'helpcrunch'>({
  type: 'string', enum: ['standard', 'helpcrunch'], default: 'standard', description: 'The Standard Webhooks specification, or as HelpCrunch sends.'
})
const Events = Type.Array(Type.String(), {
  minItems: 1, uniqueItems: true, description: 'Kinds of changes, or in the format `helpcrunch` its events. Default: all.', examples: [['customer.created', 'customer.updated']]
})
const MatchFilter = Type.Unsafe<Record<string, unknown> | null>({
  anyOf: [
    Type.Partial(Type.Object({
      comparison: Type.Unsafe<string>({ type: 'string', enum: ['AND', 'OR'], default: 'AND' }), not: Type.Boolean({ default: false }), filter: Type.Array(Type.Ref('Filter'))
    }, { additionalProperties: false })),
    Type.Null()
  ],
  description: 'As in a search, but for events and for when a customer was made or changed: only customers that pass it, after the change or before. null: any.'
})
const OwnSecret = Type.String({
  description: `Your own: \`whsec_\` and ${limits.standardSecretBytesMin} to ${limits.standardSecretBytesMax} bytes in base64, or in the format \`helpcrunch\` any ` +
    `text of ${limits.helpcrunchSecretCharactersMin} to ${limits.helpcrunchSecretCharactersMax} characters. Default: a new one.`
})

export const WebhookDraft = Type.Object({
  url: Url, format: Type.Optional(Format), events: Type.Optional(Events), filter: Type.Optional(MatchFilter), secret: Type.Optional(OwnSecret)
}, {
  $id: 'WebhookDraft', additionalProperties: false,
  examples: [{ url: 'https://example.com/webhooks', events: ['customer.created', 'customer.updated'], filter: { filter: [{ field: 'tags', operator: 'any', value: ['VIP'] }] } }]
})

export const WebhookPatch = Type.Partial(Type.Object({ url: Url, events: Events, filter: MatchFilter }), {
  $id: 'WebhookPatch', additionalProperties: false, description: 'What is not given stays as it is.', examples: [{ events: ['customer.deleted'], filter: null }]
})

const webhookKeys = {
  id: Type.Integer(),
  url: Type.String(),
  format: Type.Unsafe<'standard' | 'helpcrunch'>({ type: 'string', enum: ['standard', 'helpcrunch'] }),
  events: Type.Array(Type.String()),
  filter: Type.Unsafe<Record<string, unknown> | null>({ type: ['object', 'null'] }),
  pausedReason: Type.Unsafe<'asked' | 'gone' | 'failing' | null>({
    type: ['string', 'null'], enum: ['asked', 'gone', 'failing', null],
    description: 'Why nothing is sent: somebody asked for it, the receiver answered 410, or nothing arrived for 72 h. null: it is at work.'
  }),
  pausedAt: NullableInteger({ description: seconds }),
  succeededAt: NullableInteger({ description: `When a delivery arrived last, ${seconds}` }),
  failingSince: NullableInteger({ description: `When the first failed of those attempts after which none arrived, ${seconds}` }),
  failedDeliveries: Type.Integer({ description: 'Given up, and not replayed since.' }),
  heldCustomers: Type.Integer({ description: 'Customers whose next delivery is being retried, so that those behind it wait.' }),
  previousSecretUntil: NullableInteger({ description: `Until when the secret before the last rotation is signed with, ${seconds}` }),
  createdAt: Type.Integer({ description: seconds }),
  updatedAt: Type.Integer({ description: seconds })
}

export const Webhook = Type.Object(webhookKeys, { $id: 'Webhook', description: 'The webhook as it is now, without its secret.' })
export type Webhook = Static<typeof Webhook>

export const WebhookWithSecret = Type.Object({ ...webhookKeys, secret: Type.String({ description: 'Shown this once.' }) }, {
  $id: 'WebhookWithSecret', description: 'The webhook as it is now, with its new secret.'
})

export const Webhooks = Type.Object({ data: Type.Array(Type.Ref('Webhook')) }, { $id: 'Webhooks', description: 'Every webhook, oldest first.' })

export const RotationDraft = Type.Partial(Type.Object({
  now: Type.Boolean({ default: false, description: 'The secret before is not signed with any more, instead of for another 24 h.' }),
  secret: OwnSecret
}), { $id: 'RotationDraft', additionalProperties: false, examples: [{ now: true }] })

const outcomeKeys = {
  responseStatus: NullableInteger({ description: 'null: there was no answer, and `error` says why.' }),
  responseText: NullableString({ description: 'Its first 4 KiB.' }),
  error: NullableString(),
  durationMs: Type.Integer({ description: 'What the last attempt took.' })
}

export const PingOutcome = Type.Object(outcomeKeys, { $id: 'PingOutcome', description: 'What the receiver answered to a ping.' })
export type PingOutcome = Static<typeof PingOutcome>

export const deliveryStatuses = ['delivered', 'retrying', 'failed'] as const

const deliveryKeys = {
  id: Type.String({ format: 'uuid', description: 'The same at every attempt.' }),
  changeId: Type.Integer({ description: 'The change that is told of.' }),
  customerId: NullableInteger(),
  event: Type.String(),
  status: Type.Unsafe<(typeof deliveryStatuses)[number]>({ type: 'string', enum: [...deliveryStatuses] }),
  attempts: Type.Integer(),
  firstAttemptAt: Type.Integer({ description: seconds }),
  lastAttemptAt: Type.Integer({ description: seconds }),
  nextAttemptAt: NullableInteger({ description: `${seconds} null: none will be made.` }),
  isReplay: Type.Boolean({ description: 'Whether it was tried again because somebody asked.' }),
  ...outcomeKeys
}

export const Delivery = Type.Object(deliveryKeys, { $id: 'Delivery', description: 'A message to a webhook, and what became of it.' })
export type Delivery = Static<typeof Delivery>

export const DeliveryWithRequest = Type.Object({
  ...deliveryKeys,
  request: Type.Unsafe<{ url: string; headers: Record<string, string>; body: string } | null>({
    anyOf: [
      Type.Object({ url: Type.String(), headers: Type.Record(Type.String(), Type.String()), body: Type.String() }),
      Type.Null()
    ],
    description: 'What is sent, made again from the change, without what each attempt has of its own. null: the change is no longer kept.'
  })
}, { $id: 'DeliveryWithRequest', description: 'A message to a webhook, what became of it, and what is sent.' })

export const DeliveryPage = Type.Object({
  data: Type.Array(Type.Ref('Delivery')),
  meta: Type.Object({ limit: Type.Integer(), cursor: NullableString({ description: 'Of the next page; null: there is none.' }) })
}, { $id: 'DeliveryPage', description: 'Newest first, by the first attempt. A page is full unless it is the last.' })

export const DeliveryQuery = Type.Partial(Type.Object({
  status: Type.Unsafe<string>({ type: 'string', enum: [...deliveryStatuses] }),
  cursor: Type.String({ description: '`meta.cursor` of the page before, with the same status.' }),
  limit: Type.Integer({ minimum: 1, maximum: limits.listItemsMax, default: limits.listItemsDefault })
}), { $id: 'DeliveryQuery' })

export const ReplayDraft = Type.Object({
  since: Type.Integer({ minimum: 0, maximum: limits.dateSecondsMax, description: `Those that failed and whose last attempt was then or later, ${seconds}` })
}, { $id: 'ReplayDraft', additionalProperties: false, examples: [{ since: 1_700_000_000 }] })

export const Replayed = Type.Object({ replayed: Type.Integer({ description: 'How many are tried again.' }) }, { $id: 'Replayed', description: 'They are due at once.' })
