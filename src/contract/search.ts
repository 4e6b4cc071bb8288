import { Type } from 'typebox'
import { limits } from '../limits.ts'

const SortName = Type.Unsafe<string>({
  type: 'string', enum: ['customers.firstSeen', 'customers.lastSeen'], default: 'customers.firstSeen',
  description: 'Ties are broken by id in the same direction; customers without the date come last in both.'
})
const Order = Type.Unsafe<string>({ type: 'string', enum: ['asc', 'desc'], default: 'asc' })
const Limit = Type.Integer({ minimum: 1, default: limits.pageCustomersMax, description: `More than ${limits.pageCustomersMax} is taken as ${limits.pageCustomersMax}.` })
const Offset = Type.Integer({ minimum: 0, maximum: limits.integerMax, default: 0 })

export const ListQuery = Type.Partial(Type.Object({ sort: SortName, order: Order, limit: Limit, offset: Offset }), { $id: 'ListQuery' })

export const Filter = Type.Object({
  field: Type.String({ examples: ['customers.email'] }),
  operator: Type.String({ examples: ['='] }),
  value: Type.Unsafe<unknown>({ type: ['string', 'integer', 'array'], description: 'Text, an integer, UNIX seconds, or a list of tags, as the field wants.' })
}, { $id: 'Filter' })

export const CustomerSearch = Type.Partial(Type.Object({
  comparison: Type.Unsafe<string>({ type: 'string', enum: ['AND', 'OR'], default: 'AND' }),
  filter: Type.Array(Type.Ref('Filter'), { description: 'Absent or empty: every customer.' }),
  sort: SortName,
  order: Order,
  limit: Limit,
  offset: Offset
}), { $id: 'CustomerSearch' })
