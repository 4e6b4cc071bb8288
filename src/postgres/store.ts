import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import type pg from 'pg'
import type { ApiKey, Caller } from '../api-key.ts'
import type { UnixSeconds } from '../clock.ts'
import { systemClock } from '../clock.ts'
import type { Command } from '../command.ts'
import type { AttributeType } from '../custom-data.ts'
import type { RevisedCustomer } from '../customer.ts'
import { ApiError, OperatorError, searchTookTooLong } from '../errors.ts'
import type { KeptAnswer, RepeatableRequest } from '../idempotency.ts'
import { RequestUnderWay, stillUnderWay } from '../idempotency.ts'
import { limits } from '../limits.ts'
import type { SearchContext } from '../parse-search.ts'
import type { CustomerSearch } from '../search.ts'
import type { ReadJob } from '../indexing/read-pool.ts'
import type { DispatchOptions } from '../indexing/search-dispatch.ts'
import { SearchDispatch } from '../indexing/search-dispatch.ts'
import { threadBeside } from '../indexing/start-thread.ts'
import { readAnswer } from '../sql/kept-outcome.ts'
import type { Backup, CommitListener, FoundPage, LeaseWish, Organization, RequestLease, Store, StoreStatus, Written } from '../store.ts'
import type {
  ClaimedWebhook, Delivery, DeliveryPage, DeliveryProgress, HeldCustomer, ReplayChoice, ShownWebhook, StoredWebhook, WebhookDraft, WebhookPatch
} from '../webhook.ts'
import type { NamesSeen } from './catalog.ts'
import { Catalog, selectNamesSeen } from './catalog.ts'
import { explainedEverywhere, isDistributed, oneConnectionAMachine, sizeEverywhere, sizeHere } from './citus.ts'
import { ChangeFeed } from './change-feed.ts'
import { cannotBeUsed, openPool, withClient } from './connection.ts'
import { adoptFeed } from './feed-origin.ts'
import { GroupWriter } from './group-writer.ts'
import { findOutcome, insertOutcomes, keepAnswer, KnownOutcomes } from './kept-outcomes.ts'
import { KeyReader, selectKeys } from './key-reader.ts'
import { organizationsLockKey } from './lock-keys.ts'
import { migrateDatabase, refuseHalfCopied } from './migrate.ts'
import { PointReader, readAgain } from './point-reader.ts'
import { beginEmptying, emptyGroup, purgeGroup } from './purge.ts'
import { planBounds, searchCustomers } from './reader.ts'
import { leaseRequests } from './request-leases.ts'
import { SearchQueue } from './search-queue.ts'
import { sqlState, toStorageError } from './storage-error.ts'
import { inTransaction } from './transaction.ts'
import { WebhookReader } from './webhook-reader.ts'
import {
  claimWebhooks, deleteWebhook, insertWebhook, keepProgress, NotHeld, purgeDeliveries, releaseWebhooks, replayDeliveries, updateWebhook
} from './webhook-writer.ts'
import { WriteQueue } from './write-queue.ts'

export interface PostgresOptions extends Partial<DispatchOptions> {
  readonly url: string
  /** Connections that this process holds at most. */
  readonly poolSize?: number
  readonly onCommit?: CommitListener
  /** How long a repeated request waits while another process is at work on the first. */
  readonly repeatWaitMs?: number
  /** Whether large organizations are indexed at once, and not when they are first searched. */
  readonly preparesIndex?: boolean
  /** How to write a backup, which is a file of another engine, of which this one knows nothing. */
  readonly backUp?: (path: string) => Promise<Backup>
}

const mebibyte = 1024 * 1024

/** Of the connections, so that reads find one left. */
const writersMax = 4

/** The engine on PostgreSQL. Nothing is kept in the process that another process would need, so there may be many. */
export class PostgresStore implements Store {
  readonly #pool: pg.Pool
  readonly #catalog = new Catalog()
  readonly #points: PointReader
  readonly #keys: KeyReader
  readonly #changes: ChangeFeed
  readonly #webhooks: WebhookReader
  readonly #writes: WriteQueue
  readonly #searchesBySql: SearchQueue
  readonly #searches: SearchDispatch
  readonly #searchSecondsMax: number
  readonly #repeatWaitMs: number
  readonly #isDistributed: boolean
  readonly #backUp: PostgresOptions['backUp']
  #cursorSecret: Uint8Array | undefined

