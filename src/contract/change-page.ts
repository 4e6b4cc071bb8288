import { Type } from 'typebox'
import { limits } from '../limits.ts'
import { changeKinds } from './change-kinds.ts'
import { NullableString } from './nullable.ts'

const limit = Type.Integer({ minimum: 1, maximum: limits.listItemsMax })
const data = Type.Array(Type.Ref('Change'))

export const ChangePage = Type.Object({
  data,
  meta: Type.Object({ limit, cursor: NullableString({ description: 'Of the next page; null when this is the last.' }) })
}, { $id: 'ChangePage', description: 'Newest first. A page of large changes may be shorter than its limit.' })

export const FeedPage = Type.Object({
  data,
  meta: Type.Object({
    limit,
    cursor: Type.String({ description: 'Where to go on, now or later.' }),
    hasMore: Type.Boolean({ description: 'Whether there is more now. A page may be shorter than its limit, even empty, and not the last.' })
  })
}, { $id: 'FeedPage', description: 'In an order that never changes.' })

const limitQuery = Type.Optional(Type.Integer({ minimum: 1, maximum: limits.listItemsMax, default: limits.listItemsDefault }))
const cursor = (description: string) => Type.Optional(Type.String({ description }))
const kinds = Type.Optional(Type.String({ description: `Some of ${changeKinds.join(', ')}, separated by commas. Default: all.`, examples: ['customer.created,customer.updated'] }))

export const HistoryQuery = Type.Object({ cursor: cursor('`meta.cursor` of the page before.'), limit: limitQuery })

export const FeedQuery = Type.Object({
  cursor: cursor('`meta.cursor` of an answer to this, or the `id` of an event of the stream. Absent: from the oldest change that is kept.'), limit: limitQuery, kinds
})

export const StreamQuery = Type.Object({
  cursor: cursor('As of `GET /v1/changes`; the header `Last-Event-ID` comes before it. Absent: what is made from now on.'), kinds
})
