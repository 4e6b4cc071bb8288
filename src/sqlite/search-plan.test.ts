import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCreate } from '../command.ts'
import { parseSearch } from '../search.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import { Reader } from './reader.ts'
import { planCount } from './search-plan.ts'
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
      name: `Name ${index}`, email: `c${index}@example.com`, ...(index % 2 === 0 ? { userId: `u${index}` } : {}), company: `Company ${index % 50}`,
      firstSeen: index % 10 === 0 ? null : now - index * 60, lastSeen: now - ((index * 7_919) % customers) * 60,
      createdFrom: 'telegram', integrationId: String(index),
      tags: ['everyone', ...(index % 100 === 0 ? ['some'] : []), ...(index === 17 ? ['one'] : [])]
    }, { attributes: new Map(), strictAttributes: false }).command
  })))
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

function filter(field: string, operator: string, value: unknown): object {
  return { field: `customers.${field}`, operator, value }
}

/** Which index a page is found by, in SQLite's words, and whether its hits are then sorted. */
function explain(body: object): { plan: string; drivenBy: string[]; sortsHits: boolean } {
  const { plan, steps } = reader.explainSearch(1, parseSearch({ limit: 10, ...body }).search)
  const searches = steps.filter((step) => /^(?:SEARCH|SCAN) customer/.test(step))
  const several = steps.includes('MULTI-INDEX OR') ? steps.filter((step) => step.startsWith('INDEX ')).length : 1
  return { plan, drivenBy: searches.slice(0, several), sortsHits: steps.includes('USE TEMP B-TREE FOR ORDER BY') }
}

const byFirstSeen = 'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen>?)'
const byLastSeen = 'SEARCH customers USING INDEX customers_by_last_seen (organization_id=? AND last_seen>?)'
const byId = 'SEARCH customers USING INTEGER PRIMARY KEY (rowid=?)'
const byUserId = 'SEARCH customers USING INDEX customers_by_user_id (organization_id=? AND user_id=?)'
const byEmail = 'SEARCH customers USING INDEX customers_by_email (organization_id=? AND email=?)'
const byTag = 'SEARCH customer_tags USING PRIMARY KEY (tag_id=?)'

describe('walked in the order of the sort', () => {
  test.each<[string, object, string]>([
    ['everyone', {}, byFirstSeen],
    ['everyone by lastSeen, backwards', { sort: 'lastSeen', order: 'desc' }, byLastSeen],
    ['text that most contain', { filter: [filter('name', '~', 'NAME')] }, byFirstSeen],
    ['an email that is another', { filter: [filter('email', '!=', 'a@b')] }, byFirstSeen],
    ['a range of the sort', { filter: [filter('firstSeen', '>', now - 100), filter('firstSeen', '<=', now)] },
      'SEARCH customers USING INDEX customers_by_first_seen (organization_id=? AND first_seen>? AND first_seen<?)'],
    ['a wide range of lastSeen in its own order', { sort: 'lastSeen', filter: [filter('lastSeen', '<', now)] },
      'SEARCH customers USING INDEX customers_by_last_seen (organization_id=? AND last_seen>? AND last_seen<?)'],
    ['a wide range of lastSeen', { filter: [filter('lastSeen', '<', now)] }, byFirstSeen],
    ['a wide range of ids', { filter: [filter('id', '>', 5)] }, byFirstSeen],
    ['any of what most pass', { comparison: 'OR', filter: [filter('id', '>', 5), filter('name', '~', 'name')] }, byFirstSeen]
  ])('%s', (_name, body, index) => {
    expect(explain(body)).toEqual({ plan: 'walk', drivenBy: [index], sortsHits: false })
  })
})

