import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { openWriter, prepareDatabase } from '../../src/sqlite/open.ts'
import { Writer } from '../../src/sqlite/writer.ts'
import { temporaryFolder } from '../engines.ts'

const full = 2

// better-sqlite3 lets a WAL database drop to NORMAL at its first use, so it counts what the pragma says after a write.
test('the connection that migrates, and the one that writes customers, wait for the disk after their first write', () => {
  const path = join(temporaryFolder(), 'clientele.db')
  prepareDatabase(path)
  const migrating = openWriter(path)
  onTestFinished(() => { migrating.close() })
  migrating.transaction(() => { migrating.exec('create table later (id integer primary key)') }).immediate()
  expect(migrating.pragma('synchronous', { simple: true })).toBe(full)

  const db = openWriter(path)
  onTestFinished(() => { db.close() })
  const writer = new Writer(db, systemClock)
  const { outcomes } = writer.runGroup([{ type: 'createDefault', name: 'first', secretHash: 'hash' }])
  expect(outcomes).toEqual([{ value: expect.objectContaining({ organization: 'default', name: 'first' }) }])
  expect(db.pragma('synchronous', { simple: true })).toBe(full)
})
