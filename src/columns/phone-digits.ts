import { overlapsOf } from '../needle.ts'
import type { EncodedText } from './encoded-text.ts'

const zero = 0x30
const nine = 0x39

/** Ways in which a needle lies in a text, the best first; each includes those before it. */
export const rankedLyings = ['whole', 'start', 'inside'] as const
export type RankedLying = (typeof rankedLyings)[number]

/** Digits, not none, that are sought among those of texts, all else left out. */
export class PhoneDigits {
  readonly #digits: string
  readonly #overlaps: Uint32Array

  constructor(digits: string) {
    this.#digits = digits
    this.#overlaps = overlapsOf(digits)
  }

  /** The place of the best way in which they lie in a part of the text; one more than the last when they do not. */
  rankIn(text: EncodedText, from = 0, to = text.length): number {
    const none = rankedLyings.length
    const digits = this.#digits
    const last = digits.length - 1
    if (to - from <= last) return none
    let [seen, matched] = [0, 0]
    for (let at = from; at < to; at += 1) {
      const code = text.charCodeAt(at)
      if (code < zero || code > nine) continue
      while (matched > 0 && digits.charCodeAt(matched) !== code) matched = this.#overlaps[matched - 1] ?? 0
      if (digits.charCodeAt(matched) === code) {
        if (matched === last) return seen > last ? 2 : hasDigit(text, at + 1, to) ? 1 : 0
        matched += 1
      }
      seen += 1
    }
    return none
  }
}

function hasDigit(text: EncodedText, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at)
    if (code >= zero && code <= nine) return true
  }
  return false
}
