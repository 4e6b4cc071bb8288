import { expect, test } from 'vitest'
import { encodeText } from './encoded-text.ts'
import { noAffix, TextAffixes } from './text-affixes.ts'
import { TextColumn } from './text-column.ts'

const hosts = ['@gmail.com', '@mail.example.org', '@example.org', '.de']
const mailboxes = Array.from({ length: 4_000 }, (_, place) => `contact.${place}${hosts[place % 3] ?? ''}`)

test('of each text the longest shared part is kept once, on the side where that saves more', () => {
  const affixes = TextAffixes.learn([...mailboxes, ...Array.from({ length: 80 }, (_, place) => (place % 2 === 0 ? `someone@host${place}.de` : `number.${place}@web.de`))])
  expect(affixes?.side).toBe('end')
  const split = (text: string): unknown => {
    const code = affixes?.codeOf(text) ?? noAffix
    return code === noAffix ? text : affixes?.stemOf(text, code)
  }
  expect(['new@gmail.com', 'new@mail.example.org', 'new@example.org', 'new@web.de', 'new@other.de', 'new@other.net', '@gmail.com', 'gmail.com', ''].map(split))
    .toEqual(['new', 'new', 'new', 'new', 'new@other', 'new@other.net', '', 'gmail.com', ''])
})

test('where there are more than codes, what has none of the longer ones has a shorter one', () => {
  const pages = Array.from({ length: 4_000 }, (_, place) => `https://shop.example.com/category-${place % 400}/item${place}`)
  const affixes = TextAffixes.learn(pages)
  expect(pages.filter((page) => affixes?.codeOf(page) === noAffix)).toEqual([])
})

test('pages share their beginnings', () => {
  const affixes = TextAffixes.learn(Array.from({ length: 1_000 }, (_, place) => `https://shop.example.com/${['pricing', 'blog'][place % 2] ?? ''}?visit=${place}`))
  const page = 'https://shop.example.com/blog?visit=unknown'
  expect(affixes?.stemOf(page, affixes.codeOf(page))).toBe('unknown')
})

test('what saves little is not shared', () => {
  expect(TextAffixes.learn(Array.from({ length: 1_000 }, (_, place) => `U-${place * 7}`))).toBe(null)
  expect(TextAffixes.learn(mailboxes.map((_, place) => encodeText(String.fromCodePoint(0x4e00 + place, 0x5e00 + place))))).toBe(null)
  expect(TextAffixes.learn([])).toBe(null)
})

test('letters of several bytes are not parted', () => {
  const ends = Array.from({ length: 1_000 }, (_, place) => encodeText(`${place} Müllerstraße`))
  expect(TextAffixes.learn(ends)?.stemOf(ends[7] ?? '', 1)).toBe('7')
})

test('a column keeps what it shared before it had learnt it, and what came after, in less memory than the characters take', () => {
  const column = new TextColumn()
  const textAt = (row: number): string => `contact.${row}${row % 5 === 4 ? `@own-host-${row}.net` : hosts[row % 3] ?? ''}`
  let characters = 0
  for (let row = 0; row < 40_000; row += 1) {
    column.set(row, textAt(row))
    characters += textAt(row).length
  }
  expect(Array.from({ length: 40_000 }, (_, row) => column.get(row))).toEqual(Array.from({ length: 40_000 }, (_, row) => textAt(row)))
  // Two bytes a row each of offsets, hashes and signatures, and a half to a whole one of the code.
  expect(column.bytes - 7 * 40_000).toBeLessThan(characters * 0.75)
})
