import fc from 'fast-check'
import { Value } from 'typebox/value'
import { describe, expect, test } from 'vitest'
import type { Command, RecordEventCommand } from '../../src/command.ts'
import { parseBatch, parseCreate, parseEvent, parseTags, parseUpdate } from '../../src/command.ts'
import { schemas } from '../../src/contract/schemas.ts'
import type { CustomerDraft } from '../../src/contract/customer.ts'
import type { ScalarFieldName } from '../../src/contract/search.ts'
import { scalarFields } from '../../src/contract/search.ts'
import type { TagDraft } from '../../src/contract/tag.ts'
import type { Customer } from '../../src/customer.ts'
import { emptyCustomer, parseCustomer, renderCustomer } from '../../src/customer.ts'
import { decide } from '../../src/decide.ts'
import { ApiError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import { parseList, parseSearch } from '../../src/parse-search.ts'
import { defaultColor } from '../../src/tag-color.ts'
import { acceptedBy } from './from-schema.ts'
import { draft } from './generated.ts'

const attributes = new Map()
const options = { attributes, strictAttributes: false }
const context = { now: 1_700_000_000, newId: 1, userIdHolders: new Map(), tagColors: new Map(), attributeTypes: new Map(), stored: new Map(), tagsVersion: 0 }
const searchContext = { organizationId: 1, attributes: new Map([['plan', 'text'], ['seats', 'number']] as const), cursorSecret: Buffer.from('secret'), now: context.now }

function created(body: unknown): Customer {
  const [customer] = decide(parseCreate(body, options).command, new Map(), context).flatMap(({ after }) => after ?? [])
  if (customer === undefined) throw new Error('Nobody was created')
  return customer
}

function updated(type: 'patch' | 'replace', before: Customer, body: unknown): { after: Customer; isChanged: boolean } {
  const decisions = decide(parseUpdate(body, { ...options, type, id: before.id }).command, new Map([[before.id, before]]), {
    ...context, tagColors: new Map(before.tags.map(({ name, color }) => [name, color]))
  })
  const after = decisions.at(-1)?.after
  if (after === undefined || after === null) throw new Error('No customer was answered')
  return { after, isChanged: decisions.some(({ change }) => change !== null) }
}

function json(customer: Customer): string {
  return renderCustomer(customer)
}

/** A customer as any JSON parser reads it, which may know no order. */
function plainly(customer: Customer): unknown {
  return JSON.parse(JSON.stringify({ ...customer, customData: Object.fromEntries(customer.customData) }))
}

describe('a draft', () => {
  test('becomes a customer whose JSON, sent back by PATCH or PUT, changes nothing', () => {
    fc.assert(fc.property(draft, fc.constantFrom('patch' as const, 'replace' as const), (body, type) => {
      const customer = created(body)
      const sent = json(customer)

      expect(parseCustomer(sent)).toEqual(customer)
      expect(json(parseCustomer(sent))).toBe(sent)
      expect(JSON.parse(sent)).toEqual(plainly(customer))
      expect(updated(type, customer, JSON.parse(sent))).toEqual({ after: customer, isChanged: false })
    }), { numRuns: 500 })
  })

  test('applied twice is applied once', () => {
    fc.assert(fc.property(draft, draft, fc.constantFrom('patch' as const, 'replace' as const), (first, second, type) => {
      const once = updated(type, created(first), second).after

      expect(updated(type, once, second)).toEqual({ after: once, isChanged: false })
      expect(json(updated(type, once, second).after)).toBe(json(once))
    }), { numRuns: 500 })
  })

  test('changes exactly the fields that differ, and the change takes the customer there and back', () => {
    fc.assert(fc.property(draft, draft, fc.constantFrom('patch' as const, 'replace' as const), (first, second, type) => {
      const before = created(first)
      const { command } = parseUpdate(second, { ...options, type, id: 1 })
      const decisions = decide(command, new Map([[1, before]]), { ...context, tagColors: new Map(before.tags.map(({ name, color }) => [name, color])) })
      const { after, change } = decisions.at(-1) ?? { after: null, change: null }
      const named = (customer: Customer | null): object => ({ ...customer, tags: customer?.tags.map(({ name }) => name) })

      expect({ ...named(before), ...change?.after }).toEqual(named(after))
      expect({ ...named(after), ...change?.before }).toEqual(named(before))
    }), { numRuns: 500 })
  })
})

describe('whatever the strict schema accepts, parse accepts with the same meaning', () => {
  const check = { numRuns: 300 }

  test('CustomerDraft, as a creation', () => {
    fc.assert(fc.property(acceptedBy('CustomerDraft') as fc.Arbitrary<CustomerDraft>, (body) => {
      const present = Object.fromEntries(Object.entries(body).filter(([key, value]) => value !== null || key === 'firstSeen' || key === 'lastSeen'))

      expect(created(JSON.parse(JSON.stringify(body)))).toEqual(meaning(present, { ...emptyCustomer(1), firstSeen: '1700000000', lastSeen: '1700000000' }))
    }), check)
  })

  test('CustomerDraft, as a patch', () => {
    const before = { ...emptyCustomer(1), name: 'A', location: { regionCode: 'R', countryCode: 'C', city: 'T' }, customData: new Map([['plan', 'pro']]) }
    fc.assert(fc.property(acceptedBy('CustomerDraft') as fc.Arbitrary<CustomerDraft>, (body) => {
      expect(updated('patch', before, JSON.parse(JSON.stringify(body))).after).toEqual(meaning(body, before))
    }), check)
  })

  test('Batch', () => {
    fc.assert(fc.property(acceptedBy('Batch') as fc.Arbitrary<(CustomerDraft & { customer: number })[]>, (body) => {
      const { command, ignored } = parseBatch(withOneTypeEach(JSON.parse(JSON.stringify(body)) as Record<string, unknown>[]), options)

      expect(ignored).toEqual([])
      expect(command.type === 'batch' && command.items.map(({ id }) => id)).toEqual(body.map(({ customer }) => customer))
    }), check)
  })

  test('TagsDraft', () => {
    fc.assert(fc.property(acceptedBy('TagsDraft') as fc.Arbitrary<{ tags: TagDraft[] }>, (body) => {
      const tags = [...new Map(body.tags.map((tag) => [tag.name, tag])).values()]

      expect(parseTags(body, { type: 'tag', id: 1 })).toEqual({ command: { type: 'tag', id: 1, tags }, ignored: [] })
      expect(parseTags(body, { type: 'untag', id: 1 })).toEqual({ command: { type: 'untag', id: 1, names: tags.map(({ name }) => name) }, ignored: [] })
    }), check)
  })

  test('EventDraft', () => {
    fc.assert(fc.property(acceptedBy('EventDraft') as fc.Arbitrary<Omit<RecordEventCommand, 'type' | 'customerId' | 'data'> & { data?: RecordEventCommand['data']; customer: number }>, (body) => {
      fc.pre(JSON.stringify(body.data ?? {}).length < limits.eventDataBytesMax && hasSafeNumbers(body.data ?? {}))
      const { customer, data = {}, ...rest } = body

      expect(parseEvent(body)).toEqual({ command: { type: 'recordEvent', customerId: customer, data, ...rest }, ignored: [] })
    }), check)
  })

  test('CustomerSearch without filters, and as a list', () => {
    fc.assert(fc.property(acceptedBy('CustomerSearch') as fc.Arbitrary<Record<string, unknown>>, ({ filter: _filter, comparison = 'AND', not = false, total = true, explain = false, cursor, ...page }) => {
      const { sort = 'customers.firstSeen', order = 'asc', limit = 100, offset = 0, fields = null } = page
      const name = String(sort).replace('customers.', '')
      const attribute = name.startsWith('customData.') ? name.slice('customData.'.length) : undefined
      const searched = { ...searchContext, attributes: new Map(attribute === undefined ? [] : [[attribute, 'text' as const]]) }
      // A walk begins with an empty cursor and has no offset.
      const isWalk = cursor !== undefined && page.offset === undefined
      const body = isWalk ? { ...page, cursor: '' } : page
      const meant = {
        sort: attribute === undefined ? { by: isText(name) ? 'text' : 'number', field: { name } } : { by: 'text', field: { attribute } },
        order, limit: Math.min(Number(limit), isWalk ? 1_000 : 100), offset, after: null
      }
      const others = { fields: fields && new Set(fields as string[]), seal: expect.anything() as unknown, now: searched.now, ignored: [] }
      const everyone = { type: 'group', filters: [] }

      expect(parseSearch({ comparison, not, total, explain, ...body }, searched))
        .toEqual({ search: { ...meant, filter: { ...everyone, comparison, isNegated: not }, wantsTotal: total, wantsExplanation: explain }, ...others })
      expect(parseList(Object.fromEntries(Object.entries(body).map(([key, value]) => [key, String(value)])), searched))
        .toEqual({ search: { ...meant, filter: { ...everyone, comparison: 'AND', isNegated: false }, wantsTotal: true, wantsExplanation: false }, ...others })
    }), check)
  })
})

function isText(name: string): boolean {
  return scalarFields[name as ScalarFieldName].type === 'text'
}

/** What a strict draft makes of a customer, as the contract says; the plainest way to write it down. */
function meaning(body: CustomerDraft, before: Customer): Customer {
  const sent = JSON.parse(JSON.stringify(body)) as CustomerDraft
  const { location, device, tags, customData, firstSeen, lastSeen, email, userId, ...plain } = sent
  const date = (value: string | number | null): string | null => (value === null ? null : String(Number(value)))
  const kept = new Map(before.customData)
  for (const [name, value] of Object.entries(customData ?? {})) {
    if (value === null) kept.delete(name)
    else kept.set(name, value)
  }
  const noLocation = { regionCode: null, countryCode: null, city: null }
  return {
    ...before,
    ...plain,
    email: email === undefined ? before.email : email === '' ? null : email,
    userId: userId === undefined ? before.userId : userId === '' ? null : userId,
    firstSeen: firstSeen === undefined ? before.firstSeen : date(firstSeen),
    lastSeen: lastSeen === undefined ? before.lastSeen : date(lastSeen),
    location: location === null ? noLocation : { ...before.location, ...location },
    device: device === undefined ? before.device
      : device && { id: device.id ?? before.id, ip: device.ip ?? null, timezone: device.timezone ?? null, platform: device.platform ?? null, userAgent: device.userAgent ?? null },
    tags: tags === undefined ? before.tags
      // The type of a reference says nothing of what it refers to.
      : [...new Map((tags as TagDraft[]).map(({ name, color = defaultColor }) => [name, { name, color }])).values()],
    customData: kept
  }
}

/** Items of a batch meet in one organization, whose attributes have one type each. */
function withOneTypeEach(items: Record<string, unknown>[]): Record<string, unknown>[] {
  return items.map((item, index) => ('customData' in item ? {
    ...item, customData: Object.fromEntries(Object.entries(item.customData as object).map(([name, value]) => [`${index}${name}`.slice(0, 255), value]))
  } : item))
}

function hasSafeNumbers(value: unknown): boolean {
  if (typeof value === 'number') return Math.abs(value) <= limits.integerMax
  return typeof value !== 'object' || value === null || Object.values(value).every(hasSafeNumbers)
}

/** What has surprised parsers: each takes the place of some part of a body that was valid. */
const surprise = fc.oneof(
  fc.constantFrom<unknown>(
    null, true, false, 0, -0, -1, 1.5, 2 ** 53, 1e308, Infinity, -Infinity, '', '0', '-1', '1e3', 'NaN', '0x10', ' 1', '1'.repeat(30), '1.', '.5',
    '\0', '\ud800', '\udc00x', 'a@b', '@', '__proto__', 'constructor', 'toString', 'x'.repeat(70_000), [], {}, [[]], [null], [{}], [''], { '': '' },
    JSON.parse('{"__proto__":1}'), JSON.parse('{"constructor":{"prototype":1}}'), { name: null }, { property: 'a' }, { name: 'a', value: 1 },
    [{ property: 'a', value: [] }], [{ property: 'a', name: 'b', value: 1 }], { length: 3 }, Array.from({ length: 1_001 }, (_, index) => `t${index}`),
    Object.fromEntries(Array.from({ length: 501 }, (_, index) => [`a${index}`, index]))
  ),
  fc.jsonValue()
)

/** A valid body of which some part was replaced, or that got a key. */
function mangled(valid: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(valid, fc.array(fc.tuple(fc.array(fc.nat(), { maxLength: 4 }), surprise), { minLength: 1, maxLength: 3 }))
    .map(([body, mutations]) => mutations.reduce<unknown>((value, [path, replacement]) => replaced(value, path, replacement), structuredClone(body)))
}

function replaced(value: unknown, [step, ...rest]: readonly number[], replacement: unknown): unknown {
  if (step === undefined || typeof value !== 'object' || value === null) return replacement
  if (Array.isArray(value)) {
    const place = step % (value.length + 1)
    return [...value.slice(0, place), replaced(value[place], rest, replacement), ...value.slice(place + 1)]
  }
  const keys = [...Object.keys(value), '__proto__', 'constructor', 'extra', 'city', 'name', 'value', 'tags', 'customData', 'device', 'location', 'userId', 'firstSeen', 'filter', 'not', 'cursor', 'sort', 'since']
  const key = keys[step % keys.length] ?? ''
  const entries = new Map(Object.entries(value))
  return Object.fromEntries(entries.set(key, replaced(entries.get(key), rest, replacement)))
}

describe('whatever is sent, parse takes it or names what is wrong', () => {
  const parsers: [name: string, schema: string, parse: (body: unknown) => unknown][] = [
    ['parseCreate', 'CustomerDraft', (body) => parseCreate(body, options).command],
    ['parseUpdate', 'CustomerDraft', (body) => parseUpdate(body, { ...options, type: 'patch', id: 1 }).command],
    ['parseBatch', 'Batch', (body) => parseBatch(body, options).command],
    ['parseTags', 'TagsDraft', (body) => parseTags(body, { type: 'tag', id: 1 }).command],
    ['parseEvent', 'EventDraft', (body) => parseEvent(body).command],
    ['parseSearch', 'CustomerSearch', (body) => parseSearch(body, searchContext).search],
    ['parseList', 'ListQuery', (body) => parseList(Object(body) as Record<string, unknown>, searchContext).search]
  ]

  test.each(parsers)('%s', (_name, schema, parse) => {
    const valid = schema === 'ListQuery' ? fc.record({ sort: fc.constant('firstSeen'), order: fc.constant('asc'), limit: fc.constant('5'), cursor: fc.constant(''), fields: fc.constant('id,email') }) : acceptedBy(schema)
    fc.assert(fc.property(fc.oneof(surprise, mangled(valid)), (body) => {
      const outcome = attempt(() => parse(body))
      if (!('error' in outcome)) return
      expect(outcome.error).toBeInstanceOf(ApiError)
      const { code, faults } = outcome.error as ApiError
      expect(code).toBe('invalid_request')
      expect(faults.length).toBeGreaterThan(0)
      for (const { path, message } of faults) expect([path, message]).toEqual([expect.stringMatching(/./s), expect.stringMatching(/./s)])
    }), { numRuns: 1_500 })
  })

  test('and what a creation takes becomes a customer of the documented shape', () => {
    const references = Object.fromEntries(schemas.map((schema) => [schema.$id ?? '', schema]))
    const Customer = references.Customer ?? {}
    fc.assert(fc.property(mangled(acceptedBy('CustomerDraft')), (body) => {
      const outcome = attempt(() => parseCreate(body, options).command)
      fc.pre('value' in outcome)
      const customer = decided(outcome.value)
      const parsed: unknown = JSON.parse(json(customer))

      expect(parsed).toEqual(plainly(customer))
      expect(Value.Errors(references, Customer, parsed)).toEqual([])
      expect(JSON.stringify(parsed).isWellFormed() && !JSON.stringify(parsed).includes('\\u0000')).toBe(true)
    }), { numRuns: 500 })
  })
})

function decided(command: Command): Customer {
  const [customer] = decide(command, new Map(), context).flatMap(({ after }) => after ?? [])
  if (customer === undefined) throw new Error('Nobody was created')
  return customer
}

function attempt<Value>(work: () => Value): { value: Value } | { error: unknown } {
  try {
    return { value: work() }
  } catch (error) {
    return { error }
  }
}
