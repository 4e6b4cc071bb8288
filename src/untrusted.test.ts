import { expect, test } from 'vitest'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'
import { Findings } from './untrusted.ts'

/** What is thrown after so many faults. */
function thrown(count: number): unknown {
  const findings = new Findings()
  for (let index = 0; index < count; index += 1) findings.fault(`value[${index}]`, 'wrong')
  try {
    return findings.throwIfAny()
  } catch (error) {
    return error instanceof ApiError ? error.faults : error
  }
}

test('every fault is named, and beyond a bound how many more there are and where they begin', () => {
  const { faultsMax: max } = limits
  const named = (count: number): object[] => Array.from({ length: count }, (_, index) => ({ path: `value[${index}]`, message: 'wrong' }))
  const more = (message: string): object => ({ path: `value[${max}]`, message })

  expect([0, 1, max, max + 1, max + 2, 500_000].map(thrown)).toEqual([
    undefined, named(1), named(max), [...named(max), more('From here on 1 more value is wrong.')],
    [...named(max), more('From here on 2 more values are wrong.')], [...named(max), more(`From here on ${500_000 - max} more values are wrong.`)]
  ])
})

test('the faults of a part read before are taken over, however many', () => {
  const [findings, part] = [new Findings(), new Findings()]
  findings.fault('a', 'wrong')
  for (let index = 0; index < 500_000; index += 1) part.fault(`b[${index}]`, 'wrong')
  findings.add(part)

  expect(findings.faults).toEqual([{ path: 'a', message: 'wrong' }, ...part.faults])
})
