import { Type } from 'typebox'

/** `type: [kind, 'null']` rather than a union: a validator then answers with one sentence, not three. */
export const NullableString = (options: { description?: string; maxLength?: number; pattern?: string; examples?: string[] } = {}) =>
  Type.Unsafe<string | null>({ type: ['string', 'null'], ...options })

export const NullableInteger = (options: { description?: string; minimum?: number; maximum?: number } = {}) =>
  Type.Unsafe<number | null>({ type: ['integer', 'null'], ...options })
