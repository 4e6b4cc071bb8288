import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { KeptChangeRow } from '../change-record.ts'
import { readChange } from '../change-record.ts'
import type { Command } from '../command.ts'
import { parseCreate, parseEvent, parseUpdate } from '../command.ts'
import { parseSearch } from '../parse-search.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import { SearchIndex } from './search-index.ts'
import { Writer } from './writer.ts'

interface Opened {
  readonly index: SearchIndex
  write(...commands: Command[]): void
  /** Takes back the newest change of a customer. */
  undo(customerId: number): void
  purgeChanges(): void
  /** Ids found, undefined where the index leaves the search to others. */
  find(filter: object, sort?: string): readonly number[] | undefined
  /** Builds until it is done, telling what to do between two slices. */
  build(between?: () => void): void
  pass(ms: number): void
}

function open(options: { bytesMax?: number; searchSecondsMax?: number } = {}): Opened {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const writing = openWriter(path)
  const writer = new Writer(writing, () => 1_700_000_000)
  writer.runGroup([{ type: 'createDefault', name: 'first', secretHash: 'hash' }])
  const reading = openReader(path)
  let nowMs = 0
  const index = new SearchIndex(reading, { bytesMax: options.bytesMax ?? Infinity, searchSecondsMax: options.searchSecondsMax ?? 60, nowMs: () => nowMs })
  onTestFinished(() => {
    reading.close()
    writing.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const caller = { organizationId: 1, keyId: 1, requestId: 'test' }
  const newest = writing.prepare<[number], KeptChangeRow>(`
    select id, customer_id as customerId, kind, at, key_id as keyId, '' as keyName, request_id as requestId, before, after
    from changes where customer_id = ? order by id desc limit 1`)
  const write = (...commands: Command[]): void => {
    const { outcomes } = writer.runGroup(commands.map((command) => ({ type: 'command', caller, command })))
    expect(outcomes.filter((outcome) => 'error' in outcome)).toEqual([])
  }
  return {
    index,
    write,
    undo(customerId) {
      const row = newest.get(customerId)
      if (row === undefined) throw new Error(`Customer ${customerId} has no change`)
      write({ type: 'undo', changes: [readChange(row, null)], force: false, dryRun: false })
    },
    purgeChanges() { writer.runGroup([{ type: 'purgeChanges', before: 1_800_000_000, max: 100_000 }]) },
    find(filter, sort = 'id') {
      const { search } = parseSearch({ filter: [filter], sort }, { organizationId: 1, attributes: new Map(), cursorSecret: Buffer.from(''), now: 0 })
      return reading.transaction(() => index.search(1, search))()?.ids
    },
    build(between = () => undefined) {
      while (index.isBuilding) {
        reading.transaction(() => { index.buildSlice() })()
        between()
      }
    },
    pass(ms) { nowMs += ms }
  }
}

const create = (body: object): Command => parseCreate(body, { attributes: new Map(), strictAttributes: false }).command
const rename = (id: number, name: string): Command => parseUpdate({ name }, { attributes: new Map(), strictAttributes: false, type: 'patch', id }).command
const record = (customer: number, name: string): Command => parseEvent({ customer, name }).command
const named = (name: string): object => ({ field: 'name', operator: '=', value: name })
const paid = { field: 'events.paid', operator: '>=', value: 1 }

test('an organization is left to others until it is built, and what is written meanwhile is not missed', () => {
  const { write, find, build } = open()
  write(...Array.from({ length: 1_200 }, (_, index) => create({ name: `n${index % 3}` })))
  expect(find(named('n0'))).toBe(undefined)

  let slices = 0
  build(() => {
    slices += 1
    if (slices > 3) return
    write(create({ name: 'late' }), record(slices, 'paid'), record(1_201 - slices, 'paid'), { type: 'delete', id: 600 + slices })
  })
  expect(slices).toBeGreaterThan(3)
  expect(find(named('late'))).toEqual([1_201, 1_202, 1_203])
  expect(find(paid)).toEqual([1, 2, 3, 1_198, 1_199, 1_200])
  expect(find({ field: 'id', operator: 'between', value: [600, 605] })).toEqual([600, 604, 605])
})

test('what happens while customers who came late are read is followed too', () => {
  const { write, find, build } = open()
  write(...Array.from({ length: 600 }, () => create({ name: 'first' })))
  find(named('first'))
  let slices = 0
  build(() => {
    slices += 1
    // More than fit into one slice, so that they are read by slices of their own.
    if (slices === 1) write(...Array.from({ length: 1_200 }, () => create({ name: 'late' })))
    if (slices === 2) write({ type: 'delete', id: 1 }, record(2, 'paid'), { type: 'untag', id: 3, names: ['none'] }, rename(3, 'renamed'), rename(700, 'renamed'), rename(1_800, 'renamed'))
  })

  expect(find({ field: 'id', operator: '<', value: 4 })).toEqual([2, 3])
  expect([find(paid), find(named('renamed'))]).toEqual([[2], [3, 700, 1_800]])
})

test('an event is counted of a customer that is as new as the event', () => {
  const { write, find, build } = open()
  find(paid)
  build()
  write(create({}), record(1, 'paid'))

  expect(find(paid)).toEqual([1])
})

test('customers who come back while an organization is built are found once, with their events, wherever it has got', () => {
  const { write, find, build, undo } = open()
  write(...Array.from({ length: 1_200 }, () => create({ name: 'here' })))
  const gone = [5, 600, 1_100, 1_199]
  write(...gone.flatMap((id): Command[] => [record(id, 'paid'), record(id, 'paid'), { type: 'delete', id }]))
  find(paid)
  let slices = 0
  build(() => {
    slices += 1
    if (slices === 1) for (const id of gone) undo(id)
    if (slices === 2) write({ type: 'delete', id: 600 })
  })
  undo(600)

  expect(find({ field: 'events.paid', operator: '=', value: 2 })).toEqual(gone)
  expect(find({ field: 'id', operator: 'in', value: gone })).toEqual(gone)
})

test('an event that is taken back is not counted, and is counted once when that is taken back', () => {
  const { write, find, build, undo } = open()
  write(create({}), record(1, 'paid'), record(1, 'seen'), create({}), record(2, 'paid'))
  find(paid)
  build()
  undo(2)
  expect(find(paid)).toEqual([1])
  undo(2)
  write(record(2, 'paid'))
  expect(find({ field: 'events.paid', operator: '=', value: 2 })).toEqual([2])
  undo(2)
  expect([find(paid), find({ field: 'events.paid', operator: '=', value: 2 })]).toEqual([[1, 2], []])
})

test('changes that were purged before they were followed are noticed, and all is built anew', () => {
  const { write, find, build, purgeChanges } = open()
  write(create({ name: 'old' }))
  find(named('old'))
  build()
  write(create({ name: 'new' }))
  purgeChanges()

  expect(find(named('new'))).toBe(undefined)
  build()
  expect(find(named('new'))).toEqual([2])
})

test('an organization that does not fit is left to others, and tried again later', () => {
  const { index, write, find, build, pass } = open({ bytesMax: 40_000 })
  write(create({ notes: 'a'.repeat(50_000) }))
  find(named('a'))
  build()
  expect([find(named('a')), index.isBuilding, index.bytes]).toEqual([undefined, false, 0])

  write({ type: 'delete', id: 1 }, create({ name: 'a' }))
  pass(300_001)
  find(named('a'))
  build()
  expect(find(named('a'))).toEqual([2])
})

const thousand = Array.from({ length: 1_000 }, (_, index) => create({ name: `n${index}`, company: `c${index % 7}` }))

function openBuilt(bytesMax: number): Opened {
  const opened = open({ bytesMax })
  opened.write(...thousand)
  opened.find(named('n1'))
  opened.build()
  return opened
}

/** Of many questions some leave something behind, whichever are worth it. */
function askMuch({ index, find }: Opened): void {
  for (let digit = 0; digit < 10; digit += 1) {
    for (const sort of ['company', 'id']) expect(find({ field: 'text', operator: '~', value: `n${digit}` }, sort)).toContain(digit + 1)
  }
  index.makeRoom()
}

test('what searches add counts towards the limit, and is let go before any customer', () => {
  const { bytes } = openBuilt(Infinity).index
  const unlimited = openBuilt(Infinity)
  askMuch(unlimited)
  expect(unlimited.index.bytes).toBeGreaterThan(bytes + 2_000)

  const limited = openBuilt(bytes + 2_000)
  askMuch(limited)
  expect([limited.index.bytes, limited.find(named('n1'))]).toEqual([bytes, [2]])
})

test('an organization whose events outgrow the limit is left to others', () => {
  const { index, write, find } = openBuilt(openBuilt(Infinity).index.bytes + 2_000)
  write(...thousand.map((_, place) => record(place + 1, 'paid')))
  expect([find(paid), index.bytes]).toEqual([undefined, 0])
})
