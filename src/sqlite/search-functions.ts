import type { Database } from 'better-sqlite3'
import { foldCase } from '../case-folding.ts'
import type { AttributeValue } from '../contract/customer.ts'
import { customDataJson } from '../customer-fields.ts'
import { digitsOf } from '../search.ts'
import { indexedValue } from './customer-row.ts'

/** What searches ask of text that SQLite has no function for. Null stays null. */
export function registerSearchFunctions(db: Database): void {
  const options = { deterministic: true }
  db.function('fold_case', options, (text: unknown) => (typeof text === 'string' ? foldCase(text) : null))
  db.function('digits', options, (text: unknown) => (typeof text === 'string' ? digitsOf(text) : null))
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
