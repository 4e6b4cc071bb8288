import { Type } from 'typebox'
import { limits } from '../limits.ts'
import { Customer } from './customer.ts'

/**
 * Fields with one value, by the names that searches use without their prefix `customers.`.
 * `isExact`: text that compares with regard to letter case. `fromInteger`: an integer stands for its decimal text.
 */
export const scalarFields = {
  id: { type: 'integer' },
  name: { type: 'text' },
  email: { type: 'text' },
  userId: { type: 'text', isExact: true, fromInteger: true },
  company: { type: 'text' },
  phone: { type: 'text' },
  countryCode: { type: 'text' },
  regionCode: { type: 'text' },
  city: { type: 'text' },
  firstSeen: { type: 'date' },
  lastSeen: { type: 'date' },
  createdAt: { type: 'date' },
  updatedAt: { type: 'date' },
  unsubscribed: { type: 'boolean' },
  blocked: { type: 'boolean' },
  source: { type: 'text' },
  referer: { type: 'text' },
  lastPage: { type: 'text' },
  locale: { type: 'text' },
  createdFrom: { type: 'text' },
  integrationId: { type: 'text', isExact: true },
  telegramId: { type: 'text', isExact: true },
  facebookId: { type: 'text', isExact: true },
  instagramId: { type: 'text', isExact: true },
  viberId: { type: 'text', isExact: true },
  whatsappId: { type: 'text', isExact: true },
  notes: { type: 'text' },
  'device.platform': { type: 'text' },
  'device.timezone': { type: 'text' }
} as const satisfies Record<string, ScalarFieldKind>
export type ScalarFieldName = keyof typeof scalarFields

export interface ScalarFieldKind {
  readonly type: 'integer' | 'text' | 'date' | 'boolean'
  readonly isExact?: true
  readonly fromInteger?: true
}

export type SearchFieldType = ScalarFieldKind['type'] | 'number' | 'tags' | 'events' | 'any text'

const ordered = ['=', '!=', '>', '<', '>=', '<=', 'between', 'in', '!in'] as const

/** Which operators fit a field, by its type. Attributes are of type text, number or boolean. */
export const searchOperators = {
  'text': ['=', '!=', '~', '!~', '^', '$', 'in', '!in', 'empty', '!empty'],
  'integer': [...ordered, 'empty', '!empty'],
  'number': [...ordered, 'empty', '!empty'],
  'date': [...ordered, 'empty', '!empty'],
  'boolean': ['=', '!=', 'empty', '!empty'],
  'tags': ['=', 'all', 'any', 'none', 'empty', '!empty'],
  'events': ordered,
  'any text': ['~', '!~']
} as const satisfies Record<SearchFieldType, readonly string[]>
type SearchOperator = (typeof searchOperators)[SearchFieldType][number]

const operatorMeanings: Record<SearchOperator, string> = {
  '=': 'equal; has all the tags named',
  '!=': 'not equal; a missing value is not',
  '~': 'contains',
  '!~': 'does not contain; neither does a missing value',
  '^': 'starts with',
  '$': 'ends with',
  '>': 'greater, later', '<': 'less, earlier', '>=': 'at least, not before', '<=': 'at most, not after',
  'between': 'from the first to the second of two values, both included',
  'in': `one of up to ${limits.searchValuesMax} values`,
  '!in': 'none of them; a missing value is none',
  'all': 'has all the tags named', 'any': 'has at least one of them', 'none': 'has none of them',
  'empty': 'has no value, `""`, or no tag; takes no value',
  '!empty': 'has one; takes no value'
}

const typeNames: Record<SearchFieldType, string> = {
  'text': 'text', 'integer': 'integer', 'number': 'number', 'date': 'date: UNIX seconds, `"now"`, or `"-7d"` (s, m, h, d, w)',
  'boolean': 'boolean', 'tags': 'list of tags, by name or as `{"name": …}`',
  'events': 'integer: how many, from `since` to `until`', 'any text': 'text in name, email, company, phone or userId'
}

