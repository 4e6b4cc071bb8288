import { Type } from 'typebox'
import { limits } from '../limits.ts'
import { changeKinds } from './change-kinds.ts'
import { NullableInteger } from './nullable.ts'

const fields = (description: string) => Type.Unsafe<Record<string, unknown> | null>({ type: ['object', 'null'], additionalProperties: true, description })

export const Change = Type.Object({
  id: NullableInteger({ minimum: 1, maximum: limits.integerMax, description: 'Null for a change that was not made, in a dry run.' }),
  kind: Type.String({ enum: [...changeKinds] }),
  at: Type.Integer({ description: 'UNIX seconds.' }),
  customerId: NullableInteger({ description: 'Id of the customer; null for a change that is of no single one.' }),
  key: Type.Object({ id: Type.Integer(), name: Type.String() }, { description: 'The API key that was used.' }),
  requestId: Type.String({ description: 'The `X-Request-Id` of the answer.' }),
  before: fields('The old values of the fields that changed; all of a customer who was deleted; null of what is new. Tags by name.'),
  after: fields('The new values of those fields; all of a customer who is new; null of what is gone.'),
  event: Type.Optional(Type.Ref('CustomerEvent'))
}, { $id: 'Change', description: 'What was done, by whom, and how to tell.' })

export const UndoOptions = Type.Object({
  dryRun: Type.Optional(Type.Boolean({ description: 'Says what would be done, and does nothing.' })),
  force: Type.Optional(Type.Boolean({ description: 'Also where something touched the same since.' }))
}, { $id: 'UndoOptions', additionalProperties: false, examples: [{ dryRun: true }] })

export const Undone = Type.Object({
  dryRun: Type.Boolean(),
  changes: Type.Array(Type.Ref('Change'), { description: 'What taking back did, in order; empty when everything was so already.' })
}, { $id: 'Undone', description: 'What was done to take back.' })
