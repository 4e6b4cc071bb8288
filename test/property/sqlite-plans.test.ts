import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import type { Command } from '../../src/command.ts'
import { parseCreate, parseEvent, parseTags, parseUpdate } from '../../src/command.ts'
import type { Customer } from '../../src/contract/customer.ts'
import { parseSearch } from '../../src/parse-search.ts'
import type { CustomerSearch, Position } from '../../src/search.ts'
import { Catalog } from '../../src/sqlite/catalog.ts'
import { EntryLookup } from '../../src/sqlite/entry-lookup.ts'
import { openReader, openWriter, prepareDatabase } from '../../src/sqlite/open.ts'
import { Reader } from '../../src/sqlite/reader.ts'
import { SearchIndex } from '../../src/sqlite/search-index.ts'
import { Writer } from '../../src/sqlite/writer.ts'
import type { Written } from '../../src/store.ts'
import { drafts, happenings, now, search, withIds } from './generated.ts'
import type { Kept } from './in-memory-search.ts'
import { searchInMemory } from './in-memory-search.ts'

/** Bounds that send small organizations down the plans that are meant for large ones. */
const plans = {
  'as few as there are': {},
  'always walking': { sortedHitsMax: -1 },
  'walking, but giving up': { sortedHitsMax: -1, walkEntriesMax: 4 }
}

type KeptEvent = { readonly id: number } & Kept['events'][number]

interface Bodies {
  readonly drafts: readonly object[]
  readonly happenings: readonly { readonly of: number; readonly what: { readonly type: string } & Record<string, unknown> }[]
}

/** An index in memory that looks up all that the database can find by an index of its own, however long that takes, and walks the orders that it has. */
interface LookingIndex {
  search(organizationId: number, search: CustomerSearch): { readonly ids: readonly number[]; readonly total: number | null; readonly next: Position | null }
  readonly lookedUp: number
  /** Pages for which an order was read in the database. */
  readonly walked: number
}

interface Added {
  readonly organizationId: number
  readonly kept: Kept[]
  /** More that happens to them; answers who is there then. */
  goOn(happenings: Bodies['happenings']): Kept[]
}

/** A database that many runs share, each with an organization of its own. */
function openDatabase(): { add: (bodies: Bodies) => Added; openReader: (options: object) => Reader; openIndex: () => LookingIndex } {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = openWriter(path)
  const writer = new Writer(db, () => now)
  const open: { close: () => unknown }[] = [db]
  onTestFinished(() => {
    for (const connection of open) connection.close()
    rmSync(folder, { recursive: true })
  })
  let organizations = 0
  const options = { attributes: new Map(), strictAttributes: false }
  return {
    openReader(bounds) {
      const reading = openReader(path)
      open.push(reading)
      return new Reader(reading, bounds)
    },
    openIndex() {
      const reading = openReader(path)
      open.push(reading)
      const index = new SearchIndex(reading, { bytesMax: Infinity, searchSecondsMax: 60, nowMs: () => performance.now() })
      const catalog = new Catalog(reading)
      const lookup = new EntryLookup(reading)
      let lookedUp = 0
      let walked = 0
      return {
        get lookedUp() { return lookedUp },
        get walked() { return walked },
        search: (organizationId, asked) => reading.transaction(() => {
          catalog.refresh()
          index.want(organizationId)
          while (index.isBuilding) index.buildSlice()
          const names = catalog.of(organizationId)
          const found = index.search(organizationId, asked, {
            lookUp(filter) {
              const ids = lookup.find(organizationId, filter, { max: 1_000_000, names })
              if (ids !== undefined) lookedUp += 1
              return ids
            },
            readerOf: (sort) => lookup.readerOf(organizationId, sort, names)
          })
          if (found === undefined) throw new Error('The index was built and does not answer')
          if (found.plan.includes('in the database')) walked += 1
          return { ids: found.ids, total: found.total, next: found.next }
        })()
      }
    },
    add(bodies) {
      organizations += 1
      const name = `organization ${organizations}`
      const organizationId = organizations
      writer.runGroup([{ type: 'createOrganization', name }])
      const run = (command: Command): number[] => {
        const [outcome] = writer.runGroup([{ type: 'command', caller: { organizationId, keyId: 1, requestId: 'test' }, command }]).outcomes
        if (outcome === undefined || 'error' in outcome) return []
        // It was a command.
        const { customers } = outcome.value as Written
        return customers.map(({ json }) => (JSON.parse(json) as Customer).id)
      }
      const ids = bodies.drafts.flatMap((body) => run(parseCreate(body, options).command))
      const happen = (happenings: Bodies['happenings']): KeptEvent[] => happenings.flatMap(({ of, what: { type, body, tags, name, createdAt } }) => {
        const id = ids[of % ids.length]
        if (id === undefined) return []
        switch (type) {
          case 'patch': case 'put': run(parseUpdate(body, { ...options, type: type === 'put' ? 'replace' : 'patch', id }).command); return []
          case 'tag': case 'untag': run(parseTags({ tags }, { type, id }).command); return []
          case 'delete': run({ type: 'delete', id }); return []
          default: {
            run(parseEvent({ name, customer: id, createdAt }).command)
            return [{ id, name: String(name), createdAt: Number(createdAt) }]
          }
        }
      })
      const events = happen(bodies.happenings)
      const keptNow = (): Kept[] => db.prepare<[number], { rendering: string }>('select rendering from customers where organization_id = ?').all(organizationId)
        .map(({ rendering }) => JSON.parse(rendering) as Customer)
        .map((customer) => ({ customer, createdAt: now, updatedAt: now, events: events.filter(({ id }) => id === customer.id) }))
      return {
        organizationId,
        kept: keptNow(),
        goOn(happenings) {
          events.push(...happen(happenings))
          return keptNow()
        }
      }
    }
  }
}

