import fc from 'fast-check'
import type { FilterBody, GroupBody, SearchBody } from './in-memory-search.ts'

/** Pieces that have tripped up other systems: letter cases without a simple pair, LIKE and SQL characters, astral and combining ones. */
const pieces = [
  'a', 'A', 'é', 'É', 'e\u0301', 'ß', 'ss', 'ẞ', 'İ', 'i', 'I', 'ı', 'ς', 'Σ', 'σ', 'ſ', 's', '\u212a', 'k', 'ǅ', 'ﬅ', 'ﬆ', 'Ꭰ', 'ꭰ', 'ё', 'Ё',
  '%', '_', '\\', "'", '"', '`', ';--', '*', '?', '[', ']', ' ', '\t', '\n', '\u{1F600}', '\u{10428}', '\u{10400}', '\uFFFF', '\u0001', '0', '1', 'null'
]

const anyText = fc.string({ unit: 'binary', maxLength: 12 }).filter((text) => !text.includes('\0') && text.isWellFormed())

/** Pairs that are the same in one folding of letter case and different in another. */
const words = [
  'Zoë', 'ZOË', 'Zoe\u0308', 'Straße', 'STRASSE', 'STRAẞE', 'Σίσυφος', 'ΣΊΣΥΦΟΣ', 'İstanbul', 'istanbul', 'ISTANBUL', 'ıstanbul',
  'kelvin', '\u212aELVIN', '100%', '100_', '1000', 'a\\b', "O'Neil", '', ' ', '\u{1F600}'
]

/** Few and short, so that two of them often meet; now and then long. */
export const text = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...words) },
  { weight: 10, arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 3 }).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: anyText },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...pieces), fc.integer({ min: 50, max: 400 })).map(([piece, times]) => piece.repeat(times).slice(0, 1000).toWellFormed()) }
)
const maybeText = fc.option(text, { freq: 4 })

const email = fc.tuple(text, text).map((parts) => parts.map((part) => part.replace(/[@\p{White_Space}\p{Cc}]/gu, '').slice(0, 150).toWellFormed()))
  .filter((parts) => parts.every((part) => part !== '')).map((parts) => parts.join('@'))

/** Parts of phone numbers, and what only looks like one. Only from three digits on do they compare by digits. */
const phoneParts = ['555', '55', '1234567', '123-45', '(555) 12', '+1 555', '4567', '5.5.5', '/555', '555a', '٥٥٥', '0', '380 44', '12 34 5', '555\u2011123', '044\u00a012\u201334', '\u202a4567\u202c']
const phone = fc.oneof(
  fc.constantFrom('+1 (555) 123-4567', '15551234567', '555.123.4567', '5551234567', '+380 44 123 45 67', '044/1234567', '٥٥٥', '123', '555\u2011123\u20134567', 'call 555-1234', '555a1234567'),
  text
)

/** What relative dates count from in the searches of a property. */
export const now = 1_700_000_000
const date = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 10, 100, 253_402_300_799),
  fc.constantFrom(0, 1, 60, 3_600, 86_400, 7 * 86_400).map((seconds) => now - seconds),
  fc.integer({ min: 0, max: 253_402_300_799 })
)
const maybeDate = fc.option(date, { freq: 4 })

const userIds = ['u1', 'U1', 'u10', '1', '01', 'ß', 'SS', '%', '_', "'", ' ', '\u{1F600}', '\u00e9', 'e\u0301', '9007199254740991', '5551234567']
const channelNames = ['telegram', 'facebook', 'instagram', 'viber', 'whatsapp']
const createdFrom = fc.oneof(
  fc.constantFrom(...channelNames),
  fc.constantFrom('telegram_bot', 'telegramx', 'telegram_', 'Telegram', 'telegram%', '_telegram', 'whatsapp_business', 'web', 'iOS', 'android', '')
)
const integrationId = fc.constantFrom('', '0', '1', 'A', 'a', 'aA', 'É', 'é', '%', '_')
const timezone = fc.constantFrom('Europe/Kyiv', 'europe/kyiv', 'UTC', '')
const tagNames = ['Lead', 'lead', 'VIP', "it's", '\u{1F600}', '%', 'É', 'é', '"', 'a,b']
const tag = fc.oneof(
  fc.constantFrom(...tagNames),
  fc.record({ name: fc.constantFrom(...tagNames), color: fc.constantFrom('red', '#fff', '#c377e0', 'rgb(1 2 3)') }, { requiredKeys: ['name'] })
)

