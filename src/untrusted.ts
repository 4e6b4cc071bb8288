import type { Fault } from './errors.ts'
import { invalidRequest } from './errors.ts'
import { limits } from './limits.ts'

/**
 * What reading an untrusted body brought to light: every fault, not only the first, and the
 * paths that mean nothing to us. The readers below answer undefined for a value they refuse.
 */
export class Findings {
  readonly faults: Fault[] = []
  readonly ignored: string[] = []

  fault(path: string, message: string): undefined {
    this.faults.push({ path, message })
    return undefined
  }

  /** Takes over the faults of a part that was read before. */
  add({ faults }: Findings): void {
    for (const fault of faults) this.faults.push(fault)
  }

  /** HelpCrunch: clients send keys that mean nothing, such as the `id` they read, and expect no refusal. */
  ignoreUnknown(value: Record<string, unknown>, known: ReadonlySet<string>, path: string): void {
    for (const key of Object.keys(value)) if (!known.has(key)) this.ignoreKey(key, known, path)
  }

  /** `known` are those that it might have been meant for. */
  ignoreKey(key: string, _known: ReadonlySet<string>, path: string): void {
    this.ignored.push(join(path, key))
  }

  /** Names them all, but for those beyond a number that only an attack has. */
  throwIfAny(): void {
    const { faults } = this
    const first = faults[limits.faultsMax]
    if (first !== undefined) faults.splice(limits.faultsMax, Infinity, { path: first.path, message: moreFaults(faults.length - limits.faultsMax) })
    if (faults.length > 0) throw invalidRequest(faults)
  }
}

function moreFaults(count: number): string {
  return `From here on ${count} more ${count === 1 ? 'value is' : 'values are'} wrong.`
}

export function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The body of a request as an object; throws at once, with what was found before, since nothing else can be said of another body. */
export function readBodyObject(body: unknown, findings = new Findings()): Record<string, unknown> {
  if (isObject(body)) return body
  findings.fault('body', body === undefined ? blank : 'This value should be of type object.')
  findings.throwIfAny()
  throw new Error('A fault was not reported')
}

export const blank = 'This value should not be blank.'

/** What is wrong with a text, if anything. */
export function textFault(value: unknown, charactersMax: number): string | undefined {
  if (typeof value !== 'string') return 'This value should be of type string.'
  if (value.includes('\u0000')) return 'This value should not contain the character U+0000.'
  if (!value.isWellFormed()) return 'This value should be well-formed Unicode, without lone surrogates.'
  if (hasMoreCharactersThan(value, charactersMax)) return `This value is too long. It should have ${charactersMax} characters or less.`
  return undefined
}

/** Counts code points only where UTF-16 units leave the question open. */
function hasMoreCharactersThan(text: string, max: number): boolean {
  if (text.length <= max) return false
  if (text.length > max * 2) return true
  return [...text].length > max
}

export function readText(findings: Findings, path: string, value: unknown, charactersMax: number): string | undefined {
  const fault = textFault(value, charactersMax)
  return fault === undefined ? (value as string) : findings.fault(path, fault)
}

/** A name that must be there: of a tag, an attribute, an event. */
export function readName(findings: Findings, path: string, value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return findings.fault(path, blank)
  return readText(findings, path, value, limits.nameCharactersMax)
}

/** A whole number. HelpCrunch: or its decimal text. */
export function readInteger(
  findings: Findings, path: string, value: unknown, { min, max }: { min: number; max: number }
): number | undefined {
  const number = typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? Number(value) : value
  const isFraction = typeof number === 'string' ? decimalText.test(number) : Number.isFinite(number) && !Number.isInteger(number)
  if (isFraction) return findings.fault(path, 'This value should be a whole number.')
  if (typeof number !== 'number' || Number.isNaN(number)) return findings.fault(path, 'This value should be of type numeric.')
  if (number < min || number > max) return findings.fault(path, `This value should be between ${min} and ${max}.`)
  return number
}

const decimalText = /^-?\d{1,20}(\.\d{1,20})?$/

/** A number, or its decimal text. */
export function readNumber(findings: Findings, path: string, value: unknown): number | undefined {
  const number = typeof value === 'string' && decimalText.test(value) ? Number(value) : value
  if (typeof number !== 'number' || !Number.isFinite(number)) return findings.fault(path, 'This value should be of type numeric.')
  const fault = numberFault(number)
  return fault === undefined ? number : findings.fault(path, fault)
}

/** A query parameter cannot be null: `limit=` is how clients send a value they do not have. */
export function isAbsent(value: unknown): value is undefined | null | '' {
  return value === undefined || value === null || value === ''
}

/** The first choice is the default. HelpCrunch: letter case does not matter. */
export function readChoice<const Choice extends string>(
  findings: Findings, path: string, value: unknown, choices: readonly [Choice, ...Choice[]]
): Choice {
  if (isAbsent(value)) return choices[0]
  const found = typeof value === 'string' && choices.find((choice) => choice.toLowerCase() === value.toLowerCase())
  if (found) return found
  findings.fault(path, `This value should be one of ${choices.map((choice) => `"${choice}"`).join(', ')}.`)
  return choices[0]
}

export function readCustomerId(findings: Findings, path: string, value: unknown): number | undefined {
  if (value === undefined || value === null || value === '') return findings.fault(path, blank)
  return readInteger(findings, path, value, { min: 1, max: limits.integerMax })
}

/** UNIX seconds as text, or nearly: before 1970, or too late. */
export const dateText = /^-?\d{1,20}(\.\d{0,20})?$/

/** UNIX seconds. HelpCrunch: as a number or its decimal text; fractions are cut off. */
export function readDate(findings: Findings, path: string, value: unknown): number | undefined {
  const number = typeof value === 'string' && dateText.test(value) ? Number(value) : value
  if (typeof number !== 'number' || Number.isNaN(number)) return findings.fault(path, 'This value should be of type numeric.')
  if (number < 0 || number >= limits.dateSecondsMax + 1) {
    return findings.fault(path, `This value should be between 0 and ${limits.dateSecondsMax}.`)
  }
  return Math.floor(number)
}

export function readBoolean(findings: Findings, path: string, value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : findings.fault(path, 'This value should be of type bool.')
}

/** A number that JSON and both engines carry without loss. */
export function numberFault(value: number): string | undefined {
  if (Math.abs(value) <= limits.integerMax) return undefined
  return `This value should be between -${limits.integerMax} and ${limits.integerMax}. Send larger numbers as text.`
}
