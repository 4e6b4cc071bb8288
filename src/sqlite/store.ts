import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { performance } from 'node:perf_hooks'
import type { Database, Statement } from 'better-sqlite3'
import SqliteDatabase from 'better-sqlite3'
import type { ApiKey, Caller } from '../api-key.ts'
import type { UnixSeconds } from '../clock.ts'
import type { Command } from '../command.ts'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import { ApiError, OperatorError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch } from '../search.ts'
import type { Backup, CommitListener, FoundPage, Organization, Store, StoreStatus, Written } from '../store.ts'
import { openReader, prepareDatabase } from './open.ts'
import { ReadPool } from './read-pool.ts'
import { Reader } from './reader.ts'
import { selectKeys } from './select-keys.ts'
import { toStorageError } from './storage-error.ts'
import { WriteQueue } from './write-queue.ts'

export interface SqliteOptions {
  readonly path: string
  readonly onCommit?: CommitListener
}

/** The engine on one SQLite file: reads on this thread while they are small, else in threads of their own. */
export class SqliteStore implements Store {
  readonly #path: string
  readonly #db: Database
  readonly #reader: Reader
  readonly #writes: WriteQueue
  readonly #reads: ReadPool
  readonly #findKey: Statement<[string], ApiKey>
  readonly #dataVersion: Statement<[], number>
  readonly #begin: Statement
  readonly #commit: Statement
  readonly #keysByHash = new Map<string, ApiKey | undefined>()
  #dataVersionSeen = -1
  #lookedAtMs = -Infinity