describe('driven from the index of a filter', () => {
  test.each<[string, object[], { plan: string; drivenBy: string[]; sortsHits: boolean }]>([
    ['a userId', [filter('userId', '=', 'u4')], { plan: 'by userId', drivenBy: [byUserId], sortsHits: false }],
    ['an email', [filter('email', '=', 'C5@example.com')], { plan: 'by email', drivenBy: [byEmail], sortsHits: true }],
    ['an email beside what no index knows', [filter('name', '~', 'x'), filter('email', '=', 'c5@example.com')], { plan: 'by email', drivenBy: [byEmail], sortsHits: true }],
    ['a userId rather than an email or a tag',
      [filter('tagsData', '=', ['one']), filter('email', '=', 'c5@example.com'), filter('userId', '=', 'u4')],
      { plan: 'by userId', drivenBy: [byUserId], sortsHits: false }],
    ['a narrow range of lastSeen', [filter('lastSeen', '>', now - 1_000)],
      { plan: 'by lastSeen', drivenBy: ['SEARCH customers USING INDEX customers_by_last_seen (organization_id=? AND last_seen>?)'], sortsHits: true }],
    ['a narrow range of ids', [filter('id', '<=', 50)],
      { plan: 'by id range', drivenBy: ['SEARCH customers USING INTEGER PRIMARY KEY (rowid<?)'], sortsHits: true }],
    ['a tag', [filter('tagsData', '=', ['some'])], { plan: 'by tag', drivenBy: [byTag], sortsHits: true }],
    ['tags', [filter('tagsData', '=', ['everyone', 'one'])], { plan: 'by tag', drivenBy: [byTag], sortsHits: true }]
  ])('%s', (_name, filters, expected) => {
    expect(explain({ filter: filters })).toEqual(expected)
  })

  test('an id rather than anything else', () => {
    const plan = { plan: 'by id', drivenBy: [byId], sortsHits: false }

    expect(explain({ filter: [filter('id', '=', 5)] })).toEqual(plan)
    expect(explain({ filter: [filter('userId', '=', 'u4'), filter('id', '=', 5)] })).toEqual(plan)
  })

  test('a single filter is the same under OR', () => {
    expect(explain({ comparison: 'OR', filter: [filter('email', '=', 'a@b')] })).toEqual({ plan: 'by email', drivenBy: [byEmail], sortsHits: true })
  })

  test('filters of which any may hold, each from its own index', () => {
    expect(explain({ comparison: 'OR', filter: [filter('email', '=', 'a@b'), filter('userId', '=', 'c')] }))
      .toEqual({ plan: 'by any index', drivenBy: [byEmail, byUserId], sortsHits: true })
    expect(explain({ comparison: 'OR', filter: [filter('id', '=', 5), filter('id', '=', 6)] }))
      .toEqual({ plan: 'by any index', drivenBy: [byId], sortsHits: true })
  })
})

test('of several tags the rarest is driven from', () => {
  const tagIds = new Map([['everyone', 1], ['some', 2], ['one', 3]])
  const counts = new Map([[1, customers], [2, 40], [3, 1]])
  const { search } = parseSearch({ filter: [filter('tagsData', '=', ['everyone', 'one']), filter('tagsData', '=', ['some'])] })
  const { source } = planCount(search, { organizationId: 1, tagIds, countTagged: (tagId) => counts.get(tagId) ?? 0 })

  expect(source.values).toEqual([3])
})

test('the plans find what they look for', () => {
  const ids = (...filters: object[]): string[] =>
    (JSON.parse(`[${Buffer.from(reader.search(1, parseSearch({ limit: 3, filter: filters }).search).customers).toString()}]`) as { email: string }[])
      .map(({ email }) => email)

  expect(ids(filter('email', '=', 'C5@example.com'))).toEqual(['c5@example.com'])
  expect(ids(filter('userId', '=', 'u4'))).toEqual(['c4@example.com'])
  expect(ids(filter('tagsData', '=', ['everyone', 'one']))).toEqual(['c17@example.com'])
  expect(ids(filter('firstSeen', '>', now - 200))).toEqual(['c3@example.com', 'c2@example.com', 'c1@example.com'])
})
