import { distance } from 'fastest-levenshtein'
import type { CursorSeal } from './cursor.ts'
import { openSealed } from './cursor.ts'
import { limits } from './limits.ts'
import { isOneSwap } from './unknown-keys.ts'
import { Findings, isObject, join, readBodyObject } from './untrusted.ts'

/** What our own routes read: nothing in them is ignored, and values have their JSON types. Routes of the contract read by other rules. */

/** The query of a request by its known names; each can be given once. */
export function readQuery<const Name extends string>(findings: Findings, query: unknown, names: readonly Name[]): { readonly [name in Name]?: string } {
  const given = isObject(query) ? query : {}
  refuseUnknownKeys(findings, given, { path: '', known: names, what: 'parameter' })
  const read: { [name in Name]?: string } = {}
  for (const name of names) {
    const value = given[name]
    if (typeof value === 'string') read[name] = value
    else if (value !== undefined) findings.fault(name, 'This parameter should be given once.')
  }
  return read
}

/** The body of a request as an object of known keys; throws at once when it is none. An empty one is `{}` where no key is needed. */
export function readStrictBody<const Name extends string>(
  findings: Findings, body: unknown, names: readonly Name[], { mayBeEmpty = false }: { mayBeEmpty?: boolean } = {}
): { readonly [name in Name]?: unknown } {
  const object = body === undefined && mayBeEmpty ? {} : readBodyObject(body, findings)
  refuseUnknownKeys(findings, object, { path: '', known: names })
  return object as { readonly [name in Name]?: unknown }
}

/** A fault for each key that is not known, with the one that was probably meant. */
export function refuseUnknownKeys(
  findings: Findings, value: Record<string, unknown>,
  { path, known, what = 'key' }: { path: string; known: readonly string[]; what?: 'key' | 'parameter' }
): void {
  for (const key of Object.keys(value)) if (!known.includes(key)) refuseKey(findings, key, { path, known, what })
}

function refuseKey(findings: Findings, key: string, { path, known, what }: { path: string; known: readonly string[]; what: 'key' | 'parameter' }): void {
  const meant = findings.faults.length < limits.faultsMax ? nearest(key, known) : undefined
  findings.fault(join(path, key), `This ${what} is not known.${meant === undefined ? '' : ` Did you mean "${meant}"?`}`)
}

/** For what the readers of the contract's bodies read for a route of ours: keys that they would ignore are faults. */
export class StrictFindings extends Findings {
  override ignoreKey(key: string, known: ReadonlySet<string>, path: string): void {
    refuseKey(this, key, { path, known: [...known], what: 'key' })
  }
}

/** The known name that differs in a third of its letters or less, and in case as one likes. */
function nearest(key: string, known: readonly string[]): string | undefined {
  // Nothing that long is a slip, and comparing takes the product of the lengths.
  if (key.length > limits.nameCharactersMax) return undefined
  const [closest] = known
    .map((name) => ({ name, edits: edits(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, edits }) => edits <= Math.max(1, Math.floor(name.length / 3)))
    .sort((one, other) => one.edits - other.edits)
  return closest?.name
}

/** As many as it takes, of which swapping two neighbors is one. */
function edits(one: string, other: string): number {
  return one !== other && isOneSwap(one, other) ? 1 : distance(one, other)
}

/** How many to answer, from a query. */
export function readLimit(findings: Findings, value: string | undefined): number {
  if (value === undefined) return limits.listItemsDefault
  return readQueryInteger(findings, 'limit', value, { min: 1, max: limits.listItemsMax }) ?? limits.listItemsDefault
}

/** A whole number in a query, in decimal digits. */
function readQueryInteger(findings: Findings, path: string, value: string, { min, max }: { min: number; max: number }): number | undefined {
  if (!/^-?\d{1,20}$/.test(value)) return findings.fault(path, 'This value should be a whole number.')
  const number = Number(value)
  return number >= min && number <= max ? number : findings.fault(path, `This value should be between ${min} and ${max}.`)
}

/** Choices separated by commas, from a query; null when it leaves them open. */
export function readChoices<const Choice extends string>(
  findings: Findings, path: string, { value, choices }: { value: string | undefined; choices: readonly Choice[] }
): ReadonlySet<Choice> | null {
  if (value === undefined) return null
  const chosen = new Set<Choice>()
  for (const text of value.split(',')) {
    const choice = readOneOf(findings, path, text, choices)
    if (choice !== undefined) chosen.add(choice)
  }
  return chosen
}

/** One of some names, spelled as they are. */
export function readOneOf<const Choice extends string>(findings: Findings, path: string, text: string, choices: readonly Choice[]): Choice | undefined {
  const choice = choices.find((name) => name === text)
  if (choice !== undefined) return choice
  const meant = nearest(text, choices)
  return findings.fault(path, `"${text.slice(0, limits.nameCharactersMax)}" is none of ${choices.join(', ')}.${meant === undefined ? '' : ` Did you mean "${meant}"?`}`)
}

/** What a cursor of ours holds; undefined when none is given. */
export function readSealedCursor(findings: Findings, value: string | undefined, seal: CursorSeal): string | undefined {
  if (value === undefined) return undefined
  return openSealed(value, seal) ?? findings.fault('cursor', 'This cursor belongs to another question or was altered. Take it from an answer to this one, or leave it out to begin.')
}
