import type { Bits } from './bits.ts'
import type { Signed } from './block-signatures.ts'
import type { Deadline } from './deadline.ts'
import { DictionaryTexts } from './dictionary-texts.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import type { RowOrder } from './row-order.ts'
import type { RowPicker } from './row-picker.ts'
import { SegmentedTexts } from './segmented-texts.ts'
import { SparseTexts } from './sparse-texts.ts'
import type { TextForm } from './text-form.ts'
import type { RankProbe, TextProbe } from './text-probe.ts'

/** An entry of a Map takes about what 16 rows of a column of codes or numbers do: fewer rows with a value are kept in a Map. */
export const rowsPerSparseValue = 16
/** So few are kept in a Map whatever they are. */
export const sparseValuesMax = 64

/**
 * Beyond so many different texts a dictionary is given up if fewer than 8 rows share a text on
 * average: an entry of it takes about what segments take for 8 rows' worth of saved copies.
 */
const distinctMin = 16_384
const rowsPerText = 8

/** What can be asked about a text of each row. */
export interface TextSource {
  get(row: number): EncodedText | null
  /** Answers how many entries it took. */
  select(probe: TextProbe, found: Bits, deadline: Deadline): number
  /** How many have a text that the probe accepts, where that is known without a pass. */
  count(probe: TextProbe, deadline: Deadline): number | undefined
  /** A test of one row that answers as a select does, as long as no text changes. */
  tester(probe: TextProbe, deadline: Deadline): (row: number) => boolean
  /** How many entries a select may take. */
  readonly entriesVisited: number
  /** Whether a select reads every text rather than every different one. */
  readonly isSlow: boolean
  /** Keeps the order up to date from now on. */
  follow(order: RowOrder): void
  unfollow(order: RowOrder): void
}

/** A text, or none, for each row, in the form that suits what it holds: a Map, a dictionary, or segments to scan. */
export class TextColumn implements TextSource {
  #form: TextForm = new SparseTexts()
  #rows = 0
  #filled = 0
  /** Of those, texts without a character. */
  #blank = 0
  readonly #orders = new Set<RowOrder>()
  readonly #signed: Signed

  /** `signed`: by what many different texts are told apart when they are searched. */
  constructor(signed: Signed = 'characters') {
    this.#signed = signed
  }

  get bytes(): number {
    return this.#form.bytes
  }

  /** How many rows have a text. */
  get filled(): number {
    return this.#filled
  }

  get entriesVisited(): number {
    return this.#form.entriesVisited
  }

  get isSlow(): boolean {
    return this.#form instanceof SegmentedTexts
  }

  get(row: number): EncodedText | null {
    return row < this.#rows ? this.#form.get(row) : null
  }

  set(row: number, text: EncodedText | null): void {
    const before = this.get(row)
    if (before === text) return
    for (const order of this.#orders) order.delete(row)
    this.#form.set(row, text)
    this.#rows = Math.max(this.#rows, row + 1)
    if (before === null) this.#filled += 1
    if (text === null) this.#filled -= 1
    if (before === '') this.#blank -= 1
    if (text === '') this.#blank += 1
    for (const order of this.#orders) order.add(row)
    this.#suitForm()
  }

  select(probe: TextProbe, found: Bits, deadline: Deadline): number {
    return this.#form.select(probe, found, deadline)
  }

  count(probe: TextProbe, deadline: Deadline): number | undefined {
    if (probe.kind === 'present') return this.#filled
    return probe.kind === 'filled' ? this.#filled - this.#blank : this.#form.count?.(probe, deadline)
  }

  tester(probe: TextProbe, deadline: Deadline): (row: number) => boolean {
    return this.#form.tester(probe, deadline)
  }

  /** Offers these rows with what they have, but for some that come too late. */
  offerTo(picker: RowPicker, rows: Bits): void {
    this.#form.offerTo(picker, rows)
  }

  /** Adds each row to the set of the best rank that its text has. Answers how many entries it took. */
  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): number {
    return this.#form.rank(probe, ranked, deadline)
  }

  follow(order: RowOrder): void {
    this.#orders.add(order)
  }

  unfollow(order: RowOrder): void {
    this.#orders.delete(order)
  }

  copy(from: number, to: number): void {
    this.set(to, this.get(from))
  }

  /** Orders must be forgotten before. */
  remap(mapping: RowMapping): void {
    this.#form.remap(mapping)
    this.#rows = mapping.rows
    // Rows that are dropped have had their values taken already, so `filled` stays.
  }

  #suitForm(): void {
    if (this.#form instanceof SparseTexts) {
      if (this.#filled <= sparseValuesMax || this.#filled * rowsPerSparseValue <= this.#rows) return
      const dictionary = new DictionaryTexts()
      for (const [row, text] of this.#form.entries()) dictionary.set(row, text)
      this.#form = dictionary
    } else if (this.#form instanceof DictionaryTexts) {
      if (this.#form.distinct <= distinctMin || this.#form.distinct * rowsPerText <= this.#filled) return
      this.#form = SegmentedTexts.from(this.#form, this.#signed)
    }
  }
}
