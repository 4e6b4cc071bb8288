import type { Bits } from './bits.ts'
import { NumberColumn } from './number-column.ts'
import type { NumberProbe } from './number-probe.ts'

/** Ids of rows, which ascend, so that any is found in a few steps. */
export class IdColumn extends NumberColumn {
  /** Steps to find one, as good as none to a column of a million. */
  override get entriesVisited(): number {
    return Math.ceil(Math.log2(this.rows + 1))
  }

  /** The first row whose id is not below this one. */
  rowFrom(id: number): number {
    let [from, to] = [0, this.rows]
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.get(middle) ?? 0) < id) from = middle + 1
      else to = middle
    }
    return from
  }

  override select(probe: NumberProbe, found: Bits): void {
    if (probe.kind === 'range') {
      this.#addFrom(probe.from, probe.to, found)
      return
    }
    for (const value of probe.values) this.#addFrom(value, value, found)
  }

  #addFrom(from: number, to: number, found: Bits): void {
    for (let row = this.rowFrom(from); row < this.rows && (this.get(row) ?? Infinity) <= to; row += 1) found.add(row)
  }
}
