import type { EncodedText } from './encoded-text.ts'
import { mapEntryBytes, stringBytes } from './sparse-texts.ts'
import type { ScannedProbe } from './text-probe.ts'

/** A code has one byte. */
const affixesMax = 255
/** The code of a text that has none of them. */
export const noAffix = 0
/** To learn from more texts would tell hardly more. */
const learntTextsMax = 4_096
/** An affix is worth looking at when so many of those texts have it. */
const sharersMin = learntTextsMax / 512
/** Longer beginnings and ends are not looked for. */
const affixCharactersMax = 256
/** Cuts of one text that are looked at: long texts have hundreds of words. */
const cutsMax = 16
/** What has to be saved of all characters, for what a row's code takes and for joining the two parts again. */
const savedMin = 1 / 4

const goldenRatio = (1 + Math.sqrt(5)) / 2

type Side = 'start' | 'end'

/** What the stem of a text, the part that is its own, has to have or be. */
export interface StemTest {
  readonly lying: 'whole' | Side
  readonly text: EncodedText
}

/** By code: whether a text passes for its affix alone, or by its stem, or has to be looked at as a whole. */
export const byAffix = { never: 0, always: 1, byStem: 2, byText: 3 } as const

/** A probe of texts, said of the two parts of each. */
export interface SplitProbe {
  /** What is asked of the stems of all texts besides. */
  readonly ofStems: ScannedProbe | null
  /** One of `byAffix` for each code. */
  readonly verdicts: Uint8Array
  /** By code, where the verdict is by the stem: one of these must hold. */
  readonly tests: readonly (readonly StemTest[])[]
}

/**
 * Beginnings, or ends, that many texts of a column share, as addresses share their hosts: kept once, so that of each text
 * only its code and its stem have to be.
 */
export class TextAffixes {
  readonly side: Side
  /** By code. */
  readonly #affixes: readonly EncodedText[]
  readonly #codeOf: ReadonlyMap<EncodedText, number>
  /** Of the affixes, the longest first. */
  readonly #lengths: readonly number[]

  private constructor(side: Side, affixes: readonly EncodedText[]) {
    this.side = side
    this.#affixes = ['', ...affixes]
    this.#codeOf = new Map(affixes.map((affix, index) => [affix, index + 1]))
    this.#lengths = [...new Set(affixes.map(({ length }) => length))].sort((one, other) => other - one)
  }

  /** Null when they share too little. */
  static learn(texts: readonly EncodedText[]): TextAffixes | null {
    const learnt = spread(texts, learntTextsMax)
    const starts = learnSide(learnt, 'start')
    const ends = learnSide(learnt, 'end')
    const { side, affixes, saved } = starts.saved >= ends.saved ? starts : ends
    const characters = learnt.reduce((sum, { length }) => sum + length, 0)
    return saved > characters * savedMin ? new TextAffixes(side, affixes) : null
  }

  get bytes(): number {
    return this.#affixes.reduce((sum, { length }) => sum + length + mapEntryBytes + stringBytes, 0)
  }

  /** The code of the longest affix that a text has. */
  codeOf(text: EncodedText): number {
    for (const length of this.#lengths) {
      if (length > text.length || !isCut(text, this.side === 'start' ? length : text.length - length, this.side)) continue
      const code = this.#codeOf.get(this.side === 'start' ? text.slice(0, length) : text.slice(text.length - length))
      if (code !== undefined) return code
    }
    return noAffix
  }

  /** What a text that has an affix has besides. */
  stemOf(text: EncodedText, code: number): EncodedText {
    const { length } = this.#affixOf(code)
    return this.side === 'start' ? text.slice(length) : text.slice(0, text.length - length)
  }

  join(stem: EncodedText, code: number): EncodedText {
    return this.side === 'start' ? `${this.#affixOf(code)}${stem}` : `${stem}${this.#affixOf(code)}`
  }

