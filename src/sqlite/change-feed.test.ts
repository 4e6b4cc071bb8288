import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseCreate } from '../command.ts'
import { openWriter } from './open.ts'
import { SqliteStore } from './store.ts'
import { Writer } from './writer.ts'

test('a cursor that another process has just given is not taken for one that is gone', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  const store = SqliteStore.open({ path, indexBytesMax: 0 })
  const db = openWriter(path)
  onTestFinished(async () => {
    await store.close()
    db.close()
    rmSync(folder, { recursive: true })
  })
  const { organizationId, id: keyId } = await store.createDefault({ name: 'first', secretHash: 'hash' }) ?? {}
  if (organizationId === undefined || keyId === undefined) throw new Error('The database is not new')

  // A turn of this process begins, then the other one commits, then its cursor arrives in the same turn.
  const earlier = store.find(organizationId, 1)
  const { command } = parseCreate({ name: 'Ann' }, { attributes: new Map(), strictAttributes: false })
  new Writer(db, () => 0).runGroup([{ type: 'command', caller: { organizationId, keyId, requestId: 'r-1' }, command }])
  const page = store.readFeed(organizationId, { after: '1.r-1', limit: 10, kinds: null, wantsCustomers: false })

  expect(await earlier).toBeUndefined()
  expect(await page).toEqual({ items: [], next: '1.r-1', hasMore: false })
})
