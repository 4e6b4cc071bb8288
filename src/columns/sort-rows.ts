import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'

/** Ranges that are shorter are sorted by comparing; a pass of the radix sort costs as much as clearing 65,536 counters. */
const radixRowsMin = 1_024
const insertionRowsMax = 16
const digits = 65_536
/** Characters of a text that make one key of 64 bits. */
const keyCharacters = 8
/** Ranges made by more radix sorts than these are sorted by comparing too: each may have told apart no more than one text. */
const levelsMax = 16
/** Characters compared at a time, at most. */
const stretchMax = 4_096

/** Ascending rows in order of their numbers, then of the rows. */
export function sortByNumber(rows: Uint32Array<ArrayBuffer>, numberOf: (row: number) => number, deadline: Deadline): void {
  const keys = new Keys(rows.length)
  const bits = new DataView(new ArrayBuffer(8))
  for (let place = 0; place < rows.length; place += 1) {
    // Not -0, which would come before 0 although they are equal.
    bits.setFloat64(0, numberOf(rows[place] ?? 0) + 0)
    const high = bits.getInt32(0)
    const low = bits.getInt32(4)
    // As unsigned integers, positive numbers then stand above all negative ones, and those the other way round.
    keys.high[place] = high < 0 ? ~high : high ^ 0x8000_0000
    keys.low[place] = high < 0 ? ~low : low
    deadline.count(1)
  }
  radixSort(rows, keys)
}

/** Ascending rows in order of their texts, then of the rows. Each text is asked for once. */
export function sortByText(rows: Uint32Array<ArrayBuffer>, textOf: (row: number) => EncodedText, deadline: Deadline): void {
  const texts: EncodedText[] = []
  for (const row of rows) {
    texts.push(textOf(row))
    deadline.count(1)
  }
  const places = Uint32Array.from(rows, (_, place) => place)
  sortPlaces(places, texts, deadline)
  rows.set(places.map((place) => rows[place] ?? 0))
}

/** Places of texts that are the same up to `from`. */
interface Range {
  readonly start: number
  readonly end: number
  readonly from: number
  /** Radix sorts that made it. */
  readonly level: number
}

/** By key after key from the left, each range of places whose keys were the same by the next one. */
function sortPlaces(places: Uint32Array<ArrayBuffer>, texts: readonly EncodedText[], deadline: Deadline): void {
  const keys = new Keys(places.length)
  // Kept here and not by recursion, since texts may share more than a stack has room for.
  const left: Range[] = [{ start: 0, end: places.length, from: 0, level: 0 }]
  for (let range = left.pop(); range !== undefined; range = left.pop()) {
    const ranged = places.subarray(range.start, range.end)
    const from = sharedUpTo(ranged, texts, range.from, deadline)
    if (ranged.length < radixRowsMin || range.level === levelsMax) {
      sortByComparing(ranged, texts, from, deadline)
      continue
    }
    for (let index = 0; index < ranged.length; index += 1) {
      const text = texts[ranged[index] ?? 0] ?? ''
      keys.high[index] = keyAt(text, from)
      keys.low[index] = keyAt(text, from + 4)
      deadline.count(1)
    }
    radixSort(ranged, keys)
    deadline.count(ranged.length)
    let start = 0
    for (let end = 1; end <= ranged.length; end += 1) {
      if (end < ranged.length && keys.high[end] === keys.high[start] && keys.low[end] === keys.low[start]) continue
      // A last byte of 0 says that the texts ended, so that they are equal.
      if (end - start > 1 && ((keys.low[start] ?? 0) & 0xff) !== 0) {
        left.push({ start: range.start + start, end: range.start + end, from: from + keyCharacters, level: range.level + 1 })
      }
      start = end
    }
  }
}

/**
 * How far all texts are the same, at least: stretch by stretch, each longer than the one before. The
 * first stretch in which one differs ends this, so that it costs no more than a few times what it skips.
 */