  split(probe: ScannedProbe): SplitProbe {
    const verdicts = new Uint8Array(this.#affixes.length)
    if (probe.kind === 'digits') return { ofStems: null, verdicts: verdicts.fill(byAffix.byText), tests: [] }
    const tests = this.#affixes.map((affix, code) => {
      const passing = code === noAffix ? this.#passingOfNone(probe) : this.#passing(affix, probe)
      verdicts[code] = passing === 'all' ? byAffix.always : passing.length === 0 ? byAffix.never : byAffix.byStem
      return passing === 'all' ? [] : passing
    })
    return { ofStems: probe.kind === this.side ? null : probe, verdicts, tests }
  }

  /** By code, whether all its texts come before another text, or behind it, in the order of texts. */
  beside(other: EncodedText, side: 'before' | 'behind'): Uint8Array {
    const isBeside = (affix: EncodedText): boolean => this.side === 'start' && !other.startsWith(affix) && affix < other === (side === 'before')
    return Uint8Array.from(this.#affixes, (affix) => Number(isBeside(affix)))
  }

  #affixOf(code: number): EncodedText {
    return this.#affixes[code] ?? ''
  }

  /** Stems without an affix are asked as all are, but for what is asked of the side that affixes are on. */
  #passingOfNone(probe: Exclude<ScannedProbe, { kind: 'digits' }>): StemTest[] {
    return probe.kind === this.side ? [{ lying: probe.kind, text: probe.needle }] : []
  }

  #passing(affix: EncodedText, probe: Exclude<ScannedProbe, { kind: 'digits' }>): StemTest[] | 'all' {
    switch (probe.kind) {
      case 'present': return []
      case 'filled': return 'all'
      case 'inside': return affix.includes(probe.needle.text) ? 'all' : this.#restsAcross(affix, probe.needle.text).map((text) => ({ lying: this.side, text }))
      case 'start':
      case 'end':
        if (probe.kind !== this.side) return this.#wholeStems(affix, probe.needle).map((text) => ({ lying: 'whole', text }))
        if (liesAt(affix, probe.needle, this.side)) return 'all'
        return liesAt(probe.needle, affix, this.side) ? [{ lying: this.side, text: this.#cut(probe.needle, affix.length) }] : []
    }
  }

  /** What stems have beside the affix where a needle lies across both. */
  #restsAcross(affix: EncodedText, needle: EncodedText): EncodedText[] {
    const rests: EncodedText[] = []
    for (let length = 1; length <= Math.min(affix.length, needle.length - 1); length += 1) {
      const shared = this.side === 'start' ? affix.slice(affix.length - length) : affix.slice(0, length)
      if (liesAt(needle, shared, this.side)) rests.push(this.#cut(needle, length))
    }
    return rests
  }

  /** The stems that are themselves a part of a needle which goes on into the affix. */
  #wholeStems(affix: EncodedText, needle: EncodedText): EncodedText[] {
    const rests = this.#restsAcross(affix, needle)
    return liesAt(affix, needle, opposite(this.side)) ? [...rests, ''] : rests
  }

  #cut(text: EncodedText, length: number): EncodedText {
    return this.side === 'start' ? text.slice(length) : text.slice(0, text.length - length)
  }
}

function liesAt(text: EncodedText, part: EncodedText, side: Side): boolean {
  return side === 'start' ? text.startsWith(part) : text.endsWith(part)
}

function opposite(side: Side): Side {
  return side === 'start' ? 'end' : 'start'
}

interface Learnt {
  readonly side: Side
  readonly affixes: readonly EncodedText[]
  /** Characters of the texts that it was learnt from. */
  readonly saved: number
}

function learnSide(texts: readonly EncodedText[], side: Side): Learnt {
  const sharers = new Map<EncodedText, number>()
  for (const text of texts) for (const affix of affixesOf(text, side)) sharers.set(affix, (sharers.get(affix) ?? 0) + 1)
  const shared = new Set([...sharers].filter(([affix, count]) => affix.length > 1 && count >= sharersMin).map(([affix]) => affix))
  // Where there are too many, those who had one that saves less go on to a shorter one.
  let saving = savingsOf(texts, shared, side)
  while (saving.length > affixesMax) {
    for (const { affix } of saving.slice(affixesMax)) shared.delete(affix)
    saving = savingsOf(texts, shared, side)
  }
  return { side, affixes: saving.map(({ affix }) => affix), saved: saving.reduce((sum, { saved }) => sum + saved, 0) }
}

/** What each saves, the most first. A text is saved its longest, so a part of that saves nothing more. */
function savingsOf(texts: readonly EncodedText[], shared: ReadonlySet<EncodedText>, side: Side): { readonly affix: EncodedText; readonly saved: number }[] {
  const users = new Map<EncodedText, number>()
  for (const text of texts) {
    const longest = affixesOf(text, side).findLast((affix) => shared.has(affix))
    if (longest !== undefined) users.set(longest, (users.get(longest) ?? 0) + 1)
  }
  return [...users].map(([affix, count]) => ({ affix, saved: (affix.length - 1) * count })).sort((one, other) => other.saved - one.saved)
}

/** So many of all, from all over: not each third one, say, since things often come in turn. */
function spread<Item>(items: readonly Item[], countMax: number): Item[] {
  if (items.length <= countMax) return [...items]
  // Multiples of the golden ratio, without their whole part, never come close to each other.
  return Array.from({ length: countMax }, (_, index) => items[Math.floor(((index * goldenRatio) % 1) * items.length)]).filter((item) => item !== undefined)
}

/** Its beginnings or ends at the borders of words, the shortest first. */
function affixesOf(text: EncodedText, side: Side): EncodedText[] {
  const affixes: EncodedText[] = []
  for (let length = 1; length <= Math.min(text.length, affixCharactersMax) && affixes.length < cutsMax; length += 1) {
    const at = side === 'start' ? length : text.length - length
    if (isCut(text, at, side)) affixes.push(side === 'start' ? text.slice(0, at) : text.slice(at))
  }
  return affixes
}

/** Beginnings end with, and ends begin with, what is no part of a word. */
function isCut(text: EncodedText, at: number, side: Side): boolean {
  return !isOfWord(text.charCodeAt(side === 'start' ? at - 1 : at))
}

function isOfWord(code: number): boolean {
  // Digits and letters; what is beyond ASCII has several bytes, which must not be parted.
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code >= 0x80
}
