import { Needle } from '../needle.ts'
import { Bits, grownLength } from './bits.ts'
import type { Signed, SoughtBits } from './block-signatures.ts'
import { blockRows, BlockSignatures } from './block-signatures.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import { rankedLyings } from './phone-digits.ts'
import type { RowMapping } from './row-mapping.ts'
import type { RowPicker } from './row-picker.ts'
import type { SplitProbe } from './text-affixes.ts'
import { byAffix, noAffix, TextAffixes } from './text-affixes.ts'
import type { TextForm } from './text-form.ts'
import { offerTexts, testTexts } from './text-form.ts'
import { TextHashes } from './text-hashes.ts'
import type { RankProbe, ScannedProbe, TextProbe } from './text-probe.ts'
import { accepts } from './text-probe.ts'
import { type RowRange, segmentRows, TextSegment } from './text-segment.ts'

/** Texts of which most are different. */
export class SegmentedTexts implements TextForm {
  readonly #signed: Signed
  /** Null where nothing is worth sharing: then segments have whole texts, else stems. */
  readonly #affixes: TextAffixes | null
  /** Of the affix of each row. */
  #codes = new Uint8Array(0)
  #segments: TextSegment[] = []
  #signatures: BlockSignatures
  #hashes = new TextHashes()
  /** Of the segments. */
  #bytes = 0

  constructor(signed: Signed = 'characters', affixes: TextAffixes | null = null) {
    this.#signed = signed
    this.#affixes = affixes
    this.#signatures = new BlockSignatures(signed)
  }

  /** Texts in order of their rows. What they share is learnt from them, but where only digits are searched. */
  static from(source: { entries(): Iterable<readonly [row: number, text: EncodedText]> }, signed: Signed = 'characters'): SegmentedTexts {
    const texts = new SegmentedTexts(signed, signed === 'characters' ? TextAffixes.learn(Array.from(source.entries(), ([, text]) => text)) : null)
    texts.#fill(source.entries())
    return texts
  }

  get bytes(): number {
    return this.#bytes + this.#signatures.bytes + this.#hashes.bytes + this.#codes.byteLength + (this.#affixes?.bytes ?? 0)
  }

  get entriesVisited(): number {
    return this.#segments.length * segmentRows
  }

  get(row: number): EncodedText | null {
    const stem = this.#segments[Math.floor(row / segmentRows)]?.get(row % segmentRows) ?? null
    const code = this.#codes[row] ?? noAffix
    return stem === null || code === noAffix ? stem : this.#affixes?.join(stem, code) ?? stem
  }

  set(row: number, text: EncodedText | null): void {
    const index = Math.floor(row / segmentRows)
    while (index >= this.#segments.length) this.#append([])
    const segment = this.#segments[index]
    if (segment === undefined) return
    this.#bytes -= segment.bytes
    segment.set(row % segmentRows, this.#split(row, text))
    this.#hashes.set(row, text)
    if (text !== null) this.#signatures.add(Math.floor(row / blockRows), text)
    if (segment.isDue) this.#sign(index, segment.settle())
    this.#bytes += segment.bytes
  }

  select(probe: TextProbe, found: Bits, deadline: Deadline): number {
    if (probe.kind === 'in') return this.#selectIn(probe.values, found, deadline)
    const split = this.#affixes?.split(probe)
    return this.#eachRange(this.#signatures.soughtBy(probe), (segment, range) => {
      const scan = { ...range, deadline }
      if (split === undefined) segment.select(probe, found, scan)
      else this.#selectSplit(probe, split, segment, found, scan)
    })
  }

