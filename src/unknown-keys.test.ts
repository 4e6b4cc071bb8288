import { expect, test } from 'vitest'
import { limits } from './limits.ts'
import { setAsideUnknownKeys } from './unknown-keys.ts'
import { Findings } from './untrusted.ts'

const known = new Set(['cursor', 'total', 'limit', 'not'])

/** The known key that each is taken for. */
function meant(...keys: string[]): [key: string, meant: string | undefined][] {
  return keys.map((key) => {
    const findings = new Findings()
    setAsideUnknownKeys(findings, { [key]: 1 }, { path: '', known })
    return [key, findings.faults.map(({ message }) => /^This key is not known. Did you mean "(.*)"\?$/.exec(message)?.[1])[0]]
  })
}

test('a key one letter away from a known one is nearly known', () => {
  expect(meant('cursr', 'cursors', 'cursoR', 'Cursor', 'ursor', 'limits', 'note', 'no', 'tot', 'nt')).toEqual([
    ['cursr', 'cursor'], ['cursors', 'cursor'], ['cursoR', 'cursor'], ['Cursor', 'cursor'], ['ursor', 'cursor'], ['limits', 'limit'],
    ['note', 'not'], ['no', 'not'], ['tot', 'not'], ['nt', 'not']
  ])
})

test('a key with two neighbors swapped is nearly known', () => {
  expect(meant('curosr', 'totla', 'ucrsor', 'lmiit', 'nto', 'ont')).toEqual([
    ['curosr', 'cursor'], ['totla', 'total'], ['ucrsor', 'cursor'], ['lmiit', 'limit'], ['nto', 'not'], ['ont', 'not']
  ])
})

test('a known key, and one further away, is not', () => {
  const others = ['cursor', 'limit', 'roscur', 'tno', 'lmitt', 'crusro', 'page', 'nothing', '', '__proto__', 'x'.repeat(1_000_000)]

  expect(meant(...others)).toEqual(others.map((key) => [key, undefined]))
})

test('near may be more than is known, and unknown keys have their path', () => {
  const findings = new Findings()
  setAsideUnknownKeys(findings, { not: 1, limit: 1, imit: 1, nott: 1 }, { path: 'filter[0]', known: new Set(['not']), near: new Set(['not', 'limit']) })
  const nearly = (name: string): string => `This key is not known. Did you mean "${name}"?`

  expect([findings.ignored, findings.faults])
    .toEqual([['filter[0].limit'], [{ path: 'filter[0].imit', message: nearly('limit') }, { path: 'filter[0].nott', message: nearly('not') }]])
})

test('keys beyond as many as nobody sends by mistake are not compared', () => {
  const { faultsMax: max } = limits
  const findings = new Findings()
  const strange = Array.from({ length: max - 1 }, (_, index) => `strange${index}`)
  setAsideUnknownKeys(findings, Object.fromEntries([...strange, 'totla', 'lmiit'].map((key) => [key, 1])), { path: '', known })

  expect([findings.ignored, findings.faults]).toEqual([[...strange, 'lmiit'], [{ path: 'totla', message: 'This key is not known. Did you mean "total"?' }]])
})
