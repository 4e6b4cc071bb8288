import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { parseCreate } from '../command.ts'
import { openWriter, prepareDatabase } from './open.ts'
import { TurnReader } from './turn-reader.ts'
import { Writer } from './writer.ts'

test('attributes that another process has made are known in the next turn', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = openWriter(path)
  const writer = new Writer(db, () => 0)
  writer.runGroup([{ type: 'createOrganization', name: 'first' }])
  const turns = new TurnReader(path)
  onTestFinished(() => {
    turns.close()
    db.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const known: string[][] = []
  for (const attribute of ['plan', 'seats', 'score']) {
    const { command } = parseCreate({ customData: { [attribute]: 1 } }, { attributes: new Map(), strictAttributes: false })
    writer.runGroup([{ type: 'command', caller: { organizationId: 1, keyId: 1, requestId: 'test' }, command }])
    known.push([...turns.newestAttributes(1).keys()])
    await setImmediate()
  }

  expect(known).toEqual([['plan'], ['plan', 'seats'], ['plan', 'seats', 'score']])
})
