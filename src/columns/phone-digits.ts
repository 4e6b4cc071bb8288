import type { Lying } from './text-probe.ts'

const zero = 0x30
const nine = 0x39

/** Whether the digits of a part of a text, all else left out, are those sought or begin with or contain them. */
export function haveDigits(text: string, from: number, to: number, digits: string, how: Exclude<Lying, 'end'>): boolean {
  if (to - from < digits.length) return false
  if (how !== 'inside') return beginWith(text, from, to, digits, how === 'whole')
  const first = digits.charCodeAt(0)
  for (let start = from; start <= to - digits.length; start += 1) {
    if (text.charCodeAt(start) === first && beginWith(text, start, to, digits, false)) return true
  }
  return false
}

function beginWith(text: string, from: number, to: number, digits: string, isWhole: boolean): boolean {
  let matched = 0
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at)
    if (code < zero || code > nine) continue
    // Behind the last digit this is NaN, so that one more is not the same.
    if (code !== digits.charCodeAt(matched)) return false
    matched += 1
    if (matched === digits.length && !isWhole) return true
  }
  return matched === digits.length
}
