import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LongNeedle } from './long-needle.ts'

const repetitive = (maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom('a', 'a', 'a', 'b', '\u{1f600}', '\u{1f601}'), { maxLength }).map((characters) => characters.join(''))

test('a needle is in a text exactly where String says so', () => {
  fc.assert(fc.property(repetitive(40), repetitive(7), (text, needle) => {
    expect(new LongNeedle(needle).isIn(text)).toBe(text.includes(needle))
  }), { numRuns: 5_000 })
})
