import type { CustomerJson } from './customer.ts'

/** How answers give dates: HelpCrunch's newest clients expect text, older ones numbers. */
export type DateForm = 'string' | 'integer'

const dates: ReadonlySet<string> = new Set(['firstSeen', 'lastSeen', 'createdAt'])

/** Some fields of a customer, or an event, with their dates in that form. */
export function withDates(fields: object, form: DateForm): object {
  if (form === 'string') return fields
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, dates.has(field) && typeof value === 'string' ? Number(value) : value]))
}

// Stands once in each customer, and so in several in one text: quotes inside text are escaped, and no attribute of custom data is an object.
const datesAsText = /,"firstSeen":(?:"(\d+)"|null),"lastSeen":(?:"(\d+)"|null),"location":\{/g

/** HelpCrunch: older clients expect the dates as numbers. Of one customer, or of several. */
export function presentCustomer(customer: CustomerJson, form: DateForm): CustomerJson {
  if (form === 'string') return customer
  return customer.replace(datesAsText, (_match, firstSeen: string | undefined, lastSeen: string | undefined) =>
    `,"firstSeen":${firstSeen ?? 'null'},"lastSeen":${lastSeen ?? 'null'},"location":{`)
}
