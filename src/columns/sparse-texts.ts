import type { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import type { RowPicker } from './row-picker.ts'
import type { TextForm } from './text-form.ts'
import { offerTexts, testTexts } from './text-form.ts'
import type { RankProbe, TextProbe } from './text-probe.ts'
import { accepts, rankIn } from './text-probe.ts'

/** What V8 takes for an entry of a Map, whose table doubles, on average. */
export const mapEntryBytes = 40
/** What V8 takes for a string besides its characters: a header, rounding up to words, and what points to it. */
export const stringBytes = 28

/** Texts that few rows have. */
export class SparseTexts implements TextForm {
  #texts = new Map<number, EncodedText>()
  #characters = 0

  get bytes(): number {
    return this.#texts.size * (mapEntryBytes + stringBytes) + this.#characters
  }

  get entriesVisited(): number {
    return this.#texts.size
  }

  get(row: number): EncodedText | null {
    return this.#texts.get(row) ?? null
  }

  set(row: number, text: EncodedText | null): void {
    this.#characters += (text?.length ?? 0) - (this.#texts.get(row)?.length ?? 0)
    if (text === null) this.#texts.delete(row)
    else this.#texts.set(row, text)
  }

  select(probe: TextProbe, found: Bits, deadline: Deadline): number {
    for (const [row, text] of this.#texts) {
      deadline.countText(text)
      if (accepts(probe, text)) found.add(row)
    }
    return this.#texts.size
  }

  tester(probe: TextProbe, deadline: Deadline): (row: number) => boolean {
    return testTexts(this, probe, deadline)
  }

  offerTo(picker: RowPicker, rows: Bits): void {
    offerTexts(this, picker, rows)
  }

  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): number {
    for (const [row, text] of this.#texts) {
      deadline.countText(text)
      ranked[rankIn(text, probe)]?.add(row)
    }
    return this.#texts.size
  }

  entries(): Iterable<readonly [number, EncodedText]> {
    return this.#texts
  }

  remap(mapping: RowMapping): void {
    const before = this.#texts
    this.#texts = new Map()
    this.#characters = 0
    for (const [row, text] of before) {
      const target = mapping.target(row)
      if (target >= 0) this.set(target, text)
    }
  }
}
