import type { Bits } from './bits.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import type { TextForm } from './text-form.ts'
import type { TextProbe } from './text-probe.ts'
import { segmentRows, TextSegment } from './text-segment.ts'

/** Texts of which most are different. */
export class SegmentedTexts implements TextForm {
  #segments: TextSegment[] = []
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
    return this.#bytes
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
  }

  select(probe: TextProbe, found: Bits): void {
    this.#segments.forEach((segment, index) => { segment.select(probe, found, index * segmentRows) })
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
    this.#segments.push(segment)
    this.#bytes += segment.bytes
  }
}
