import type { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { RowMapping } from './row-mapping.ts'
import { TextColumn } from './text-column.ts'

/**
 * Which of many labels (tags, attributes) each row has, to know what a change takes from it. The same
 * few combinations recur, so they are kept as a column of texts that repeat.
 */
export class LabelLists {
  readonly #lists = new TextColumn()

  get bytes(): number {
    return this.#lists.bytes
  }

  has(row: number): boolean {
    return this.#lists.get(row) !== null
  }

  get(row: number): number[] {
    return this.#lists.get(row)?.split(',').map(Number) ?? []
  }

  /** Adds the rows that have a label. */
  selectAny(found: Bits, deadline: Deadline): void {
    this.#lists.select({ kind: 'present' }, found, deadline)
  }

  /** Answers the labels that the row had and no longer has. */
  set(row: number, labels: readonly number[]): number[] {
    const list = labels.length === 0 ? null : labels.toSorted((one, other) => one - other).join()
    const before = this.#lists.get(row)
    if (before === list) return []
    this.#lists.set(row, list)
    if (before === null) return []
    const kept = new Set(labels)
    return before.split(',').map(Number).filter((label) => !kept.has(label))
  }

  remap(mapping: RowMapping): void {
    this.#lists.remap(mapping)
  }
}