/** Each attribute has one type, since an organization's attributes do. */
export const attributes = { plan: 'text', 'a.b': 'text', toString: 'text', seats: 'number', '10': 'number', trial: 'boolean', '%': 'boolean' }
const attributeNumber = fc.constantFrom(0, 1, -1, 1.5, 0.1, -2.25, 9_007_199_254_740_991, -9_007_199_254_740_991)
const attributeValues = { text, number: attributeNumber, boolean: fc.boolean() }
const namesOfType = (type: string): string[] => Object.entries(attributes).flatMap(([name, itsType]) => (itsType === type ? `customData.${name}` : []))
const customData = fc.record({
  plan: fc.option(text), 'a.b': fc.option(text), toString: fc.option(text), seats: fc.option(attributeNumber), '10': fc.option(attributeNumber),
  trial: fc.option(attributeValues.boolean), '%': fc.option(attributeValues.boolean)
}, { requiredKeys: [] })

const locationDraft = fc.record({ city: maybeText, countryCode: maybeText, regionCode: maybeText }, { requiredKeys: [] })
const deviceDraft = fc.record({
  id: fc.nat(), ip: maybeText, timezone: fc.option(timezone), platform: fc.constantFrom('desktop', 'mobile', null), userAgent: maybeText
}, { requiredKeys: [] })

/** Beyond the first few hundred characters of a text, where an index may look no further. */
const notes = fc.oneof(
  { weight: 8, arbitrary: text },
  { weight: 1, arbitrary: fc.tuple(text, fc.integer({ min: 500, max: 4_000 }), text).map(([before, length, after]) => `${before}${'-'.repeat(length)}${after}`) }
)

/** What may be sent to create or change a customer; userIds come from few, so that they are fought over. */
export const draft = fc.record({
  name: maybeText, email: fc.option(email), userId: fc.option(fc.constantFrom(...userIds)), company: maybeText, phone: fc.option(phone),
  firstSeen: maybeDate, lastSeen: maybeDate, location: fc.option(locationDraft), city: maybeText, device: fc.option(deviceDraft),
  unsubscribed: fc.boolean(), blocked: fc.boolean(), source: maybeText, referer: maybeText, lastPage: maybeText, locale: maybeText,
  createdFrom: fc.option(createdFrom), integrationId: fc.option(integrationId), notes: fc.option(notes),
  tags: fc.option(fc.array(tag, { maxLength: 4 })), customData: fc.option(customData)
}, { requiredKeys: [] })

export const drafts = fc.oneof(
  { weight: 1, arbitrary: fc.array(draft, { maxLength: 3 }) },
  { weight: 9, arbitrary: fc.array(draft, { minLength: 12, maxLength: 30, size: 'max' }) }
)

const textOperators = ['=', '!=', '~', '!~', '^', '$', 'in', '!in', 'empty', '!empty']
const countOperators = ['=', '!=', '>', '<', '>=', '<=', 'between', 'in', '!in']
const numberOperators = [...countOperators, 'empty', '!empty']
const booleanOperators = ['=', '!=', 'empty', '!empty']
const tagOperators = ['=', 'all', 'any', 'none', 'empty', '!empty']

const prefixed = (names: readonly string[]): fc.Arbitrary<string> =>
  fc.tuple(fc.constantFrom('', 'customers.'), fc.constantFrom(...names)).map((parts) => parts.join(''))

