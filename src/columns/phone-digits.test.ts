import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digitsOf } from '../search.ts'
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
