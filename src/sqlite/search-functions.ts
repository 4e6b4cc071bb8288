import type { Database } from 'better-sqlite3'
import { foldCase } from '../case-folding.ts'
import type { AttributeValue } from '../contract/customer.ts'
import { customDataJson } from '../picked-fields.ts'
import { limits } from '../limits.ts'
import { Needle } from '../needle.ts'
import { digitsOf } from '../search.ts'
import { indexedValue } from '../sql/customer-row.ts'

/** Needles that are kept prepared; no search has more filters. */
const needlesKept = limits.searchFiltersMax

/** What searches ask of text that SQLite has no function for. Null stays null. */
export function registerSearchFunctions(db: Database): void {
  const options = { deterministic: true }
  const needles = new Map<string, Needle>()
  const prepared = (needle: string): Needle => {
    const kept = needles.get(needle) ?? new Needle(needle)
    if (needles.size >= needlesKept) needles.clear()
    needles.set(needle, kept)
    return kept
  }
  db.function('fold_case', options, (text: unknown) => (typeof text === 'string' ? foldCase(text) : null))
  db.function('digits', options, (text: unknown) => (typeof text === 'string' ? digitsOf(text) : null))
  db.function('has_inside', options, (text: unknown, needle: unknown) =>
    (typeof text === 'string' ? Number(prepared(String(needle)).indexIn(text) >= 0) : null))
  db.function('attribute_of', options, (rendering: unknown, name: unknown) => attributeOf(String(rendering), String(name)))
}

/** The value of a custom attribute in the form in which it is indexed. */
function attributeOf(rendering: string, name: string): string | number | null {
  const json = customDataJson(rendering)
  if (json === '{}') return null
  const values = JSON.parse(json) as Record<string, AttributeValue>
  const value = Object.hasOwn(values, name) ? values[name] : undefined
  return value === undefined ? null : indexedValue(value)
}