/** Fields and operators as tables in Markdown, for the description of the API and for docs/search.md. */
export function searchTables(): { fields: string; operators: string; faults: string } {
  const scalars = Object.entries<ScalarFieldKind>(scalarFields)
  const named = (type: SearchFieldType, wantsExact: boolean): string[] =>
    scalars.filter(([, { type: itsType, isExact = false }]) => itsType === type && isExact === wantsExact).map(([name]) => `\`customers.${name}\``)
  const ofType = (type: SearchFieldType): string => {
    const others: Partial<Record<SearchFieldType, string>> = {
      'text': '`customData.<attribute>`', 'number': '`customData.<attribute>`', 'boolean': '`customData.<attribute>`',
      'tags': '`customers.tags`, `customers.tagsData`', 'events': '`events.<name>`', 'any text': '`text`'
    }
    return [...named(type, false), ...(others[type] === undefined ? [] : [others[type]])].join(', ')
  }
  const types = Object.keys(searchOperators) as SearchFieldType[]
  const usedBy = (operator: string): string => types.filter((type) => searchOperators[type].some((one) => one === operator)).join(', ')
  return {
    fields: table(['fields', 'value'], [
      [named('text', true).join(', '), 'text, compared with regard to letter case'],
      ...types.map((type) => [ofType(type), typeNames[type]])
    ]),
    operators: table(['operator', 'means', 'fits'], Object.entries(operatorMeanings).map(([operator, meaning]) => [`\`${operator}\``, meaning, usedBy(operator)])),
    faults: table(['misuse', 'message'], Object.entries(searchFaults).map(([misuse, message]) => [misuses[misuse as keyof typeof searchFaults], message]))
  }
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const customerKeys = Object.keys(Customer.properties)

/** What each misuse of a search is answered; `…` stands for what was sent, meant or wanted. */
export const searchFaults = {
  unknownField: '… is not a searchable field',
  unknownSort: '… is not a field to sort by',
  nearMiss: 'did you mean "…"?',
  unfitOperator: '… cannot be used on …',
  nearlyKnownKey: 'This key is not known. Did you mean "…"?',
  notOnFilter: 'Only a group can have this key. Put the filter into one.',
  bothKinds: 'This should be a filter with "field" or a group with "filter", not both.',
  notOfEvents: 'Only a filter by events can have this key.',
  tooDeep: `Groups can be nested ${limits.searchGroupLevelsMax} levels deep.`,
  tooManyFilters: `A search can have ${limits.searchFiltersMax} filters and ${limits.searchFiltersMax} groups in all.`,
  pair: 'This value should be an array of two values, the lower and the upper end.',
  list: `This value should be an array of 1 to ${limits.searchValuesMax} values.`,
  relativeDate: 'This value should be UNIX seconds, "now", or a time before now such as "-7d" (s, m, h, d, w).',
  foreignCursor: 'This cursor belongs to another search or was altered. A walk begins with "" and keeps its filter, sort and order.',
  cursorWithOffset: 'A cursor and an offset cannot be used together.',
  fields: `This value should be an array of 1 to ${customerKeys.length} keys of a customer.`,
  // These are as everywhere: src/untrusted.ts and src/tag.ts say them.
  blank: 'This value should not be blank.',
  wrongType: 'This value should be of type ….',
  noChoice: 'This value should be one of ….',
  fraction: 'This value should be a whole number.',
  outOfRange: 'This value should be between … and ….',
  tooLong: 'This value is too long. It should have … characters or less.',
  nullCharacter: 'This value should not contain the character U+0000.',
  loneSurrogate: 'This value should be well-formed Unicode, without lone surrogates.',
  tooManyTags: `This collection should contain ${limits.customerTagsMax} elements or less.`,
  noColor: 'This value is not a valid color.'
} as const

/** A fault with these texts in the place of each `…`. */
export function filled(fault: string, ...texts: readonly string[]): string {
  let index = 0
  return fault.replace(/…/g, () => texts[index++] ?? '')
}

const misuses: Record<keyof typeof searchFaults, string> = {
  unknownField: 'a field that is not there, an attribute that the organization lacks',
  unknownSort: 'a sort by a field that is not there, by tags, events or `text`',
  nearMiss: 'added where one name is close to what was sent',
  unfitOperator: 'an operator that the field does not have',
  nearlyKnownKey: 'a key, at the top, of a group or of a filter, that is one letter or one swap of neighbors away from one that means something there',
  notOnFilter: '`not` beside `field`',
  bothKinds: '`filter` or `comparison` beside `field`',
  notOfEvents: '`since` or `until` beside a field that is not `events.<name>`',
  tooDeep: 'groups in groups in groups',
  tooManyFilters: 'too many filters or groups',
  pair: '`between` without two values',
  list: '`in` or `!in` without values, or with too many',
  relativeDate: 'a date that is none',
  foreignCursor: 'a cursor of another filter, sort, order or organization, or one made by hand',
  cursorWithOffset: '`cursor` with `offset`',
  fields: '`fields` that is no list, has nothing, or more than a customer has',
  blank: '`field`, `operator` or `value` missing; no tag, or one without a name',
  wrongType: 'a value of another type than the key or the field takes, such as `total`, `explain`, `not` or `cursor`',
  noChoice: '`comparison`, `order` or one of `fields` that there is not',
  fraction: '`limit`, `offset` or an integer with a fraction, as text too',
  outOfRange: '`limit`, `offset`, a number or a date too small or too large',
  tooLong: 'a needle, the name of an event or of a tag too long',
  nullCharacter: 'text with U+0000',
  loneSurrogate: 'text with half a character',
  tooManyTags: 'too many tags in one list',
  noColor: 'a tag with a color that is none'
}

const withAndWithoutPrefix = (names: readonly string[]): string[] => [...names.map((name) => `customers.${name}`), ...names]
const scalarNames = Object.keys(scalarFields)
const AttributeName = { type: 'string', pattern: String.raw`^(customers\.)?customData\..` }
const SortName = Type.Unsafe<string>({
  anyOf: [{ type: 'string', enum: withAndWithoutPrefix(scalarNames) }, AttributeName],
  default: 'customers.firstSeen',
  description: 'Any field with one value. Ties are broken by id in the same direction; customers without the value come last in both.'
})
const Order = Type.Unsafe<string>({
  type: 'string', enum: ['asc', 'desc'], default: 'asc', description: 'Of the sort. A search by `text` without a sort begins with the best in both.'
})
const Limit = Type.Integer({
  minimum: 1, default: limits.pageCustomersMax,
  description: `More than ${limits.pageCustomersMax}, or ${limits.walkCustomersMax} with a cursor, is taken as that.`
})
const Offset = Type.Integer({ minimum: 0, maximum: limits.integerMax, default: 0, description: 'How many customers to pass over.' })
const Cursor = Type.String({
  description: '`""` begins a walk and `meta.cursor` of each answer goes on, with the same filter, sort and order, until it is null. ' +
    'A walk meets every customer that stays as it is once, also while others are added, changed and removed.'
})

export const ListQuery = Type.Partial(Type.Object({
  sort: SortName, order: Order, limit: Limit, offset: Offset, cursor: Cursor,
  fields: Type.String({ description: 'Keys of a customer, separated by commas: only those are answered.' })
}), { $id: 'ListQuery' })

const operatorNames = Object.keys(operatorMeanings)

/** UNIX seconds are taken as text too, as customers carry them, and of a fraction the whole seconds count. */
const SearchDate = Type.Unsafe<string | number>({
  anyOf: [{ type: 'number', minimum: 0, maximum: limits.dateSecondsMax }, { type: 'string', pattern: String.raw`^(now|-\d{1,9}[smhdw]|\d{1,12}(\.\d*)?)$` }]
})

const Value = Type.Unsafe<unknown>({
  anyOf: [
    { type: 'string', maxLength: limits.longTextCharactersMax },
    { type: 'number', minimum: -limits.integerMax, maximum: limits.integerMax },
    { type: 'boolean' },
    { type: 'array', minItems: 1, maxItems: limits.searchValuesMax, items: { anyOf: [{ type: 'string' }, { type: 'number' }, Type.Ref('TagDraft')] } }
  ],
  description: 'What the field is compared with; not needed for `empty` and `!empty`.'
})

export const FieldFilter = Type.Object({
  field: Type.Unsafe<string>({
    anyOf: [
      { type: 'string', enum: withAndWithoutPrefix([...scalarNames, 'tags', 'tagsData', 'text']) },
      AttributeName,
      { type: 'string', pattern: String.raw`^(customers\.)?events\..` }
    ]
  }),
  operator: Type.Unsafe<string>({ type: 'string', enum: operatorNames }),
  value: Type.Optional(Value),
  since: Type.Optional({ ...SearchDate, description: 'With events: counted from this second on.' }),
  until: Type.Optional({ ...SearchDate, description: 'With events: counted up to this second.' })
}, { $id: 'FieldFilter', description: 'One question about a customer.' })

const Comparison = Type.Unsafe<string>({ type: 'string', enum: ['AND', 'OR'], default: 'AND' })
const Filters = Type.Array(Type.Ref('Filter'), {
  maxItems: limits.searchFiltersMax,
  description: `Absent or empty: every customer. At most ${limits.searchFiltersMax} filters and ${limits.searchFiltersMax} groups in all.`
})
const Not = Type.Boolean({ default: false, description: 'Finds exactly the customers that would not be found otherwise.' })

export const FilterGroup = Type.Object({
  comparison: Type.Optional(Comparison),
  not: Type.Optional(Not),
  filter: Filters
}, { $id: 'FilterGroup', description: `Filters that must all hold, or any of them. Groups can be nested ${limits.searchGroupLevelsMax} levels deep.` })

export const Filter = Type.Unsafe<unknown>({ $id: 'Filter', anyOf: [Type.Ref('FieldFilter'), Type.Ref('FilterGroup')] })

export const CustomerSearch = Type.Partial(Type.Object({
  comparison: Comparison,
  filter: Filters,
  not: Not,
  sort: SortName,
  order: Order,
  limit: Limit,
  offset: Offset,
  cursor: Cursor,
  total: Type.Boolean({ default: true, description: 'Whether all matches are counted. What it cost is in the header `Server-Timing`.' }),
  fields: Type.Array(Type.Unsafe<string>({ type: 'string', enum: customerKeys }), { minItems: 1, maxItems: customerKeys.length, description: 'Only these keys of each customer are answered.' }),
  explain: Type.Boolean({ default: false, description: 'Adds how the customers were found, to see why a search is slow.' })
}), {
  $id: 'CustomerSearch',
  examples: [{
    comparison: 'AND',
    filter: [
      { field: 'customers.email', operator: '~', value: '@example.com' },
      { field: 'customers.lastSeen', operator: '>=', value: '-30d' },
      { comparison: 'OR', filter: [
        { field: 'customers.tags', operator: 'any', value: ['Lead', 'VIP'] },
        { field: 'events.Invoice paid', operator: '>=', value: 3, since: '-90d' }
      ] }
    ],
    sort: 'customers.lastSeen', order: 'desc', limit: 20
  }]
})
