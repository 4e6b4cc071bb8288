import { Needle } from '../needle.ts'
import type { TextTest } from '../search.ts'
import type { EncodedText } from './encoded-text.ts'
import { encodeText } from './encoded-text.ts'
import type { RankedLying } from './phone-digits.ts'
import { PhoneDigits, rankedLyings } from './phone-digits.ts'

/** How a needle lies in a text. */
export type Lying = 'whole' | 'start' | 'end' | 'inside'

/** What is asked of an encoded text that is there; null passes none of them. */
export type TextProbe =
  | { readonly kind: 'filled' }
  | { readonly kind: 'present' }
  | { readonly kind: 'inside'; readonly needle: Needle }
  | { readonly kind: 'start' | 'end'; readonly needle: EncodedText }
  | { readonly kind: 'digits'; readonly how: RankedLying; readonly digits: PhoneDigits }
  | { readonly kind: 'in'; readonly values: ReadonlySet<EncodedText> }

/** What hashes of whole texts do not answer. */
export type ScannedProbe = Exclude<TextProbe, { kind: 'in' }>

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
  return how === 'inside' ? { kind: how, needle: new Needle(encodeText(needle)) } : { kind: how, needle: encodeText(needle) }
}

export function accepts(probe: TextProbe, text: EncodedText): boolean {
  switch (probe.kind) {
    case 'filled': return text !== ''
    case 'present': return true
    case 'inside': return probe.needle.indexIn(text) >= 0
    case 'start': return text.startsWith(probe.needle)
    case 'end': return text.endsWith(probe.needle)
    case 'digits': return probe.digits.rankIn(text) <= rankedLyings.indexOf(probe.how)
    case 'in': return probe.values.has(text)
  }
}

/** A needle or digits, sought in every way at once. */
export type RankProbe = Needle | PhoneDigits

/** The place of the best of the ranked ways; one more than the last when the needle does not lie in the text. */
export function rankIn(text: EncodedText, probe: RankProbe): number {
  if (probe instanceof PhoneDigits) return probe.rankIn(text)
  const at = probe.indexIn(text)
  if (at !== 0) return at < 0 ? rankedLyings.length : 2
  return text.length === probe.text.length ? 0 : 1
}