  private constructor(
    {
      url, backUp, poolSize = limits.poolSizeDefault, onCommit = () => undefined, searchSecondsMax = limits.searchSecondsMax,
      indexBytesMax = limits.searchMemoryMebibytesDefault * mebibyte, preparesIndex = false, repeatWaitMs = limits.idempotencyWaitSeconds * 1000, ...searches
    }: PostgresOptions,
    { isDistributed }: { isDistributed: boolean }
  ) {
    this.#pool = openPool({ url, poolSize })
    this.#searchSecondsMax = searchSecondsMax
    this.#repeatWaitMs = repeatWaitMs
    this.#isDistributed = isDistributed
    this.#backUp = backUp
    this.#points = new PointReader(this.#pool, { catalog: this.#catalog, isDistributed })
    this.#keys = new KeyReader(this.#pool)
    this.#changes = new ChangeFeed(this.#pool, { catalog: this.#catalog, read: (read) => this.#read(read) })
    this.#webhooks = new WebhookReader(this.#pool)
    const writer = new GroupWriter(this.#pool, { catalog: this.#catalog, clock: systemClock, isDistributed })
    this.#writes = new WriteQueue(writer, {
      writersMax: Math.max(1, Math.min(writersMax, Math.floor(poolSize / 2))),
      onCommit: (commit) => {
        this.#changes.noticeCommit()
        onCommit(commit)
      }
    })
    this.#searchesBySql = new SearchQueue({ searchesMax: Math.max(1, Math.floor(poolSize / 2)), searchSecondsMax }, async (job) => await this.#searchBySql(job))
    const ways = { bySql: this.#searchesBySql, indexThread: threadBeside(import.meta.url, './index-thread.ts'), indexData: { url } }
    // Machines of a cluster commit at slightly different moments, so an index could miss what it followed; and a cluster is for more than fits here.
    this.#searches = new SearchDispatch(ways, { ...searches, searchSecondsMax, indexBytesMax: isDistributed ? 0 : indexBytesMax })
    if (preparesIndex) this.#searches.prepare()
  }

  /** Throws an OperatorError when the database cannot be used, and has then left it as it was. */
  static async open(options: PostgresOptions): Promise<PostgresStore> {
    try {
      await migrateDatabase(options.url)
      return await withClient(options.url, async (client) => {
        await refuseHalfCopied(client)
        await adoptFeed(client)
        return new PostgresStore(options, { isDistributed: await isDistributed(client) })
      })
    } catch (error) {
      throw cannotBeUsed(error, options.url)
    }
  }

  async write(caller: Caller, command: Command): Promise<Written> {
    return await this.#untilDone(caller, () => this.#writes.push({ caller, command }))
  }

  async find(organizationId: number, id: number): Promise<RevisedCustomer | undefined> {
    return await this.#points.find(organizationId, id)
  }

  async search(caller: Pick<Caller, 'organizationId' | 'keyId'>, search: CustomerSearch): Promise<FoundPage> {
    return await this.#searches.search(caller, search)
  }

