import fc from 'fast-check'
import { expect, test } from 'vitest'
import { foldCase } from '../case-folding.ts'
import type { AttributeValue } from '../contract/customer.ts'
import { emptyCustomer } from '../customer.ts'
import { searchTookTooLong } from '../errors.ts'
import type { CustomerSearch, Filter, Group, NumberTest, Position, ScalarField, Sort, TextTest } from '../search.ts'
import { digitsOf } from '../search.ts'
import type { FoundRows } from './customer-columns.ts'
import { CustomerColumns } from './customer-columns.ts'
import type { IndexedCustomer } from './customer-fields.ts'
import { Deadline } from './deadline.ts'
import type { DatabaseIndexes } from './page-scope.ts'

interface Stored extends IndexedCustomer {
  readonly events: { name: string; createdAt: number }[]
}

/** What a search means, said as plainly as can be. */
class PlainSearch {
  readonly customers = new Map<number, Stored>()

  find({ filter, sort, order, limit, offset, after }: CustomerSearch): { ids: number[]; total: number; next: Position | null } {
    const matches = [...this.customers.values()].filter((stored) => passes(stored, filter))
    const positions = matches.map((stored) => ({ id: stored.customer.id, value: sortValue(stored, sort) }))
    const compare = comparePositions(sort.by === 'rank' ? 'asc' : order)
    const sorted = positions.sort(compare)
    const behind = after === null ? sorted.slice(offset) : sorted.filter((position) => compare(position, after) > 0)
    const page = behind.slice(0, limit)
    return { ids: page.map(({ id }) => id), total: matches.length, next: behind.length > limit ? page.at(-1) ?? null : null }
  }

  /** What indexes of a database would tell if it had one of each field; none tells who has no value. */
  get indexes(): DatabaseIndexes {
    const stored = [...this.customers.values()]
    return {
      lookUp: (filter) => (filter.test.operator === 'empty' ? undefined : stored.filter((one) => passesPlainly(one, filter)).map(({ customer: { id } }) => id)),
      readerOf: (sort) => ({ order, after, max }) => {
        const compare = comparePositions(order)
        const valued = stored.map((one) => ({ id: one.customer.id, value: sortValue(one, sort) })).filter(({ value }) => value !== null).sort(compare)
        return valued.filter((position) => after === null || compare(position, after) > 0).slice(0, max).map(({ id }) => id)
      }
    }
  }
}

const comparePositions = (order: 'asc' | 'desc') => (one: Position, other: Position): number => {
  const sign = order === 'asc' ? 1 : -1
  if (one.value === null || other.value === null) {
    if (one.value !== other.value) return one.value === null ? 1 : -1
    return sign * (one.id - other.id)
  }
  return sign * (compareValues(one.value, other.value) || one.id - other.id)
}

function compareValues(one: string | number, other: string | number): number {
  if (typeof one === 'string' && typeof other === 'string') return Buffer.compare(Buffer.from(one), Buffer.from(other))
  return Number(one) - Number(other)
}

function sortValue(stored: Stored, sort: Sort): string | number | null {
  return sort.by === 'rank' ? rankOf(stored, sort.needle, sort.digits) : valueOf(stored, sort.field)
}

function rankOf(stored: Stored, needle: string, digits: string | null): number {
  const tests = [
    (text: string, sought: string) => text === sought,
    (text: string, sought: string) => text.startsWith(sought),
    (text: string, sought: string) => text.includes(sought)
  ]
  const rank = tests.findIndex((holds) => searchedTexts(stored, digits !== null).some((text) => holds(text, needle)) ||
    (digits !== null && stored.customer.phone !== null && holds(digitsOf(stored.customer.phone), digits)))
  return rank === -1 ? 3 : rank
}

function searchedTexts({ customer: { name, email, company, phone, userId } }: Stored, byDigits: boolean): string[] {
  return [name, email, company, byDigits ? null : phone, userId].filter((text) => text !== null).map(foldCase)
}

