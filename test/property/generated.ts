import fc from 'fast-check'
import type { FilterBody, SearchBody } from './in-memory-search.ts'

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

const date = fc.oneof(fc.constantFrom(0, 1, 2, 3, 10, 100, 253_402_300_799), fc.integer({ min: 0, max: 253_402_300_799 }))
const maybeDate = fc.option(date, { freq: 4 })

const userIds = ['u1', 'U1', 'u10', '1', '01', 'ß', 'SS', '%', '_', "'", ' ', '\u{1F600}', '\u00e9', 'e\u0301', '9007199254740991']
const channelNames = ['telegram', 'facebook', 'instagram', 'viber', 'whatsapp']
const createdFrom = fc.oneof(
  fc.constantFrom(...channelNames),
  fc.constantFrom('telegram_bot', 'telegramx', 'telegram_', 'Telegram', 'telegram%', '_telegram', 'whatsapp_business', 'web', 'iOS', 'android', '')
)
const integrationId = fc.constantFrom('', '0', '1', 'A', 'a', 'aA', 'É', 'é', '%', '_')
const tagNames = ['Lead', 'lead', 'VIP', "it's", '\u{1F600}', '%', 'É', 'é', '"', 'a,b']
const tag = fc.oneof(
  fc.constantFrom(...tagNames),
  fc.record({ name: fc.constantFrom(...tagNames), color: fc.constantFrom('red', '#fff', '#c377e0', 'rgb(1 2 3)') }, { requiredKeys: ['name'] })
)

/** Each attribute has one type, since an organization's attributes do. */
const attributes = fc.record({
  plan: fc.option(text), seats: fc.option(fc.constantFrom(0, -1, 1.5, 9_007_199_254_740_991)), trial: fc.option(fc.boolean()),
  toString: fc.option(text), '10': fc.option(fc.constantFrom(0, 1)), '%': fc.option(fc.boolean()),
  '0': fc.option(fc.boolean()), '2024': fc.option(text)
}, { requiredKeys: [] })

/** As a list too, since an object of ours has names such as `2024` before all others. */
const customData = fc.oneof(attributes, attributes.chain((given) => {
  const list = Object.entries(given).map(([property, value]) => ({ property, value }))
  return fc.shuffledSubarray(list, { minLength: list.length })
}))

const locationDraft = fc.record({ city: maybeText, countryCode: maybeText, regionCode: maybeText }, { requiredKeys: [] })

/** What may be sent to create or change a customer; userIds come from few, so that they are fought over. */
export const draft = fc.record({
  name: maybeText, email: fc.option(email), userId: fc.option(fc.constantFrom(...userIds)), company: maybeText, phone: maybeText,
  firstSeen: maybeDate, lastSeen: maybeDate, location: fc.option(locationDraft), city: maybeText,
  device: fc.option(fc.record({ id: fc.nat(), ip: maybeText, platform: fc.constantFrom('desktop', 'mobile', null), userAgent: maybeText }, { requiredKeys: [] })),
  unsubscribed: fc.boolean(), blocked: fc.boolean(), source: maybeText, referer: maybeText, lastPage: maybeText, locale: maybeText,
  createdFrom: fc.option(createdFrom), integrationId: fc.option(integrationId), notes: maybeText,
  tags: fc.option(fc.array(tag, { maxLength: 4 })), customData: fc.option(customData)
}, { requiredKeys: [] })

const needle = fc.oneof({ weight: 2, arbitrary: text }, { weight: 1, arbitrary: fc.constantFrom(...pieces) })

const textOperators = ['=', '!=', '~', '!~']
const numberOperators = ['=', '!=', '>', '<', '>=', '<=']

function filters(fields: readonly string[], operators: readonly string[], value: fc.Arbitrary<FilterBody['value']>): fc.Arbitrary<FilterBody> {
  return fc.record({ field: fc.constantFrom(...fields).map((name) => `customers.${name}`), operator: fc.constantFrom(...operators), value })
}

const dateValue = fc.oneof(date, date.map(String), date.map((seconds) => (seconds < 1_000 ? seconds + 0.5 : seconds)))

export const drafts = fc.oneof(
  { weight: 1, arbitrary: fc.array(draft, { maxLength: 3 }) },
  { weight: 4, arbitrary: fc.array(draft, { minLength: 12, maxLength: 30, size: 'max' }) }
)

/** A filter on `customers.id` holds an index among the customers of the run; `withIds` makes it an id. */
const filter = fc.oneof(
  { weight: 1, arbitrary: filters(['id'], numberOperators, fc.integer({ min: -1, max: 30 })) },
  { weight: 4, arbitrary: filters(['name', 'company', 'phone', 'countryCode', 'city', 'regionCode'], textOperators, needle) },
  { weight: 1, arbitrary: filters(['email'], textOperators, fc.oneof(email, needle)) },
  { weight: 1, arbitrary: filters(['userId'], textOperators, fc.oneof(fc.constantFrom(...userIds), fc.constantFrom(1, 9_007_199_254_740_991), needle)) },
  { weight: 2, arbitrary: filters(channelNames.map((name) => `${name}Id`), textOperators, integrationId) },
  { weight: 2, arbitrary: filters(['tagsData'], ['='], fc.array(fc.oneof(
    fc.constantFrom(...tagNames, 'nobody has it'), fc.constantFrom(...tagNames).map((name) => ({ name }))), { minLength: 1, maxLength: 3 })) },
  { weight: 3, arbitrary: filters(['firstSeen', 'lastSeen'], numberOperators, dateValue) },
  // Far from now, so that the second at which a customer was stored does not matter.
  { weight: 1, arbitrary: filters(['createdAt'], numberOperators, fc.constantFrom(0, 1_000_000_000, '1000000000', 253_402_300_799)) }
)

export const search: fc.Arbitrary<SearchBody> = fc.record({
  comparison: fc.constantFrom('AND', 'OR', 'and', 'Or'),
  filter: fc.array(filter, { maxLength: 3, size: 'max' }),
  sort: fc.constantFrom('customers.firstSeen', 'customers.lastSeen', 'customer.lastSeen', 'firstSeen', 'lastSeen'),
  order: fc.constantFrom('asc', 'desc', 'ASC', 'Desc'),
  limit: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constantFrom(100, 101, 9_007_199_254_740_991)),
  offset: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 8 }) }, { weight: 1, arbitrary: fc.constantFrom(100, 5_000, 9_007_199_254_740_991) })
}, { requiredKeys: [] })

export function withIds(body: SearchBody, ids: readonly number[]): SearchBody {
  if (body.filter === undefined) return body
  const [first = 1] = ids
  return {
    ...body,
    filter: body.filter.map((one) => (one.field === 'customers.id' ? { ...one, value: ids[Number(one.value)] ?? first + Number(one.value) } : one))
  }
}

/** What happens to customers before they are searched for; `of` says to which, counted round. */
const happening = fc.record({
  of: fc.nat(),
  what: fc.oneof(
    fc.record({ type: fc.constantFrom('patch' as const, 'put' as const), body: draft }),
    fc.record({ type: fc.constantFrom('tag' as const, 'untag' as const), tags: fc.array(tag, { maxLength: 3 }) }),
    fc.record({ type: fc.constant('delete' as const) })
  )
})

export const happenings = fc.array(happening, { maxLength: 12, size: 'max' })