/** A filter on one of `fields`, whose value is of the shape that its operator wants. */
function filters(fields: readonly string[], operators: readonly string[], value: fc.Arbitrary<unknown>): fc.Arbitrary<FilterBody> {
  const shapes: Record<string, fc.Arbitrary<unknown>> = {
    in: fc.oneof(
      { weight: 30, arbitrary: fc.array(value, { minLength: 1, maxLength: 6 }) },
      { weight: 1, arbitrary: fc.array(value, { minLength: 100, maxLength: 1_000, size: 'max' }) }
    ),
    between: fc.tuple(value, value)
  }
  return fc.oneof(...operators.map((operator) => {
    const field = prefixed(fields)
    const takesNone = operator.endsWith('empty')
    return fc.record({ field, operator: fc.constant(operator), value: shapes[operator.replace('!', '')] ?? value }, takesNone ? { requiredKeys: ['field', 'operator'] } : {})
  }))
}

const needle = fc.oneof({ weight: 2, arbitrary: text }, { weight: 1, arbitrary: fc.constantFrom(...pieces) })
const relativeDate = fc.constantFrom('now', '-1s', '-60s', '-1m', '-1h', '-24h', '-7d', '-1w', '-999999999w')
const dateValue = fc.oneof(date, date.map(String), date.map((seconds) => (seconds < 1_000 ? seconds + 0.5 : seconds)), relativeDate)
// Far from now, so that the second at which a customer was stored does not matter.
const storedDate = fc.constantFrom(0, 1_000_000_000, '1000000000', 253_402_300_799)

const eventNames = ['Invoice paid', 'invoice paid', 'a.b', 'É', '%']
const eventFilter = fc.record({
  filter: filters([...eventNames, 'never sent'].map((name) => `events.${name}`), countOperators, fc.constantFrom(0, 1, 2, 3, -1)),
  window: fc.record({ since: dateValue, until: dateValue }, { requiredKeys: [] })
}).map(({ filter, window }) => ({ ...filter, ...window }))

const tagValue = fc.array(fc.oneof(fc.constantFrom(...tagNames, 'nobody has it'), fc.constantFrom(...tagNames).map((name) => ({ name }))), { minLength: 1, maxLength: 3 })
const textFields = ['name', 'company', 'countryCode', 'regionCode', 'city', 'source', 'referer', 'lastPage', 'locale', 'notes']
const channelFields = channelNames.map((name) => `${name}Id`)

/** A filter on `id` holds indexes among the customers of the run; `withIds` makes them ids. */
const filter = fc.oneof(
  { weight: 1, arbitrary: filters(['id'], numberOperators, fc.integer({ min: -1, max: 30 })) },
  { weight: 4, arbitrary: filters(textFields, textOperators, needle) },
  { weight: 1, arbitrary: filters(['phone'], textOperators, fc.oneof(phone, fc.constantFrom(...phoneParts))) },
  { weight: 1, arbitrary: filters(['email'], textOperators, fc.oneof(email, needle)) },
  { weight: 1, arbitrary: filters(['userId'], textOperators, fc.oneof(fc.constantFrom(...userIds), fc.constantFrom(1, 9_007_199_254_740_991), needle)) },
  { weight: 1, arbitrary: filters(['createdFrom'], textOperators, fc.oneof(createdFrom, needle)) },
  { weight: 2, arbitrary: filters([...channelFields, 'integrationId'], textOperators, integrationId) },
  { weight: 1, arbitrary: filters(['device.platform', 'device.timezone'], textOperators, fc.oneof(timezone, fc.constantFrom('desktop', 'Mobile', 'mob'))) },
  { weight: 1, arbitrary: filters(['unsubscribed', 'blocked'], booleanOperators, fc.boolean()) },
  { weight: 2, arbitrary: filters(['tags', 'tagsData'], tagOperators, tagValue) },
  { weight: 3, arbitrary: filters(['firstSeen', 'lastSeen'], numberOperators, dateValue) },
  { weight: 1, arbitrary: filters(['createdAt', 'updatedAt'], numberOperators, storedDate) },
  { weight: 2, arbitrary: filters(namesOfType('text'), textOperators, needle) },
  { weight: 2, arbitrary: filters(namesOfType('number'), numberOperators, attributeNumber) },
  { weight: 1, arbitrary: filters(namesOfType('boolean'), booleanOperators, fc.boolean()) },
  { weight: 2, arbitrary: eventFilter },
  { weight: 3, arbitrary: filters(['text'], ['~', '!~'], fc.oneof(needle, fc.constantFrom(...phoneParts), fc.constantFrom(...userIds))) }
)

