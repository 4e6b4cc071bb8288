import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digitsOf } from '../search.ts'
import { textSeparator } from './encoded-text.ts'
import { PhoneDigits, rankedLyings } from './phone-digits.ts'

const phone = fc.array(fc.constantFrom('1', '1', '2', '121', '-', ' ', 'x', '\u00b2'), { maxLength: 12 }).map((parts) => parts.join(''))

test('digits are found among those of a part of a text, all else left out, in the best of the ways in which they lie there', () => {
  fc.assert(fc.property(phone, phone, phone, phone.map(digitsOf).filter((digits) => digits !== ''), (before, text, behind, digits) => {
    const its = digitsOf(text)
    const rank = [its === digits, its.startsWith(digits), its.includes(digits), true].indexOf(true)
    expect(new PhoneDigits(digits).rankIn(`${before}${text}${behind}`, before.length, before.length + text.length)).toBe(rank)
  }), { numRuns: 500 })
})

test('digits that repeat are found in one pass', () => {
  const digits = new PhoneDigits(`${'1'.repeat(200_000)}2`)
  // Compared at each place, this would take minutes.
  expect(digits.rankIn('1-'.repeat(2_000_000))).toBe(rankedLyings.length)
})

test('digits are found in the first of the texts of a string that has them, and not across two', () => {
  const texts = ['12 1', '2', '1-2', '12'].join(textSeparator)
  expect(new PhoneDigits('121').indexIn(texts)).toBe(texts.indexOf(' 1') + 1)
  expect(new PhoneDigits('1212').indexIn(texts)).toBe(-1)
  expect(new PhoneDigits('12').indexIn(texts, 4)).toBe(texts.indexOf('-2') + 1)
})
