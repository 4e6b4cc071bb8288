import type { NumberTest } from '../search.ts'

/** What is asked of a number that is there: to lie in a range with both ends, or to be one of some. */
export type NumberProbe =
  | { readonly kind: 'range'; readonly from: number; readonly to: number }
  | { readonly kind: 'in'; readonly values: ReadonlySet<number> }

/** `empty` becomes its opposite, any number at all: a missing one passes no probe. */
export function numberProbe(test: NumberTest): NumberProbe {
  switch (test.operator) {
    case 'in': return { kind: 'in', values: new Set(test.values) }
    case 'between': return range(test.from, test.to)
    case 'empty': return range(-Infinity, Infinity)
    case '=': return range(test.value, test.value)
    case '>=': return range(test.value, Infinity)
    case '<=': return range(-Infinity, test.value)
    case '>': return range(nextAbove(test.value), Infinity)
    case '<': return range(-Infinity, -nextAbove(-test.value))
  }
}

export function acceptsNumber(probe: NumberProbe, value: number): boolean {
  return probe.kind === 'in' ? probe.values.has(value) : value >= probe.from && value <= probe.to
}

function range(from: number, to: number): NumberProbe {
  return { kind: 'range', from, to }
}

/** The least number above a finite one: as integers, the bits of positive numbers are in the order of the numbers. */
function nextAbove(value: number): number {
  if (value === 0) return Number.MIN_VALUE
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value)
  view.setBigInt64(0, view.getBigInt64(0) + (value > 0 ? 1n : -1n))
  return view.getFloat64(0)
}