function group(levels: number): fc.Arbitrary<GroupBody> {
  const item = levels === 0 ? filter : fc.oneof({ weight: 3, arbitrary: filter }, { weight: 2, arbitrary: group(levels - 1) })
  return fc.record({
    comparison: fc.constantFrom('AND', 'OR', 'and', 'Or'),
    not: fc.boolean(),
    filter: fc.array(item, { maxLength: 3, size: 'max' })
  }, { requiredKeys: ['filter'] })
}

function countFilters({ filter: items = [] }: GroupBody): number {
  return items.reduce((sum, item) => sum + ('field' in item ? 1 : countFilters(item)), 0)
}

const scalarFields = [
  ...textFields, ...channelFields, 'id', 'email', 'userId', 'phone', 'createdFrom', 'integrationId', 'device.platform', 'device.timezone',
  'unsubscribed', 'blocked', 'firstSeen', 'lastSeen', 'createdAt', 'updatedAt'
]
const sort = fc.oneof(
  { weight: 3, arbitrary: prefixed(scalarFields) },
  { weight: 1, arbitrary: prefixed(Object.keys(attributes).map((name) => `customData.${name}`)) },
  { weight: 1, arbitrary: fc.constantFrom('customers.firstSeen', 'customer.lastSeen') }
)

const paging = fc.record({
  sort,
  order: fc.constantFrom('asc', 'desc', 'ASC', 'Desc'),
  limit: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constantFrom(100, 101, 9_007_199_254_740_991)),
  // Beyond the last match most often the page is empty, and tells little.
  offset: fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 0, max: 8 }) }, { weight: 1, arbitrary: fc.constantFrom(100, 5_000, 9_007_199_254_740_991) })
}, { requiredKeys: [] })

/** One or two filters most often, since many leave nobody; and groups of groups down to the last level. */
const question: fc.Arbitrary<GroupBody> = fc.oneof(
  { weight: 2, arbitrary: group(0) },
  { weight: 2, arbitrary: group(5).filter((one) => countFilters(one) <= 50) },
  { weight: 4, arbitrary: fc.record({ filter: fc.array(filter, { minLength: 1, maxLength: 1 }) }) },
  { weight: 1, arbitrary: fc.constant({}) }
)

export const search: fc.Arbitrary<SearchBody> = fc.tuple(question, paging).map(([asked, page]) => ({ ...asked, ...page }))

export function withIds<Body extends GroupBody>(body: Body, ids: readonly number[]): Body {
  const [first = 1] = ids
  const idOf = (index: number): number => ids[index] ?? first + index
  return {
    ...body,
    ...(body.filter === undefined ? {} : {
      filter: body.filter.map((one) => {
        if (!('field' in one)) return withIds(one, ids)
        if (!/^(?:customers\.)?id$/.test(one.field)) return one
        return { ...one, value: Array.isArray(one.value) ? one.value.map(idOf) : idOf(Number(one.value)) }
      })
    })
  }
}

/** What happens to customers before they are searched for; `of` says to which, counted round. */
const happening = fc.record({
  of: fc.nat(),
  what: fc.oneof(
    fc.record({ type: fc.constantFrom('patch' as const, 'put' as const), body: draft }),
    fc.record({ type: fc.constantFrom('tag' as const, 'untag' as const), tags: fc.array(tag, { maxLength: 3 }) }),
    fc.record({ type: fc.constant('event' as const), name: fc.constantFrom(...eventNames), createdAt: date }),
    fc.record({ type: fc.constant('delete' as const) })
  )
})

export const happenings = fc.array(happening, { maxLength: 24, size: 'max' })
