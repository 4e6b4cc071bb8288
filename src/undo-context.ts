import type { ChangeRecord, KeptChangeRow, MadeChange } from './change-record.ts'
import { readChange } from './change-record.ts'
import type { Written } from './store.ts'
import type { Decision } from './decision.ts'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'

/** What engines share in carrying out an undo: what they read for `decide`, and what they answer. */

/** Of the events that changes name, the ids. */
export function eventIdsOf(changes: readonly ChangeRecord[]): number[] {
  return changes.flatMap((change) => {
    if (change.kind === 'event.recorded') return change.after.event
    return change.kind === 'event.deleted' ? change.before.event : []
  })
}

/** Customers whose deletion does not say when they were made, as none did at first. */
export function undatedDeletions(changes: readonly ChangeRecord[]): number[] {
  return changes.flatMap((change) => (change.kind === 'customer.deleted' && change.before.createdAt === undefined ? change.customerId : []))
}

/** Changes of several customers as `decide` wants them, read from each by `read`; refuses more than can be looked through. */
export function laterChanges<From>(froms: readonly From[], read: (from: From, limit: number) => readonly KeptChangeRow[]): ChangeRecord[] {
  const rows: KeptChangeRow[] = []
  for (const from of froms) {
    rows.push(...read(from, limits.undoLaterChangesMax + 1 - rows.length))
    refuseTooMany(rows)
  }
  return sortedChanges(rows)
}

export function refuseTooMany(rows: readonly KeptChangeRow[]): void {
  if (rows.length <= limits.undoLaterChangesMax) return
  throw new ApiError('conflict', `More than ${limits.undoLaterChangesMax} changes came since, too many to tell what they touched. Change the customers by PATCH instead.`)
}

export function sortedChanges(rows: readonly KeptChangeRow[]): ChangeRecord[] {
  return rows.toSorted((one, other) => one.id - other.id).map((row) => readChange(row, null))
}

/** What an undo did: a change for each decision, with those ids, or as it would be, without. */
export function madeChanges(
  decisions: readonly Decision[], { ids, ...made }: Pick<MadeChange, 'at' | 'key' | 'requestId'> & { ids: readonly number[] }
): NonNullable<Written['changes']> {
  return decisions.flatMap(({ change, event }, index) => (
    change === null ? [] : [{ change: { ...change, ...made, id: ids[index] ?? null }, event: event ?? null }]))
}