function valueOf({ customer, attributes, createdAt, updatedAt }: Stored, { name, attribute }: ScalarField): string | number | null {
  if (attribute !== undefined) {
    const value = new Map(attributes).get(attribute)
    if (value === undefined) return null
    return typeof value === 'string' ? foldCase(value) : Number(value)
  }
  const fold = (text: string | null | undefined): string | null => (text === null || text === undefined ? null : foldCase(text))
  const date = (text: string | null): number | null => (text === null ? null : Number(text))
  switch (name) {
    case 'id': return customer.id
    case 'userId': return customer.userId
    case 'integrationId': return customer.integrationId
    case 'firstSeen': return date(customer.firstSeen)
    case 'lastSeen': return date(customer.lastSeen)
    case 'createdAt': return createdAt
    case 'updatedAt': return updatedAt
    case 'unsubscribed': return Number(customer.unsubscribed)
    case 'blocked': return Number(customer.blocked)
    case 'countryCode': case 'regionCode': case 'city': return fold(customer.location[name])
    case 'device.platform': return fold(customer.device?.platform)
    case 'device.timezone': return fold(customer.device?.timezone)
    case 'telegramId': case 'facebookId': case 'instagramId': case 'viberId': case 'whatsappId': {
      const channel = name.slice(0, -2)
      const isFrom = customer.createdFrom === channel || customer.createdFrom?.startsWith(`${channel}_`) === true
      return isFrom ? customer.integrationId : null
    }
    case 'name': case 'email': case 'company': case 'phone': case 'source': case 'referer': case 'lastPage': case 'locale': case 'createdFrom': case 'notes':
      return fold(customer[name])
  }
}

function passes(stored: Stored, filter: Filter): boolean {
  return passesPlainly(stored, filter) !== filter.isNegated
}

function passesPlainly(stored: Stored, filter: Filter): boolean {
  switch (filter.type) {
    case 'group':
      if (filter.filters.length === 0) return true
      return filter.comparison === 'AND' ? filter.filters.every((one) => passes(stored, one)) : filter.filters.some((one) => passes(stored, one))
    case 'number': return passesNumber(valueOf(stored, filter.field), filter.test)
    case 'text': return passesText(valueOf(stored, filter.field), filter.test)
    case 'anyText': return rankOf(stored, filter.needle, filter.digits) < 3
    case 'events': {
      const { name, since, until } = filter
      const count = stored.events.filter((event) => event.name === name && event.createdAt >= since && event.createdAt <= until).length
      return passesNumber(count, filter.test)
    }
    case 'tags': {
      const names = new Set(stored.customer.tags.map(({ name }) => name))
      if (filter.operator === 'empty') return names.size === 0
      return filter.operator === 'all' ? filter.names.every((name) => names.has(name)) : filter.names.some((name) => names.has(name))
    }
  }
}

function passesNumber(value: string | number | null, asked: NumberTest): boolean {
  if (asked.operator === 'empty') return value === null
  if (typeof value !== 'number') return false
  switch (asked.operator) {
    case '=': return value === asked.value
    case '>': return value > asked.value
    case '<': return value < asked.value
    case '>=': return value >= asked.value
    case '<=': return value <= asked.value
    case 'in': return asked.values.includes(value)
    case 'between': return value >= asked.from && value <= asked.to
  }
}

function passesText(value: string | number | null, asked: TextTest): boolean {
  if (asked.operator === 'empty') return value === null || value === ''
  if (typeof value !== 'string') return false
  switch (asked.operator) {
    case '=': return value === asked.value
    case '~': return value.includes(asked.value)
    case '^': return value.startsWith(asked.value)
    case '$': return value.endsWith(asked.value)
    case 'in': return asked.values.includes(value)
  }
}

const pieces = ['a', 'A', 'b', 'ab', 'é', 'É', '\u0130', 'ß', 'Σ', 'ς', '😀', '\uffff', '%', '"', ' ', '+', '1', '23', 'ÿ', 'þ'] as const
const shortText = fc.array(fc.constantFrom(...pieces), { maxLength: 4 }).map((parts) => parts.join(''))
const text = fc.oneof({ weight: 8, arbitrary: shortText }, { weight: 1, arbitrary: shortText.map((short) => `${'the same beginning '.repeat(3)}${short}`) })
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: null, freq: 3 })
const seconds = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(254, 255, 256, 4_294_967_294, 4_294_967_295, 4_294_967_296, 253_402_300_799))
const decimal = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(0.5, -0.5, 1e15, 255, 4_294_967_295))
const tagNames = ['Lead', 'VIP', 'lead', 'никто'] as const
const eventNames = ['paid', 'seen'] as const
const textNames = ['name', 'email', 'userId', 'phone', 'notes', 'countryCode', 'createdFrom', 'integrationId', 'telegramId', 'whatsappId', 'device.timezone'] as const
const numberNames = ['id', 'firstSeen', 'lastSeen', 'createdAt', 'updatedAt', 'unsubscribed', 'blocked'] as const

