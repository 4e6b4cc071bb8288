import { setImmediate } from 'node:timers/promises'
import type { KeptChangeRow, LaterChange } from '../change-record.ts'
import type { ChangeItem, ChangeStore, FeedItem, FeedPage, FeedPosition, FeedQuestion, HistoryPage } from '../change-store.ts'
import { cursorGone } from '../errors.ts'
import { limits } from '../limits.ts'
import { changeItems, eventsWanted, itemsInSteps, pastsReplaced, pastsWanted } from '../sql/change-items.ts'
import type { FeedLook } from '../sql/feed-watch.ts'
import { FeedWatch } from '../sql/feed-watch.ts'
import type { ChangeReader, ScannedChange } from './change-reader.ts'

/** Runs a few milliseconds of reading, all of one moment. */
type Read = <Answer>(read: (reader: ChangeReader) => Answer) => Answer

/** What one step of reading takes at most, before others are served. */
const scannedAStep = 1_000
const rowsAStep = 100
const laterAStep = 500

/** What is told of changes, read in steps between which others are served. */
export class ChangeFeed implements ChangeStore {
  readonly #read: Read
  readonly #watch: FeedWatch
  #seenId = 0

  constructor(read: Read) {
    this.#read = read
    this.#watch = new FeedWatch({ begin: () => { this.#seenId = this.#read((reader) => reader.lastId()) }, look: () => this.#look() })
  }

  noticeCommit(): void {
    this.#watch.noticeCommit()
  }

  close(): void {
    this.#watch.close()
  }

  async readFeed(organizationId: number, { after, limit, kinds, wantsCustomers }: FeedQuestion): Promise<FeedPage> {
    const from = after === null ? undefined : readPosition(after)
    // What is read in this turn may be of a moment before another process made the change that the cursor is of.
    if (from !== undefined) await setImmediate()
    if (from !== undefined) this.#read((reader) => { requireKept(reader, organizationId, from) })
    const { found, last, isAtEnd } = await this.#scan(organizationId, { afterId: from?.id ?? 0, limit, kinds })
    const rows = await this.#rows(found.map(({ id }) => id))
    const items = await this.#items(organizationId, rows, wantsCustomers)
    // Meanwhile some of what was to be read may have been purged.
    if (from !== undefined) this.#read((reader) => { requireKept(reader, organizationId, from) })
    const lastItem = items.at(-1)
    const cut = found.length > items.length ? found.find(({ id }) => id === lastItem?.change.id) : undefined
    return {
      items: items.map((item): FeedItem => ({ ...item, position: positionOf(item.change) })),
      next: cut !== undefined ? positionOf(cut) : last !== undefined ? positionOf(last) : after ?? this.#begin(organizationId),
      hasMore: cut !== undefined || !isAtEnd
    }
  }

  async feedEnd(organizationId: number): Promise<FeedPosition> {
    const newest = this.#read((reader) => reader.newest(organizationId))
    return newest === undefined ? this.#begin(organizationId) : positionOf(newest)
  }

  watchFeed(listener: (organizationIds: ReadonlySet<number>) => void): () => void {
    return this.#watch.watch(listener)
  }

  async history(organizationId: number, customerId: number, { beforeId, limit }: { beforeId: number | null; limit: number }): Promise<HistoryPage> {
    const ids = this.#read((reader) => reader.idsBefore({ organizationId, customerId, beforeId: beforeId ?? Number.MAX_SAFE_INTEGER, max: limit + 1 }))
    const rows = await this.#rows(ids.slice(0, limit), 'newest first')
    const items = await this.#items(organizationId, rows, false)
    return { items, hasMore: ids.length > items.length }
  }

  async changesBetween(
    organizationId: number, customerId: number, { fromId, throughId, limit }: { fromId: number; throughId: number; limit: number }
  ): Promise<ChangeItem[]> {
    const ids = this.#read((reader) => reader.idsBetween({ organizationId, customerId, afterId: fromId - 1, beforeId: throughId + 1, max: limit }))
    return await this.#items(organizationId, await this.#rows(ids), true)
  }

  async findChange(organizationId: number, id: number): Promise<ChangeItem | undefined> {
    const found = this.#read((reader) => reader.find(organizationId, id))
    if (found === undefined) return undefined
    const [item] = await this.#items(organizationId, await this.#rows([id]), false)
    return item
  }

  async changesOfRequest(organizationId: number, requestId: string, limit: number): Promise<ChangeItem[]> {
    const ids = this.#read((reader) => reader.idsOfRequest(organizationId, requestId, limit))
    // All of them, since they are taken back together.
    return await this.#items(organizationId, await this.#rows(ids, 'oldest first', Infinity), false, Infinity)
  }

