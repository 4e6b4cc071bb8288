import { Type, type Static } from 'typebox'
import { limits } from '../limits.ts'
import { NullableInteger, NullableString } from './nullable.ts'
import type { Tag } from './tag.ts'

const UnixSecondsText = (description: string) =>
  Type.Unsafe<string | null>({
    type: ['string', 'null'], pattern: '^[0-9]+$', description: `${description}, UNIX seconds.`, examples: ['1700000000']
  })

export const Location = Type.Object({
  regionCode: NullableString(),
  countryCode: NullableString(),
  city: NullableString()
}, { $id: 'Location' })
export type Location = Static<typeof Location>

export const Device = Type.Object({
  id: Type.Integer({ description: "Given by the server when absent: the customer's id." }),
  ip: NullableString(),
  timezone: NullableString(),
  platform: Type.Unsafe<'desktop' | 'mobile' | null>({ type: ['string', 'null'], enum: ['desktop', 'mobile', null] }),
  userAgent: NullableString()
}, { $id: 'Device' })
export type Device = Static<typeof Device>

export const AttributeValue = Type.Unsafe<string | number | boolean | null>({
  type: ['string', 'number', 'boolean', 'null'],
  maxLength: limits.longTextCharactersMax,
  minimum: -limits.integerMax,
  maximum: limits.integerMax
})
export type AttributeValue = string | number | boolean

/** A customer as every operation answers it, with every key always, in this order. */
export const Customer = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: limits.integerMax }),
  name: NullableString(),
  email: NullableString({ description: 'Not unique.' }),
  userId: NullableString({ description: "The caller's own id, unique in the organization, exact in letter case." }),
  company: NullableString(),
  phone: NullableString(),
  firstSeen: UnixSecondsText('When the customer was first seen'),
  lastSeen: UnixSecondsText('When the customer was last seen'),
  location: Type.Unsafe<Location>(Type.Ref('Location')),
  device: Type.Unsafe<Device | null>(Type.Union([Type.Ref('Device'), Type.Null()])),
  unsubscribed: Type.Boolean(),
  blocked: Type.Boolean(),
  source: NullableString(),
  referer: NullableString(),
  lastPage: NullableString(),
  locale: NullableString({ description: 'Language and region, kept as sent: `uk`, `en-US`, `pt_BR`.' }),
  createdFrom: NullableString({ description: 'Channel: web, iOS, android, telegram, viber, facebook, instagram, and others.' }),
  integrationId: NullableString({ description: "The customer's id on that channel." }),
  notes: NullableString(),
  tags: Type.Unsafe<Tag[]>(Type.Array(Type.Ref('Tag'), { description: 'In the order they were attached.' })),
  customData: Type.Unsafe<Record<string, AttributeValue>>(Type.Record(Type.String(), Type.Unsafe({ type: ['string', 'number', 'boolean'] }), {
    description: 'Values of custom attributes, in the order they were first set.'
  }))
}, { $id: 'Customer', description: 'The customer as it is now, with every key always.' })
export type Customer = Static<typeof Customer>

/** Integers, or the text that a customer read before carries. */
const DateDraft = Type.Unsafe<string | number | null>({
  type: ['string', 'integer', 'null'],
  pattern: '^[0-9]{1,11}$',
  minimum: 0,
  maximum: limits.dateSecondsMax,
  description: `UNIX seconds, 0 to ${limits.dateSecondsMax}. Absent on create: now.`
})

