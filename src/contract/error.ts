import { Type, type Static } from 'typebox'

export const ErrorEntry = Type.Object({
  code: Type.String({ description: 'A code of docs/errors.md, or the path of a bad property, such as `filter[0].field`.' }),
  message: Type.String({ description: 'For people. Branch on `code`.' }),
  existingId: Type.Optional(Type.Integer({ description: 'With `invalid_userId_value`, and `conflict` of an undo: the customer that has this userId.' })),
  changeId: Type.Optional(Type.Integer({ description: 'With `conflict` of an undo: a later change that touched the same.' })),
  fields: Type.Optional(Type.Array(Type.String(), { description: 'With `changeId`: what both touched, such as `location.city`. Absent: everything.' })),
  path: Type.Optional(Type.String({ description: 'With `invalid_userId_value` in a batch: where it stands.' }))
}, { $id: 'ErrorEntry' })
export type ErrorEntry = Static<typeof ErrorEntry>

export const ErrorBody = Type.Object({ errors: Type.Array(Type.Ref('ErrorEntry'), { minItems: 1 }) }, {
  $id: 'ErrorBody',
  description: 'The first entry is `invalid_request`, but for `invalid_userId_value`, `internal` and `unavailable`, which stand alone.',
  examples: [{ errors: [
    { code: 'invalid_request', message: 'Invalid request' },
    { code: 'email', message: 'This value is not a valid email address.' }
  ] }]
})
