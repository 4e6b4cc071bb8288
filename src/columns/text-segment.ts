import { Needle } from '../needle.ts'
import type { Bits } from './bits.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import { compactText, textSeparator } from './encoded-text.ts'
import type { PhoneDigits } from './phone-digits.ts'
import { rankedLyings } from './phone-digits.ts'
import { mapEntryBytes, stringBytes } from './sparse-texts.ts'
import type { StemTest } from './text-affixes.ts'
import type { RankProbe, ScannedProbe, TextProbe } from './text-probe.ts'
import { accepts, rankIn } from './text-probe.ts'

/**
 * Rows of a segment: 64 bytes a row still have offsets of two bytes, and writing a segment anew takes
 * some tenths of a millisecond, most of it to sign its blocks. It also bounds a segment of the longest texts there may be
 * (65,535 characters of four bytes) to half of what V8 takes as one string.
 */
export const segmentRows = 1_024

/** Changes that a segment holds apart before it is written anew: a sixteenth of its rows, so that a change costs the writing of 16. */
const changesMax = segmentRows / 16

const separator = textSeparator
/** Does not occur in UTF-8 either. */
const nullText = '\xfe'
const nullCode = 0xfe

/** Characters that are searched at once, between two looks at the clock; more only when a single text is longer. */
const pieceCharacters = 65_536

/** Rows of a segment, up to but not including `to`, which may lie behind the last. */
export interface RowRange {
  /** The number of the first row of the segment. */
  readonly first: number
  readonly from: number
  readonly to: number
}

interface Scan extends RowRange {
  readonly deadline: Deadline
}

/** The texts of neighboring rows as one string: a separator, then each text with a separator behind it. */
export class TextSegment {
  #text = separator
  /** Where the text of each row starts, and where that of a row behind the last would. */
  #starts: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> = new Uint16Array([1])
  /** Rows changed since the string was made. */
  #changed: Map<number, EncodedText | null> | null = null
  /** Changes since then, of rows that changed before, too. */
  #changes = 0
  #changedCharacters = 0

  get bytes(): number {
    // The object, its array of offsets and its string, as V8 counts them.
    const own = 250
    return own + this.#text.length + this.#starts.byteLength + (this.#changed?.size ?? 0) * (mapEntryBytes + stringBytes) + this.#changedCharacters
  }

  get(row: number): EncodedText | null {
    const changed = this.#changed?.get(row)
    return changed === undefined ? this.#settled(row) : changed
  }

