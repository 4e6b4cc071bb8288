import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCreate, parseEvent } from '../command.ts'
import { unavailable } from '../errors.ts'
import { parseSearch } from '../parse-search.ts'
import type { CustomerSearch, Position } from '../search.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import { Reader } from './reader.ts'
import { planSearch } from './search-plan.ts'
import { planBounds } from './search-source.ts'
import { Writer } from './writer.ts'

/** Enough that a filter most of them pass is not worth sorting the hits of. */
const customers = 12_000
const now = 1_700_000_000

/** One database for all plans: it is only read, and making it takes a second. */
const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
const path = join(folder, 'clientele.db')
let db: Database
let reader: Reader

beforeAll(() => {
  prepareDatabase(path)
  const writing = openWriter(path)
  const writer = new Writer(writing, () => now)
  const secretHash = 'hash'
  writer.runGroup([{ type: 'createDefault', name: 'first', secretHash }])
  const caller = { organizationId: 1, keyId: 1, requestId: 'test' }
  writer.runGroup(Array.from({ length: customers }, (_, index) => ({
    type: 'command' as const,
    caller,
    command: parseCreate({
      name: `Name ${index}`, ...(index % 3 === 0 ? {} : { email: `c${index}@example.com` }), ...(index % 2 === 0 ? { userId: `u${index}` } : {}),
      company: `Company ${index % 50}`, firstSeen: index % 10 === 0 ? null : now - index * 60, lastSeen: now - ((index * 7_919) % customers) * 60,
      createdFrom: 'telegram', integrationId: String(index), notes: index === 11_999 ? 'The last' : null,
      tags: ['everyone', ...(index % 100 === 0 ? ['some'] : []), ...(index === 17 ? ['one'] : [])],
      customData: { plan: index % 2 === 0 ? 'Pro' : `plan ${index}`, ...(index % 20 === 0 ? {} : { seats: index }), isTrial: index % 2 === 0 }
    }, { attributes: new Map(), strictAttributes: false }).command
  })))
  writer.runGroup([{ type: 'command', caller, command: parseEvent({ name: 'Invoice paid', customer: 7, createdAt: now }).command }])
  writer.runGroup([{ type: 'optimize' }])
  writing.exec('analyze')
  writing.close()
  db = openReader(path)
  reader = new Reader(db)
  reader.refresh()
})

afterAll(() => {
  db.close()
  rmSync(folder, { recursive: true, force: true })
})

function filter(field: string, operator: string, value?: unknown): object {
  return { field, operator, value }
}

function parse(body: object): CustomerSearch {
  const context = { organizationId: 1, attributes: reader.attributeTypes(1), cursorSecret: reader.cursorSecret(), now }
  return parseSearch({ limit: 10, ...body }, context).search
}

interface Explained {
  readonly plan: string
  /** In SQLite's words. */
  readonly drivenBy: readonly string[]
  readonly sortsHits: boolean
}

/** How a page is found, or a total, and by which index. */
function explain(body: object, { after = null, of = 'page' }: { after?: Position | null; of?: 'page' | 'total' } = {}): Explained {
  const { explanation } = reader.search(1, { ...parse(body), after, wantsExplanation: true })
  const steps = (explanation?.steps ?? []).filter((step) => step.startsWith(`${of}: `)).map((step) => step.replace(`${of}: `, ''))
  const searches = steps.filter((step) => /^(?:SEARCH|SCAN) (?:customer|entries)/.test(step))
  const several = explanation?.plan === 'by several indexes'
  return { plan: explanation?.plan ?? '', drivenBy: several ? searches : searches.slice(0, 1), sortsHits: steps.includes('USE TEMP B-TREE FOR ORDER BY') }
}

const byFirstSeen = 'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen>?)'
const byLastSeen = 'SEARCH customers USING INDEX customers_by_last_seen (organization_id=? AND last_seen>?)'
const byId = 'SEARCH customers USING INTEGER PRIMARY KEY (rowid=?)'
const byIdRange = 'SEARCH customers USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)'
const byUserId = 'SEARCH customers USING INDEX customers_by_user_id (organization_id=? AND user_id=?)'
const byEmail = 'SEARCH customers USING INDEX customers_by_email (organization_id=? AND email=?)'
const byTag = 'SEARCH customer_tags USING PRIMARY KEY (tag_id=?)'
const byAttribute = (range: string): string => `SEARCH customer_attributes USING PRIMARY KEY (attribute_id=?${range})`

