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

// Only a customer begins like this: quotes inside text are escaped, and the object of a device follows a colon.
const betweenCustomers = ',{"id":'

/** The same for one or more customers, the elements of a JSON array. */
export function pickPageFields(customers: string, fields: ReadonlySet<keyof Customer>): string {
  return customers.split(betweenCustomers).map((rendering, index) => pickFields(index === 0 ? rendering : `{"id":${rendering}`, fields)).join()
}

// Taking a slice apart takes a few milliseconds, for which nobody else is served.
const [sliceCustomersMax, sliceBytesMax] = [100, 1_048_576]

/** A page cut between customers: each slice has some of them, and only one where that is a large one. */
export function* sliceCustomers(page: Uint8Array): Generator<Buffer> {
  const customers = Buffer.from(page.buffer, page.byteOffset, page.byteLength)
  for (let start = 0; start < customers.length;) {
    const end = sliceEnd(customers, start)
    yield customers.subarray(start, end)
    start = end + 1
  }
}

function sliceEnd(customers: Buffer, start: number): number {
  let end = start
  for (let count = 0; count < sliceCustomersMax && end - start < sliceBytesMax; count += 1) {
    end = customers.indexOf(betweenCustomers, end + 1)
    if (end === -1) return customers.length
  }
  return end
}
