import { Type, type Static } from 'typebox'
import { limits } from '../limits.ts'

const name = Type.String({ minLength: 1, maxLength: limits.nameCharactersMax, description: 'Compared exactly, letter case included.' })
const color = Type.String({
  maxLength: limits.nameCharactersMax,
  description: 'A CSS color: `#` and 3, 4, 6 or 8 hexadecimal digits, a color name, rgb(), rgba(), hsl() or hsla(). Kept as sent.',
  examples: ['#c377e0']
})

export const Tag = Type.Object({ name, color }, { $id: 'Tag', description: 'A tag of the organization. Its color is the same on every customer.' })
export type Tag = Static<typeof Tag>

export const TagDraft = Type.Object({ name, color: Type.Optional(color) }, {
  $id: 'TagDraft',
  description: 'A tag to put on a customer. An unknown name makes a new tag; a color recolors the tag everywhere.'
})
export type TagDraft = Static<typeof TagDraft>

export const TagsDraft = Type.Object({ tags: Type.Array(Type.Ref('TagDraft'), { maxItems: limits.customerTagsMax }) }, {
  $id: 'TagsDraft',
  description: 'Tags to put on, or to take off by name. An empty list does nothing.',
  examples: [{ tags: [{ name: 'Lead' }] }]
})