const inList = (what: string): string => `SEARCH customers USING ${what}`

describe('walked in the order of the sort', () => {
  test.each<[string, object, string, string]>([
    ['everyone', { offset: 20 }, 'walk firstSeen', 'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen=? AND id>?)'],
    ['everyone by lastSeen, backwards', { sort: 'lastSeen', order: 'desc' }, 'walk lastSeen', byLastSeen],
    ['everyone by id', { sort: 'id', order: 'desc' }, 'walk id', byIdRange],
    ['everyone by email', { sort: 'email' }, 'walk email', 'SEARCH customers USING INDEX customers_by_email (organization_id=? AND email>?)'],
    ['everyone by userId, backwards', { sort: 'userId', order: 'desc' }, 'walk userId', 'SEARCH customers USING INDEX customers_by_user_id (organization_id=? AND user_id>?)'],
    ['everyone by a custom attribute', { sort: 'customData.seats', order: 'desc' }, 'walk custom attribute', 'SEARCH entries USING PRIMARY KEY (attribute_id=?)'],
    ['text that most contain', { filter: [filter('name', '~', 'NAME')] }, 'walk firstSeen', byFirstSeen],
    ['text that most contain, by email', { sort: 'email', filter: [filter('name', '~', 'NAME')] }, 'walk email', 'SEARCH customers USING INDEX customers_by_email (organization_id=? AND email>?)'],
    ['an email that is another', { filter: [filter('email', '!=', 'a@b')] }, 'walk firstSeen', byFirstSeen],
    ['everyone outside a group', { not: true, filter: [filter('email', '=', 'a@b')] }, 'walk firstSeen', byFirstSeen],
    ['a tag that most have', { filter: [filter('tags', '=', ['everyone'])] }, 'walk firstSeen', byFirstSeen],
    ['a custom attribute that many have', { filter: [filter('customData.plan', '=', 'pro')] }, 'walk firstSeen', byFirstSeen],
    ['a range of the sort', { filter: [filter('firstSeen', '>', now - 100), filter('firstSeen', '<=', now)] }, 'walk firstSeen',
      'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen>? AND first_seen<?)'],
    ['a wide range of lastSeen in its own order', { sort: 'lastSeen', filter: [filter('lastSeen', '<', now)] }, 'walk lastSeen',
      'SEARCH customers USING INDEX customers_by_last_seen (organization_id=? AND last_seen>? AND last_seen<?)'],
    ['a custom attribute in its own order', { sort: 'customData.seats', filter: [filter('customData.seats', '>', 5)] }, 'walk custom attribute',
      'SEARCH entries USING PRIMARY KEY (attribute_id=? AND value>?)'],
    ['a wide range of lastSeen', { filter: [filter('lastSeen', '<', now)] }, 'walk firstSeen', byFirstSeen],
    ['a wide range of ids', { filter: [filter('id', '>', 5)] }, 'walk firstSeen', byFirstSeen],
    ['any of what most pass', { comparison: 'OR', filter: [filter('id', '>', 5), filter('name', '~', 'name')] }, 'walk firstSeen', byFirstSeen]
  ])('%s', (_name, body, plan, index) => {
    expect(explain(body)).toEqual({ plan, drivenBy: [index], sortsHits: false })
  })

  test.each<[string, object, Position, string, string]>([
    ['a date', {}, { value: now - 60, id: 2 }, 'walk firstSeen', 'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen=? AND id>?)'],
    ['no date', {}, { value: null, id: 11 }, 'walk firstSeen', 'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen=? AND id>?)'],
    ['a date, with a filter', { filter: [filter('name', '~', 'NAME')] }, { value: now - 60, id: 2 }, 'walk firstSeen',
      'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen=? AND id>?)'],
    ['an email', { sort: 'email', order: 'desc' }, { value: 'c5@example.com', id: 6 }, 'walk email',
      'SEARCH customers USING INDEX customers_by_email (organization_id=? AND email=? AND rowid<?)'],
    ['no email', { sort: 'email' }, { value: null, id: 6 }, 'walk email', byIdRange],
    ['an id', { sort: 'id' }, { value: 6, id: 6 }, 'walk id', byIdRange],
    ['a custom attribute', { sort: 'customData.seats' }, { value: 5, id: 6 }, 'walk custom attribute',
      'SEARCH entries USING PRIMARY KEY (attribute_id=? AND value=? AND customer_id>?)']
  ])('from behind %s', (_name, body, after, plan, index) => {
    expect(explain(body, { after })).toEqual({ plan, drivenBy: [index], sortsHits: false })
  })
})

