import { performance } from 'node:perf_hooks'
import type { Database, Statement } from 'better-sqlite3'
import type { ApiKey } from '../api-key.ts'
import type { UnixSeconds } from '../clock.ts'
import type { AttributeType } from '../custom-data.ts'
import type { RevisedCustomer } from '../customer.ts'
import type { KeptOutcome } from '../idempotency.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch } from '../search.ts'
import type { FoundPage, Organization } from '../store.ts'
import { ChangeReader } from './change-reader.ts'
import { openReader } from './open.ts'
import { Reader } from './reader.ts'
import { selectKeys } from './select-keys.ts'
import { WebhookReader } from './webhook-reader.ts'

/**
 * The reading connection of the main thread, and what is remembered of it. All reads of a turn of the
 * event loop share a transaction, since taking and giving back the lock of one costs as much as a small read.
 */
export class TurnReader {
  readonly #db: Database
  readonly #reader: Reader
  readonly #webhooks: WebhookReader
  readonly #changes: ChangeReader
  readonly #findKey: Statement<[string], ApiKey>
  readonly #findOutcome: Statement<[number, string, number], KeptOutcome>
  readonly #dataVersion: Statement<[], number>
  readonly #begin: Statement
  readonly #commit: Statement
  readonly #keysByHash = new Map<string, ApiKey | undefined>()
  #dataVersionSeen = -1
  #isInTurn = false
  #lookedAtMs = -Infinity

  constructor(path: string) {
    this.#db = openReader(path)
    this.#reader = new Reader(this.#db)
    this.#webhooks = new WebhookReader(this.#db)
    this.#changes = new ChangeReader(this.#db, this.#reader.catalog)
    this.#findKey = this.#db.prepare(`${selectKeys} where secret_hash = ? and revoked_at is null`)
    this.#findOutcome = this.#db.prepare('select fingerprint, outcome from idempotency_keys where organization_id = ? and key = ? and created_at > ?')
    this.#begin = this.#db.prepare('begin')
    this.#commit = this.#db.prepare('commit')
    this.#dataVersion = this.#db.prepare<[], number>('pragma data_version').pluck()
  }

  find(organizationId: number, id: number): RevisedCustomer | undefined {
    this.#beginTurn()
    return this.#reader.find(organizationId, id)
  }

  search(organizationId: number, search: CustomerSearch): FoundPage {
    this.#beginTurn()
    return this.#reader.search(organizationId, search)
  }

  attributes(organizationId: number): ReadonlyMap<string, AttributeType> {
    this.#beginTurn()
    return this.#reader.attributeTypes(organizationId)
  }

  /** Those that another process has made are there at once: a search that names one is read right. */
  newestAttributes(organizationId: number): ReadonlyMap<string, AttributeType> {
    this.#beginTurn()
    this.#lookForCommits()
    return this.#reader.attributeTypes(organizationId)
  }

  /** For this turn. */
  changes(): ChangeReader {
    this.#beginTurn()
    return this.#changes
  }

  cursorSecret(): Uint8Array {
    this.#beginTurn()
    return this.#reader.cursorSecret()
  }

  organizations(): Organization[] {
    this.#beginTurn()
    return this.#db.prepare<[], Organization>(
      'select id, name, created_at as createdAt, customer_count as customers from organizations order by id').all()
  }

  keys(): ApiKey[] {
    this.#beginTurn()
    return this.#db.prepare<[], ApiKey>(`${selectKeys} order by api_keys.id`).all()
  }

  findKey(secretHash: string): ApiKey | undefined {
    this.#beginTurn()
    if (this.#keysByHash.size >= limits.keyCacheMax) this.#keysByHash.clear()
    if (!this.#keysByHash.has(secretHash)) this.#keysByHash.set(secretHash, this.#findKey.get(secretHash))
    return this.#keysByHash.get(secretHash)
  }

  webhooks(): WebhookReader {
    this.#beginTurn()
    return this.#webhooks
  }

  findOutcome(organizationId: number, key: string, since: UnixSeconds): KeptOutcome | undefined {
    this.#beginTurn()
    return this.#findOutcome.get(organizationId, key, since)
  }

  customers(): number {
    this.#beginTurn()
    return this.#db.prepare<[], number>('select total(customer_count) from organizations').pluck().get() ?? 0
  }

  probe(): void {
    this.#beginTurn()
    this.#db.prepare('select at from probes').get()
  }

  /** VACUUM INTO reads one snapshot and, unlike the backup interface, never starts over because of a writer. */
  copyTo(path: string): void {
    this.#endTurn()
    this.#db.prepare('vacuum into ?').run(path)
  }

  /** To be called before a commit of ours is answered: the next read sees it. */
  noticeCommit({ hasNewNames }: { hasNewNames: boolean }): void {
    if (hasNewNames) this.#lookedAtMs = -Infinity
    this.#endTurn()
  }

  close(): void {
    this.#db.close()
  }

  #beginTurn(): void {
    if (this.#isInTurn) return
    if (!this.#db.inTransaction) this.#begin.run()
    this.#isInTurn = true
    setImmediate(this.#endTurn)
    if (performance.now() - this.#lookedAtMs >= limits.foreignCommitNoticeMs) this.#lookForCommits()
  }

  readonly #endTurn = (): void => {
    this.#isInTurn = false
    // A failing disk makes SQLite end a transaction by itself.
    if (this.#db.inTransaction) this.#commit.run()
  }

  /**
   * Forgets what a commit may have changed: keys, tags, attributes. Commits of this process that did are
   * noticed before they are answered, those of others a little later, unless they are asked for.
   */
  #lookForCommits(): void {
    this.#lookedAtMs = performance.now()
    const dataVersion = this.#dataVersion.get() ?? 0
    if (dataVersion === this.#dataVersionSeen) return
    this.#dataVersionSeen = dataVersion
    this.#keysByHash.clear()
    this.#reader.refresh()
  }
}
