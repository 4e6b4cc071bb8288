import { expect, test } from 'vitest'
import { limits } from './limits.ts'
import { attachTags, detachTags, readTags, replaceTags } from './tag.ts'
import { Findings } from './untrusted.ts'

function read(value: unknown): object {
  const findings = new Findings()
  const tags = readTags(findings, 'tags', value)
  return { tags, faults: findings.faults, ignored: findings.ignored }
}

const blank = 'This value should not be blank.'

test('tags are read from objects and from bare names; of a name given twice the last wins, at the place of the first', () => {
  expect(read([{ name: 'b', color: 'red' }, 'a', { name: 'b', color: 'BLUE', id: 5 }, { name: 'c', color: null }])).toEqual({
    tags: [{ name: 'b', color: 'BLUE' }, { name: 'a' }, { name: 'c' }], faults: [], ignored: ['tags[2].id']
  })
})

test('every fault is named with its path', () => {
  const long = 'x'.repeat(limits.nameCharactersMax + 1)
  const tooLong = `This value is too long. It should have ${limits.nameCharactersMax} characters or less.`

  expect(read(['', null, 5, [], {}, { name: 5 }, { name: '', color: 'mauvish' }, { name: 'a', color: 5 }, long, { name: 'a\0' }, { name: 'a', color: long }, '\ud800'])).toEqual({
    tags: [],
    faults: [
      { path: 'tags[0]', message: blank },
      { path: 'tags[1]', message: 'This value should be of type object.' },
      { path: 'tags[2]', message: 'This value should be of type object.' },
      { path: 'tags[3]', message: 'This value should be of type object.' },
      { path: 'tags[4].name', message: blank },
      { path: 'tags[5].name', message: 'This value should be of type string.' },
      { path: 'tags[6].name', message: blank },
      { path: 'tags[6].color', message: 'This value is not a valid color.' },
      { path: 'tags[7].color', message: 'This value should be of type string.' },
      { path: 'tags[8]', message: tooLong },
      { path: 'tags[9].name', message: 'This value should not contain the character U+0000.' },
      { path: 'tags[10].color', message: tooLong },
      { path: 'tags[11]', message: 'This value should be well-formed Unicode, without lone surrogates.' }
    ],
    ignored: []
  })
})

test('what is no list, and a list too long, is one fault', () => {
  const fault = (message: string): object => ({ tags: undefined, faults: [{ path: 'tags', message }], ignored: [] })

  expect(read('Lead')).toEqual(fault('This value should be of type array.'))
  expect(read({ name: 'Lead' })).toEqual(fault('This value should be of type array.'))
  expect(read(Array.from({ length: limits.customerTagsMax + 1 }, (_, index) => `t${index}`)))
    .toEqual(fault(`This collection should contain ${limits.customerTagsMax} elements or less.`))
})

const [a, b, c] = [{ name: 'a', color: 'red' }, { name: 'b', color: 'red' }, { name: 'c', color: 'red' }]

test('tags stay in the order of attachment', () => {
  expect(attachTags([b, a], [c, { ...a, color: 'blue' }])).toEqual([b, { ...a, color: 'blue' }, c])
  expect(detachTags([b, a, c], new Set(['a', 'none']))).toEqual([b, c])
  expect(replaceTags([b, a], [c, a, b])).toEqual([b, a, c])
  expect(replaceTags([b, a], [c, a])).toEqual([a, c])
  expect(replaceTags([b, a], [])).toEqual([])
})
