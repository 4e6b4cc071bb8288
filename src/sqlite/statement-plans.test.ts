import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import type { Position, ScalarField } from '../search.ts'
import { ChangeReader } from './change-reader.ts'
import { EntryLookup } from './entry-lookup.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import { Reader } from './reader.ts'
import { WebhookReader } from './webhook-reader.ts'
import { WebhookWriter } from './webhook-writer.ts'
import { prepareWriterStatements } from './writer-statements.ts'

/** Tables that grow without end. */
const large = ['customers', 'changes', 'events', 'customer_tags', 'customer_attributes', 'deliveries', 'idempotency_keys']

test.for([
  { made: 'to write customers', open: openWriter, prepare: prepareWriterStatements },
  { made: 'to write what webhooks keep', open: openWriter, prepare: (db: Database) => new WebhookWriter(db) },
  { made: 'to read customers', open: openReader, prepare: (db: Database) => new Reader(db) },
  { made: 'to read changes', open: openReader, prepare: (db: Database) => new ChangeReader(db, new Reader(db).catalog) },
  { made: 'to read what webhooks keep', open: openReader, prepare: (db: Database) => new WebhookReader(db) }
])('no statement made once $made goes through a large table, also on a database without statistics', ({ open, prepare }) => {
  const db = openNew(open)
  const texts = preparedBy(db, prepare)

  const scans = texts.map((text) => ({ text, steps: planOf(db, text).filter((step) => large.some((table) => step.startsWith(`SCAN ${table}`))) }))

  expect(texts).not.toEqual([])
  expect(scans.filter(({ steps }) => steps.length > 0)).toEqual([])
})

const both = (...steps: string[]): string[] => [...steps, ...steps.map((step) => step.replaceAll('>?', '<?'))]
const behind: Position = { value: 5, id: 7 }
const byAttribute = 'SEARCH customer_attributes USING PRIMARY KEY'

test.each<[string, ScalarField, Position | null, string[]]>([
  ['a custom attribute', { attribute: 'seats' }, null, [`${byAttribute} (attribute_id=?)`, `${byAttribute} (attribute_id=?)`]],
  ['a custom attribute behind a position', { attribute: 'seats' }, behind,
    both(`${byAttribute} (attribute_id=? AND value=? AND customer_id>?)`, `${byAttribute} (attribute_id=? AND value>?)`)],
  ...(['userId', 'email', 'firstSeen', 'lastSeen'] as const).map((name): [string, ScalarField, Position, string[]] => {
    const column = name.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`)
    const index = `SEARCH customers USING COVERING INDEX customers_by_${column}`
    // These hold the id once more, behind the date.
    const id = name.endsWith('Seen') ? 'id' : 'rowid'
    return [`${name} behind a position`, { name }, behind, both(`${index} (organization_id=? AND ${column}=? AND ${id}>?)`, `${index} (organization_id=? AND ${column}>?)`)]
  }),
  ['a field without an index', { name: 'city' }, null, []]
])('the order of %s is read from an index alone, and nothing is sorted', (_what, field, after, steps) => {
  const db = openNew(openReader)
  const texts = preparedBy(db, () => {
    const readOn = new EntryLookup(db).readerOf(1, { by: 'number', field }, { tagIds: new Map(), attributeIds: new Map([['seats', 1]]) })
    for (const order of ['asc', 'desc'] as const) readOn?.({ order, after, max: 10 })
  })

  expect(texts.flatMap((text) => planOf(db, text))).toEqual(steps)
})

/** A connection to a database of one test, in which there is nothing. */
function openNew(open: (path: string) => Database): Database {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = open(path)
  onTestFinished(() => { db.close() })
  return db
}

/** The texts of all statements that are prepared. */
function preparedBy(db: Database, prepare: (db: Database) => unknown): string[] {
  const texts: string[] = []
  const original = db.prepare.bind(db)
  Object.assign(db, {
    prepare: (text: string) => {
      texts.push(text)
      return original(text)
    }
  })
  prepare(db)
  Object.assign(db, { prepare: original })
  return texts
}

function planOf(db: Database, text: string): string[] {
  const unnamed = Array.from(text.matchAll(/\?/g), () => 1)
  const names = Array.from(text.matchAll(/:(\w+)/g), ([, name = '']) => [name, 1] as const)
  const values: unknown[] = names.length > 0 ? [...unnamed, Object.fromEntries(names)] : unnamed
  return db.prepare<unknown[], { detail: string }>(`explain query plan ${text}`).all(...values).map(({ detail }) => detail)
}
