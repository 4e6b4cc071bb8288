import type { Customer } from '../../src/contract/customer.ts'

/** A customer, and what is known besides. Times are UNIX seconds. */
export type Kept = { customer: Customer; createdAt: number; updatedAt: number; events: readonly { name: string; createdAt: number }[] }
export type FilterBody = { field: string; operator: string; value?: unknown; since?: unknown; until?: unknown }
export type GroupBody = { comparison?: string; not?: boolean; filter?: readonly (FilterBody | GroupBody)[] }
export type SearchBody = GroupBody & { sort?: string; order?: string; limit?: number; offset?: number }

/** What a search is: the page and the total that it finds among all customers. Nothing here is taken from `src/` but a type. */
export function searchInMemory(all: readonly Kept[], body: SearchBody, now: number): { data: Customer[]; total: number } {
  const { sort, order = 'asc', limit = 100, offset = 0 } = body
  const [needle] = sort === undefined ? needlesOf(body) : []
  const direction = needle === undefined && order.toLowerCase() === 'desc' ? -1 : 1
  const keys = (kept: Kept) => (needle === undefined ? valuesOf(kept, { field: sort ?? 'firstSeen' }, now) : [rank(kept.customer, needle)])
  const found = all.filter((kept) => passes(kept, body, now)).map((kept) => ({ ...kept, key: keys(kept)[0] })).toSorted((a, b) =>
    Number(a.key === undefined) - Number(b.key === undefined) || direction * (compare(a.key ?? 0, b.key ?? 0) || a.customer.id - b.customer.id))
  return { data: found.slice(offset, offset + Math.min(limit, 100)).map(({ customer }) => customer), total: found.length }
}

/** The texts looked for in any field, in reading order and not negated: the first ranks a search without a sort. */
const needlesOf = ({ not = false, filter = [] }: GroupBody): string[] => (not ? [] : filter.flatMap((one) =>
  ('field' in one ? (nameOf(one) === 'text' && one.operator === '~' ? String(one.value) : []) : needlesOf(one))))

function passes(kept: Kept, asked: FilterBody | GroupBody, now: number): boolean {
  if (!('field' in asked)) {
    const { comparison = 'AND', not = false, filter = [] } = asked
    const quantifier = comparison.toUpperCase() === 'OR' && filter.length > 0 ? 'some' : 'every'
    return filter[quantifier]((one) => passes(kept, one, now)) !== not
  }
  const operator = asked.operator === 'none' ? 'any' : asked.operator.replace('!', '')
  if (operator !== asked.operator) return !passes(kept, { ...asked, operator }, now)
  const name = nameOf(asked)
  if (name === 'text') return rank(kept.customer, String(asked.value)) < 3
  const is = valuesOf(kept, asked, now)
  const wanted = [asked.value].flat().flatMap((value) => comparable(name, value, now))
  const [first = 0, last = 0] = wanted
  switch (operator) {
    case 'empty': return is.every((value) => value === '')
    case '=': case 'all': return wanted.every((value) => is.includes(value))
    case 'in': case 'any': return wanted.some((value) => is.includes(value))
    case '>': return is.some((value) => value > first)
    case '<': return is.some((value) => value < first)
    case '>=': return is.some((value) => value >= first)
    case '<=': return is.some((value) => value <= first)
    case 'between': return is.some((value) => value >= first && value <= last)
    case '~': return is.some((value) => String(value).includes(String(first)))
    case '^': return is.some((value) => String(value).startsWith(String(first)))
    case '$': return is.some((value) => String(value).endsWith(String(first)))
    default: throw new Error(`There is no operator ${operator}`)
  }
}

const nameOf = ({ field }: { field: string }): string => field.replace(/^customers?\./, '').replace(/^tagsData$/, 'tags')
const channels = ['telegram', 'facebook', 'instagram', 'viber', 'whatsapp']

/** The values of a field as they compare: none when the customer lacks it, several of tags. */
function valuesOf({ customer, createdAt, updatedAt, events }: Kept, asked: Partial<FilterBody> & { field: string }, now: number): (string | number)[] {
  const name = nameOf(asked)
  const [since, until] = [asked.since ?? 0, asked.until ?? Infinity].flatMap((date) => comparable('firstSeen', date, now))
  const counted = events.filter((event) => `events.${event.name}` === name && event.createdAt >= Number(since) && event.createdAt <= Number(until))
  const values = new Map<string, unknown>([
    ...Object.entries({ ...customer, ...customer.location, createdAt, updatedAt }),
    ...Object.entries(customer.device ?? {}).map(([part, value]) => [`device.${part}`, value] as const),
    ...Object.entries(customer.customData).map(([attribute, value]) => [`customData.${attribute}`, value] as const),
    ...channels.map((channel) => [`${channel}Id`, `${customer.createdFrom}_`.startsWith(`${channel}_`) ? customer.integrationId : null] as const)
  ])
  return [name.startsWith('events.') ? counted.length : values.get(name)].flat().flatMap((value) => comparable(name, value, now))
}

function comparable(name: string, value: unknown, now: number): (string | number)[] {
  if (typeof value === 'object' && value !== null && 'name' in value) return [String(value.name)]
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return []
  if (/^(?:firstSeen|lastSeen|createdAt|updatedAt)$/.test(name)) {
    const [relative, count = 0, unit = 's'] = /^(?:now|(-\d+)([smhdw]))$/.exec(String(value)) ?? []
    const seconds = Number(count) * ({ s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }[unit] ?? 0)
    return [relative === undefined ? Math.floor(Number(value)) : Math.max(0, now + seconds)]
  }
  if (name === 'id' || (typeof value !== 'string' && name !== 'userId')) return [Number(value)]
  return [/^tags$|^(?:user|integration|telegram|facebook|instagram|viber|whatsapp)Id$/.test(name) ? String(value) : fold(String(value))]
}

/** Of the letters that the regular-expression flags `iu` hold for the same, one stands for all: the lower-case one, but in Cherokee. */
const fold = (text: string): string => text.replace(/\p{Changes_When_Casemapped}/gu, (letter) => {
  const others = ['ﬆ', '\u0390', '\u03b0', letter.toUpperCase().toLowerCase(), letter.toLowerCase()]
  return (/\p{Script=Cherokee}/u.test(letter) ? [letter.toUpperCase()] : others).find((other) => new RegExp(`^${letter}$`, 'iu').test(other)) ?? letter
})

/** Where a text is: the whole of a field (0), the start of one (1), inside (2), nowhere (3). What may be of a phone compares with phones by digits. */
function rank(customer: Customer, text: string): number {
  const isOfPhone = /^[\d\s\p{Pd}\p{Cf}\u2212+()./]*$/u.test(text) && text.replace(/\D/g, '').length >= 3
  return Math.min(3, ...(['name', 'email', 'company', 'phone', 'userId'] as const).filter((field) => customer[field] !== null).map((field) => {
    const form = field === 'phone' && isOfPhone ? (given: string) => given.replace(/\D/g, '') : fold
    const [is, needle] = [form(customer[field] ?? ''), form(text)]
    return is === needle ? 0 : is.startsWith(needle) ? 1 : is.includes(needle) ? 2 : 3
  }))
}

const compare = (a: string | number, b: string | number): number => // Text by code points.
  (typeof a === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(String(b))) : a - Number(b))
