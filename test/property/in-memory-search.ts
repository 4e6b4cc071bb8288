import type { Customer } from '../../src/contract/customer.ts'

/** A search as the contract defines it, over a plain list; nothing of it is taken from `src/`. */

export interface SearchBody {
  readonly comparison?: string
  readonly filter?: readonly FilterBody[]
  readonly sort?: string
  readonly order?: string
  readonly limit?: number
  readonly offset?: number
}

export interface FilterBody {
  readonly field: string
  readonly operator: string
  readonly value: string | number | readonly (string | { readonly name: string })[]
}

export interface Kept {
  readonly customer: Customer
  /** UNIX seconds at which the server stored the customer. */
  readonly createdAt: number
}

export function searchInMemory(all: readonly Kept[], body: SearchBody): { data: Customer[]; total: number } {
  const { comparison = 'AND', filter = [], sort = 'customers.firstSeen', order = 'asc', limit = 100, offset = 0 } = body
  const matches = all.filter((kept) => {
    if (filter.length === 0) return true
    const answers = filter.map((one) => matchesFilter(kept, one))
    return comparison.toUpperCase() === 'AND' ? answers.every(Boolean) : answers.some(Boolean)
  })
  const field = sort.endsWith('lastSeen') ? 'lastSeen' : 'firstSeen'
  const direction = order.toLowerCase() === 'asc' ? 1 : -1
  const sorted = matches.map(({ customer }) => customer).toSorted((one, other) => {
    const [a, b] = [one[field], other[field]]
    if (a === null && b !== null) return 1
    if (b === null && a !== null) return -1
    return direction * (Number(a) - Number(b) || one.id - other.id)
  })
  return { data: sorted.slice(offset, offset + Math.min(limit, 100)), total: matches.length }
}

const channels: Record<string, string> = {
  telegramId: 'telegram', facebookId: 'facebook', instagramId: 'instagram', viberId: 'viber', whatsappId: 'whatsapp'
}

function matchesFilter({ customer, createdAt }: Kept, { field, operator, value }: FilterBody): boolean {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const name = field.replace('customers.', '')
  const channel = channels[name]
  if (channel !== undefined) {
    const { createdFrom, integrationId } = customer
    const isFromThere = createdFrom === channel || createdFrom?.startsWith(`${channel}_`) === true
    return matchesExact(isFromThere ? integrationId : null, { operator, value: text })
  }
  switch (name) {
    case 'id': return matchesNumber(customer.id, { operator, value: Number(value) })
    case 'createdAt': return matchesNumber(createdAt, { operator, value: Math.floor(Number(value)) })
    case 'firstSeen': case 'lastSeen': {
      const date = customer[name]
      return matchesNumber(date === null ? null : Number(date), { operator, value: Math.floor(Number(value)) })
    }
    case 'userId': return matchesExact(customer.userId, { operator, value: text })
    case 'countryCode': case 'city': case 'regionCode': return matchesText(customer.location[name], { operator, value: text })
    case 'name': case 'email': case 'company': case 'phone': return matchesText(customer[name], { operator, value: text })
    case 'tagsData': {
      const names = (value as readonly (string | { readonly name: string })[]).map((tag) => (typeof tag === 'string' ? tag : tag.name))
      return names.every((wanted) => customer.tags.some((tag) => tag.name === wanted))
    }
    default: throw new Error(`The contract knows no field ${field}`)
  }
}

function matchesNumber(is: number | null, { operator, value }: { operator: string; value: number }): boolean {
  if (is === null) return operator === '!='
  switch (operator) {
    case '=': return is === value
    case '!=': return is !== value
    case '>': return is > value
    case '<': return is < value
    case '>=': return is >= value
    default: return is <= value
  }
}

/** The contract: folding is what the flags `iu` do. */
function matchesText(is: string | null, { operator, value }: { operator: string; value: string }): boolean {
  const escaped = value.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
  const isNegated = operator.startsWith('!')
  const pattern = operator.endsWith('~') ? new RegExp(escaped, 'iu') : new RegExp(`^(?:${escaped})$`, 'iu')
  return is === null ? isNegated : pattern.test(is) !== isNegated
}

function matchesExact(is: string | null, { operator, value }: { operator: string; value: string }): boolean {
  const isNegated = operator.startsWith('!')
  if (is === null) return isNegated
  return (operator.endsWith('~') ? is.includes(value) : is === value) !== isNegated
}
