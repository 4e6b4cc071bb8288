import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseCreate } from '../command.ts'
import { searchTookTooLong } from '../errors.ts'
import { limits } from '../limits.ts'
import { parseSearch } from '../parse-search.ts'
import type { CustomerSearch } from '../search.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import { Reader } from './reader.ts'
import { Writer } from './writer.ts'

const now = 1_700_000_000

interface Opened {
  readonly reader: Reader
  readonly parse: (body: object) => CustomerSearch
}

/** A reader of an organization with these customers. */
function open(customers: readonly object[], options: ConstructorParameters<typeof Reader>[1] = {}): Opened {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const writing = openWriter(path)
  const writer = new Writer(writing, () => now)
  writer.runGroup([{ type: 'createDefault', name: 'first', secretHash: 'hash' }])
  const caller = { organizationId: 1, keyId: 1, requestId: 'test' }
  const { outcomes } = writer.runGroup(customers.map((customer) =>
    ({ type: 'command', caller, command: parseCreate(customer, { attributes: new Map(), strictAttributes: false }).command })))
  expect(outcomes.filter((outcome) => 'error' in outcome)).toEqual([])
  writing.close()
  const db = openReader(path)
  onTestFinished(() => {
    db.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const reader = new Reader(db, options)
  reader.refresh()
  const context = { organizationId: 1, attributes: reader.attributeTypes(1), cursorSecret: reader.cursorSecret(), now }
  return { reader, parse: (body) => parseSearch(body, context).search }
}

const longText = 'a'.repeat(limits.longTextCharactersMax)
const filters = (field: string, make: (index: number) => object): object[] =>
  Array.from({ length: limits.searchFiltersMax }, (_, index) => ({ field, ...make(index) }))

test.each([
  ['notes', 'OR', '~', 'b'], ['notes', 'AND', '!~', 'b'], ['unsubscribed', 'OR', '=', true], ['customData.plan', 'AND', 'empty', undefined]
])('a search of many filters on %s is stopped amid a customer, %s', (field, comparison, operator, value) => {
  let seconds = 0
  const { reader, parse } = open([{ notes: longText }, { customData: { plan: 'pro' } }], { nowMs: () => (seconds += 1) * 1_000 })
  const search = parse({ comparison, filter: [{ field: 'id', operator: '=', value: 1 }, ...filters(field, () => ({ operator, value })).slice(1)].reverse() })

  expect(() => reader.search(1, search)).toThrow(searchTookTooLong(limits.searchSecondsMax))
})

test('long needles that a text nearly has everywhere are looked for in time', () => {
  const { reader, parse } = open(Array.from({ length: 20 }, (_, index) => ({ notes: `${longText.slice(0, -2)}${index}` })))
  const half = longText.slice(0, limits.longTextCharactersMax / 2)
  const search = parse({ comparison: 'OR', fields: ['id'], filter: filters('notes', (index) => ({ operator: '~', value: `${half}b${index}` })) })

  expect(reader.search(1, search).total).toBe(0)
})
