import { Type, type Static } from 'typebox'
import { limits } from '../limits.ts'

const data = Type.Record(Type.String(), Type.Unknown(), { description: 'Any JSON object, up to 64 KiB.' })

export const EventDraft = Type.Object({
  name: Type.String({ minLength: 1, maxLength: limits.nameCharactersMax }),
  data: Type.Optional(data),
  customer: Type.Integer({ minimum: 1, maximum: limits.integerMax, description: 'Id of the customer.' }),
  createdAt: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.dateSecondsMax, description: 'UNIX seconds; to load history. Default: now.' }))
}, {
  $id: 'EventDraft',
  examples: [{ name: 'order_paid', data: { total: 12.5 }, customer: 1 }]
})

export const CustomerEvent = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  data,
  createdAt: Type.String({ pattern: '^[0-9]+$', description: 'UNIX seconds.' }),
  customer: Type.Integer()
}, { $id: 'CustomerEvent', description: 'The event as it was recorded.' })
export type CustomerEvent = Static<typeof CustomerEvent>
