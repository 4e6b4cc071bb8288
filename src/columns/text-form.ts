import type { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import type { RowPicker } from './row-picker.ts'
import type { RankProbe, TextProbe } from './text-probe.ts'
import { accepts } from './text-probe.ts'

/** One way of keeping the texts of a column. */
export interface TextForm {
  get(row: number): EncodedText | null
  set(row: number, text: EncodedText | null): void
  /** Adds the rows whose text the probe accepts. Answers how many entries it took. */
  select(probe: TextProbe, found: Bits, deadline: Deadline): number
  /** How many rows have a text that the probe accepts, for a form that knows without a look at each. */
  count?(probe: TextProbe, deadline: Deadline): number
  /** A test of one row that answers as a select does, as long as no text changes. */
  tester(probe: TextProbe, deadline: Deadline): (row: number) => boolean
  /** Offers these rows, in order, with what they have; those that come too late may be left out. */
  offerTo(picker: RowPicker, rows: Bits): void
  /** Adds each row to the set of the best rank that its text has, and takes it from no other. Answers as a select does. */
  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): number
  /** The texts there are, in any order. */
  entries(): Iterable<readonly [row: number, text: EncodedText]>
  remap(mapping: RowMapping): void
  /** How many entries a select may take. */
  readonly entriesVisited: number
  readonly bytes: number
}

/** For a form that has no better way. */
export function testTexts(form: Pick<TextForm, 'get'>, probe: TextProbe, deadline: Deadline): (row: number) => boolean {
  return (row) => {
    const text = form.get(row)
    if (text === null) return false
    deadline.countText(text)
    return accepts(probe, text)
  }
}

/** For a form that has no better way. */
export function offerTexts(form: Pick<TextForm, 'get'>, picker: RowPicker, rows: Bits): void {
  for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) picker.offer(form.get(row), row)
}