const textField = fc.constantFrom<ScalarField>(...textNames.map((name) => ({ name })), { attribute: 'plan' }, { attribute: 'unknown' })
const numberField = fc.constantFrom<ScalarField>(...numberNames.map((name) => ({ name })), { attribute: 'seats' }, { attribute: 'isPaying' }, { attribute: 'unknown' })
const integrationTexts = maybe(fc.constantFrom('telegram', 'Telegram', 'telegram_bot', 'telegramx', 'whatsapp', 'web'))

const customerShape = fc.record({
  name: maybe(text), email: maybe(text), userId: maybe(text), phone: maybe(text), notes: maybe(text), company: maybe(text),
  countryCode: maybe(fc.constantFrom('UA', 'ua', 'DE', '')), timezone: maybe(shortText), createdFrom: integrationTexts, integrationId: maybe(text),
  firstSeen: maybe(seconds), lastSeen: maybe(seconds), createdAt: seconds, updatedAt: seconds, unsubscribed: fc.boolean(), blocked: fc.boolean(),
  tags: fc.uniqueArray(fc.constantFrom(...tagNames)),
  plan: maybe(text), seats: maybe(decimal), isPaying: maybe(fc.boolean())
})
type Shape = typeof customerShape extends fc.Arbitrary<infer Value> ? Value : never

function customerOf(id: number, shape: Shape): IndexedCustomer {
  const { name, email, userId, phone, notes, company, countryCode, timezone, createdFrom, integrationId, unsubscribed, blocked } = shape
  const attributes: [string, AttributeValue][] = []
  if (shape.plan !== null) attributes.push(['plan', shape.plan])
  if (shape.seats !== null) attributes.push(['seats', shape.seats])
  if (shape.isPaying !== null) attributes.push(['isPaying', shape.isPaying])
  const date = (value: number | null): string | null => (value === null ? null : String(value))
  const customer = {
    ...emptyCustomer(id), name, email, userId, phone, notes, company, createdFrom, integrationId, unsubscribed, blocked,
    location: { regionCode: null, countryCode, city: null },
    device: timezone === null ? null : { id, ip: null, timezone, platform: null, userAgent: null },
    firstSeen: date(shape.firstSeen), lastSeen: date(shape.lastSeen),
    tags: shape.tags.map((tag) => ({ name: tag, color: '#000' }))
  }
  return { customer, attributes, createdAt: shape.createdAt, updatedAt: shape.updatedAt }
}

