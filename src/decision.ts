import type { Change, KeptChange } from './change.ts'
import type { ChangeRecord } from './change-record.ts'
import type { UnixSeconds } from './clock.ts'
import type { CustomerEvent } from './contract/event.ts'
import type { AttributeType } from './custom-data.ts'
import type { Customer } from './customer.ts'

/** What is kept of a customer that no answer shows. */
export interface StoredVersion {
  readonly version: number
  readonly createdAt: UnixSeconds
}

/** What a rule needs to know besides the customers themselves. */
export interface DecisionContext {
  readonly now: UnixSeconds
  /** The id of the customer or event that the command creates, never used before. */
  readonly newId: number
  /** Which customer holds each userId that the command names. */
  readonly userIdHolders: ReadonlyMap<string, number>
  /** Color by name, of every tag of the organization that the command names. */
  readonly tagColors: ReadonlyMap<string, string>
  /** Type by name, of every attribute of the organization that the command names. */
  readonly attributeTypes: ReadonlyMap<string, AttributeType>
  /** Of each customer in `before`. */
  readonly stored: ReadonlyMap<number, StoredVersion>
  /** The version of the organization's tags. */
  readonly tagsVersion: number
  /** Given with an undo. */
  readonly undo?: UndoContext
}

/** What an undo must know of what happened since. */
export interface UndoContext {
  /** Changes of the same customers and tags behind the first that is taken back, those included, oldest first; null: too many to look through. */
  readonly later: readonly ChangeRecord[] | null
  /** Of the events that it names, those that are there. */
  readonly events: ReadonlyMap<number, CustomerEvent>
  /** When customers were made whose deletion does not say so, as far as that is still known. */
  readonly creations: ReadonlyMap<number, UnixSeconds>
  /** Deletions made before are final. */
  readonly finalBefore: UnixSeconds
}

/**
 * One consequence of a command. `after` is the customer as it is then, null where the consequence is
 * not one for a single customer or the customer is gone; `change` is null when nothing changed.
 */
export type Decision =
  /** `createdAt` is given with a customer that is restored. */
  | { readonly after: Customer; readonly change: KeptChange | null; readonly createdAt?: UnixSeconds; readonly event?: never }
  | { readonly after: null; readonly change: Exclude<Change, KeptChange>; readonly event?: CustomerEvent; readonly createdAt?: never }
