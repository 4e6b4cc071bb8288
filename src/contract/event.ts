import { Type, type Static } from 'typebox'
import { limits } from '../limits.ts'

const data = Type.Record(Type.String(), Type.Unknown(), { description: 'Any JSON object, up to 64 KiB.' })

export const EventDraft = Type.Object({
  name: Type.String({ minLength: 1, maxLength: limits.nameCharactersMax }),
  data: Type.Optional(data),
  customer: Type.Integer({ minimum: 1, maximum: limits.integerMax, description: 'Id of the customer.' }),
  createdAt: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.dateSecondsMax, description: 'UNIX seconds; to load history. Default: now.' }))
}, { $id: 'EventDraft' })

export const CustomerEvent = Type.Object({
  id: Type.Integer(),
  name: Type.String(),
  data,
  createdAt: Type.String({ pattern: '^[0-9]+$', description: 'UNIX seconds.' }),
  customer: Type.Integer()
}, { $id: 'CustomerEvent' })
export type CustomerEvent = Static<typeof CustomerEvent>
