import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fromCustomers } from './change-reader.ts'
import { openReader, prepareDatabase } from './open.ts'

test('customers of changes are found by id, also on a database that has no statistics yet', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = openReader(path)
  onTestFinished(() => { db.close() })

  const steps = db.prepare<[string, number], { detail: string }>(`explain query plan select id ${fromCustomers}`).all('[1]', 1).map(({ detail }) => detail)

  expect(steps[0]).toBe('SEARCH customers USING INTEGER PRIMARY KEY (rowid=?)')
  const unforced = fromCustomers.replace('not indexed', '')
  expect(db.prepare<[string, number], { detail: string }>(`explain query plan select id ${unforced}`).all('[1]', 1)[0]?.detail).not.toBe(steps[0])
})
