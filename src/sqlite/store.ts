import { accessSync, closeSync, constants, existsSync, openSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { ApiKey, Caller } from '../api-key.ts'
import type { UnixSeconds } from '../clock.ts'
import { systemClock } from '../clock.ts'
import type { Command } from '../command.ts'
import type { AttributeType } from '../custom-data.ts'
import type { RevisedCustomer } from '../customer.ts'
import { ApiError, OperatorError } from '../errors.ts'
import type { KeptAnswer, RepeatableRequest } from '../idempotency.ts'
import { ReadPool } from '../indexing/read-pool.ts'
import type { DispatchOptions } from '../indexing/search-dispatch.ts'
import { SearchDispatch } from '../indexing/search-dispatch.ts'
import { threadBeside } from '../indexing/start-thread.ts'
import { limits } from '../limits.ts'
import type { SearchContext } from '../parse-search.ts'
import type { CustomerSearch } from '../search.ts'
import { readAnswer } from '../sql/kept-outcome.ts'
import type { Backup, CommitListener, FoundPage, Organization, Store, StoreStatus, Written } from '../store.ts'
import type {
  ClaimedWebhook, Delivery, DeliveryPage, DeliveryProgress, HeldCustomer, ReplayChoice, ShownWebhook, StoredWebhook, WebhookDraft, WebhookPatch
} from '../webhook.ts'
import { writeBackup } from './backup.ts'
import { ChangeFeed } from './change-feed.ts'
import { prepareDatabase, refuseHalfCopied } from './open.ts'
import { isList } from './list-reader.ts'
import type { ReadThreadData } from './read-thread.ts'
import { isReadOnlyError, toStorageError } from './storage-error.ts'
import { TurnReader } from './turn-reader.ts'
import { WriteQueue } from './write-queue.ts'
import type { DeletionPlace, WriteJob, WriteResults } from './writer.ts'

const mebibyte = 1024 * 1024
const secondsAnHour = 3_600

export interface SqliteOptions extends Partial<DispatchOptions> {
  readonly path: string
  readonly onCommit?: CommitListener
  /** What the index of searches in memory may take, in bytes; 0 switches it off. */
  readonly indexBytesMax?: number
  /** Whether large organizations are indexed at once, and not when they are first searched. */
  readonly preparesIndex?: boolean
}

/** The engine on one SQLite file: reads on this thread while they are small, else in threads of their own. */
export class SqliteStore implements Store {
  readonly #path: string
  readonly #writes: WriteQueue
  readonly #reads: ReadPool
  readonly #searches: SearchDispatch
  readonly #changes = new ChangeFeed((read) => this.#read((reader) => read(reader.changes())))
  /** Undefined once it was closed to be opened anew by the next read, so that a passing fault passes. */
  #reader: TurnReader | undefined
  #reopening: Promise<void> | undefined
  #reopenedAtMs = -Infinity
  #isClosing = false

  private constructor({ path, onCommit, indexBytesMax = limits.searchMemoryMebibytesDefault * mebibyte, preparesIndex = false, ...searches }: SqliteOptions) {
    this.#path = path
    this.#reader = new TurnReader(path)
    this.#writes = new WriteQueue(path, ({ hasNewNames, ...commit }) => {
      this.#reader?.noticeCommit({ hasNewNames })
      this.#changes.noticeCommit()
      onCommit?.(commit)
    })
    const { searchSecondsMax = limits.searchSecondsMax } = searches
    this.#reads = new ReadPool({
      thread: threadBeside(import.meta.url, './read-thread.ts'), threadsMax: Math.min(limits.readThreadsMax, availableParallelism()), searchSecondsMax,
      workerData: { path, searchSecondsMax } satisfies ReadThreadData
    })
    const ways = { bySql: this.#reads, indexThread: threadBeside(import.meta.url, './index-thread.ts'), indexData: { path } }
    this.#searches = new SearchDispatch(ways, { indexBytesMax, ...searches })
    if (preparesIndex) this.#searches.prepare()
  }

  /** Throws an OperatorError when the file cannot be used, and has then left it as it was. */
  static open(options: SqliteOptions): SqliteStore {
    prepareDatabase(options.path)
    refuseHalfCopied(options.path)
    const store = openPrepared(options.path, () => new SqliteStore(options))
    // Plans go by statistics; a failure to refresh them is no reason not to start.
    store.#write({ type: 'optimize' }).catch(() => undefined)
    return store
  }

  async write(caller: Caller, command: Command): Promise<Written> {
    return await this.#write({ type: 'command', caller, command })
  }

  async find(organizationId: number, id: number): Promise<RevisedCustomer | undefined> {
    return this.#read((reader) => reader.find(organizationId, id))
  }

  async search(caller: Pick<Caller, 'organizationId' | 'keyId'>, search: CustomerSearch): Promise<FoundPage> {
    // A page of a walk can be too long for the main thread.
    if (isList(search) && search.limit <= limits.pageCustomersMax) return this.#read((reader) => reader.search(caller.organizationId, search))
    return await this.#searches.search(caller, search)
  }

  async attributes(organizationId: number): Promise<ReadonlyMap<string, AttributeType>> {
    return this.#read((reader) => reader.attributes(organizationId))
  }

  async searchContext(organizationId: number): Promise<Omit<SearchContext, 'now'>> {
    return this.#read((reader) => ({ organizationId, attributes: reader.newestAttributes(organizationId), cursorSecret: reader.cursorSecret() }))
  }

  async cursorSecret(): Promise<Uint8Array> {
    return this.#read((reader) => reader.cursorSecret())
  }

  readFeed: Store['readFeed'] = (organizationId, question) => this.#changes.readFeed(organizationId, question)
  feedEnd: Store['feedEnd'] = (organizationId) => this.#changes.feedEnd(organizationId)
  watchFeed: Store['watchFeed'] = (listener) => this.#changes.watchFeed(listener)
  history: Store['history'] = (organizationId, customerId, page) => this.#changes.history(organizationId, customerId, page)
  changesBetween: Store['changesBetween'] = (organizationId, customerId, range) => this.#changes.changesBetween(organizationId, customerId, range)
  findChange: Store['findChange'] = (organizationId, id) => this.#changes.findChange(organizationId, id)
  changesOfRequest: Store['changesOfRequest'] = (organizationId, requestId, limit) => this.#changes.changesOfRequest(organizationId, requestId, limit)

  async createOrganization(name: string): Promise<Organization> {
    return await this.#write({ type: 'createOrganization', name })
  }

  async organizations(): Promise<Organization[]> {
    return this.#read((reader) => reader.organizations())
  }

  async createDefault(key: { name: string; secretHash: string }): Promise<ApiKey | undefined> {
    return await this.#write({ type: 'createDefault', ...key })
  }

  async createKey(key: { organizationId: number; name: string; secretHash: string }): Promise<ApiKey> {
    return await this.#write({ type: 'createKey', ...key })
  }

  async keys(): Promise<ApiKey[]> {
    return this.#read((reader) => reader.keys())
  }

  async findKey(secretHash: string): Promise<ApiKey | undefined> {
    return this.#read((reader) => reader.findKey(secretHash))
  }

  async revokeKey(id: number): Promise<ApiKey | undefined> {
    return await this.#write({ type: 'revokeKey', id })
  }

  async recallAnswer(organizationId: number, request: RepeatableRequest): Promise<KeptAnswer | undefined> {
    const kept = this.#read((reader) => reader.findOutcome(organizationId, request.key, systemClock() - limits.idempotencyKeyHours * secondsAnHour))
    return kept && readAnswer(kept, request)
  }

  async keepAnswer(organizationId: number, request: RepeatableRequest, answer: KeptAnswer): Promise<void> {
    await this.#write({ type: 'keepAnswer', organizationId, request, answer })
  }

  async purgeOutcomes(before: UnixSeconds): Promise<void> {
    // A group at a time, so that callers' writes get their turn in between.
    while (await this.#write({ type: 'purgeOutcomes', before, max: limits.purgeGroupMax }) === limits.purgeGroupMax);
  }

  async emptyTrash(before: UnixSeconds): Promise<void> {
    // A group at a time, so that callers' writes get their turn in between.
    let from: DeletionPlace | undefined
    do from = await this.#write({ type: 'emptyTrash', before, from, max: limits.purgeGroupMax })
    while (from !== undefined)
  }

  async purgeChanges(before: UnixSeconds): Promise<number> {
    // A deletion whose change is gone cannot be undone.
    await this.emptyTrash(before)
    let purged = 0
    for (;;) {
      const count = await this.#write({ type: 'purgeChanges', before, max: limits.purgeGroupMax })
      purged += count
      if (count < limits.purgeGroupMax) break
    }
    await this.#write({ type: 'optimize' })
    return purged
  }

  async createWebhook(caller: Caller, draft: WebhookDraft): Promise<StoredWebhook> {
    // Read before it is made, so that what is committed in between is told rather than missed.
    const position = await this.feedEnd(caller.organizationId)
    return await this.#write({ type: 'createWebhook', caller, draft, position })
  }

  async webhooks(organizationId: number): Promise<ShownWebhook[]> {
    return this.#read((reader) => reader.webhooks().webhooks(organizationId))
  }

  async findWebhook(organizationId: number, id: number): Promise<StoredWebhook | undefined> {
    return this.#read((reader) => reader.webhooks().find(organizationId, id))
  }

  async updateWebhook(caller: Caller, id: number, patch: WebhookPatch): Promise<StoredWebhook | undefined> {
    return await this.#write({ type: 'updateWebhook', caller, id, patch })
  }

  async deleteWebhook(caller: Caller, id: number): Promise<boolean> {
    return await this.#write({ type: 'deleteWebhook', caller, id })
  }

  async deliveries(organizationId: number, webhookId: number, page: DeliveryPage): Promise<Delivery[]> {
    return this.#read((reader) => reader.webhooks().deliveries(organizationId, webhookId, page))
  }

  async findDelivery(organizationId: number, webhookId: number, id: string): Promise<Delivery | undefined> {
    return this.#read((reader) => reader.webhooks().findDelivery(organizationId, webhookId, id))
  }

  async replayDeliveries(caller: Caller, webhookId: number, which: ReplayChoice): Promise<number> {
    return await this.#write({ type: 'replayDeliveries', caller, webhookId, which })
  }

  async claimWebhooks(worker: string, seconds: number): Promise<ClaimedWebhook[]> {
    // Asked every few seconds: where nobody has webhooks that should not hold up writes.
    if (!this.#read((turn) => turn.webhooks().anyActive())) return []
    return await this.#write({ type: 'claimWebhooks', worker, seconds })
  }

  async heldCustomers(webhookId: number): Promise<HeldCustomer[]> {
    return this.#read((reader) => reader.webhooks().held(webhookId))
  }

  async dueReplays(webhookId: number, limit: number): Promise<Delivery[]> {
    return this.#read((reader) => reader.webhooks().dueReplays(webhookId, limit))
  }

  async keepProgress(worker: string, webhookId: number, progress: DeliveryProgress): Promise<boolean> {
    return await this.#write({ type: 'keepProgress', worker, webhookId, progress })
  }

  async releaseWebhooks(worker: string): Promise<void> {
    await this.#write({ type: 'releaseWebhooks', worker })
  }

  async purgeDeliveries(before: UnixSeconds): Promise<number> {
    let purged = 0
    for (;;) {
      const count = await this.#write({ type: 'purgeDeliveries', before, max: limits.purgeGroupMax })
      purged += count
      if (count < limits.purgeGroupMax) return purged
    }
  }

  async probe(): Promise<void> {
    await this.#write({ type: 'probe' })
    this.#read((reader) => { reader.probe() })
  }

  async status(): Promise<StoreStatus> {
    return {
      customers: this.#read((reader) => reader.customers()),
      databaseBytes: fileBytes(this.#path) + fileBytes(`${this.#path}-wal`),
      writesWaiting: this.#writes.length,
      readsWaiting: this.#searches.length,
      searchIndexBytes: this.#searches.indexBytes
    }
  }

  async backup(path: string): Promise<Backup> {
    return await writeBackup(path, (draft) => {
      closeSync(openSync(draft, 'wx', 0o600))
      this.#openReader().copyTo(draft)
    })
  }

  async close(): Promise<void> {
    this.#isClosing = true
    this.#changes.close()
    await this.#reopening
    await Promise.all([this.#searches.close(), this.#reads.close()])
    this.#reader?.close()
    // Last, since only a connection that can write folds the write-ahead log back as it leaves.
    await this.#writes.close()
  }

  #openReader(): TurnReader {
    this.#reader ??= new TurnReader(this.#path)
    return this.#reader
  }

  #read<Answer>(read: (reader: TurnReader) => Answer): Answer {
    try {
      return read(this.#openReader())
    } catch (error) {
      throw error instanceof ApiError ? error : toStorageError(error) ?? error
    }
  }

  async #write<Job extends WriteJob>(job: Job): Promise<WriteResults[Job['type']]> {
    try {
      return await this.#writes.push(job)
    } catch (error) {
      // Answered as the failure it is, but not before the next write has a chance.
      if (isReadOnlyError(error)) await this.#reopenIfWritable()
      throw error
    }
  }

  /**
   * SQLite opens the index of the write-ahead log once for all connections of a process. When that
   * was on a read-only disk, no new connection can write before the last of the old ones is closed.
   */
  async #reopenIfWritable(): Promise<void> {
    if (this.#reopening === undefined) {
      const isTooSoon = performance.now() - this.#reopenedAtMs < limits.reopenIntervalSeconds * 1000
      if (this.#isClosing || isTooSoon || !isWritable(this.#path)) return
      this.#reopening = this.#reopen()
    }
    await this.#reopening
  }

  /** Each connection is opened again when it is next needed. */
  async #reopen(): Promise<void> {
    try {
      await this.#writes.whileClosed(() => this.#searches.whileClosed(() => this.#reads.whileClosed(() => {
        this.#reader?.close()
        this.#reader = undefined
      })))
    } finally {
      this.#reopenedAtMs = performance.now()
      this.#reopening = undefined
    }
  }
}

/** Asks without opening the file, since closing it would drop the locks that SQLite holds on it. */
function isWritable(path: string): boolean {
  try {
    for (const file of [path, dirname(path)]) accessSync(file, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function openPrepared(path: string, open: () => SqliteStore): SqliteStore {
  try {
    return open()
  } catch (error) {
    throw new OperatorError(`${path} cannot be opened: ${error instanceof Error ? error.message : String(error)}. Check the file, its folder and their permissions.`, { cause: error })
  }
}

function fileBytes(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}
