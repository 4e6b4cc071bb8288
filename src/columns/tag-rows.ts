import type { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import { LabelLists } from './label-lists.ts'
import type { RowMapping } from './row-mapping.ts'
import { RowSet } from './row-set.ts'

/** Which rows have which tags. */
export class TagRows {
  readonly #codes = new Map<string, number>()
  readonly #members: RowSet[] = []
  readonly #lists = new LabelLists()

  /** Counts through all tags. */
  get bytes(): number {
    // Of a tag that nobody has, as V8 counts it for a hundred thousand tags.
    const own = 200
    return this.#members.reduce((sum, members) => sum + own + members.bytes, this.#lists.bytes)
  }

  /** Undefined for a tag that no row ever had. */
  members(name: string): RowSet | undefined {
    const code = this.#codes.get(name)
    return code === undefined ? undefined : this.#members[code]
  }

  hasAny(row: number): boolean {
    return this.#lists.has(row)
  }

  selectAny(found: Bits, deadline: Deadline): void {
    this.#lists.selectAny(found, deadline)
  }

  /** Of so many rows in all. */
  set(row: number, names: readonly string[], rowsInAll: number): void {
    this.#setCodes(row, names.map((name) => this.#codeOf(name)), rowsInAll)
  }

  copy(from: number, to: number, rowsInAll: number): void {
    this.#setCodes(to, this.#lists.get(from), rowsInAll)
  }

  #setCodes(row: number, codes: readonly number[], rowsInAll: number): void {
    for (const code of this.#lists.set(row, codes)) this.#members[code]?.delete(row)
    for (const code of codes) this.#members[code]?.add(row, rowsInAll)
  }

  remap(mapping: RowMapping): void {
    this.#lists.remap(mapping)
    for (const members of this.#members) members.remap(mapping)
  }

  #codeOf(name: string): number {
    const known = this.#codes.get(name)
    if (known !== undefined) return known
    const code = this.#members.length
    this.#codes.set(name, code)
    this.#members.push(new RowSet())
    return code
  }
}
