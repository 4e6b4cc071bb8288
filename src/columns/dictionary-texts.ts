import { type Bits, grownLength, wordRows } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import { mapEntryBytes, stringBytes } from './sparse-texts.ts'
import type { RowPicker } from './row-picker.ts'
import type { TextForm } from './text-form.ts'
import { offerTexts, testTexts } from './text-form.ts'
import type { RankProbe, TextProbe } from './text-probe.ts'
import { accepts, rankIn } from './text-probe.ts'

type Codes = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>

/** Stands for no text. */
const none = 0

/** Texts that repeat: each is kept, and tested, once, and a row has its code. */
export class DictionaryTexts implements TextForm {
  #codes: Codes = new Uint8Array(0)
  /** Up to the last row that has had a text. */
  #rows = 0
  /** Text and number of rows of each code; a code that no row has any more is given to the next new text. */
  readonly #texts: EncodedText[] = ['']
  readonly #uses: number[] = [0]
  readonly #free: number[] = []
  readonly #codeOf = new Map<EncodedText, number>()
  #characters = 0

  get distinct(): number {
    return this.#codeOf.size
  }

  get bytes(): number {
    return this.#codes.byteLength + this.#texts.length * (mapEntryBytes + stringBytes + 16) + this.#characters
  }

  get entriesVisited(): number {
    return this.#rows
  }

  get(row: number): EncodedText | null {
    const code = row < this.#rows ? this.#codes[row] ?? none : none
    return code === none ? null : this.#texts[code] ?? null
  }

  set(row: number, text: EncodedText | null): void {
    if (row >= this.#codes.length) {
      if (text === null) return
      this.#resize(this.#codes, grownLength(row + 1, this.#codes.length))
    }
    this.#rows = Math.max(this.#rows, row + 1)
    const before = this.#codes[row] ?? none
    const code = text === null ? none : this.#take(text)
    this.#codes[row] = code
    if (before !== none) this.#release(before)
  }

  select(probe: TextProbe, found: Bits, deadline: Deadline): number {
    const isAccepted = new Uint8Array(this.#texts.length)
    for (const [text, code] of this.#codeOf) {
      deadline.countText(text)
      if (accepts(probe, text)) isAccepted[code] = 1
    }
    const codes = this.#codes
    const rows = this.#rows
    for (let first = 0; first < rows; first += wordRows) {
      const end = Math.min(rows, first + wordRows)
      let word = 0
      for (let row = first; row < end; row += 1) word |= (isAccepted[codes[row] ?? none] ?? 0) << (row - first)
      if (word !== 0) found.addWord(first, word)
    }
    return rows
  }

  count(probe: TextProbe, deadline: Deadline): number {
    if (probe.kind === 'in') return [...probe.values].reduce((sum, text) => sum + (this.#uses[this.#codeOf.get(text) ?? none] ?? 0), 0)
    let count = 0
    for (const [text, code] of this.#codeOf) {
      deadline.countText(text)
      if (accepts(probe, text)) count += this.#uses[code] ?? 0
    }
    return count
  }

  tester(probe: TextProbe, deadline: Deadline): (row: number) => boolean {
    return testTexts(this, probe, deadline)
  }

  offerTo(picker: RowPicker, rows: Bits): void {
    offerTexts(this, picker, rows)
  }

  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): number {
    const rankOf = new Uint8Array(this.#texts.length).fill(ranked.length)
    for (const [text, code] of this.#codeOf) {
      deadline.countText(text)
      rankOf[code] = rankIn(text, probe)
    }
    for (let row = 0; row < this.#rows; row += 1) ranked[rankOf[this.#codes[row] ?? none] ?? ranked.length]?.add(row)
    return this.#rows
  }

  * entries(): Iterable<readonly [number, EncodedText]> {
    for (let row = 0; row < this.#rows; row += 1) {
      const text = this.get(row)
      if (text !== null) yield [row, text]
    }
  }

  remap(mapping: RowMapping): void {
    const before = this.#codes
    this.#codes = before.slice(0, 0)
    this.#resize(this.#codes, mapping.rows)
    const rowsBefore = this.#rows
    this.#rows = mapping.rows
    for (let row = 0; row < rowsBefore; row += 1) {
      const code = before[row] ?? none
      if (code === none) continue
      const target = mapping.target(row)
      if (target >= 0) this.#codes[target] = code
      else this.#release(code)
    }
  }

  #take(text: EncodedText): number {
    const known = this.#codeOf.get(text)
    if (known !== undefined) {
      this.#uses[known] = (this.#uses[known] ?? 0) + 1
      return known
    }
    const code = this.#free.pop() ?? this.#texts.length
    this.#texts[code] = text
    this.#uses[code] = 1
    this.#codeOf.set(text, code)
    this.#characters += text.length
    const codesMax = 2 ** (this.#codes.BYTES_PER_ELEMENT * 8)
    if (code >= codesMax) this.#widen()
    return code
  }

  #release(code: number): void {
    const uses = (this.#uses[code] ?? 0) - 1
    this.#uses[code] = uses
    if (uses > 0) return
    const text = this.#texts[code] ?? ''
    this.#codeOf.delete(text)
    this.#characters -= text.length
    this.#texts[code] = ''
    this.#free.push(code)
  }

  #widen(): void {
    const before = this.#codes
    this.#codes = before instanceof Uint8Array ? new Uint16Array(before.length) : new Uint32Array(before.length)
    this.#codes.set(before)
  }

  #resize(codes: Codes, length: number): void {
    const resized = codes instanceof Uint8Array ? new Uint8Array(length) : codes instanceof Uint16Array ? new Uint16Array(length) : new Uint32Array(length)
    resized.set(codes)
    this.#codes = resized
  }
}
