import { distance } from 'fastest-levenshtein'
import { filled, searchFaults } from './contract/search.ts'
import { limits } from './limits.ts'
import { type Findings, join } from './untrusted.ts'

/**
 * Keys of a search that mean nothing are ignored, but for those that were surely meant to be one of `near`:
 * without it another question would be answered.
 */
export function setAsideUnknownKeys(
  findings: Findings, value: Record<string, unknown>, { path, known, near = known }: { path: string; known: ReadonlySet<string>; near?: ReadonlySet<string> }
): void {
  for (const key of Object.keys(value)) {
    if (known.has(key)) continue
    // Nobody sends as many keys by mistake, and comparing each would take long.
    const isCompared = findings.ignored.length + findings.faults.length < limits.faultsMax
    const meant = isCompared ? nearlyKnownKey(key, near) : undefined
    if (meant === undefined) findings.ignoreKey(key, near, path)
    else findings.fault(join(path, key), filled(searchFaults.nearlyKnownKey, meant))
  }
}

function nearlyKnownKey(key: string, known: ReadonlySet<string>): string | undefined {
  if (known.has(key)) return undefined
  for (const name of known) if (isOneEdit(key, name)) return name
  return undefined
}

/** One letter is added, missing or another, or two neighbors are swapped. */
function isOneEdit(one: string, other: string): boolean {
  if (Math.abs(one.length - other.length) > 1) return false
  return isOneSwap(one, other) || distance(one, other) === 1
}

/** Two neighbors are swapped, or nothing differs. */
export function isOneSwap(one: string, other: string): boolean {
  let at = 0
  while (at < one.length && one[at] === other[at]) at += 1
  return one.slice(0, at) + one.slice(at + 1, at + 2) + one.slice(at, at + 1) + one.slice(at + 2) === other
}
