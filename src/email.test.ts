import { expect, test } from 'vitest'
import { isEmail } from './email.ts'

test.each([
  'a@b',
  'anna@example.com',
  'Anna.Smith+crm@Mail.Example.co.uk',
  "o'brien@example.com",
  '"quoted"@example.com',
  'anna@[192.0.2.1]',
  'anna@localhost',
  'élodie@müller.example',
  '用户@例子.广告',
  '😀@example.com',
  '.@.'
])('%s is an email', (text) => {
  expect(isEmail(text)).toBe(true)
})

test.each([
  '',
  '@',
  'anna',
  'anna.example.com',
  '@example.com',
  'anna@',
  'anna@@example.com',
  'anna@example@com',
  '@anna@example.com',
  'anna@example.com@',
  ' anna@example.com',
  'anna@example.com ',
  'anna@example.com\n',
  'anna smith@example.com',
  'anna@exa mple.com',
  'anna@example.com\r\nBcc: all@example.com',
  'anna\u0000@example.com'
])('%j is not an email', (text) => {
  expect(isEmail(text)).toBe(false)
})

test('an email holds any character but a second @, white space and control characters', () => {
  const refused = Array.from({ length: 0x110000 }, (_, point) => point).filter((point) => {
    const character = String.fromCodePoint(point)
    return !isEmail(`a${character}@b`) || !isEmail(`a@${character}b`)
  })

  expect(refused).toEqual([
    ...range(0x00, 0x20),
    0x40,
    ...range(0x7f, 0xa0),
    0x1680,
    ...range(0x2000, 0x200a),
    0x2028,
    0x2029,
    0x202f,
    0x205f,
    0x3000
  ])
})

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

// An expression that backtracks badly would never come back from these.
test.each([
  ['no @', 'a'.repeat(1_000_000)],
  ['a second @ at the end', `${'a'.repeat(500_000)}@${'a'.repeat(500_000)}@`],
  ['nothing but @', '@'.repeat(1_000_000)],
  ['white space at the end', `a@${'b.'.repeat(500_000)} `]
])('a million characters are refused: %s', (_, text) => {
  expect(isEmail(text)).toBe(false)
})
