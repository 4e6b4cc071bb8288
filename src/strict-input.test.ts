import { expect, test } from 'vitest'
import { issueSealed } from './cursor.ts'
import { readChoices, readLimit, readQuery, readSealedCursor, readStrictBody } from './strict-input.ts'
import { Findings } from './untrusted.ts'

const seal = { secret: Buffer.from('a secret'), question: '[1,"changes"]' }

function faultsOf(read: (findings: Findings) => unknown): Findings['faults'] {
  const findings = new Findings()
  read(findings)
  return findings.faults
}

test('a query is read by its known parameters', () => {
  const findings = new Findings()

  expect(readQuery(findings, { limit: '5', cursor: '' }, ['limit', 'cursor', 'kinds'])).toEqual({ limit: '5', cursor: '' })
  expect(findings.faults).toEqual([])
})

test('a parameter that is not known is refused, with the one that was meant, and one given twice', () => {
  expect(faultsOf((findings) => readQuery(findings, { limt: '5', Kind: 'x', offset: '1', cursor: ['a', 'b'] }, ['limit', 'cursor', 'kinds']))).toEqual([
    { path: 'limt', message: 'This parameter is not known. Did you mean "limit"?' },
    { path: 'Kind', message: 'This parameter is not known. Did you mean "kinds"?' },
    { path: 'offset', message: 'This parameter is not known.' },
    { path: 'cursor', message: 'This parameter should be given once.' }
  ])
})

test('a key of a body that is not known is refused, with the one that was meant', () => {
  expect(faultsOf((findings) => readStrictBody(findings, { dryrun: true, forced: true, x: 1, nwo: 1 }, ['dryRun', 'force', 'now']))).toEqual([
    { path: 'dryrun', message: 'This key is not known. Did you mean "dryRun"?' },
    { path: 'forced', message: 'This key is not known. Did you mean "force"?' },
    { path: 'x', message: 'This key is not known.' },
    { path: 'nwo', message: 'This key is not known. Did you mean "now"?' }
  ])
})

test('a body may be missing where no key is needed, and nowhere else', () => {
  expect(readStrictBody(new Findings(), undefined, ['force'], { mayBeEmpty: true })).toEqual({})
  expect(() => readStrictBody(new Findings(), undefined, ['force'])).toThrow('Invalid request')
  expect(() => readStrictBody(new Findings(), [], ['force'], { mayBeEmpty: true })).toThrow('Invalid request')
})

test('a limit is a whole number from 1 to 1000, and 100 when it is left out', () => {
  expect([undefined, '1', '1000'].map((value) => readLimit(new Findings(), value))).toEqual([100, 1, 1000])
  expect(['0', '1001', '-1', '', '1.5', 'all', '1e2'].map((value) => faultsOf((findings) => readLimit(findings, value))[0]?.message)).toEqual([
    ...Array<string>(3).fill('This value should be between 1 and 1000.'), ...Array<string>(4).fill('This value should be a whole number.')
  ])
})

test('choices are separated by commas', () => {
  const choices = ['customer.created', 'tag.updated'] as const

  expect(readChoices(new Findings(), 'kinds', { value: undefined, choices })).toBeNull()
  expect(readChoices(new Findings(), 'kinds', { value: 'tag.updated,customer.created', choices })).toEqual(new Set(['tag.updated', 'customer.created']))
  expect(faultsOf((findings) => readChoices(findings, 'kinds', { value: 'tag.update,nothing', choices }))).toEqual([
    { path: 'kinds', message: '"tag.update" is none of customer.created, tag.updated. Did you mean "tag.updated"?' },
    { path: 'kinds', message: '"nothing" is none of customer.created, tag.updated.' }
  ])
})

test('a cursor comes back as it went, and is refused when it belongs to another question or was altered', () => {
  const cursor = issueSealed('17 é', seal)

  expect(readSealedCursor(new Findings(), cursor, seal)).toBe('17 é')
  expect(readSealedCursor(new Findings(), undefined, seal)).toBeUndefined()
  expect([[cursor, { ...seal, question: '[2,"changes"]' }], [`${cursor}x`, seal], ['', seal]].map(([text, other]) =>
    faultsOf((findings) => readSealedCursor(findings, text as string, other as typeof seal)).map(({ path }) => path))).toEqual([['cursor'], ['cursor'], ['cursor']])
})
