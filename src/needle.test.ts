import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Needle } from './needle.ts'

// Few different parts, of which long needles repeat themselves and lie in texts again and again.
const parts = fc.array(fc.constantFrom('a', 'b', 'aab', 'a'.repeat(40), 'ab'.repeat(30), '\u{1f600}', '\u{1f601}'), { minLength: 1, maxLength: 8 }).map((some) => some.join(''))

test('a needle is found where it is first, however much it repeats itself', () => {
  fc.assert(fc.property(parts, fc.array(parts), fc.array(parts), fc.boolean(), fc.nat(20), (needle, before, behind, isIn, from) => {
    const text = [...before, ...(isIn ? [needle] : []), ...behind].join('')
    expect(new Needle(needle).indexIn(text, from)).toBe(text.indexOf(needle, from))
  }), { numRuns: 500 })
})

test('a needle that is found nearly everywhere takes no longer than one that is found nowhere', () => {
  const needle = new Needle(`${'a'.repeat(100_000)}b${'a'.repeat(100_000)}`)
  // Compared at each place, this would take minutes.
  expect(needle.indexIn('a'.repeat(20_000_000))).toBe(-1)
})