const attributes = new Map(Object.entries({ plan: 'text', 'a.b': 'text', toString: 'text', seats: 'number', '10': 'number', trial: 'boolean', '%': 'boolean' } as const))

function page(reader: Reader, organizationId: number, asked: CustomerSearch): { ids: number[]; count: number; total: number | null; next: Position | null } {
  const { customers, count, total, next } = reader.search(organizationId, asked)
  const ids = (JSON.parse(`[${Buffer.from(customers).toString()}]`) as Customer[]).map(({ id }) => id)
  return { ids, count, total, next }
}

test.each(Object.entries(plans))('a search planned %s finds what the definition says, by offset and in a walk', (_name, bounds) => {
  const database = openDatabase()
  const reader = database.openReader(bounds)
  fc.assert(fc.property(drafts, happenings, fc.array(search, { minLength: 30, maxLength: 30 }), fc.boolean(), (bodies, changes, searches, wantsTotal) => {
    const { organizationId, kept } = database.add({ drafts: bodies, happenings: changes })
    reader.refresh()
    const context = { organizationId, attributes, cursorSecret: reader.cursorSecret(), now }
    for (const body of searches.map((one) => withIds(one, kept.map(({ customer }) => customer.id)))) {
      const { search: parsed } = parseSearch(body, context)
      const asked = { ...parsed, wantsTotal }
      const all = searchInMemory(kept, { ...body, limit: 100, offset: 0 }, now).data.map(({ id }) => id)
      const expected = all.slice(asked.offset, asked.offset + asked.limit)
      const { next, ...found } = page(reader, organizationId, asked)

      expect([found, next?.id]).toEqual([
        { ids: expected, count: expected.length, total: wantsTotal ? all.length : null },
        asked.offset + asked.limit < all.length ? expected.at(-1) : undefined
      ])

      const walked: number[][] = []
      let after: Position | null = null
      do {
        const step = page(reader, organizationId, { ...asked, offset: 0, limit: 7, after })
        walked.push(step.ids)
        after = step.next
      } while (after !== null && walked.length <= all.length)
      expect(walked).toEqual(Array.from({ length: Math.max(1, Math.ceil(all.length / 7)) }, (_, index) => all.slice(index * 7, index * 7 + 7)))
    }
  }), { numRuns: 25 })
}, 120_000)

test('a search of the index in memory finds the same when it looks up all it can in the indexes of the database, and walks them', () => {
  const database = openDatabase()
  const index = database.openIndex()
  const cursorSecret = Buffer.from('')
  fc.assert(fc.property(drafts, happenings, happenings, fc.array(search, { minLength: 40, maxLength: 40 }), fc.boolean(), (bodies, before, after, searches, wantsTotal) => {
    const { organizationId, kept, goOn } = database.add({ drafts: bodies, happenings: before })
    const asked = searches.map((one) => withIds(one, kept.map(({ customer }) => customer.id)))
    const expectFound = (all: readonly Kept[]): void => {
      for (const body of asked) {
        const { search: parsed } = parseSearch(body, { organizationId, attributes, cursorSecret, now })
        const { total } = searchInMemory(all, body, now)
        const everyone = searchInMemory(all, { ...body, limit: 100, offset: 0 }, now).data.map(({ id }) => id)
        const first = index.search(organizationId, { ...parsed, wantsTotal })
        expect(first).toEqual({ ids: everyone.slice(parsed.offset, parsed.offset + parsed.limit), total: wantsTotal ? total : null, next: first.next })
        const rest = everyone.slice(parsed.offset + parsed.limit)
        expect(first.next?.id).toEqual(rest.length > 0 ? first.ids.at(-1) : undefined)
        const second = first.next === null ? [] : index.search(organizationId, { ...parsed, offset: 0, after: first.next, wantsTotal }).ids
        expect(second).toEqual(rest.slice(0, parsed.limit))
      }
    }
    expectFound(kept)
    // What was found is brought up to date, and what was not is looked up then.
    expectFound(goOn(after))
  }), { numRuns: 40 })
  expect(Math.min(index.lookedUp, index.walked)).toBeGreaterThan(100)
}, 120_000)