  tester(probe: TextProbe, deadline: Deadline): (row: number) => boolean {
    const testText = testTexts(this, probe, deadline)
    if (probe.kind === 'in') return testText
    const sought = this.#signatures.soughtBy(probe)
    const split = this.#affixes?.split(probe)
    if (split === undefined) return (row) => this.#mayHave(row, sought) && testText(row)
    return (row) => {
      if (!this.#mayHave(row, sought)) return false
      deadline.count(1)
      const code = this.#codes[row] ?? noAffix
      const verdict = split.verdicts[code]
      if (verdict === byAffix.always) return true
      if (verdict === byAffix.byText) return testText(row)
      const segment = this.#segments[Math.floor(row / segmentRows)]
      if (segment === undefined) return false
      const place = row % segmentRows
      if (verdict === byAffix.byStem && segment.holds(place, split.tests[code] ?? [])) return true
      const stem = split.ofStems === null ? null : segment.get(place)
      if (stem === null || split.ofStems === null) return false
      deadline.countText(stem)
      return accepts(split.ofStems, stem)
    }
  }

  /** Most rows are turned away for their affix. */
  offerTo(picker: RowPicker, rows: Bits): void {
    const affixes = this.#affixes
    if (affixes?.side !== 'start') {
      offerTexts(this, picker, rows)
      return
    }
    let { last } = picker
    let isLate: Uint8Array | undefined
    for (let row = rows.next(0); row >= 0; row = rows.next(row + 1)) {
      if (isLate?.[this.#codes[row] ?? noAffix] === 1) continue
      picker.offer(this.get(row), row)
      if (picker.last === last) continue
      last = picker.last
      if (typeof last === 'string') isLate = affixes.beside(last, picker.order === 'asc' ? 'behind' : 'before')
    }
  }

  rank(probe: RankProbe, ranked: readonly Bits[], deadline: Deadline): number {
    if (this.#affixes !== null) return this.#rankSplit(probe, ranked, deadline)
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
    const mapped = new SegmentedTexts(this.#signed, this.#affixes)
    mapped.#fill(this.#mappedEntries(mapping))
    this.#segments = mapped.#segments
    this.#bytes = mapped.#bytes
    this.#codes = mapped.#codes
    this.#signatures = mapped.#signatures
    this.#hashes = mapped.#hashes
  }

  #fill(entries: Iterable<readonly [row: number, text: EncodedText]>): void {
    let pending: (EncodedText | null)[] = []
    for (const [row, text] of entries) {
      while (row >= this.#segments.length * segmentRows + segmentRows) {
        this.#append(pending)
        pending = []
      }
      const place = row % segmentRows
      while (pending.length < place) pending.push(null)
      pending.push(text)
    }
    this.#append(pending)
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
    const first = this.#segments.length * segmentRows
    if (texts.length > 0) segment.fill(texts.map((text, place) => this.#split(first + place, text)))
    texts.forEach((text, place) => {
      this.#hashes.set(first + place, text)
      if (text !== null) this.#signatures.add(Math.floor((first + place) / blockRows), text)
    })
    this.#segments.push(segment)
    this.#bytes += segment.bytes
  }

  /** Keeps the code of a row's affix. Answers the stem. */
  #split(row: number, text: EncodedText | null): EncodedText | null {
    if (this.#affixes === null) return text
    const code = text === null ? noAffix : this.#affixes.codeOf(text)
    if (row >= this.#codes.length) {
      const longer = new Uint8Array(grownLength(row + 1, this.#codes.length))
      longer.set(this.#codes)
      this.#codes = longer
    }
    this.#codes[row] = code
    return text === null || code === noAffix ? text : this.#affixes.stemOf(text, code)
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

  #mayHave(row: number, sought: SoughtBits): boolean {
    return sought.length === 0 || this.#signatures.mayHave(Math.floor(row / blockRows), sought)
  }

  #selectSplit(probe: ScannedProbe, { ofStems, verdicts, tests }: SplitProbe, segment: TextSegment, found: Bits, scan: RowRange & { readonly deadline: Deadline }): void {
    const { first, from, to, deadline } = scan
    // Before the others, since it takes changed rows out.
    if (ofStems !== null) segment.select(ofStems, found, scan)
    const codes = this.#codes
    const end = Math.min(first + to, codes.length)
    deadline.count((end - first - from) >>> 3)
    for (let row = first + from; row < end; row += 1) {
      const code = codes[row] ?? noAffix
      const verdict = verdicts[code]
      if (verdict === byAffix.never) continue
      if (verdict === byAffix.always) found.add(row)
      else if (verdict === byAffix.byStem) {
        if (segment.holds(row - first, tests[code] ?? [])) found.add(row)
      } else {
        const text = this.get(row)
        deadline.countText(text ?? '')
        if (text !== null && accepts(probe, text)) found.add(row)
      }
    }
  }

  /** Each rank by itself: where a needle lies in a text is more than its place in the stem. */
  #rankSplit(sought: RankProbe, ranked: readonly Bits[], deadline: Deadline): number {
    const better = new Bits(this.entriesVisited)
    let visited = 0
    const probes: TextProbe[] = sought instanceof Needle
      ? [{ kind: 'in', values: new Set([sought.text]) }, { kind: 'start', needle: sought.text }, { kind: 'inside', needle: sought }]
      : rankedLyings.map((how) => ({ kind: 'digits', how, digits: sought }))
    for (const [rank, probe] of probes.entries()) {
      const reached = new Bits(this.entriesVisited)
      visited += this.select(probe, reached, deadline)
      reached.andNot(better)
      better.or(reached)
      ranked[rank]?.or(reached)
    }
    return visited
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