function sharedUpTo(places: Uint32Array<ArrayBuffer>, texts: readonly EncodedText[], from: number, deadline: Deadline): number {
  const first = texts[places[0] ?? 0] ?? ''
  let shared = from
  for (let length = keyCharacters; shared + length <= first.length; length = Math.min(length * 4, stretchMax)) {
    const stretch = first.slice(shared, shared + length)
    for (const place of places) {
      deadline.count(1 + (length >>> 8))
      if (texts[place]?.slice(shared, shared + length) !== stretch) return shared
    }
    shared += length
  }
  return shared
}

/** Four characters as a number; past the end 0, which no character becomes, since the largest byte of UTF-8 is 0xF4. */
function keyAt(text: EncodedText, from: number): number {
  let key = 0
  const end = Math.min(text.length, from + 4)
  for (let at = from; at < end; at += 1) key |= (text.charCodeAt(at) + 1) << (8 * (from + 3 - at))
  return key >>> 0
}

/** Texts that are the same up to `from`. */
function sortByComparing(places: Uint32Array<ArrayBuffer>, texts: readonly EncodedText[], from: number, deadline: Deadline): void {
  const compare = (one: number, other: number): number => {
    const [left, right] = [textFrom(texts[one] ?? '', from), textFrom(texts[other] ?? '', from)]
    deadline.count(1 + (Math.min(left.length, right.length) >>> 8))
    return left < right ? -1 : left > right ? 1 : one - other
  }
  if (places.length > insertionRowsMax) {
    places.sort(compare)
    return
  }
  for (let end = 1; end < places.length; end += 1) {
    const place = places[end] ?? 0
    let at = end
    while (at > 0 && compare(places[at - 1] ?? 0, place) > 0) {
      places[at] = places[at - 1] ?? 0
      at -= 1
    }
    places[at] = place
  }
}

/** What is before is not worth cutting off while it is short. */
function textFrom(text: EncodedText, from: number): EncodedText {
  return from < stretchMax ? text : text.slice(from)
}

interface Keyed {
  rows: Uint32Array<ArrayBuffer>
  high: Uint32Array<ArrayBuffer>
  low: Uint32Array<ArrayBuffer>
}

/** Keys of 64 bits in two halves, and room to sort them in, for so many rows at most. */
class Keys {
  high: Uint32Array<ArrayBuffer>
  low: Uint32Array<ArrayBuffer>
  spare: Keyed

  constructor(length: number) {
    this.high = new Uint32Array(length)
    this.low = new Uint32Array(length)
    this.spare = { rows: new Uint32Array(length), high: new Uint32Array(length), low: new Uint32Array(length) }
  }
}

/** Sorts rows and their keys by the keys, keeping the order of rows with equal keys: by 16 bits at a time, from the lowest. */
function radixSort(rows: Uint32Array<ArrayBuffer>, keys: Keys): void {
  const { length } = rows
  const roomOfRows = keys.spare.rows
  let from: Keyed = { rows, high: keys.high, low: keys.low }
  let to: Keyed = keys.spare
  const starts = new Uint32Array(digits)
  for (const [half, shift] of [['low', 0], ['low', 16], ['high', 0], ['high', 16]] as const) {
    const digitsOf = from[half]
    starts.fill(0)
    for (let index = 0; index < length; index += 1) {
      const digit = ((digitsOf[index] ?? 0) >>> shift) & 0xffff
      starts[digit] = (starts[digit] ?? 0) + 1
    }
    // All have the same digit, as most of the highest do.
    if (starts[((digitsOf[0] ?? 0) >>> shift) & 0xffff] === length) continue
    let start = 0
    for (let digit = 0; digit < digits; digit += 1) {
      const count = starts[digit] ?? 0
      starts[digit] = start
      start += count
    }
    for (let index = 0; index < length; index += 1) {
      const digit = ((digitsOf[index] ?? 0) >>> shift) & 0xffff
      const place = starts[digit] ?? 0
      starts[digit] = place + 1
      to.rows[place] = from.rows[index] ?? 0
      to.high[place] = from.high[index] ?? 0
      to.low[place] = from.low[index] ?? 0
    }
    ;[from, to] = [to, from]
  }
  if (from.rows !== rows) rows.set(from.rows.subarray(0, length))
  keys.high = from.high
  keys.low = from.low
  keys.spare = { rows: roomOfRows, high: to.high, low: to.low }
}
