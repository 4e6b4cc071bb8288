import type { ChangeRecord, KeptChangeRow, MadeChange } from './change-record.ts'
import { readChange } from './change-record.ts'
import type { Written } from './store.ts'
import type { Decision } from './decision.ts'
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

/** Of rows behind the first change that is taken back, those included: one more than are looked through, so that it shows when there are more. */
export function laterRowsMax(changes: readonly ChangeRecord[]): number {
  return changes.length + limits.undoLaterChangesMax + 1
}

/** Rows as `decide` wants them, of which no more than `rowsMax` were read. */
export function laterChanges(rows: readonly KeptChangeRow[], rowsMax: number): ChangeRecord[] | null {
  return rows.length < rowsMax ? rows.toSorted((one, other) => one.id - other.id).map((row) => readChange(row, null)) : null
}

/** What an undo did: a change for each decision, with those ids, or as it would be, without. */
export function madeChanges(
  decisions: readonly Decision[], { ids, ...made }: Pick<MadeChange, 'at' | 'key' | 'requestId'> & { ids: readonly number[] }
): NonNullable<Written['changes']> {
  return decisions.flatMap(({ change, event }, index) => (
    change === null ? [] : [{ change: { ...change, ...made, id: ids[index] ?? null }, event: event ?? null }]))
}
