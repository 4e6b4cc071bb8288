import { performance } from 'node:perf_hooks'
import type { Caller } from '../api-key.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch } from '../search.ts'
import type { IndexLossListener, FoundPage } from '../store.ts'
import { GrowingPause } from './growing-pause.ts'
import type { ReadJob } from './read-pool.ts'
import { ReadPool } from './read-pool.ts'

const bytesAMebibyte = 1024 * 1024

/** For V8's young generation: left to itself it takes more than 100 MB once an index was built, and keeps them. */
const indexYoungMebibytes = 12
/** The old generation of the index may outgrow its columns, by what is on its way there and by what is not collected yet. */
const indexOldMebibytesMin = 2_048

export interface DispatchOptions {
  /** 0 switches the index off. */
  readonly indexBytesMax: number
  readonly lostIndexMs?: number
  readonly searchSecondsMax?: number
  readonly onIndexLost?: IndexLossListener
}

/** What an engine brings: searches by SQL, and a thread that keeps customers in memory. */
export interface SearchWays {
  readonly bySql: { search(keyId: number, job: ReadJob): Promise<FoundPage | undefined>; readonly length: number }
  readonly indexThread: URL
  readonly indexData: Record<string, unknown>
}

/** An organization that somebody searches, or all that are large. */
export interface Wanted {
  readonly want: number | 'large'
}

/** Said by the thread whenever it changed: whose searches can be answered from there, and what all that takes. */
export interface IndexNotice {
  readonly moved: readonly { readonly organizationId: number; readonly isIndexed: boolean }[]
  readonly bytes: number
}

/** What a thread of the index is started with, besides what the engine brings. */
export interface IndexThreadData {
  readonly bytesMax: number
  readonly searchSecondsMax: number
}

/**
 * Has searches answered from the index in memory where it holds the organization, and by SQL
 * everywhere else: while it is being built, where it would take too much memory, where it is switched off.
 */
export class SearchDispatch {
  readonly #bySql: SearchWays['bySql']
  readonly #index: ReadPool | undefined
  readonly #indexed = new Set<number>()
  readonly #onIndexLost: IndexLossListener
  readonly #away: GrowingPause
  #indexBytes = 0

  constructor(
    { bySql, indexThread, indexData }: SearchWays,
    { indexBytesMax, lostIndexMs = limits.indexLostSeconds * 1000, searchSecondsMax = limits.searchSecondsMax, onIndexLost = () => undefined }: DispatchOptions
  ) {
    this.#bySql = bySql
    this.#onIndexLost = onIndexLost
    this.#away = new GrowingPause({ firstMs: lostIndexMs, longestMs: limits.indexLostSecondsMax * 1000 })
    this.#index = indexBytesMax === 0 ? undefined : new ReadPool({
      thread: indexThread, threadsMax: 1, searchSecondsMax, answerSecondsMax: searchSecondsMax + limits.searchStopSecondsMax,
      workerData: { ...indexData, bytesMax: indexBytesMax, searchSecondsMax } satisfies IndexThreadData,
      resourceLimits: {
        maxYoungGenerationSizeMb: indexYoungMebibytes,
        maxOldGenerationSizeMb: Math.max(indexOldMebibytesMin, 2 * indexBytesMax / bytesAMebibyte)
      },
      onNotice: (notice) => { this.#notice(notice as IndexNotice) },
      onLost: (cause) => { this.#lose(cause) }
    })
  }

  /** Searches waiting or being answered. */
  get length(): number {
    return this.#bySql.length + (this.#index?.length ?? 0)
  }

  /** What the index in memory takes. */
  get indexBytes(): number {
    return this.#indexBytes
  }

  async search({ organizationId, keyId }: Pick<Caller, 'organizationId' | 'keyId'>, search: CustomerSearch): Promise<FoundPage> {
    const job = { organizationId, search }
    const page = this.#indexed.has(organizationId) && !asksByKey(search) ? await this.#index?.search(keyId, job) : undefined
    if (page !== undefined) return page
    this.#want(organizationId)
    const found = await this.#bySql.search(keyId, job)
    if (found === undefined) throw new Error('A search by SQL was left to others')
    return found
  }

  /** Begins to build the index of large organizations before somebody asks. */
  prepare(): void {
    this.#want('large')
  }

  /** Lets the index finish what it was asked so far. */
  async close(): Promise<void> {
    await this.#index?.close()
  }

  /** Runs the task while the index has no connection. It is built anew afterwards. */
  async whileClosed(task: () => Promise<void>): Promise<void> {
    if (this.#index === undefined) return await task()
    const organizations = [...this.#indexed]
    await this.#index.whileClosed(async () => {
      this.#forget()
      await task()
    })
    for (const organizationId of organizations) this.#want(organizationId)
  }

  #notice({ moved, bytes }: IndexNotice): void {
    for (const { organizationId, isIndexed } of moved) {
      if (isIndexed) this.#indexed.add(organizationId)
      else this.#indexed.delete(organizationId)
    }
    this.#indexBytes = bytes
  }

  #lose(cause: unknown): void {
    this.#forget()
    const ms = this.#away.begin(performance.now())
    this.#onIndexLost({ cause: cause ?? new Error('The thread of the index did not answer'), retryAfterSeconds: Math.ceil(ms / 1000) })
  }

  #forget(): void {
    this.#indexed.clear()
    this.#indexBytes = 0
  }

  #want(want: Wanted['want']): void {
    if (this.#away.isOn(performance.now())) return
    this.#index?.tell({ want } satisfies Wanted)
  }
}

const keys: readonly unknown[] = ['id', 'userId', 'email']

/** Clients search by a key before they create. A B-tree has the answer in microseconds, and a column is passed over. */
function asksByKey({ filter: { comparison, isNegated, filters } }: CustomerSearch): boolean {
  return !isNegated && (comparison === 'AND' || filters.length === 1) && filters.some((filter) =>
    (filter.type === 'number' || filter.type === 'text') && !filter.isNegated && filter.test.operator === '=' && keys.includes(filter.field.name))
}
