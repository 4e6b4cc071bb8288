import type { Node } from 'jsonc-parser'
import { parseTree } from 'jsonc-parser'
import { isObject } from './untrusted.ts'

/**
 * JSON.parse puts names that are array indices, such as `2024`, before all others. So an object parsed
 * out of order has one of them first; a digit too many here costs another look at the text, no more.
 */
function mayBeReordered(object: object): boolean {
  const [first] = Object.keys(object)
  return first !== undefined && /^\d+$/.test(first)
}

/** The entries of an object that was parsed from a text, in the order of that text, which is asked for only where it says more. */
export function orderedEntries<Value>(parsed: Readonly<Record<string, Value>>, text: () => string): ReadonlyMap<string, Value> {
  return mayBeReordered(parsed) ? entriesInOrder(parsed, parseTree(text())) : new Map(Object.entries(parsed))
}

/** A body that was parsed from a text, where each customData that JSON.parse may have reordered is a Map in the order of the text. */
export function withOrderedCustomData(parsed: unknown, text: string): unknown {
  const items: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed]
  if (!items.some(hasReorderedCustomData)) return parsed
  const tree = parseTree(text)
  const nodes = tree?.type === 'array' ? tree.children : [tree]
  const ordered = items.map((item, index) =>
    hasReorderedCustomData(item) ? { ...item, customData: entriesInOrder(item.customData, lastValue(nodes?.[index], 'customData')) } : item)
  return Array.isArray(parsed) ? ordered : ordered[0]
}

function hasReorderedCustomData(item: unknown): item is { customData: Record<string, unknown> } {
  return isObject(item) && isObject(item.customData) && mayBeReordered(item.customData)
}

/** As in JSON.parse, a name given twice has the place of the first and the value of the last. */
function entriesInOrder<Value>(parsed: Readonly<Record<string, Value>>, node: Node | undefined): ReadonlyMap<string, Value> {
  const values = new Map(Object.entries(parsed))
  const entries = new Map<string, Value>()
  for (const [name] of propertiesOf(node)) {
    const value = values.get(name)
    if (value !== undefined) entries.set(name, value)
  }
  if (entries.size !== values.size) throw new Error('A text was read in two ways')
  return entries
}

function lastValue(node: Node | undefined, name: string): Node | undefined {
  return propertiesOf(node).findLast(([itsName]) => itsName === name)?.[1]
}

function propertiesOf(node: Node | undefined): (readonly [name: string, value: Node | undefined])[] {
  return (node?.children ?? []).map(({ children: [name, value] = [] }) => [String(name?.value), value] as const)
}