const comparing = fc.record({ operator: fc.constantFrom('=', '>', '<', '>=', '<='), value: fc.oneof(seconds, decimal) })
const countTest = fc.oneof(
  comparing,
  fc.record({ operator: fc.constant('in'), values: fc.array(fc.oneof(seconds, decimal), { minLength: 1, maxLength: 5 }) }),
  fc.record({ operator: fc.constant('between'), from: decimal, to: seconds })
)
const numberTest = fc.oneof(countTest, fc.record({ operator: fc.constant('empty') }))
const textTest = fc.oneof(
  fc.record({ operator: fc.constantFrom('=', '~', '^', '$'), value: text.map(foldCase) }),
  fc.record({ operator: fc.constant('in'), values: fc.array(text.map(foldCase), { minLength: 1, maxLength: 5 }) }),
  fc.record({ operator: fc.constant('empty') })
)
const isNegated = fc.boolean()
const needle = fc.oneof(
  shortText.map((short) => ({ needle: foldCase(short), digits: null })),
  fc.constantFrom('123', '1 23', '231').map((phone) => ({ needle: phone, digits: digitsOf(phone) }))
)
const leaf = fc.oneof(
  fc.record({ type: fc.constant('number'), field: numberField, test: numberTest, isNegated }),
  fc.record({ type: fc.constant('text'), field: textField, test: textTest, isNegated }),
  fc.record({ type: fc.constant('tags'), operator: fc.constantFrom('all', 'any'), names: fc.array(fc.constantFrom(...tagNames, 'unknown'), { minLength: 1, maxLength: 3 }), isNegated }),
  fc.record({ type: fc.constant('tags'), operator: fc.constant('empty'), names: fc.constant([]), isNegated }),
  fc.record({ type: fc.constant('events'), name: fc.constantFrom(...eventNames, 'unknown'), since: fc.integer({ min: 0, max: 3 }), until: fc.integer({ min: 0, max: 300 }), test: countTest, isNegated }),
  fc.tuple(needle, isNegated).map(([sought, negated]) => ({ type: 'anyText' as const, ...sought, isNegated: negated }))
)
const group = fc.letrec<{ group: Group; filter: Filter }>((tie) => ({
  filter: fc.oneof({ depthSize: 'small', withCrossShrink: true }, leaf, tie('group')),
  group: fc.record({ type: fc.constant('group'), comparison: fc.constantFrom('AND', 'OR'), filters: fc.array(tie('filter'), { maxLength: 3 }), isNegated })
})).group
const sort = fc.oneof(
  fc.record({ by: fc.constant('number'), field: numberField }),
  fc.record({ by: fc.constant('text'), field: textField }),
  needle.map((sought) => ({ by: 'rank' as const, ...sought }))
)
const search: fc.Arbitrary<CustomerSearch> = fc.record({
  filter: group, sort, order: fc.constantFrom('asc', 'desc'), limit: fc.integer({ min: 1, max: 8 }), offset: fc.oneof(fc.constant(0), fc.nat(30)), wantsTotal: fc.boolean(),
  after: fc.constant(null), wantsExplanation: fc.constant(false)
})

const id = fc.nat(1_000)
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant('add'), shapes: fc.array(customerShape, { minLength: 1, maxLength: 60, size: 'max' }), gap: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('take in'), behind: fc.nat(80), shapes: fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), customerShape), { minLength: 1, maxLength: 40, size: 'max' }) }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant('change'), id, shape: customerShape }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('remove'), id }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('bring back'), shape: customerShape }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('tell'), id, name: fc.constantFrom(...eventNames), createdAt: fc.integer({ min: 0, max: 300 }) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('ask'), search, hasIndexes: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('ask again'), which: id, hasIndexes: fc.boolean() }) }
)

interface Asked {
  readonly search: CustomerSearch
  readonly hasIndexes: boolean
}

/** Goes through a whole list page by page. */
function expectWalk(columns: CustomerColumns, plain: PlainSearch, { search: first, hasIndexes }: Asked): void {
  let asked: CustomerSearch | null = first
  for (let page = 0; asked !== null && page < 4; page += 1) {
    const { ids, total, next } = columns.search(asked, Deadline.none, hasIndexes ? plain.indexes : undefined)
    const expected = plain.find(asked)
    expect({ ids, total, next }).toEqual({ ...expected, total: asked.wantsTotal ? expected.total : null })
    asked = next === null ? null : { ...asked, offset: 0, after: next }
  }
}

test('any search is answered as a plain filter and sort would, whatever was written before', () => {
  fc.assert(fc.property(fc.array(action, { maxLength: 40, size: 'max' }), (actions) => {
    const columns = new CustomerColumns()
    const plain = new PlainSearch()
    const asked: CustomerSearch[] = []
    const removed: number[] = []
    let last = 0
    const put = (...all: IndexedCustomer[]): void => {
      if (all.length === 1) for (const indexed of all) columns.put(indexed)
      else columns.putAll(all)
      for (const indexed of all) {
        const { id: customerId } = indexed.customer
        plain.customers.set(customerId, { ...indexed, events: plain.customers.get(customerId)?.events ?? [] })
      }
    }
    const pick = (place: number): number | undefined => [...plain.customers.keys()][place % Math.max(1, plain.customers.size)]
    for (const step of actions) {
      const chosen = 'id' in step ? pick(step.id) : undefined
      if (step.type === 'add') {
        for (const shape of step.shapes) {
          last += step.gap
          put(customerOf(last, shape))
        }
      } else if (step.type === 'take in') {
        // Known ones, new ones, those between them that were never there, and some who were removed.
        let next = Math.max(0, last - step.behind)
        put(...step.shapes.map(([gap, shape]) => customerOf(next += gap, shape)))
        last = Math.max(last, next)
      } else if (step.type === 'change' && chosen !== undefined) put(customerOf(chosen, step.shape))
      else if (step.type === 'remove' && chosen !== undefined) {
        columns.remove(chosen)
        plain.customers.delete(chosen)
        removed.push(chosen)
      } else if (step.type === 'bring back') {
        const back = removed.pop()
        if (back !== undefined) put(customerOf(back, step.shape))
      } else if (step.type === 'tell' && chosen !== undefined) {
        const { name, createdAt } = step
        columns.addEvent({ customerId: chosen, name, createdAt })
        plain.customers.get(chosen)?.events.push({ name, createdAt })
      } else if (step.type === 'ask') {
        asked.push(step.search)
        expectWalk(columns, plain, step)
      } else if (step.type === 'ask again') {
        const again = asked[step.which % Math.max(1, asked.length)]
        if (again !== undefined) expectWalk(columns, plain, { search: again, hasIndexes: step.hasIndexes })
      }
    }
    expect(columns.customers).toBe(plain.customers.size)
  }), { numRuns: 400 })
})

