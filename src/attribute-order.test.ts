import fc from 'fast-check'
import { expect, test } from 'vitest'
import { orderedEntries, withOrderedCustomData } from './attribute-order.ts'

function entriesOf(text: string): [string, unknown][] {
  return [...orderedEntries(JSON.parse(text) as Record<string, unknown>, () => text)]
}

test.each<[string, string, [string, unknown][]]>([
  ['without names', '{}', []],
  ['words alone', '{"b":1,"a":2}', [['b', 1], ['a', 2]]],
  ['array indices after a word', '{"b":1,"2024":2,"0":3}', [['b', 1], ['2024', 2], ['0', 3]]],
  ['the greatest array index, and an integer that is none', '{"b":1,"4294967294":2,"4294967295":3}', [['b', 1], ['4294967294', 2], ['4294967295', 3]]],
  ['digits that are no array index', '{"b":1,"007":2,"-1":3,"1.5":4}', [['b', 1], ['007', 2], ['-1', 3], ['1.5', 4]]],
  ['a name twice', '{"1":1,"b":2,"0":3,"1":4}', [['1', 4], ['b', 2], ['0', 3]]],
  ['reserved names', '{"__proto__":1,"0":2,"constructor":3}', [['__proto__', 1], ['0', 2], ['constructor', 3]]],
  ['white space, escapes and objects inside', ' {\n"\\u0062" : {"1":0},\t"\\u0030":"}\\""} ', [['b', { 1: 0 }], ['0', '}"']]]
])('entries have the order of the text: %s', (_what, text, expected) => {
  expect(entriesOf(text)).toEqual(expected)
})

test('the text is not asked for where no name is a number', () => {
  const noText = (): string => { throw new Error('The text was asked for') }

  expect([...orderedEntries({ b: 1, a: 2, '2nd': 3 }, noText)]).toEqual([['b', 1], ['a', 2], ['2nd', 3]])
})

test('any entries, written in any order, are read in it', () => {
  const name = fc.oneof(fc.string({ unit: 'binary' }), fc.nat(20).map(String), fc.constantFrom('__proto__', 'customData'))
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0), fc.boolean())
  fc.assert(fc.property(fc.uniqueArray(fc.tuple(name, value), { selector: ([itsName]) => itsName }), (entries) => {
    const text = `{${entries.map(([itsName, itsValue]) => `${JSON.stringify(itsName)}:${JSON.stringify(itsValue)}`).join()}}`
    const body = `[1,{"a":${text},"customData":${text}}]`
    const [, item] = withOrderedCustomData(JSON.parse(body), body) as [number, { customData: object }]

    expect(entriesOf(text)).toEqual(JSON.parse(JSON.stringify(entries)))
    expect(item.customData instanceof Map ? [...item.customData] : Object.entries(item.customData)).toEqual(JSON.parse(JSON.stringify(entries)))
  }), { numRuns: 500 })
})
