import type { Customer } from './contract/customer.ts'
import type { CustomerJson } from './customer.ts'

// Stands once in a rendering: quotes inside text are escaped, and custom data has no lists.
const customDataKey = '],"customData":'

/** The custom data of a rendering as it stands there. It is the last of a customer, and its order would not survive an object. */
export function customDataJson(rendering: CustomerJson): string {
  return rendering.slice(rendering.lastIndexOf(customDataKey) + customDataKey.length, -1)
}

/** A rendering with only some of its keys, in its order, each value byte for byte as it was. */
export function pickFields(rendering: CustomerJson, fields: ReadonlySet<keyof Customer>): CustomerJson {
  const others = JSON.parse(`${rendering.slice(0, rendering.lastIndexOf(customDataKey))}]}`) as Omit<Customer, 'customData'>
  const picked = Object.entries(others).filter(([key]) => fields.has(key as keyof Customer)).map(([key, value]) => `"${key}":${JSON.stringify(value)}`)
  if (fields.has('customData')) picked.push(`"customData":${customDataJson(rendering)}`)
  return `{${picked.join()}}`
}

/** The same for a page: the elements of a JSON array. */
export function pickPageFields(customers: Uint8Array, fields: ReadonlySet<keyof Customer>): Buffer {
  const text = Buffer.from(customers.buffer, customers.byteOffset, customers.byteLength).toString()
  if (text === '') return Buffer.alloc(0)
  // Only a customer begins like this: quotes inside text are escaped, and the object of a device follows a colon.
  return Buffer.from(text.split(/,(?=\{"id":)/).map((rendering) => pickFields(rendering, fields)).join())
}