describe('driven from the index of a filter', () => {
  test.each<[string, object[], Explained]>([
    ['a userId', [filter('userId', '=', 'u4')], { plan: 'by userId', drivenBy: [byUserId], sortsHits: false }],
    ['userIds', [filter('userId', 'in', ['u4', 'u6'])], { plan: 'by userId', drivenBy: [byUserId], sortsHits: true }],
    ['the start of a userId', [filter('userId', '^', 'u400')],
      { plan: 'by userId range', drivenBy: [inList('INDEX customers_by_user_id (organization_id=? AND user_id>? AND user_id<?)')], sortsHits: true }],
    ['an email', [filter('email', '=', 'C5@example.com')], { plan: 'by email', drivenBy: [byEmail], sortsHits: true }],
    ['emails', [filter('email', 'in', ['C5@example.com', 'c7@example.com'])], { plan: 'by email', drivenBy: [byEmail], sortsHits: true }],
    ['the start of an email', [filter('email', '^', 'C5@')],
      { plan: 'by email range', drivenBy: [inList('INDEX customers_by_email (organization_id=? AND email>? AND email<?)')], sortsHits: true }],
    ['an email beside what no index knows', [filter('name', '~', 'n'), filter('email', '=', 'c5@example.com')], { plan: 'by email', drivenBy: [byEmail], sortsHits: true }],
    ['an email inside groups', [filter('name', '~', 'n'), { filter: [{ comparison: 'OR', filter: [filter('email', '=', 'c5@example.com')] }] }],
      { plan: 'by email', drivenBy: [byEmail], sortsHits: true }],
    ['a userId rather than an email or a tag',
      [filter('tagsData', '=', ['everyone']), filter('email', '=', 'c4@example.com'), filter('userId', '=', 'u4')],
      { plan: 'by userId', drivenBy: [byUserId], sortsHits: false }],
    ['a narrow range of lastSeen', [filter('lastSeen', '>', now - 1_000)],
      { plan: 'by lastSeen', drivenBy: ['SEARCH customers USING INDEX customers_by_last_seen (organization_id=? AND last_seen>?)'], sortsHits: true }],
    ['a narrow range of ids', [filter('id', 'between', [3, 50])],
      { plan: 'by id range', drivenBy: [byIdRange], sortsHits: true }],
    ['a tag', [filter('tagsData', '=', ['some'])], { plan: 'by tag', drivenBy: [byTag], sortsHits: true }],
    ['tags', [filter('tagsData', '=', ['everyone', 'one'])], { plan: 'by tag', drivenBy: [byTag], sortsHits: true }],
    ['any of two tags', [filter('tags', 'any', ['some', 'one'])], { plan: 'by tag', drivenBy: [byTag], sortsHits: true }],
    ['a custom attribute', [filter('customData.seats', '=', 5)], { plan: 'by attribute', drivenBy: [byAttribute(' AND value=?')], sortsHits: true }],
    ['values of a custom attribute', [filter('customData.seats', 'in', [5, 6])], { plan: 'by attribute', drivenBy: [byAttribute(' AND value=?')], sortsHits: true }],
    ['a range of a custom attribute', [filter('customData.seats', 'between', [5, 90])], { plan: 'by attribute', drivenBy: [byAttribute(' AND value>? AND value<?')], sortsHits: true }],
    ['the start of a custom attribute', [filter('customData.plan', '^', 'PLAN 11')], { plan: 'by attribute', drivenBy: [byAttribute(' AND value>? AND value<?')], sortsHits: true }],
    ['a tag rather than a custom attribute of more', [filter('customData.plan', '=', 'pro'), filter('tags', '=', ['some'])],
      { plan: 'by tag', drivenBy: [byTag], sortsHits: true }],
    ['a custom attribute rather than a tag of more', [filter('tags', '=', ['everyone']), filter('customData.seats', '<=', 101)],
      { plan: 'by attribute', drivenBy: [byAttribute(' AND value<?')], sortsHits: true }]
  ])('%s', (_name, filters, expected) => {
    expect(explain({ filter: filters })).toEqual(expected)
  })

  test('an id rather than anything else', () => {
    const plan = { plan: 'by id', drivenBy: [byId], sortsHits: false }

    expect(explain({ filter: [filter('id', '=', 5)] })).toEqual(plan)
    expect(explain({ filter: [filter('userId', '=', 'u4'), filter('id', '=', 5)] })).toEqual(plan)
    expect(explain({ filter: [filter('id', 'in', [5, 6])] })).toEqual({ ...plan, sortsHits: true })
  })

  test('a single filter is the same under OR', () => {
    expect(explain({ comparison: 'OR', filter: [filter('email', '=', 'c5@example.com')] })).toEqual({ plan: 'by email', drivenBy: [byEmail], sortsHits: true })
  })

  test('filters of which any may hold, each from its own index', () => {
    const byEither = [byEmail.replace('USING', 'USING COVERING'), byUserId.replace('USING', 'USING COVERING'), 'SCAN entries', byId]
    const plan = (drivenBy: string[]): Explained => ({ plan: 'by several indexes', drivenBy, sortsHits: false })
    const either = { comparison: 'OR', filter: [filter('email', '=', 'c5@example.com'), filter('userId', '=', 'c')] }

    expect(explain(either, { of: 'total' })).toEqual(plan(byEither))
    expect(explain({ filter: [filter('name', '~', 'n'), either] }, { of: 'total' })).toEqual(plan(byEither))
    expect(explain({ comparison: 'OR', filter: [filter('id', '=', 5), filter('id', '=', 6)] }, { of: 'total' })).toEqual(plan([byId, byId, 'SCAN entries', byId]))
    const ofManyKinds = [filter('tags', 'any', ['one']), filter('customData.seats', '<', 9), filter('lastSeen', '>', now - 1_000)]
    expect(explain({ comparison: 'OR', filter: ofManyKinds }, { of: 'total' }).drivenBy).toEqual([
      byTag, byId, byAttribute(' AND value<?'), byId,
      'SEARCH customers USING COVERING INDEX customers_by_last_seen (organization_id=? AND last_seen>?)', 'SCAN entries', byId
    ])
  })

  test('filters of which any may hold, by everyone when one of them finds many or has no index', () => {
    const drivenBy = (other: object): readonly string[] =>
      explain({ comparison: 'OR', filter: [filter('email', '=', 'c5@example.com'), other] }, { of: 'total' }).drivenBy

    expect(drivenBy(filter('tags', 'any', ['everyone']))).toEqual([byIdRange])
    expect(drivenBy(filter('name', '~', 'x'))).toEqual([byIdRange])
  })
})

