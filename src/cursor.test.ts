import { expect, test } from 'vitest'
import { issueCursor, readCursor } from './cursor.ts'
import type { Position } from './search.ts'

const seal = { secret: Buffer.from('a secret of one organization'), question: '[1,null]' }
const now = 1_700_000_000

test.each<Position>([
  { id: 1, value: 1_600_000_000 },
  { id: Number.MAX_SAFE_INTEGER, value: null },
  { id: 2, value: 0.1 },
  { id: 3, value: '' },
  { id: 4, value: 'é "quoted" \u2028 \u{1f600}\nline' },
  { id: 5, value: 'x'.repeat(65_535) }
])('position %# comes back as it went, with its moment', (position) => {
  expect(readCursor(issueCursor({ position, now }, seal), seal)).toEqual({ position, now })
})

test('a cursor can stand in an address as it is', () => {
  expect(issueCursor({ position: { id: 1, value: '???>>>~~~' }, now }, seal)).toMatch(/^[\w-]+$/)
})

test('a cursor of another secret or question is none', () => {
  const cursor = issueCursor({ position: { id: 7, value: 'ann' }, now }, seal)

  expect(readCursor(cursor, { ...seal, secret: Buffer.from('another') })).toBeUndefined()
  expect(readCursor(cursor, { ...seal, question: '[1,false]' })).toBeUndefined()
  // What is signed cannot be moved between the question and the content.
  expect(readCursor(cursor, { ...seal, question: `${seal.question}\n` })).toBeUndefined()
})

test('a cursor with one character altered, left out, doubled or put in is none', () => {
  const cursor = issueCursor({ position: { id: 7, value: 'ann' }, now }, seal)
  const letters = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n%é\u0000')
  const forged = Array.from(cursor, (own, index) => {
    const [before, after] = [cursor.slice(0, index), cursor.slice(index + 1)]
    const others = letters.filter((letter) => letter !== own)
    return [`${before}${after}`, `${before}${own}${own}${after}`, ...others.flatMap((letter) => [`${before}${letter}${after}`, `${before}${letter}${own}${after}`])]
  }).flat()

  expect(forged.filter((text) => readCursor(text, seal) !== undefined)).toEqual([])
  expect(letters.filter((letter) => readCursor(cursor + letter, seal) !== undefined)).toEqual([])
})

test('a beginning of a cursor is none, down to nothing', () => {
  const cursor = issueCursor({ position: { id: 7, value: 'ann' }, now }, seal)

  expect(Array.from(cursor, (_, length) => readCursor(cursor.slice(0, length), seal))).toEqual(Array.from(cursor, () => undefined))
})
