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
    const { rows } = this
    const first = this.get(0) ?? 0
    const last = this.get(rows - 1) ?? 0
    if (id <= first) return 0
    if (id > last) return rows
    // Most ids follow one another, so the row is about as far on as the id; from there in steps that grow.
    const near = Math.floor((rows - 1) * ((id - first) / (last - first)))
    let [from, to] = [0, rows]
    if ((this.get(near) ?? 0) < id) {
      from = near + 1
      for (let step = 1; near + step < rows; step *= 2) {
        if ((this.get(near + step) ?? 0) >= id) {
          to = near + step
          break
        }
        from = near + step + 1
      }
    } else {
      to = near
      for (let step = 1; near - step >= 0; step *= 2) {
        if ((this.get(near - step) ?? 0) < id) {
          from = near - step + 1
          break
        }
        to = near - step
      }
    }
    while (from < to) {
      const middle = (from + to) >>> 1
      if ((this.get(middle) ?? 0) < id) from = middle + 1
      else to = middle
    }
    return from
  }

  /** Those of removed customers are still there. */
  override count(): undefined {
    return undefined
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