  async #searchBySql(job: ReadJob): Promise<FoundPage> {
    try {
      return await readAgain(() => this.#search(job))
    } catch (error) {
      if (sqlState(error) === '57014') throw searchTookTooLong(this.#searchSecondsMax)
      throw toStorageError(error, 'Try again.') ?? error
    }
  }

  /** Page and total of one moment. */
  async #search({ organizationId, search }: ReadJob): Promise<FoundPage> {
    const begin = [
      'begin isolation level repeatable read read only',
      `set local statement_timeout = ${Math.ceil(this.#searchSecondsMax * 1000)}`,
      // Compiling a statement takes longer than what it saves, as a rule.
      'set local jit = off',
      oneConnectionAMachine,
      ...(search.wantsExplanation ? [explainedEverywhere] : [])
    ]
    return await inTransaction(this.#pool, { begin: begin.join('; '), task: async (client) => {
      await this.#learnNames(client)
      return await searchCustomers(client, organizationId, search, this.#catalog, { ...planBounds, isDistributed: this.#isDistributed })
    } })
  }

  /** Tags and attributes that other processes have made, and their colors. */
  async #learnNames(client: pg.Pool | pg.ClientBase): Promise<void> {
    const { rows: [seen] } = await client.query<NamesSeen>(`select ${selectNamesSeen}`)
    await this.#catalog.refresh(client, seen)
  }

  async attributes(organizationId: number): Promise<ReadonlyMap<string, AttributeType>> {
    return this.#catalog.of(organizationId).attributeTypes
  }

  /** Attributes that another process has made are there at once, for an exchange with the database that other searches are spared. */
  async searchContext(organizationId: number, { namesAttributes } = { namesAttributes: true }): Promise<Omit<SearchContext, 'now'>> {
    return await this.#read(async () => {
      if (namesAttributes) await this.#learnNames(this.#pool)
      return { organizationId, attributes: this.#catalog.of(organizationId).attributeTypes, cursorSecret: await this.#readCursorSecret() }
    })
  }

  async cursorSecret(): Promise<Uint8Array> {
    return await this.#read(async () => await this.#readCursorSecret())
  }

  readFeed: Store['readFeed'] = (organizationId, question) => this.#changes.readFeed(organizationId, question)
  feedEnd: Store['feedEnd'] = (organizationId) => this.#changes.feedEnd(organizationId)
  watchFeed: Store['watchFeed'] = (listener) => this.#changes.watchFeed(listener)
  history: Store['history'] = (organizationId, customerId, page) => this.#changes.history(organizationId, customerId, page)
  changesBetween: Store['changesBetween'] = (organizationId, customerId, range) => this.#changes.changesBetween(organizationId, customerId, range)
  findChange: Store['findChange'] = (organizationId, id) => this.#changes.findChange(organizationId, id)
  changesOfRequest: Store['changesOfRequest'] = (organizationId, requestId, limit) => this.#changes.changesOfRequest(organizationId, requestId, limit)

  async createOrganization(name: string): Promise<Organization> {
    return await this.#change(async (client) => await insertOrganization(client, name))
  }

  async organizations(): Promise<Organization[]> {
    return await this.#rows<Organization>(`
      select id, name, created_at as "createdAt",
        (select coalesce(sum(customers), 0)::bigint from customer_counts where organization_id = organizations.id) as customers
      from organizations order by id`)
  }

  async createDefault(key: { name: string; secretHash: string }): Promise<ApiKey | undefined> {
    return await this.#change(async (client) => {
      const { rows: [some] } = await client.query<{ id: number }>('select id from organizations limit 1')
      if (some !== undefined) return undefined
      const { id } = await insertOrganization(client, 'default')
      return await insertKey(client, { organizationId: id, ...key })
    })
  }

  async createKey(key: { organizationId: number; name: string; secretHash: string }): Promise<ApiKey> {
    return await this.#change(async (client) => await insertKey(client, key))
  }

  async keys(): Promise<ApiKey[]> {
    return await this.#rows<ApiKey>(`${selectKeys} order by api_keys.id`)
  }

  async findKey(secretHash: string): Promise<ApiKey | undefined> {
    return await this.#read(async () => await this.#keys.find(secretHash))
  }

  async revokeKey(id: number): Promise<ApiKey | undefined> {
    const key = await this.#change(async (client) => {
      await client.query('update api_keys set revoked_at = $1 where id = $2 and revoked_at is null', [systemClock(), id])
      const { rows: [revoked] } = await client.query<ApiKey>(`${selectKeys} where api_keys.id = $1`, [id])
      return revoked
    })
    this.#keys.forget()
    return key
  }

  async leaseRequests(organizationId: number, wish: LeaseWish): Promise<RequestLease> {
    return await this.#read(async () => await leaseRequests(this.#pool, organizationId, wish))
  }

  async recallAnswer(organizationId: number, request: RepeatableRequest): Promise<KeptAnswer | undefined> {
    const kept = await this.#read(async () => await findOutcome(this.#pool, organizationId, request.key))
    return kept && readAnswer(kept, request)
  }

  async keepAnswer(organizationId: number, request: RepeatableRequest, answer: KeptAnswer): Promise<void> {
    await this.#read(async () => { await keepAnswer(this.#pool, organizationId, request, answer) })
  }

  async purgeOutcomes(before: UnixSeconds): Promise<void> {
    // A group at a time, since the feed waits for long transactions.
    const purge = async (): Promise<number> => (await this.#rows(`
      delete from idempotency_keys where (organization_id, key) in (select organization_id, key from idempotency_keys where created_at < $1 limit $2)
      returning 1`, [before, limits.purgeGroupMax])).length
    while (await purge() === limits.purgeGroupMax);
  }

  async emptyTrash(before: UnixSeconds): Promise<void> {
    let from = await this.#change(async (client) => await beginEmptying(client, before))
    // A group at a time, so that no transaction is long.
    while (from !== undefined) {
      const last = from
      from = await this.#change(async (client) => await emptyGroup(client, { from: last, before }))
    }
  }

  async purgeChanges(before: UnixSeconds): Promise<number> {
    // A deletion whose change is gone cannot be undone.
    await this.emptyTrash(before)
    let purged = 0
    for (;;) {
      // A group at a time, so that no transaction is long.
      const count = await this.#change(async (client) => await purgeGroup(client, before))
      purged += count
      if (count < limits.purgeGroupMax) return purged
    }
  }

  async createWebhook(caller: Caller, draft: WebhookDraft): Promise<StoredWebhook> {
    const { organizationId } = caller
    // Read before it is made, so that what is committed in between is told rather than missed.
    const position = await this.feedEnd(organizationId)
    return await this.#changeOnce(caller, async (client) => await insertWebhook(client, { organizationId, draft, position }))
  }

  async webhooks(organizationId: number): Promise<ShownWebhook[]> {
    return await this.#read(async () => await this.#webhooks.webhooks(organizationId))
  }

  async findWebhook(organizationId: number, id: number): Promise<StoredWebhook | undefined> {
    return await this.#read(async () => await this.#webhooks.find(organizationId, id))
  }

  async updateWebhook(caller: Caller, id: number, patch: WebhookPatch): Promise<StoredWebhook | undefined> {
    const { organizationId } = caller
    return await this.#changeOnce(caller, async (client) => await updateWebhook(client, { organizationId, id, patch }))
  }

  async deleteWebhook(caller: Caller, id: number): Promise<boolean> {
    const { organizationId } = caller
    return await this.#changeOnce(caller, async (client) => await deleteWebhook(client, organizationId, id))
  }

  async deliveries(organizationId: number, webhookId: number, page: DeliveryPage): Promise<Delivery[]> {
    return await this.#read(async () => await this.#webhooks.deliveries(organizationId, webhookId, page))
  }

  async findDelivery(organizationId: number, webhookId: number, id: string): Promise<Delivery | undefined> {
    return await this.#read(async () => await this.#webhooks.findDelivery(organizationId, webhookId, id))
  }

  async replayDeliveries(caller: Caller, webhookId: number, which: ReplayChoice): Promise<number> {
    const { organizationId } = caller
    return await this.#changeOnce(caller, async (client) => await replayDeliveries(client, { organizationId, webhookId, which }))
  }

  async claimWebhooks(worker: string, seconds: number): Promise<ClaimedWebhook[]> {
    return await this.#transact(async (client) => await claimWebhooks(client, worker, seconds))
  }

  async heldCustomers(webhookId: number): Promise<HeldCustomer[]> {
    return await this.#read(async () => await this.#webhooks.held(webhookId))
  }

  async dueReplays(webhookId: number, limit: number): Promise<Delivery[]> {
    return await this.#read(async () => await this.#webhooks.dueReplays(webhookId, limit))
  }

  async keepProgress(worker: string, webhookId: number, progress: DeliveryProgress): Promise<boolean> {
    try {
      await this.#transact(async (client) => { await keepProgress(client, { worker, webhookId, progress }) })
      return true
    } catch (error) {
      if (error instanceof NotHeld) return false
      throw error
    }
  }

  async releaseWebhooks(worker: string): Promise<void> {
    await this.#transact(async (client) => { await releaseWebhooks(client, worker) })
  }

  async purgeDeliveries(before: UnixSeconds): Promise<number> {
    let purged = 0
    for (;;) {
      const count = await this.#change(async (client) => await purgeDeliveries(client, before, limits.purgeGroupMax))
      purged += count
      if (count < limits.purgeGroupMax) return purged
    }
  }

  async probe(): Promise<void> {
    await this.#rows('insert into probes (id, at) values (1, $1) on conflict (id) do update set at = excluded.at', [systemClock()])
  }

  async status(): Promise<StoreStatus> {
    // Of when they were asked for: the question waits for a connection behind what it counts.
    const waiting = { writesWaiting: this.#writes.length, readsWaiting: this.#searches.length }
    const [row] = await this.#rows<{ customers: number; databaseBytes: number }>(`
      select (select coalesce(sum(customers), 0)::bigint from customer_counts) as customers, (${this.#isDistributed ? sizeEverywhere : sizeHere}) as "databaseBytes"`)
    return {
      customers: row?.customers ?? 0,
      databaseBytes: row?.databaseBytes ?? 0,
      ...waiting,
      searchIndexBytes: this.#searches.indexBytes
    }
  }

  async backup(path: string): Promise<Backup> {
    if (this.#backUp === undefined) throw new OperatorError('Nobody told this process how to write a backup. Use: npx clientele backup')
    return await this.#backUp(path)
  }

  async close(): Promise<void> {
    if (this.#pool.ending) return
    this.#changes.close()
    await Promise.all([this.#writes.close(), this.#searches.close(), this.#searchesBySql.close()])
    await this.#pool.end()
  }

  async #readCursorSecret(): Promise<Uint8Array> {
    if (this.#cursorSecret !== undefined) return this.#cursorSecret
    const { rows: [secret] } = await this.#pool.query<{ value: Buffer }>("select value from secrets where name = 'cursor'")
    if (secret === undefined) throw new Error('The database has no secret for cursors')
    this.#cursorSecret = secret.value
    return secret.value
  }

  async #rows<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return await this.#read(async () => (await this.#pool.query<Row>(text, [...values])).rows)
  }

  async #read<Answer>(read: () => Promise<Answer>): Promise<Answer> {
    try {
      return await readAgain(read)
    } catch (error) {
      throw toStorageError(error, 'Try again.') ?? error
    }
  }

  /** A transaction of those that are rare, one after the other. */
  async #change<Answer>(change: (client: pg.PoolClient) => Promise<Answer>): Promise<Answer> {
    return await this.#transact(async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [organizationsLockKey])
      return await change(client)
    })
  }

  /** The same for what a request may ask again. What it refuses, it refuses before its first write. */
  async #changeOnce<Answer>(caller: Caller, change: (client: pg.PoolClient) => Promise<Answer>): Promise<Answer> {
    return await this.#untilDone(caller, async () => {
      const { outcome, state } = await this.#change(async (client) => {
        const known = await KnownOutcomes.load(client, [caller])
        const done = await known.runAlone(caller, async () => await change(client))
        for (const { text, values } of insertOutcomes(done.row === undefined ? [] : [done.row])) await client.query(text, [...values])
        return done
      })
      if (caller.repeatable !== undefined) caller.repeatable.state = state
      if ('error' in outcome) throw outcome.error
      return outcome.value
    })
  }

  /** Waits while another process is at work on the first request with the same key. */
  async #untilDone<Answer>({ repeatable }: Caller, write: () => Promise<Answer>): Promise<Answer> {
    const until = performance.now() + this.#repeatWaitMs
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (!(error instanceof RequestUnderWay)) throw error
        if (performance.now() > until) {
          // Nothing of this one is to be kept: that is for the first.
          if (repeatable !== undefined) repeatable.state = 'kept'
          throw stillUnderWay()
        }
        await setTimeout(lookAgainMs)
      }
    }
  }

  async #transact<Answer>(task: (client: pg.PoolClient) => Promise<Answer>): Promise<Answer> {
    try {
      return await inTransaction(this.#pool, { begin: `begin; set local lock_timeout = '${limits.lockWaitSeconds}s'`, task })
    } catch (error) {
      throw error instanceof ApiError ? error : toStorageError(error) ?? error
    }
  }
}

/** How often it is looked whether another process is done with the first request of a key. */
const lookAgainMs = 50

async function insertOrganization(client: pg.ClientBase, name: string): Promise<Organization> {
  const createdAt = systemClock()
  const { rows: [made] } = await client.query<{ id: number }>(
    'insert into organizations (name, created_at) values ($1, $2) on conflict (name) do nothing returning id', [name, createdAt])
  if (made === undefined) throw new ApiError('conflict', `An organization named "${name}" exists already`)
  return { id: made.id, name, createdAt, customers: 0 }
}

async function insertKey(
  client: pg.ClientBase, { organizationId, name, secretHash }: { organizationId: number; name: string; secretHash: string }
): Promise<ApiKey> {
  const { rows: [made] } = await client.query<{ id: number }>(
    'insert into api_keys (organization_id, name, secret_hash, created_at) values ($1, $2, $3, $4) returning id',
    [organizationId, name, secretHash, systemClock()])
  const { rows: [key] } = await client.query<ApiKey>(`${selectKeys} where api_keys.id = $1`, [made?.id])
  if (key === undefined) throw new Error('The key just made cannot be read')
  return key
}