  /** Before the oldest change that is kept. */
  #begin(organizationId: number): FeedPosition {
    const { changeId: id = 0, requestId = '' } = this.#read((reader) => reader.horizon(organizationId)) ?? {}
    return positionOf({ id, requestId })
  }

  /** The next changes of the kinds wanted, and the last that was looked at. */
  async #scan(
    organizationId: number, { afterId, limit, kinds }: { afterId: number } & Pick<FeedQuestion, 'limit' | 'kinds'>
  ): Promise<{ found: ScannedChange[]; last: ScannedChange | undefined; isAtEnd: boolean }> {
    const wanted: ReadonlySet<string> | null = kinds
    const found: ScannedChange[] = []
    let last: ScannedChange | undefined
    for (let scanned = 0; scanned < limits.changesScannedMax;) {
      if (scanned > 0) await setImmediate()
      // One more than is needed tells whether there is more.
      const max = wanted === null ? Math.min(limit - found.length + 1, scannedAStep) : scannedAStep
      const step = this.#read((reader) => reader.scan(organizationId, last?.id ?? afterId, max))
      for (const change of step) {
        if (found.length === limit) return { found, last, isAtEnd: false }
        if (wanted === null || wanted.has(change.kind)) found.push(change)
        last = change
      }
      if (step.length < max) return { found, last, isAtEnd: true }
      scanned += step.length
    }
    return { found, last, isAtEnd: false }
  }

  /** Whole, in the order of the ids, and no more than fit in a page. */
  async #rows(ids: readonly number[], order: 'oldest first' | 'newest first' = 'oldest first', bytesMax: number = limits.changesPageBytesMax): Promise<KeptChangeRow[]> {
    const rows: KeptChangeRow[] = []
    let bytes = 0
    for (let from = 0; from < ids.length; from += rowsAStep) {
      if (from > 0) await setImmediate()
      const step = this.#read((reader) => reader.rows(ids.slice(from, from + rowsAStep)))
      for (const row of order === 'oldest first' ? step : step.toReversed()) {
        bytes += (row.before?.length ?? 0) + (row.after?.length ?? 0)
        if (bytes > bytesMax && rows.length > 0) return rows
        rows.push(row)
      }
    }
    return rows
  }

  /** Of the first of the rows, as many as fit in a page. */
  async #items(organizationId: number, rows: readonly KeptChangeRow[], wantsCustomers: boolean, bytesMax: number = limits.changesPageBytesMax): Promise<ChangeItem[]> {
    const customerIds = [...pastsWanted(rows, wantsCustomers).keys()]
    const bytesOf = this.#read((reader) => reader.sizes(organizationId, customerIds))
    return await itemsInSteps(rows, { wantsCustomers, bytesOf, bytesMax }, async (step) => await this.#itemsOfStep(organizationId, step, wantsCustomers))
  }

  async #itemsOfStep(organizationId: number, rows: readonly KeptChangeRow[], wantsCustomers: boolean): Promise<ChangeItem[]> {
    const pasts = pastsWanted(rows, wantsCustomers)
    const events = eventsWanted(rows).map(({ id }) => id)
    // Customers before their later changes: whatever is committed in between tells what it replaced.
    const context = this.#read((reader) => ({
      now: reader.customers(organizationId, [...pasts.keys()]), events: reader.events(events), tagColors: reader.tagColors(organizationId)
    }))
    const later = new Map<number, LaterChange[]>()
    let read = 0
    for (const [customerId, changeIds] of pastsReplaced(pasts, context.now)) {
      const changes: LaterChange[] = []
      const afterId = changeIds.reduce((least, id) => Math.min(least, id), Infinity)
      for (;;) {
        if (read >= laterAStep) {
          await setImmediate()
          read = 0
        }
        const beforeId = changes.at(-1)?.id ?? Number.MAX_SAFE_INTEGER
        const step = this.#read((reader) => reader.later({ organizationId, customerId, afterId, beforeId, max: laterAStep }))
        changes.push(...step)
        read += step.length + 1
        if (step.length < laterAStep) break
      }
      later.set(customerId, changes)
    }
    return changeItems(rows, { ...context, later, wantsCustomers })
  }

  #look(): FeedLook {
    return this.#read((reader) => {
      const last = reader.lastId()
      const organizationIds = new Set(last > this.#seenId ? reader.organizationsSince(this.#seenId) : [])
      this.#seenId = last
      return { organizationIds, isBehind: false }
    })
  }
}

/** The id of a change, and its request, by which another change of the same id is known: a backup was restored. */
function positionOf({ id, requestId }: Pick<ScannedChange, 'id' | 'requestId'>): FeedPosition {
  return `${id}.${requestId}`
}

function readPosition(position: FeedPosition): Pick<ScannedChange, 'id' | 'requestId'> {
  const [, id = '', requestId = ''] = /^(\d+)\.(.*)$/s.exec(position) ?? []
  // Of another engine, whose database was copied to this one.
  if (id === '' || Number(id) > limits.integerMax) throw cursorGone()
  return { id: Number(id), requestId }
}

/** Throws when changes behind the position were purged, or when it is of another history of this database. */
function requireKept(reader: ChangeReader, organizationId: number, { id, requestId }: Pick<ScannedChange, 'id' | 'requestId'>): void {
  const horizon = reader.horizon(organizationId)
  if (horizon !== undefined && id < horizon.changeId) throw cursorGone()
  if (id === 0) return
  const there = horizon?.changeId === id ? horizon : reader.find(organizationId, id)
  if (there?.requestId !== requestId) throw cursorGone()
}
