import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { ChangeReader } from './change-reader.ts'
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
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = open(path)
  onTestFinished(() => { db.close() })
  const texts = preparedBy(db, prepare)

  const scans = texts.map((text) => ({ text, steps: planOf(db, text).filter((step) => large.some((table) => step.startsWith(`SCAN ${table}`))) }))

  expect(texts).not.toEqual([])
  expect(scans.filter(({ steps }) => steps.length > 0)).toEqual([])
})

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
