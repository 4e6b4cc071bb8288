import type { EncodedText } from './encoded-text.ts'
import { textSeparator } from './encoded-text.ts'

const zero = 0x30
/** What a character is to a search for digits: the digit itself, what parts texts, or neither. */
const [separatorClass, otherClass] = [10, 11]
/** Room for the classes in a power of two, so that a place in a table is a sum of bits. */
const classRoom = 16
const classes = new Uint8Array(256).fill(otherClass)
for (let digit = 0; digit < 10; digit += 1) classes[zero + digit] = digit
classes[textSeparator.charCodeAt(0)] = separatorClass

/** Ways in which a needle lies in a text, the best first; each includes those before it. */
export const rankedLyings = ['whole', 'start', 'inside'] as const
export type RankedLying = (typeof rankedLyings)[number]

/** Digits, not none, that are sought among those of texts, all else left out. */
export class PhoneDigits {
  readonly text: string
  /** By how many are matched and the class of the next character: how many are matched then. Both counts are in steps of `classRoom`. */
  readonly #next: Uint32Array

  constructor(digits: string) {
    this.text = digits
    this.#next = nextMatched(digits)
  }

  /** The place of the best way in which they lie in a part of the text; one more than the last when they do not. */
  rankIn(text: EncodedText, from = 0, to = text.length): number {
    const end = this.indexIn(text, from, to)
    if (end < 0) return rankedLyings.length
    if (countDigits(text, from, end + 1) > this.text.length) return 2
    return countDigits(text, end + 1, to) > 0 ? 1 : 0
  }

  /** The place where they first end, in any of the texts that a string has with separators between; -1 when there is none. */
  indexIn(texts: string, from = 0, to = texts.length): number {
    const next = this.#next
    const all = this.text.length * classRoom
    let matched = 0
    // Without a branch for what a character is, which would be guessed wrong too often.
    for (let at = from; at < to; at += 1) {
      matched = next[matched + (classes[texts.charCodeAt(at)] ?? otherClass)] ?? 0
      if (matched === all) return at
    }
    return -1
  }
}

/** After a digit that does not fit, as many are matched as of the digits but for the first (Knuth, Morris and Pratt). */
function nextMatched(digits: string): Uint32Array {
  const next = new Uint32Array(digits.length * classRoom)
  let shorter = 0
  for (let place = 0; place < digits.length; place += 1) {
    const matched = place * classRoom
    const digit = digits.charCodeAt(place) - zero
    next.copyWithin(matched, shorter, shorter + classRoom)
    next[matched + otherClass] = matched
    next[matched + digit] = matched + classRoom
    if (place > 0) shorter = next[shorter + digit] ?? 0
  }
  return next
}

function countDigits(text: EncodedText, from: number, to: number): number {
  let count = 0
  for (let at = from; at < to; at += 1) if ((classes[text.charCodeAt(at)] ?? otherClass) < separatorClass) count += 1
  return count
}