describe('found by looking at everyone, once for the total and the page', () => {
  test.each<[string, object, string, string]>([
    ['text that few contain', { filter: [filter('name', '~', 'name 77')] }, 'scan', byIdRange],
    ['notes', { filter: [filter('notes', '$', 'LAST')] }, 'scan', byIdRange],
    ['any text, by rank', { filter: [filter('text', '~', 'c17@')] }, 'scan', byIdRange],
    ['events', { filter: [filter('events.Invoice paid', '>=', 1)] }, 'scan',
      'SEARCH customers USING COVERING INDEX customers_by_last_seen (organization_id=?)'],
    ['what a custom attribute contains', { filter: [filter('customData.plan', '~', 'lan 1199')] }, 'by all of an attribute', byAttribute('')]
  ])('%s', (_name, body, plan, index) => {
    expect(explain(body, { of: 'total' })).toEqual({ plan, drivenBy: [index], sortsHits: false })
    expect(explain(body)).toEqual({ plan, drivenBy: [byId], sortsHits: true })
  })

  test('what no index sorts, with its hits sorted', () => {
    expect(explain({ sort: 'company', filter: [filter('name', '~', 'name')] })).toEqual({ plan: 'scan', drivenBy: [byIdRange], sortsHits: true })
  })
})

test('events of a customer are found by the customer and the time', () => {
  const { explanation } = reader.search(1, { ...parse({ filter: [filter('events.Invoice paid', '>=', 1)] }), wantsExplanation: true })

  expect(explanation?.steps.filter((step) => step.includes('events')))
    .toEqual(['total: SEARCH events USING INDEX events_by_customer (customer_id=? AND created_at>? AND created_at<?)'])
})

