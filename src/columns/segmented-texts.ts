import { type Bits, grownLength } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import type { TextForm } from './text-form.ts'
import { hashOf, noHash, TextHashes } from './text-hashes.ts'
import type { RankProbe, TextProbe } from './text-probe.ts'
import { segmentRows, TextSegment } from './text-segment.ts'

/** Texts of which most are different. */
export class SegmentedTexts implements TextForm {
  #segments: TextSegment[] = []
  /** Of the texts of all rows: whole texts are found by them. */
  #hashes = new Uint16Array(0)
  /** Of the segments. */
  #bytes = 0

  /** Texts in order of their rows. */
  static from(entries: Iterable<readonly [row: number, text: EncodedText]>): SegmentedTexts {
    const texts = new SegmentedTexts()
    let pending: (EncodedText | null)[] = []
    for (const [row, text] of entries) {
      while (row >= texts.#segments.length * segmentRows + segmentRows) {
        texts.#append(pending)
        pending = []
      }
      const place = row % segmentRows
      while (pending.length < place) pending.push(null)
      pending.push(text)
    }
    texts.#append(pending)
    return texts
  }

  get bytes(): number {
    return this.#bytes + this.#hashes.byteLength
  }

  get entriesVisited(): number {
    return this.#segments.length * segmentRows
  }

  get(row: number): EncodedText | null {
    return this.#segments[Math.floor(row / segmentRows)]?.get(row % segmentRows) ?? null
  }

  set(row: number, text: EncodedText | null): void {
    const index = Math.floor(row / segmentRows)
    while (index >= this.#segments.length) this.#append([])
    const segment = this.#segments[index]
    if (segment === undefined) return
    this.#bytes -= segment.bytes
    segment.set(row % segmentRows, text)
    this.#bytes += segment.bytes
    this.#setHash(row, text)
  }

  select(probe: TextProbe, found: Bits, deadline: Deadline): void {
    if (probe.kind === 'in') this.#selectIn(probe.values, found, deadline)
    else this.#segments.forEach((segment, index) => { segment.select(probe, found, { first: index * segmentRows, deadline }) })
  }

  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): void {
    this.#segments.forEach((segment, index) => { segment.rank(probe, ranked, { first: index * segmentRows, deadline }) })
  }

  * entries(): Iterable<readonly [number, EncodedText]> {
    for (let row = 0; row < this.#segments.length * segmentRows; row += 1) {
      const text = this.get(row)
      if (text !== null) yield [row, text]
    }
  }

  remap(mapping: RowMapping): void {
    const mapped = SegmentedTexts.from(this.#mappedEntries(mapping))
    this.#segments = mapped.#segments
    this.#bytes = mapped.#bytes
    this.#hashes = mapped.#hashes
  }

  * #mappedEntries(mapping: RowMapping): Iterable<readonly [number, EncodedText]> {
    for (let row = 0; row < mapping.rows; row += 1) {
      const source = mapping.source(row)
      const text = source < 0 ? null : this.get(source)
      if (text !== null) yield [row, text]
    }
  }

  #append(texts: readonly (EncodedText | null)[]): void {
    const segment = new TextSegment()
    if (texts.length > 0) segment.fill(texts)
    const first = this.#segments.length * segmentRows
    texts.forEach((text, place) => { this.#setHash(first + place, text) })
    this.#segments.push(segment)
    this.#bytes += segment.bytes
  }

  #setHash(row: number, text: EncodedText | null): void {
    if (row >= this.#hashes.length) {
      const longer = new Uint16Array(grownLength(row + 1, this.#hashes.length))
      longer.set(this.#hashes)
      this.#hashes = longer
    }
    this.#hashes[row] = text === null ? noHash : hashOf(text)
  }

  #selectIn(values: ReadonlySet<EncodedText>, found: Bits, deadline: Deadline): void {
    const hashes = this.#hashes
    const [first] = values
    if (first !== undefined && values.size === 1) {
      const sought = hashOf(first)
      for (let row = hashes.indexOf(sought); row >= 0; row = hashes.indexOf(sought, row + 1)) {
        deadline.countText(first)
        if (this.get(row) === first) found.add(row)
      }
      return
    }
    const sought = new TextHashes(values)
    for (let row = 0; row < hashes.length; row += 1) {
      if (!sought.mayHave(hashes[row] ?? noHash)) continue
      const text = this.get(row)
      deadline.countText(text ?? '')
      if (text !== null && values.has(text)) found.add(row)
    }
  }
}
