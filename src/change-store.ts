import type { ChangeKind, ChangeRecord } from './change-record.ts'
import type { CustomerEvent } from './contract/event.ts'
import type { CustomerJson } from './customer.ts'

/**
 * Where a reader of the feed of one organization stands, in the form of its engine: not to be read by others, nor compared.
 * Nothing that appears later stands before it.
 */
export type FeedPosition = string

/** A change with what it was about. */
export interface ChangeItem {
  readonly change: ChangeRecord
  /** The event that was recorded, unless it has been deleted since. */
  readonly event: CustomerEvent | null
  /** The customer right after the change, or right before its deletion, in the colors of now; null unless wanted, and where there is no single one. */
  readonly customer: CustomerJson | null
}

export interface FeedItem extends ChangeItem {
  readonly position: FeedPosition
}

export interface FeedQuestion {
  /** Null: from the oldest change that is kept. */
  readonly after: FeedPosition | null
  readonly limit: number
  /** Null: all. */
  readonly kinds: ReadonlySet<ChangeKind> | null
  readonly wantsCustomers: boolean
}

export interface FeedPage {
  /** In an order that never changes, and for each customer that of its changes. */
  readonly items: readonly FeedItem[]
  /** Where to go on, past what was left out too. */
  readonly next: FeedPosition
  /** Whether to go on at once. A page may be shorter than asked for, even empty, and not the last for now: see limits.changesScannedMax and changesPageBytesMax. */
  readonly hasMore: boolean
}

export interface HistoryPage {
  /** Newest first. */
  readonly items: readonly ChangeItem[]
  readonly hasMore: boolean
}

/** What an engine tells of changes. Everything is of one organization. Readings see what this process has answered. */
export interface ChangeStore {
  /** Fails with `gone` when changes behind `after` are no longer kept, or the position is of another database. */
  readFeed(organizationId: number, question: FeedQuestion): Promise<FeedPage>
  /** Behind every change that is committed by now. */
  feedEnd(organizationId: number): Promise<FeedPosition>
  /** Calls when an organization may have new changes, of this process at once and of others within a quarter of a second. Answers how to stop that. */
  watchFeed(listener: (organizationIds: ReadonlySet<number>) => void): () => void
  /** Changes of one customer, newest first, whether it is there or not. */
  history(organizationId: number, customerId: number, page: { readonly beforeId: number | null; readonly limit: number }): Promise<HistoryPage>
  /** Those from one change of a customer, or with 0 of none, to another, both included, oldest first, with the customer. */
  changesBetween(organizationId: number, customerId: number, range: { readonly fromId: number; readonly throughId: number; readonly limit: number }): Promise<ChangeItem[]>
  findChange(organizationId: number, id: number): Promise<ChangeItem | undefined>
  /** What one request did, oldest first; more than `limit` are cut off. */
  changesOfRequest(organizationId: number, requestId: string, limit: number): Promise<ChangeItem[]>
}