const everyone: Group = { type: 'group', comparison: 'AND', filters: [], isNegated: false }
const plainly: CustomerSearch = {
  filter: everyone, sort: { by: 'number', field: { name: 'id' } }, order: 'asc', limit: 100, offset: 0, after: null, wantsTotal: true, wantsExplanation: false
}
const only = (filter: Filter): CustomerSearch => ({ ...plainly, filter: { ...everyone, filters: [filter] } })
const named = (customerId: number, name: string): IndexedCustomer =>
  ({ customer: { ...emptyCustomer(customerId), name, tags: [{ name: `tag ${customerId % 3}`, color: '#000' }] }, attributes: [['seats', customerId]], createdAt: customerId, updatedAt: 1 })
const paid: Filter = { type: 'events', name: 'paid', since: 0, until: 10, test: { operator: '>=', value: 1 }, isNegated: false }

test('texts with a beginning are walked from the last of them in the database, whatever characters follow it', () => {
  const columns = new CustomerColumns()
  const plain = new PlainSearch()
  for (const [index, name] of ['a', 'az', 'a\u{1F600}', 'a\uffff', 'b', 'a\ufffd'].entries()) {
    const customer = named(index + 1, name)
    columns.put(customer)
    plain.customers.set(index + 1, { ...customer, events: [] })
  }
  const beginning: Filter = { type: 'text', field: { name: 'name' }, test: { operator: '^', value: 'a' }, isNegated: false }
  const search: CustomerSearch = { ...only(beginning), sort: { by: 'text', field: { name: 'name' } }, order: 'desc', wantsTotal: false }
  const { ids, plan } = columns.search(search, Deadline.none, plain.indexes)
  expect({ ids, plan }).toEqual({ ids: [3, 4, 6, 2, 1], plan: 'walk in the database name' })
})

test('a customer who comes back under the same id has none of the events from before', () => {
  const columns = new CustomerColumns()
  for (const customerId of [1, 2]) {
    columns.put(named(customerId, 'Ann'))
    columns.addEvent({ customerId, name: 'paid', createdAt: 5 })
  }
  columns.remove(1)
  columns.put(named(1, 'Ann'))
  expect(columns.search(only(paid), Deadline.none).ids).toEqual([2])
})

test.for([['few', 4_000], ['many', 900]] as const)('customers who come among others are found as if they had come in order, with %s behind them', ([, from]) => {
  const [late, inOrder] = [new CustomerColumns(), new CustomerColumns()]
  const all = Array.from({ length: 5_000 }, (_, index) => named(index + 1, `Ann ${(index * 7) % 1_000}`))
  const isLate = ({ customer: { id: customerId } }: IndexedCustomer): boolean => customerId >= from && customerId % 3 === 0
  const pay = (columns: CustomerColumns, customers: readonly IndexedCustomer[]): void => {
    for (const { customer: { id: customerId } } of customers) if (customerId % 4 === 0) columns.addEvent({ customerId, name: 'paid', createdAt: 5 })
  }
  const byName = { by: 'text', field: { name: 'name' } } as const
  const asked: CustomerSearch[] = [{ ...plainly, limit: 5_000 }, { ...plainly, sort: byName, limit: 5_000 }, { ...only(paid), limit: 5_000 }]
  const answers = (columns: CustomerColumns): unknown => asked.map((search) => {
    const { ids, total } = columns.search(search, Deadline.none)
    return { ids, total }
  })
  inOrder.putAll(all)
  pay(inOrder, all)
  const early = all.filter((customer) => !isLate(customer))
  late.putAll(early)
  pay(late, early)
  late.prepare(byName)
  answers(late)
  late.putAll(all.filter(isLate))
  pay(late, all.filter(isLate))
  expect([answers(late), late.customers]).toEqual([answers(inOrder), 5_000])
})