  /** Whether a row has a text of which one of these holds. */
  holds(row: number, tests: readonly StemTest[]): boolean {
    if (this.#changed?.has(row) === true || row >= this.#starts.length - 1) {
      const text = this.get(row)
      return text !== null && tests.some((test) => holdsIn(text, test, 0, text.length))
    }
    const [from, to] = [this.#starts[row] ?? 0, (this.#starts[row + 1] ?? 0) - 1]
    for (const test of tests) if (holdsIn(this.#text, test, from, to)) return true
    return false
  }

  set(row: number, text: EncodedText | null): void {
    this.#changed ??= new Map()
    this.#changedCharacters += (text?.length ?? 0) - (this.#changed.get(row)?.length ?? 0)
    this.#changed.set(row, text)
    this.#changes += 1
  }

  /** Whether it has to be settled now: not by rows, since a row that changes again and again leaves as much behind in the signature. */
  get isDue(): boolean {
    return this.#changes >= changesMax
  }

  /** Replaces all texts. */
  fill(texts: readonly (EncodedText | null)[]): void {
    const starts = new Uint32Array(texts.length + 1)
    let start = 1
    texts.forEach((one, row) => {
      starts[row] = start
      start += (one ?? nullText).length + 1
    })
    this.#keep(texts.length === 0 ? separator : `${separator}${texts.map((one) => one ?? nullText).join(separator)}${separator}`, starts)
  }

  /** Adds the rows of the range whose text the probe accepts. */
  select(probe: ScannedProbe, found: Bits, scan: Scan): void {
    const { first, deadline } = scan
    deadline.look()
    switch (probe.kind) {
      case 'filled':
      case 'present':
        this.#selectPresent(found, scan, probe.kind === 'filled')
        break
      case 'digits':
        this.#selectDigits(probe, found, scan)
        break
      case 'inside':
        this.#eachPlace(probe.needle, scan, (row) => { found.add(first + row) })
        break
      case 'start':
      case 'end':
        this.#selectAtEnds(probe, found, scan)
    }
    this.#eachChanged(scan, (row, text) => { found.assign(first + row, text !== null && accepts(probe, text)) })
  }

  /** As of a form, of the range. What comes behind the first place of a needle in a text changes nothing, so one pass tells all ranks. */
  rank(probe: RankProbe, ranked: readonly Bits[], scan: Scan): void {
    const { first } = scan
    if (probe instanceof Needle) this.#rankNeedle(probe, ranked, scan)
    else this.#eachDigits(probe, scan, (row, rank) => { ranked[rank]?.add(first + row) })
    this.#eachChanged(scan, (row, text) => {
      const rank = text === null ? ranked.length : rankIn(text, probe)
      ranked.forEach((rows, index) => { rows.assign(first + row, index === rank) })
    })
  }

  #eachChanged({ from, to, deadline }: Scan, visit: (row: number, text: EncodedText | null) => void): void {
    if (this.#changed === null) return
    for (const [row, text] of this.#changed) {
      if (row < from || row >= to) continue
      deadline.countText(text ?? '')
      visit(row, text)
    }
  }

  #settled(row: number): EncodedText | null {
    if (row >= this.#starts.length - 1) return null
    const start = this.#starts[row] ?? 0
    const end = (this.#starts[row + 1] ?? 0) - 1
    if (end === start + 1 && this.#text.charCodeAt(start) === nullCode) return null
    return this.#text.slice(start, end)
  }

  /** Writes the string anew, from the changed texts and the stretches between them. Answers the changed rows that were in it before. */
  settle(): number[] {
    const changed = [...(this.#changed ?? [])].sort(([one], [other]) => one - other)
    const before = { text: this.#text, starts: this.#starts, rows: this.#starts.length - 1 }
    const rows = Math.max(before.rows, (changed.at(-1)?.[0] ?? -1) + 1)
    const starts = new Uint32Array(rows + 1)
    const pieces: string[] = []
    let taken = 0
    let row = 0
    let shift = 0
    for (const [changedRow, text] of changed) {
      for (; row < Math.min(changedRow, before.rows); row += 1) starts[row] = (before.starts[row] ?? 0) + shift
      const stored = text ?? nullText
      if (changedRow < before.rows) {
        const start = before.starts[changedRow] ?? 0
        const end = (before.starts[changedRow + 1] ?? 0) - 1
        pieces.push(before.text.slice(taken, start), stored)
        taken = end
        starts[changedRow] = start + shift
        shift += stored.length - (end - start)
        row = changedRow + 1
      } else {
        if (taken < before.text.length) pieces.push(before.text.slice(taken))
        taken = before.text.length
        // What is not changed behind the last text is null.
        for (; row < changedRow; row += 1) {
          starts[row] = taken + shift
          pieces.push(nullText, separator)
          shift += nullText.length + 1
        }
        starts[row] = taken + shift
        pieces.push(stored, separator)
        shift += stored.length + 1
        row += 1
      }
    }
    for (; row < before.rows; row += 1) starts[row] = (before.starts[row] ?? 0) + shift
    pieces.push(before.text.slice(taken))
    this.#keep(pieces.join(''), starts)
    return changed.map(([changedRow]) => changedRow).filter((changedRow) => changedRow < before.rows)
  }

  #keep(text: string, starts: Uint32Array<ArrayBuffer>): void {
    starts[starts.length - 1] = text.length
    this.#text = compactText(text)
    this.#starts = text.length > 0xffff ? starts : Uint16Array.from(starts)
    this.#changed = null
    this.#changes = 0
    this.#changedCharacters = 0
  }

  #selectPresent(found: Bits, { first, from, to }: Scan, isFilled: boolean): void {
    const starts = this.#starts
    const end = Math.min(to, starts.length - 1)
    for (let row = from; row < end; row += 1) {
      const start = starts[row] ?? 0
      const length = (starts[row + 1] ?? 0) - start - 1
      if (length === 0 ? !isFilled : length > 1 || this.#text.charCodeAt(start) !== nullCode) found.add(first + row)
    }
  }

  /** Tells, of each row of the range whose text has what is sought, where that lies first. */
  #eachPlace(sought: RankProbe, { from, to, deadline }: Scan, tell: (row: number, at: number) => void): void {
    const starts = this.#starts
    const rows = Math.min(to, starts.length - 1)
    let row = from
    while (row < rows) {
      const before = starts[row] ?? 0
      const end = this.#pieceEnd(row, rows)
      const piece = this.#text.slice(before, starts[end] ?? 0)
      deadline.look()
      let at = sought.indexIn(piece)
      while (at >= 0) {
        while ((starts[row + 1] ?? 0) <= before + at) row += 1
        tell(row, before + at)
        row += 1
        at = sought.indexIn(piece, (starts[row] ?? 0) - before)
      }
      row = end
    }
  }

  /** The row behind the last one that is searched together with this one. */
  #pieceEnd(row: number, rows: number): number {
    const starts = this.#starts
    const limit = (starts[row] ?? 0) + pieceCharacters
    if ((starts[rows] ?? 0) <= limit) return rows
    let [from, to] = [row + 1, rows]
    while (from < to) {
      const middle = (from + to + 1) >>> 1
      if ((starts[middle] ?? 0) <= limit) from = middle
      else to = middle - 1
    }
    return from
  }

  /** Row by row, since a search for the separator before the needle would stop at every row, and more slowly. */
  #selectAtEnds({ kind, needle }: Extract<TextProbe, { kind: 'start' | 'end' }>, found: Bits, { first, from, to, deadline }: Scan): void {
    const text = this.#text
    const starts = this.#starts
    const rows = Math.min(to, starts.length - 1)
    const { length } = needle
    const [head, tail] = [needle.charCodeAt(0), needle.charCodeAt(length - 1)]
    let next = starts[from] ?? 0
    for (let row = from; row < rows; row += 1) {
      const start = next
      next = starts[row + 1] ?? 0
      const end = next - 1
      if (end - start < length) continue
      const at = kind === 'end' ? end - length : start
      // Either end tells most texts: ids share what they begin with, mailboxes what they end with.
      if (text.charCodeAt(at) !== head || text.charCodeAt(at + length - 1) !== tail) continue
      deadline.countText(needle)
      if (text.startsWith(needle, at)) found.add(first + row)
    }
  }

  #rankNeedle(needle: Needle, [whole, start, inside]: readonly Bits[], scan: Scan): void {
    const { first } = scan
    const starts = this.#starts
    this.#eachPlace(needle, scan, (row, at) => {
      if (at !== starts[row]) inside?.add(first + row)
      else if ((starts[row + 1] ?? 0) - 1 === at + needle.text.length) whole?.add(first + row)
      else start?.add(first + row)
    })
  }

  #selectDigits({ digits, how }: Extract<TextProbe, { kind: 'digits' }>, found: Bits, scan: Scan): void {
    const { first } = scan
    const worst = rankedLyings.indexOf(how)
    this.#eachDigits(digits, scan, (row, rank) => { if (rank <= worst) found.add(first + row) })
  }

  /** Tells, of each row of the range in whose text the digits lie, the best way in which they do. */
  #eachDigits(digits: PhoneDigits, scan: Scan, tell: (row: number, rank: number) => void): void {
    this.#eachPlace(digits, scan, (row) => {
      tell(row, digits.rankIn(this.#text, this.#starts[row] ?? 0, (this.#starts[row + 1] ?? 0) - 1))
    })
  }
}

/** Of the text that lies in another from one place up to another. */
function holdsIn(text: string, test: StemTest, from: number, to: number): boolean {
  const { length } = test.text
  if (test.lying === 'whole' ? to - from !== length : to - from < length) return false
  return text.startsWith(test.text, test.lying === 'end' ? to - length : from)
}
