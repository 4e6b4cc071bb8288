import { Type } from 'typebox'
import { limits } from '../limits.ts'
import type { TagDraft } from './tag.ts'

/** Fields that a search may ask about, without their prefix `customers.`. */
export const searchFieldNames = [
  'id', 'name', 'email', 'company', 'phone', 'countryCode', 'city', 'regionCode', 'userId',
  'telegramId', 'facebookId', 'instagramId', 'viberId', 'whatsappId', 'tagsData', 'firstSeen', 'lastSeen', 'createdAt'
] as const
export type SearchFieldName = (typeof searchFieldNames)[number]

const searchOperators = ['=', '!=', '>', '<', '>=', '<=', '~', '!~'] as const
export type SearchOperator = (typeof searchOperators)[number]

const SortName = Type.Unsafe<string>({
  type: 'string', enum: ['customers.firstSeen', 'customers.lastSeen'], default: 'customers.firstSeen',
  description: 'Ties are broken by id in the same direction; customers without the date come last in both.'
})
const Order = Type.Unsafe<string>({ type: 'string', enum: ['asc', 'desc'], default: 'asc', description: 'Of the sort.' })
const Limit = Type.Integer({ minimum: 1, default: limits.pageCustomersMax, description: `More than ${limits.pageCustomersMax} is taken as ${limits.pageCustomersMax}.` })
const Offset = Type.Integer({ minimum: 0, maximum: limits.integerMax, default: 0, description: 'How many customers to pass over.' })

export const ListQuery = Type.Partial(Type.Object({ sort: SortName, order: Order, limit: Limit, offset: Offset }), { $id: 'ListQuery' })

export const Filter = Type.Object({
  field: Type.Unsafe<string>({ type: 'string', enum: searchFieldNames.map((name) => `customers.${name}`) }),
  operator: Type.Unsafe<string>({
    type: 'string', enum: [...searchOperators],
    description: '`=` and `!=` fit every field but tagsData, which has `=` alone; `<`, `>`, `<=`, `>=` fit id and dates; `~` (contains) and `!~` fit text.'
  }),
  value: Type.Unsafe<string | number | readonly TagDraft[]>({
    anyOf: [
      { type: 'string', maxLength: limits.longTextCharactersMax },
      { type: 'integer', minimum: -limits.integerMax, maximum: limits.integerMax },
      { type: 'array', minItems: 1, maxItems: limits.customerTagsMax, items: Type.Ref('TagDraft') }
    ],
    description: 'Text; an integer for id; UNIX seconds for a date; a list of tags for tagsData, all of which the customer has.'
  })
}, { $id: 'Filter', description: 'One question about a customer.' })

export const CustomerSearch = Type.Partial(Type.Object({
  comparison: Type.Unsafe<string>({ type: 'string', enum: ['AND', 'OR'], default: 'AND' }),
  filter: Type.Array(Type.Ref('Filter'), { maxItems: limits.searchFiltersMax, description: 'Absent or empty: every customer.' }),
  sort: SortName,
  order: Order,
  limit: Limit,
  offset: Offset
}), {
  $id: 'CustomerSearch',
  examples: [{
    comparison: 'AND',
    filter: [
      { field: 'customers.email', operator: '~', value: '@example.com' },
      { field: 'customers.tagsData', operator: '=', value: [{ name: 'Lead' }] }
    ],
    sort: 'customers.lastSeen', order: 'desc', limit: 20, offset: 0
  }]
})