test('a filter counted before is known when customers came among others', () => {
  const columns = new CustomerColumns()
  columns.putAll(Array.from({ length: 400 }, (_, index) => named((index + 1) * 2, 'Ann')))
  const asked = only({ type: 'text', field: { name: 'name' }, test: { operator: '~', value: 'bob' }, isNegated: false })
  columns.search(asked, Deadline.none)
  columns.putAll([named(795, 'Bob'), named(797, 'Ann')])
  const { total, entriesVisited } = columns.search({ ...asked, offset: 400 }, Deadline.none)
  // Those who came, and the three behind the first of them.
  expect({ total, entriesVisited }).toEqual({ total: 1, entriesVisited: 5 })
})

test('the id of a customer who was removed is not counted', () => {
  const columns = new CustomerColumns()
  for (const id of [1, 2, 3]) columns.put(named(id, 'Ann'))
  columns.remove(2)
  const anyId = only({ type: 'number', field: { name: 'id' }, test: { operator: 'empty' }, isNegated: true })
  expect(columns.search(anyId, Deadline.none).total).toBe(2)
})

test('events of a customer who is not known, and the removal of one, do nothing', () => {
  const columns = new CustomerColumns()
  columns.put(named(2, 'Ann'))
  for (const customerId of [1, 3]) {
    columns.addEvent({ customerId, name: 'paid', createdAt: 5 })
    columns.remove(customerId)
  }
  expect([columns.search(only(paid), Deadline.none).total, columns.customers]).toEqual([0, 1])
})

test('after most customers are removed, those left are found by all they have, and little memory is held', () => {
  const columns = new CustomerColumns()
  const [all, left] = [70_000, 3_000]
  const isLeft = (customerId: number): boolean => customerId % 23 === 0 && customerId <= left * 23
  for (let customerId = 1; customerId <= all; customerId += 1) {
    columns.put(named(customerId, `Ann ${customerId}`))
    columns.addEvent({ customerId, name: 'paid', createdAt: customerId % 20 })
  }
  columns.prepare({ by: 'text', field: { name: 'name' } })
  const full = columns.bytes
  for (let customerId = 1; customerId <= all; customerId += 1) if (!isLeft(customerId)) columns.remove(customerId)
  const ids = Array.from({ length: all }, (_, index) => index + 1).filter(isLeft)
  const found = (filter: Filter): number | null => columns.search(only(filter), Deadline.none).total
  expect({
    first: columns.search({ ...plainly, limit: 3 }, Deadline.none).ids,
    byName: columns.search({ ...plainly, sort: { by: 'text', field: { name: 'name' } }, order: 'desc', limit: 1 }, Deadline.none).ids,
    named: columns.search(only({ type: 'text', field: { name: 'name' }, test: { operator: '$', value: ' 46' }, isNegated: false }), Deadline.none).ids,
    tagged: found({ type: 'tags', operator: 'all', names: ['tag 1'], isNegated: false }),
    seated: found({ type: 'number', field: { attribute: 'seats' }, test: { operator: '<', value: 1_000 }, isNegated: false }),
    paid: found(paid)
  }).toEqual({
    first: [23, 46, 69],
    byName: ids.toSorted((one, other) => (`Ann ${one}` < `Ann ${other}` ? 1 : -1)).slice(0, 1),
    named: [46],
    tagged: ids.filter((customerId) => customerId % 3 === 1).length,
    seated: ids.filter((customerId) => customerId < 1_000).length,
    paid: ids.filter((customerId) => customerId % 20 <= 10).length
  })
  expect(columns.bytes).toBeLessThan(full / 4)
})

