import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { foldCase } from './case-folding.ts'

const characters = Array.from({ length: 0x110000 }, (_, point) => String.fromCodePoint(point))

// The regular-expression engine treats two characters alike when CaseFolding.txt names one of
// them, and whatever it names, some case mapping changes.
const cased = characters.filter((character) => /^\p{Changes_When_Casemapped}$/u.test(character))

// None of the cased characters means anything to a regular expression.
const matching = (character: string): RegExp => new RegExp(`^${character}$`, 'iu')

describe('every code point', () => {
  test('folds to one that the regular-expression flags iu hold for the same', () => {
    const folded = characters.filter((character) => foldCase(character) !== character)

    expect(folded.length).toBeGreaterThan(1_400)
    expect(folded.filter((character) => !matching(character).test(foldCase(character)))).toEqual([])
  })

  test('folds to itself if it has no case', () => {
    const hasCase = new Set(cased)
    const caseless = characters.filter((character) => !hasCase.has(character))

    expect(caseless.filter((character) => foldCase(character) !== character)).toEqual([])
  })

  test('folds like another exactly if the flags iu hold the two for the same', () => {
    const text = cased.join('')
    const classes = Map.groupBy(cased, foldCase)

    const differing = cased.filter((character) => {
      const alike = text.match(new RegExp(character, 'giu'))
      return alike?.join('') !== classes.get(foldCase(character))?.join('')
    })
    expect(differing).toEqual([])
  })

  test('folds to lower case, Cherokee to upper case', () => {
    const targets = new Set(cased.map(foldCase).filter((target) => target !== 'İ'))
    const capitals = [...targets].filter((target) => target.toLowerCase() !== target)

    expect(capitals.length).toBe(86)
    expect(capitals.filter((target) => !/^\p{Script=Cherokee}$/u.test(target))).toEqual([])
  })
})

// The classes alone leave open which of several lower-case letters the class folds to, and the
// sort order of a search depends on it.
test.each([
  ['\u00b5', '\u03bc'],
  ['\u017f', 's'],
  ['\u0345', '\u03b9'],
  ['\u03c2', '\u03c3'],
  ['\u03d0', '\u03b2'],
  ['\u03d1', '\u03b8'],
  ['\u03d5', '\u03c6'],
  ['\u03d6', '\u03c0'],
  ['\u03f0', '\u03ba'],
  ['\u03f1', '\u03c1'],
  ['\u03f5', '\u03b5'],
  ['\u1c80', '\u0432'],
  ['\u1c81', '\u0434'],
  ['\u1c82', '\u043e'],
  ['\u1c83', '\u0441'],
  ['\u1c84', '\u0442'],
  ['\u1c85', '\u0442'],
  ['\u1c86', '\u044a'],
  ['\u1c87', '\u0463'],
  ['\u1c88', '\ua64b'],
  ['\u1e9b', '\u1e61'],
  ['\u1fbe', '\u03b9'],
  ['\u1fd3', '\u0390'],
  ['\u1fe3', '\u03b0'],
  ['\ufb05', '\ufb06']
])('the lower-case letter %s folds to %s', (letter, target) => {
  expect(foldCase(letter)).toBe(target)
  expect(foldCase(target)).toBe(target)
})

test.each([
  ['', ''],
  ['Anna SMITH <Anna@Example.COM> 42 [\\]^_`{|}~', 'anna smith <anna@example.com> 42 [\\]^_`{|}~'],
  ['ÉLODIE Müller', 'élodie müller'],
  ['ΣΟΦΟΣ σοφος σοφός', 'σοφοσ σοφοσ σοφόσ'],
  ['Groß GROẞ GROSS', 'groß groß gross'],
  ['İstanbul ISPARTA ısparta İİ', 'İstanbul isparta ısparta İİ'],
  ['i\u0307', 'i\u0307'],
  ['\u212aelvin, \u212bngström, \u2126', 'kelvin, ångström, ω'],
  ['\u017fe\u017fame', 'sesame'],
  ['ПУШКИН', 'пушкин'],
  ['ꭰꭱ ᎠᎡ ᏸ Ᏸ', 'ᎠᎡ ᎠᎡ Ᏸ Ᏸ'],
  ['ᲐᲑ აბ', 'აბ აბ'],
  ['\u01c4 \u01c5 \u01c6', '\u01c6 \u01c6 \u01c6'],
  ['ᾈ ᾀ', 'ᾀ ᾀ'],
  ['\u{10400}\u{1e900}', '\u{10428}\u{1e922}'],
  ['É is not E\u0301', 'é is not e\u0301'],
  ['日本語 العربية 😀', '日本語 العربية 😀']
])('%s folds to %s', (text, folded) => {
  expect(foldCase(text)).toBe(folded)
})

test('a text folds character by character, and folding it again changes nothing', () => {
  const awkward =
    'ΣσςsSKkßẞꭰᎠᲀв\u0130iI\u0131\u017f\u212a\u00b5\u03bc' +
    '\u0390\u1fd3\ufb05\ufb06\u0307\u0345\u{10400} %'
  const special = fc.constantFrom(...Array.from(awkward))
  const any = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })
  const text = fc.string({ unit: fc.oneof(special, fc.constantFrom(...cased), any) })

  fc.assert(
    fc.property(text, text, (before, after) => {
      const folded = foldCase(before + after)

      expect(folded).toBe(foldCase(before) + foldCase(after))
      expect(folded).toBe(Array.from(before + after, foldCase).join(''))
      expect(foldCase(folded)).toBe(folded)
    })
  )
})

test('a lone surrogate stays as it is, whatever is around it', () => {
  expect(foldCase('A\ud801')).toBe('a\ud801')
  expect(foldCase('\udc00İ\ud801É')).toBe('\udc00İ\ud801é')
  expect(foldCase('\udc00\ud801Σ')).toBe('\udc00\ud801σ')
})
