import type { TextTest } from '../search.ts'
import { digitsOf } from '../search.ts'
import type { EncodedText } from './encoded-text.ts'
import { encodeText } from './encoded-text.ts'

/** How a needle lies in a text. */
export type Lying = 'whole' | 'start' | 'end' | 'inside'

/** What is asked of an encoded text that is there; null passes none of them. */
export type TextProbe =
  | { readonly kind: 'filled' }
  | { readonly kind: 'present' }
  | { readonly kind: 'lies'; readonly how: Exclude<Lying, 'whole'>; readonly needle: EncodedText }
  | { readonly kind: 'digits'; readonly how: Exclude<Lying, 'end'>; readonly digits: string }
  | { readonly kind: 'in'; readonly values: ReadonlySet<EncodedText> }

const lyings = { '=': 'whole', '^': 'start', '$': 'end', '~': 'inside' } as const

/** `empty` becomes its opposite, `filled`: null passes no probe. */
export function textProbe(test: TextTest): TextProbe {
  if (test.operator === 'empty') return { kind: 'filled' }
  if (test.operator === 'in') return { kind: 'in', values: new Set(test.values.map(encodeText)) }
  return needleProbe(test.value, lyings[test.operator])
}

export function needleProbe(needle: string, how: Lying): TextProbe {
  if (how === 'whole') return { kind: 'in', values: new Set([encodeText(needle)]) }
  if (needle === '') return { kind: 'present' }
  return { kind: 'lies', how, needle: encodeText(needle) }
}

export function accepts(probe: TextProbe, text: EncodedText): boolean {
  switch (probe.kind) {
    case 'filled': return text !== ''
    case 'present': return true
    case 'lies': return lies(text, probe.needle, probe.how)
    case 'digits': return lies(digitsOf(text), probe.digits, probe.how)
    case 'in': return probe.values.has(text)
  }
}

/** A needle sought in a text or, when it is all digits, in the digits of one. */
export interface RankProbe {
  readonly needle: EncodedText
  readonly isDigits: boolean
}

/** Ways in which a needle lies in a text, the best first; each includes those before it. */
export const rankedLyings = ['whole', 'start', 'inside'] as const

/** The place of the best of them; one more than the last when the needle, which is not empty, does not lie in the text. */
export function rankIn(text: EncodedText, { needle, isDigits }: RankProbe): number {
  const searched = isDigits ? digitsOf(text) : text
  const at = searched.indexOf(needle)
  if (at !== 0) return at < 0 ? rankedLyings.length : 2
  return searched.length === needle.length ? 0 : 1
}

function lies(text: string, needle: string, how: Lying): boolean {
  switch (how) {
    case 'whole': return text === needle
    case 'start': return text.startsWith(needle)
    case 'end': return text.endsWith(needle)
    case 'inside': return text.includes(needle)
  }
}