test('a filter counted before is counted again from the changes since, and from the start when there were too many', () => {
  const columns = new CustomerColumns()
  for (let customerId = 1; customerId <= 200; customerId += 1) columns.put(named(customerId, 'Ann'))
  const asked = only({ type: 'text', field: { name: 'name' }, test: { operator: '~', value: 'bob' }, isNegated: false })
  const visited = (): { total: number | null; entriesVisited: number } => {
    const { total, entriesVisited } = columns.search({ ...asked, offset: 200 }, Deadline.none)
    return { total, entriesVisited }
  }
  const first = visited()
  columns.put(named(7, 'Bob'))
  columns.put(named(7, 'Bobby'))
  const second = visited()
  columns.put(named(8, 'Bob'))
  const third = visited()
  for (let change = 0; change < 40_000; change += 1) columns.put(named(1 + (change % 2), 'Bob'))
  expect([first, second, third, visited()]).toEqual([
    { total: 0, entriesVisited: 200 }, { total: 1, entriesVisited: 1 }, { total: 2, entriesVisited: 1 }, { total: 4, entriesVisited: 200 }
  ])
})

test('a search that is stopped, at whatever moment, leaves nothing half done behind', () => {
  const [stopped, untouched] = [new CustomerColumns(), new CustomerColumns()]
  const put = (id: number, name: string): void => {
    const customer = { ...emptyCustomer(id), name, company: `c${(id * 7919) % 20_011}`, phone: `+1 ${id % 1_000} 555`, notes: `note ${id} of ${name}` }
    for (const columns of [stopped, untouched]) {
      columns.put({ customer, attributes: [['level', (id * 31) % 5_003]], createdAt: id, updatedAt: id })
      columns.addEvent({ customerId: id, name: 'paid', createdAt: id })
    }
  }
  for (let id = 1; id <= 20_000; id += 1) put(id, `n${id % 50}`)
  const text = (field: 'name' | 'company' | 'notes', operator: '~' | '$' | '=', value: string): Filter => ({ type: 'text', field: { name: field }, test: { operator, value }, isNegated: false })
  const group = (comparison: 'AND' | 'OR', ...filters: Filter[]): Group => ({ type: 'group', comparison, filters, isNegated: false })
  const paid: Filter = { type: 'events', name: 'paid', since: 0, until: 15_000, test: { operator: '>=', value: 1 }, isNegated: false }
  const byId: Sort = { by: 'number', field: { name: 'id' } }
  const searches: Pick<CustomerSearch, 'filter' | 'sort'>[] = [
    { filter: group('AND', text('notes', '~', '9 of')), sort: byId },
    { filter: group('OR', text('company', '$', '7'), paid), sort: { by: 'number', field: { attribute: 'level' } } },
    { filter: group('AND', paid, text('name', '=', 'n7')), sort: { by: 'text', field: { name: 'company' } } },
    { filter: group('AND', { type: 'anyText', needle: '555', digits: '555', isNegated: false }), sort: { by: 'rank', needle: '555', digits: '555' } },
    ...Array.from({ length: 6 }, (_, index) => ({ filter: group('AND', text('notes', '~', `${index} of`)), sort: { by: 'text', field: { name: 'notes' } } as const }))
  ]
  const moments = searches.map((asked, index) => {
    const search: CustomerSearch = { ...asked, order: 'asc', limit: 20, offset: 100, after: null, wantsTotal: index % 2 === 0, wantsExplanation: false }
    let looks = 0
    while (isStopped(() => stopped.search(search, stoppedAfter(looks)))) {
      looks += 1
      put(1 + ((looks * 613) % 20_000), `n${looks % 50}`)
    }
    const answer = ({ ids, total, next }: FoundRows): object => ({ ids, total, next })
    expect(answer(stopped.search(search, Deadline.none))).toEqual(answer(untouched.search(search, Deadline.none)))
    return looks
  })
  expect(moments.every((looks) => looks > 0)).toBe(true)
})

/** A deadline of ten seconds which is over when the clock has been looked at so often. */
function stoppedAfter(looks: number): Deadline {
  let looked = -1
  return new Deadline(10, () => {
    looked += 1
    return looked > looks ? 20_000 : 0
  })
}

function isStopped(search: () => unknown): boolean {
  try {
    search()
    return false
  } catch (error) {
    expect(error).toEqual(searchTookTooLong(10))
    return true
  }
}