test('a filter that an index answers alone is counted there', () => {
  const { total, explanation } = reader.search(1, { ...parse({ filter: [filter('customData.plan', '=', 'pro')] }), wantsExplanation: true })

  expect(total).toBe(6_000)
  expect(explanation?.steps.filter((step) => step.startsWith('total: '))).toEqual([`total: ${byAttribute(' AND value=?')}`])
})

test('without a total a walk that does not fill its page is given up', () => {
  const eager = new Reader(db, { walkEntriesMax: 1_000 })
  eager.refresh()
  const asked = { ...parse({ filter: [filter('name', '~', 'name 77')] }), wantsTotal: false, wantsExplanation: true }
  const { explanation, total, count } = eager.search(1, asked)

  expect({ total, count, plan: explanation?.plan, first: explanation?.steps.find((step) => step.includes('gave up')) })
    .toEqual({ total: null, count: 10, plan: 'scan', first: 'page: gave up the walk firstSeen after 1000 entries' })
})

/** What a search is driven from, and the tags that were counted before, when they are the only ones. */
function planned(search: CustomerSearch, entriesOf: (tagId: number) => number): { from: readonly unknown[]; counted: number[] } {
  const counted: number[] = []
  const tagIds = new Map(Array.from({ length: 1_000 }, (_, index) => [`tag ${index}`, index]))
  const { source } = planSearch(search, {
    bounds: planBounds, organizationId: 1, tagIds, attributeIds: new Map(), customerCount: 1, idRange: () => ({ first: 1, last: 1 }),
    countEntries: ({ values: [tagId] }) => {
      counted.push(Number(tagId))
      return entriesOf(Number(tagId))
    }
  }).count
  return { from: source.values, counted }
}

test('of several tags the rarest is driven from', () => {
  const search = parse({ filter: [filter('tagsData', '=', ['tag 1', 'tag 3']), filter('tagsData', '=', ['tag 2'])] })

  expect(planned(search, (tagId) => [0, customers, 40, 1][tagId] ?? 0).from).toEqual([3])
})

test('each tag is counted once, and of many only the first', () => {
  const all = filter('tagsData', '=', Array.from({ length: 1_000 }, (_, index) => `tag ${index}`))
  const few = filter('tagsData', '=', ['tag 5', 'tag 7', 'tag 5'])

  expect(planned(parse({ filter: [few, few, few] }), () => 10).counted).toEqual([5, 7])
  expect(planned(parse({ filter: [all, all] }), () => customers).counted).toEqual(Array.from({ length: 64 }, (_, index) => index))
})

test('the plans find what they look for', () => {
  const emails = (...filters: object[]): string[] =>
    (JSON.parse(`[${Buffer.from(reader.search(1, parse({ limit: 3, filter: filters })).customers).toString()}]`) as { email: string }[])
      .map(({ email }) => email)

  expect(emails(filter('email', '=', 'C5@example.com'))).toEqual(['c5@example.com'])
  expect(emails(filter('userId', '=', 'u4'))).toEqual(['c4@example.com'])
  expect(emails(filter('tagsData', '=', ['everyone', 'one']))).toEqual(['c17@example.com'])
  expect(emails(filter('customData.plan', '^', 'PLAN 1199'), filter('email', '!empty'))).toEqual(['c11999@example.com', 'c11995@example.com', 'c11993@example.com'])
  expect(emails(filter('events.Invoice paid', '=', 1))).toEqual([null])
})

describe('a search that takes too long', () => {
  test.each<[string, object]>([
    ['while it is counted', { filter: [filter('name', '~', 'x')] }],
    ['while its page is found', { filter: [filter('name', '~', 'x')], total: false }],
    ['while a custom attribute is looked through', { comparison: 'OR', filter: [filter('customData.plan', '~', 'x'), filter('id', '=', 1)], total: false }],
    ['in the order of a custom attribute', { sort: 'customData.plan', filter: [filter('customData.isTrial', '=', true), filter('name', '~', 'x')] }]
  ])('is stopped %s, and the next one is answered', (_name, body) => {
    const hasty = new Reader(db, { searchSecondsMax: 0 })
    hasty.refresh()

    expect(() => hasty.search(1, parse(body))).toThrow(unavailable('This search took longer than 0 s and was stopped. Narrow it, or try again.'))
    expect(hasty.search(1, parse({ limit: 3 })).count).toBe(3)
  })
})
