import type { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import type { RankProbe, TextProbe } from './text-probe.ts'

/** One way of keeping the texts of a column. */
export interface TextForm {
  get(row: number): EncodedText | null
  set(row: number, text: EncodedText | null): void
  /** Adds the rows whose text the probe accepts. Answers how many entries it took. */
  select(probe: TextProbe, found: Bits, deadline: Deadline): number
  /** Adds each row to the set of the best rank that its text has, and takes it from no other. Answers as a select does. */
  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): number
  /** The texts there are, in any order. */
  entries(): Iterable<readonly [row: number, text: EncodedText]>
  remap(mapping: RowMapping): void
  /** How many entries a select may take. */
  readonly entriesVisited: number
  readonly bytes: number
}