const DraftFields = {
  name: NullableString({ maxLength: limits.textCharactersMax }),
  email: NullableString({
    maxLength: limits.emailCharactersMax,
    pattern: '^([^@\\s\\u0000-\\u001f\\u007f-\\u009f]+@[^@\\s\\u0000-\\u001f\\u007f-\\u009f]+)?$',
    description: 'One `@`, both sides non-empty, no white space or control characters. Empty text is null.'
  }),
  userId: NullableString({ maxLength: limits.textCharactersMax, description: 'Empty text is null.' }),
  company: NullableString({ maxLength: limits.textCharactersMax }),
  phone: NullableString({ maxLength: limits.textCharactersMax }),
  firstSeen: DateDraft,
  lastSeen: DateDraft,
  location: Type.Unsafe<Partial<Location> | null>({
    type: ['object', 'null'],
    properties: {
      regionCode: NullableString({ maxLength: limits.textCharactersMax }),
      countryCode: NullableString({ maxLength: limits.textCharactersMax }),
      city: NullableString({ maxLength: limits.textCharactersMax })
    },
    description: 'Parts given are set, absent parts stay, null clears.'
  }),
  device: Type.Unsafe<Partial<Device> | null>({
    type: ['object', 'null'],
    properties: {
      id: NullableInteger({ minimum: 0, maximum: limits.integerMax, description: "Absent or null: the customer's id." }),
      ip: NullableString({ maxLength: limits.textCharactersMax }),
      timezone: NullableString({ maxLength: limits.textCharactersMax }),
      platform: { type: ['string', 'null'], enum: ['desktop', 'mobile', null] },
      userAgent: NullableString({ maxLength: limits.urlCharactersMax })
    },
    description: 'An object given replaces the device whole.'
  }),
  unsubscribed: Type.Boolean(),
  blocked: Type.Boolean(),
  source: NullableString({ maxLength: limits.urlCharactersMax }),
  referer: NullableString({ maxLength: limits.urlCharactersMax }),
  lastPage: NullableString({ maxLength: limits.urlCharactersMax }),
  locale: NullableString({ maxLength: limits.textCharactersMax }),
  createdFrom: NullableString({ maxLength: limits.textCharactersMax }),
  integrationId: NullableString({ maxLength: limits.textCharactersMax }),
  notes: NullableString({ maxLength: limits.longTextCharactersMax }),
  tags: Type.Array(Type.Ref('TagDraft'), { maxItems: limits.customerTagsMax, description: 'The whole set: a tag not named is taken off.' }),
  customData: Type.Record(Type.String({ minLength: 1, maxLength: limits.nameCharactersMax }), AttributeValue, {
    maxProperties: limits.customerAttributesMax,
    propertyNames: { minLength: 1, maxLength: limits.nameCharactersMax, not: { enum: ['__proto__', 'constructor'] } },
    description: 'Values are text, number, boolean, or null, which removes the attribute. An attribute keeps the type of its first value.'
  })
}

export const CustomerDraft = Type.Partial(Type.Object(DraftFields), {
  $id: 'CustomerDraft',
  description: 'What may be written. PATCH changes the keys given; PUT clears those absent.',
  examples: [{
    name: 'Ann Smith', email: 'ann@example.com', userId: 'u-1', firstSeen: '1700000000',
    location: { countryCode: 'UA', city: 'Kyiv' }, tags: [{ name: 'Lead', color: '#c377e0' }], customData: { plan: 'pro', seats: 12 }
  }]
})
export type CustomerDraft = Static<typeof CustomerDraft>

export const BatchItem = Type.Object({
  customer: Type.Integer({ minimum: 1, maximum: limits.integerMax }),
  ...Type.Partial(Type.Object(DraftFields)).properties
}, { $id: 'BatchItem', required: ['customer'], description: 'The id of a customer and what to change of it, as in PATCH.' })

export const Batch = Type.Array(Type.Ref('BatchItem'), {
  $id: 'Batch',
  minItems: 1,
  maxItems: limits.batchCustomersMax,
  examples: [[{ customer: 1, company: 'Acme' }, { customer: 2, unsubscribed: true }]]
})

export const Customers = Type.Array(Type.Ref('Customer'), { $id: 'Customers', description: 'The customers, in the order of the request.' })

/** What `fields` leaves of a customer. */
export const PickedCustomer = Type.Partial(Customer, {
  $id: 'PickedCustomer', minProperties: 1, description: 'A customer with the keys in `fields` and no others, in the order of a customer.'
})

const pageOf = (customer: 'Customer' | 'PickedCustomer') => ({
  data: Type.Array(Type.Ref(customer)),
  total: Type.Optional(Type.Integer({ description: 'All matches, exactly, whatever `limit` is. Left out with `total: false`.' })),
  meta: Type.Object({
    total: Type.Optional(Type.Integer()),
    limit: Type.Integer({ description: 'The limit used.' }),
    cursor: NullableString({ description: 'Goes on behind this page; null at the end.' })
  }),
  explain: Type.Optional(Type.Object({
    plan: Type.String({ description: 'What was walked or driven from.' }),
    steps: Type.Array(Type.String()),
    entriesVisited: Type.Integer({ description: 'Entries of an index or customers looked at, for page and total.' }),
    pageMs: Type.Number({ description: 'Milliseconds that finding the page took.' }),
    totalMs: Type.Number({ description: 'Milliseconds that counting took besides.' })
  }, { description: 'With `explain: true`.' }))
})

export const CustomerPage = Type.Object(pageOf('Customer'), { $id: 'CustomerPage', description: 'A page of customers. One shorter than `limit` is the last.' })

export const PickedCustomerPage = Type.Object(pageOf('PickedCustomer'), { $id: 'PickedCustomerPage', description: 'The same where the request has `fields`.' })