  private constructor({ path, onCommit }: SqliteOptions) {
    this.#path = path
    this.#db = openReader(path)
    this.#reader = new Reader(this.#db)
    this.#writes = new WriteQueue(path, (commit) => {
      this.#lookedAtMs = -Infinity
      this.#endTurn()
      onCommit?.(commit)
    })
    this.#reads = new ReadPool(path, { threadsMax: Math.min(4, availableParallelism()) })
    this.#findKey = this.#db.prepare(`${selectKeys} where secret_hash = ? and revoked_at is null`)
    this.#begin = this.#db.prepare('begin')
    this.#commit = this.#db.prepare('commit')
    this.#dataVersion = this.#db.prepare<[], number>('pragma data_version').pluck()
  }

  /** Throws an OperatorError when the file cannot be used, and has then left it as it was. */
  static open(options: SqliteOptions): SqliteStore {
    prepareDatabase(options.path)
    const store = openPrepared(options.path, () => new SqliteStore(options))
    // Plans go by statistics; a failure to refresh them is no reason not to start.
    store.#writes.push({ type: 'optimize' }).catch(() => undefined)
    return store
  }

  async write(caller: Caller, command: Command): Promise<Written> {
    return await this.#writes.push({ type: 'command', caller, command })
  }

  async find(organizationId: number, id: number): Promise<CustomerJson | undefined> {
    return this.#read(() => this.#reader.find(organizationId, id))
  }

  async search(organizationId: number, search: CustomerSearch): Promise<FoundPage> {
    if (search.filters.length === 0) return this.#read(() => this.#reader.search(organizationId, search))
    return await this.#reads.search({ organizationId, search })
  }

  async attributes(organizationId: number): Promise<ReadonlyMap<string, AttributeType>> {
    return this.#read(() => this.#reader.attributeTypes(organizationId))
  }

  async createOrganization(name: string): Promise<Organization> {
    return await this.#writes.push({ type: 'createOrganization', name })
  }

  async organizations(): Promise<Organization[]> {
    return this.#read(() => this.#db.prepare<[], Organization>(
      'select id, name, created_at as createdAt, customer_count as customers from organizations order by id').all())
  }

  async createDefault(key: { name: string; secretHash: string }): Promise<ApiKey | undefined> {
    return await this.#writes.push({ type: 'createDefault', ...key })
  }

  async createKey(key: { organizationId: number; name: string; secretHash: string }): Promise<ApiKey> {
    return await this.#writes.push({ type: 'createKey', ...key })
  }

  async keys(): Promise<ApiKey[]> {
    return this.#read(() => this.#db.prepare<[], ApiKey>(`${selectKeys} order by api_keys.id`).all())
  }

  async findKey(secretHash: string): Promise<ApiKey | undefined> {
    return this.#read(() => {
      if (this.#keysByHash.size >= limits.keyCacheMax) this.#keysByHash.clear()
      if (!this.#keysByHash.has(secretHash)) this.#keysByHash.set(secretHash, this.#findKey.get(secretHash))
      return this.#keysByHash.get(secretHash)
    })
  }

  async revokeKey(id: number): Promise<ApiKey | undefined> {
    return await this.#writes.push({ type: 'revokeKey', id })
  }

  async purgeChanges(before: UnixSeconds): Promise<number> {
    let purged = 0
    for (;;) {
      // A group at a time, so that callers' writes get their turn in between.
      const count = await this.#writes.push({ type: 'purgeChanges', before, max: limits.purgeGroupMax })
      purged += count
      if (count < limits.purgeGroupMax) break
    }
    await this.#writes.push({ type: 'optimize' })
    return purged
  }

  async probe(): Promise<void> {
    await this.#writes.push({ type: 'probe' })
    this.#read(() => this.#db.prepare('select at from probes').get())
  }

  async status(): Promise<StoreStatus> {
    const customers = this.#read(() => this.#db.prepare<[], number>('select total(customer_count) from organizations').pluck().get()) ?? 0
    return {
      customers,
      databaseBytes: fileBytes(this.#path) + fileBytes(`${this.#path}-wal`),
      writesWaiting: this.#writes.length,
      readsWaiting: this.#reads.length
    }
  }

  /** VACUUM INTO reads one snapshot and, unlike the backup interface, never starts over because of a writer. */
  async backup(path: string): Promise<Backup> {
    if (existsSync(path)) throw new OperatorError(`${path} exists already. Name a new file, or remove it first.`)
    const draft = `${path}.${randomUUID()}.part`
    try {
      closeSync(openSync(draft, 'wx', 0o600))
      this.#endTurn()
      this.#db.prepare('vacuum into ?').run(draft)
      const customers = checkCopy(draft)
      fsyncPath(draft)
      renameSync(draft, path)
      fsyncPath(dirname(path))
      return { customers, bytes: fileBytes(path) }
    } catch (error) {
      throw new OperatorError(`The backup to ${path} failed: ${error instanceof Error ? error.message : String(error)}. The database was not touched.`, { cause: error })
    } finally {
      rmSync(draft, { force: true })
    }
  }

  async close(): Promise<void> {
    await this.#reads.close()
    this.#endTurn()
    this.#db.close()
    // Last, since only a connection that can write folds the write-ahead log back as it leaves.
    await this.#writes.close()
  }

  /**
   * All reads of a turn of the event loop share a transaction, since taking and giving back the lock
   * of one costs as much as a small read. A commit of ours ends it before it is answered.
   */
  #beginTurn(): void {
    // A failing disk makes SQLite end a transaction by itself, so it is asked and not remembered.
    if (this.#db.inTransaction) return
    this.#begin.run()
    setImmediate(this.#endTurn)
    this.#noticeCommits()
  }

  readonly #endTurn = (): void => {
    if (this.#db.inTransaction) this.#commit.run()
  }

  /**
   * Forgets what a commit may have changed: keys, tags, attributes. Commits of this process are
   * noticed before they are answered, those of others a little later.
   */
  #noticeCommits(): void {
    const nowMs = performance.now()
    if (nowMs - this.#lookedAtMs < limits.foreignCommitNoticeMs) return
    this.#lookedAtMs = nowMs
    const dataVersion = this.#dataVersion.get() ?? 0
    if (dataVersion === this.#dataVersionSeen) return
    this.#dataVersionSeen = dataVersion
    this.#keysByHash.clear()
    this.#reader.refresh()
  }

  #read<Answer>(read: () => Answer): Answer {
    try {
      this.#beginTurn()
      return read()
    } catch (error) {
      throw error instanceof ApiError ? error : toStorageError(error) ?? error
    }
  }
}

function openPrepared(path: string, open: () => SqliteStore): SqliteStore {
  try {
    return open()
  } catch (error) {
    throw new OperatorError(`${path} cannot be opened: ${error instanceof Error ? error.message : String(error)}. Check the file, its folder and their permissions.`, { cause: error })
  }
}

/** Opens a copy and looks at every page of it. Answers how many customers it holds. */
function checkCopy(path: string): number {
  const copy = new SqliteDatabase(path, { readonly: true })
  try {
    const verdict = copy.pragma('integrity_check', { simple: true })
    if (verdict !== 'ok') throw new Error(`the copy is damaged (${String(verdict)})`)
    return copy.prepare<[], number>('select count(*) from customers').pluck().get() ?? 0
  } finally {
    copy.close()
  }
}

function fsyncPath(path: string): void {
  const file = openSync(path, 'r')
  fsyncSync(file)
  closeSync(file)
}

function fileBytes(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}
