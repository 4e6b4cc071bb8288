import type { ApiKey, Caller } from './api-key.ts'
import type { MadeChange } from './change-record.ts'
import type { ChangeStore } from './change-store.ts'
import type { UnixSeconds } from './clock.ts'
import type { Command } from './command.ts'
import type { CustomerEvent } from './contract/event.ts'
import type { AttributeType } from './custom-data.ts'
import type { RevisedCustomer } from './customer.ts'
import type { KeptAnswer, RepeatableRequest } from './idempotency.ts'
import type { SearchContext } from './parse-search.ts'
import type { CustomerSearch, Position } from './search.ts'
import type { WebhookStore } from './webhook.ts'

export interface Organization {
  readonly id: number
  readonly name: string
  readonly createdAt: UnixSeconds
  readonly customers: number
}

/** What an acknowledged command left: customers as they are then, in the order the command names them. */
export interface Written {
  readonly customers: readonly RevisedCustomer[]
  readonly events: readonly CustomerEvent[]
  /** Of an undo: what it did, with the events recorded again. */
  readonly changes?: readonly { readonly change: MadeChange; readonly event: CustomerEvent | null }[]
}

export interface FoundPage {
  /** As the elements of a JSON array, comma-separated, in UTF-8. */
  readonly customers: Uint8Array
  /** How many those are. */
  readonly count: number
  /** All matches, exactly; null when the search did not want it. */
  readonly total: number | null
  /** Where the last customer of the page stands; null when nobody comes behind it. */
  readonly next: Position | null
  /** What finding the page took, and what counting the matches took besides. */
  readonly pageMs: number
  readonly totalMs: number
  /** Given when the search wants it. */
  readonly explanation: SearchExplanation | null
}

/** How a search was answered, in words for people who wonder why it is slow. */
interface SearchExplanation {
  /** What was walked or driven from, such as `walk firstSeen`. */
  readonly plan: string
  /** In more detail, one step a line. */
  readonly steps: readonly string[]
  /** Entries of an index or rows that were looked at, page and total together. */
  readonly entriesVisited: number
}

export interface Backup {
  readonly customers: number
  readonly bytes: number
}

/** What a monitoring page wants to know, cheap enough to ask every few seconds. */
export interface StoreStatus {
  readonly customers: number
  readonly databaseBytes: number
  readonly writesWaiting: number
  readonly readsWaiting: number
  /** What the index of searches takes in memory; 0 where there is none. */
  readonly searchIndexBytes: number
}

/** Of the requests that an organization may make a minute, some for one process to let in. */
export interface LeaseWish {
  /** Negative: gives back as many that were not used. */
  readonly wanted: number
  /** A minute, over all processes. */
  readonly requestsMax: number
}

export interface RequestLease {
  readonly taken: number
  /** Left for others, and for the next lease. */
  readonly remaining: number
  /** When the first of those taken in the last minute is free again. */
  readonly freeAfterSeconds: number
}

/** Told of every commit, for metrics. */
export type CommitListener = (commit: { readonly commands: number; readonly seconds: number }) => void

/** Told when the index of searches in memory was lost, and when it may be back, for the log: searches are answered all the same. */
export type IndexLossListener = (loss: { readonly cause: unknown; readonly retryAfterSeconds: number }) => void

/**
 * What a storage engine promises. Everything is scoped by organization; nothing of another one is
 * ever seen. Reads see every write that this process has answered (HelpCrunch: clients search,
 * then create); keys and tag colors that another process changed are seen within a second.
 * Fails with an ApiError: those of `decide`, or `unavailable` when the database cannot be read or written, and then nothing was acknowledged.
 */
export interface Store extends ChangeStore, WebhookStore {
  /** One transaction: loads what the command names, decides, keeps the result and appends the changes. */
  write(caller: Caller, command: Command): Promise<Written>
  find(organizationId: number, id: number): Promise<RevisedCustomer | undefined>
  /** Each key gets its share of what searches may take; `unavailable` beyond it, and when one takes too long. */
  search(caller: Pick<Caller, 'organizationId' | 'keyId'>, search: CustomerSearch): Promise<FoundPage>
  /** Those that another process has made may be missing for a moment. */
  attributes(organizationId: number): Promise<ReadonlyMap<string, AttributeType>>
  /** What searches of an organization are read against. Attributes that another process has made may be missing where none is named. */
  searchContext(organizationId: number, asked?: { readonly namesAttributes: boolean }): Promise<Omit<SearchContext, 'now'>>
  /** What cursors are signed with. */
  cursorSecret(): Promise<Uint8Array>

  createOrganization(name: string): Promise<Organization>
  organizations(): Promise<Organization[]>
  /** The organization `default` with a first key, unless there is an organization already. */
  createDefault(key: { readonly name: string; readonly secretHash: string }): Promise<ApiKey | undefined>
  createKey(key: { readonly organizationId: number; readonly name: string; readonly secretHash: string }): Promise<ApiKey>
  keys(): Promise<ApiKey[]>
  /** The key of this hash, unless it is revoked. */
  findKey(secretHash: string): Promise<ApiKey | undefined>
  revokeKey(id: number): Promise<ApiKey | undefined>

  /** Absent where one process lets in all requests. */
  leaseRequests?(organizationId: number, wish: LeaseWish): Promise<RequestLease>

  /** What `keepAnswer` kept of a request like this one. `conflict` when its key was used for another. */
  recallAnswer(organizationId: number, request: RepeatableRequest): Promise<KeptAnswer | undefined>
  /** For a request that changes nothing by itself. Does nothing when something is kept of it already. */
  keepAnswer(organizationId: number, request: RepeatableRequest, answer: KeptAnswer): Promise<void>
  /** Forgets what came of requests made before `before`. */
  purgeOutcomes(before: UnixSeconds): Promise<void>
  /** Makes deletions before `before` final: they cannot be undone from here on, and the events of the customers go. */
  emptyTrash(before: UnixSeconds): Promise<void>
  /** Forgets changes made before `before`, and makes deletions among them final. Answers how many. */
  purgeChanges(before: UnixSeconds): Promise<number>
  /** Reads and durably writes something, or throws. */
  probe(): Promise<void>
  status(): Promise<StoreStatus>
  /** A consistent, checked copy, written while others go on writing. */
  backup(path: string): Promise<Backup>
  /** Finishes what was accepted. */
  close(): Promise<void>
}
