import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Command } from '../command.ts'
import { parseCreate, parseTags } from '../command.ts'
import { openWriter, prepareDatabase } from './open.ts'
import type { WriteJob } from './writer.ts'
import { Writer } from './writer.ts'

function openWriters(): [Writer, Writer] {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const [own, other] = [openWriter(path), openWriter(path)]
  onTestFinished(() => {
    own.close()
    other.close()
    rmSync(folder, { recursive: true })
  })
  return [new Writer(own, () => 0), new Writer(other, () => 0)]
}

const job = (command: Command): WriteJob => ({ type: 'command', caller: { organizationId: 1, keyId: 1, requestId: 'test' }, command })
const create = (body: object): WriteJob => job(parseCreate(body, { attributes: new Map(), strictAttributes: false }).command)

test('a group says whether it made keys, tags or attributes, or changed a color, and whether others had', () => {
  const [writer, other] = openWriters()
  const makesNames = (one: WriteJob): boolean => writer.runGroup([one]).hasNewNames

  expect(makesNames({ type: 'createOrganization', name: 'first' })).toBe(true)
  expect(makesNames({ type: 'createKey', organizationId: 1, name: 'key', secretHash: 'hash' })).toBe(true)
  expect(makesNames({ type: 'revokeKey', id: 1 })).toBe(true)
  const body = { tags: [{ name: 'vip', color: '#ff0000' }], customData: { plan: 'pro' } }
  expect(makesNames(create(body))).toBe(true)
  expect(makesNames(create(body))).toBe(false)
  expect(makesNames({ type: 'probe' })).toBe(false)
  expect(makesNames(create({ tags: [{ name: 'new' }] }))).toBe(true)
  expect(makesNames(create({ customData: { seats: 1 } }))).toBe(true)
  expect(makesNames(job(parseTags({ tags: [{ name: 'vip', color: '#00ff00' }] }, { type: 'tag', id: 1 }).command))).toBe(true)
  expect(makesNames(create({ name: 'Ada' }))).toBe(false)
  other.runGroup([create({ tags: [{ name: 'of another process' }] })])
  expect(makesNames(create({ name: 'Ada' }))).toBe(true)
  expect(makesNames(create({ name: 'Ada' }))).toBe(false)
})
