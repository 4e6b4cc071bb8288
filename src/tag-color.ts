import namedColors from 'color-name'

/** The color of a tag that came without one. */
export const defaultColor = '#c377e0'

const hexadecimal = /^#(?:[\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})$/i

// The pieces below and the way they combine are those of CSS Color 4: the older comma syntax keeps
// numbers and percentages apart and asks hsl() for percentages, the space syntax mixes them freely.
const number = String.raw`[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?`
const percentage = `${number}%`
const amount = `(?:${number}%?|none)`
const angle = `${number}(?:deg|grad|rad|turn)?`

const space = String.raw`[ \t\n\r\f]`
const comma = `${space}*,${space}*`
const alphaAfterComma = `(?:${comma}${number}%?)?`
const alphaAfterSlash = `(?:${space}*/${space}*${amount})?`

const colorFunction = new RegExp(
  `^(?:${call('rgb', [
    [number, comma, number, comma, number, alphaAfterComma],
    [percentage, comma, percentage, comma, percentage, alphaAfterComma],
    [amount, `${space}+`, amount, `${space}+`, amount, alphaAfterSlash]
  ])}|${call('hsl', [
    [angle, comma, percentage, comma, percentage, alphaAfterComma],
    [`(?:${angle}|none)`, `${space}+`, amount, `${space}+`, amount, alphaAfterSlash]
  ])})$`,
  // Without the flag u, i keeps to ASCII as CSS does, and the long s is no s.
  'i'
)

function call(name: string, syntaxes: readonly (readonly string[])[]): string {
  const either = syntaxes.map((pieces) => pieces.join('')).join('|')
  return String.raw`${name}a?\(${space}*(?:${either})${space}*\)`
}

/** What CSS takes for a hexadecimal or named color or for rgb() and hsl(), in any letter case. */
export function isColor(text: string): boolean {
  return hexadecimal.test(text) || isNamed(text) || colorFunction.test(text)
}

function isNamed(text: string): boolean {
  // Only ASCII letters: lower case would turn the Kelvin sign of "blac\u212a" into a k.
  return /^[a-z]+$/i.test(text) && Object.hasOwn(namedColors, text.toLowerCase())
}
