import type { EncodedText } from './encoded-text.ts'

/** Ranges that are shorter are sorted by comparing; a pass of the radix sort costs as much as clearing 65,536 counters. */
const radixRowsMin = 1_024
const insertionRowsMax = 16
const digits = 65_536
/** Characters of a text that make one key of 64 bits. */
const keyCharacters = 8

/** Ascending rows in order of their numbers, then of the rows. */
export function sortByNumber(rows: Uint32Array<ArrayBuffer>, numberOf: (row: number) => number): void {
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
  }
  radixSort(rows, keys)
}

/** Ascending rows in order of their texts, then of the rows. Each text is asked for once. */
export function sortByText(rows: Uint32Array<ArrayBuffer>, textOf: (row: number) => EncodedText): void {
  const texts: EncodedText[] = []
  for (const row of rows) texts.push(textOf(row))
  const places = Uint32Array.from(rows, (_, place) => place)
  sortPlaces(places, texts, 0)
  rows.set(places.map((place) => rows[place] ?? 0))
}

/** Sorts places of texts that are the same up to `from`, by what comes then. */
function sortPlaces(places: Uint32Array<ArrayBuffer>, texts: readonly EncodedText[], from: number): void {
  if (places.length < radixRowsMin) {
    sortByComparing(places, texts)
    return
  }
  const keys = new Keys(places.length)
  for (let index = 0; index < places.length; index += 1) {
    const text = texts[places[index] ?? 0] ?? ''
    keys.high[index] = keyAt(text, from)
    keys.low[index] = keyAt(text, from + 4)
  }
  radixSort(places, keys)
  let start = 0
  for (let end = 1; end <= places.length; end += 1) {
    if (end < places.length && keys.high[end] === keys.high[start] && keys.low[end] === keys.low[start]) continue
    // A last byte of 0 says that the texts ended, so that they are equal.
    if (end - start > 1 && ((keys.low[start] ?? 0) & 0xff) !== 0) sortPlaces(places.subarray(start, end), texts, from + keyCharacters)
    start = end
  }
}

/** Four characters as a number; past the end 0, which no character becomes, since the largest byte of UTF-8 is 0xF4. */
function keyAt(text: EncodedText, from: number): number {
  let key = 0
  const end = Math.min(text.length, from + 4)
  for (let at = from; at < end; at += 1) key |= (text.charCodeAt(at) + 1) << (8 * (from + 3 - at))
  return key >>> 0
}

function sortByComparing(places: Uint32Array<ArrayBuffer>, texts: readonly EncodedText[]): void {
  const compare = (one: number, other: number): number => {
    const [left = '', right = ''] = [texts[one], texts[other]]
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

/** Keys of 64 bits in two halves. */
class Keys {
  high: Uint32Array<ArrayBuffer>
  low: Uint32Array<ArrayBuffer>

  constructor(length: number) {
    this.high = new Uint32Array(length)
    this.low = new Uint32Array(length)
  }
}

/** Sorts rows and their keys by the keys, keeping the order of rows with equal keys: by 16 bits at a time, from the lowest. */
function radixSort(rows: Uint32Array<ArrayBuffer>, keys: Keys): void {
  const { length } = rows
  let from = { rows, high: keys.high, low: keys.low }
  let to = { rows: new Uint32Array(length), high: new Uint32Array(length), low: new Uint32Array(length) }
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
  if (from.rows !== rows) rows.set(from.rows)
  keys.high = from.high
  keys.low = from.low
}
