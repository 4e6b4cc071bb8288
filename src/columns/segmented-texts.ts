import { Needle } from '../needle.ts'
import type { Bits } from './bits.ts'
import type { Signed, SoughtBits } from './block-signatures.ts'
import { blockRows, BlockSignatures } from './block-signatures.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import type { RowMapping } from './row-mapping.ts'
import type { TextForm } from './text-form.ts'
import { TextHashes } from './text-hashes.ts'
import type { RankProbe, TextProbe } from './text-probe.ts'
import { type RowRange, segmentRows, TextSegment } from './text-segment.ts'

/** Texts of which most are different. */
export class SegmentedTexts implements TextForm {
  readonly #signed: Signed
  #segments: TextSegment[] = []
  #signatures: BlockSignatures
  #hashes = new TextHashes()
  /** Of the segments. */
  #bytes = 0

  constructor(signed: Signed = 'characters') {
    this.#signed = signed
    this.#signatures = new BlockSignatures(signed)
  }

  /** Texts in order of their rows. */
  static from(entries: Iterable<readonly [row: number, text: EncodedText]>, signed?: Signed): SegmentedTexts {
    const texts = new SegmentedTexts(signed)
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
    return this.#bytes + this.#signatures.bytes + this.#hashes.bytes
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
    this.#hashes.set(row, text)
    if (text !== null) this.#signatures.add(Math.floor(row / blockRows), text)
    if (segment.isDue) this.#sign(index, segment.settle())
    this.#bytes += segment.bytes
  }

  select(probe: TextProbe, found: Bits, deadline: Deadline): number {
    if (probe.kind === 'in') return this.#selectIn(probe.values, found, deadline)
    return this.#eachRange(this.#signatures.soughtBy(probe), (segment, range) => { segment.select(probe, found, { ...range, deadline }) })
  }

  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): number {
    const sought = this.#signatures.soughtBy(probe instanceof Needle ? { kind: 'inside', needle: probe } : { kind: 'digits', how: 'inside', digits: probe })
    return this.#eachRange(sought, (segment, range) => { segment.rank(probe, ranked, { ...range, deadline }) })
  }

  * entries(): Iterable<readonly [number, EncodedText]> {
    for (let row = 0; row < this.#segments.length * segmentRows; row += 1) {
      const text = this.get(row)
      if (text !== null) yield [row, text]
    }
  }

  remap(mapping: RowMapping): void {
    const mapped = SegmentedTexts.from(this.#mappedEntries(mapping), this.#signed)
    this.#segments = mapped.#segments
    this.#bytes = mapped.#bytes
    this.#signatures = mapped.#signatures
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
    texts.forEach((text, place) => {
      this.#hashes.set(first + place, text)
      if (text !== null) this.#signatures.add(Math.floor((first + place) / blockRows), text)
    })
    this.#segments.push(segment)
    this.#bytes += segment.bytes
  }

  /** Signs anew the blocks of a segment in which texts were replaced: of new rows nothing is left over. */
  #sign(index: number, changed: Iterable<number>): void {
    const first = index * segmentRows
    for (const block of new Set(Array.from(changed, (place) => Math.floor((first + place) / blockRows)))) {
      this.#signatures.clear(block)
      for (let row = block * blockRows; row < (block + 1) * blockRows; row += 1) {
        const text = this.get(row)
        if (text !== null) this.#signatures.add(block, text)
      }
    }
  }

  #selectIn(values: ReadonlySet<EncodedText>, found: Bits, deadline: Deadline): number {
    let visited = 0
    this.#hashes.eachLike(values, (row) => {
      visited += 1
      const text = this.get(row)
      deadline.countText(text ?? '')
      if (text !== null && values.has(text)) found.add(row)
    })
    return visited
  }

  /** Visits the rows whose block may have what is sought, neighbors of a segment together. Answers how many they are. */
  #eachRange(sought: SoughtBits, visit: (segment: TextSegment, range: RowRange) => void): number {
    let visited = 0
    this.#segments.forEach((segment, index) => {
      const first = index * segmentRows
      let from = 0
      for (let to = 0; to <= segmentRows; to += blockRows) {
        const block = (first + to) / blockRows
        if (to < segmentRows && this.#signatures.mayHave(block, sought)) continue
        if (to > from) {
          visit(segment, { first, from, to })
          visited += to - from
        }
        from = to + blockRows
      }
    })
    return visited
  }
}
