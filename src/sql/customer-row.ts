import { foldCase } from '../case-folding.ts'
import type { AttributeValue } from '../contract/customer.ts'
import type { Customer } from '../customer.ts'

/** The columns that searches read, as written: folded where letter case does not matter. */
export function columnValues(customer: Customer): Record<string, string | number | null> {
  return {
    user_id: customer.userId,
    email: folded(customer.email),
    name: folded(customer.name),
    company: folded(customer.company),
    phone: folded(customer.phone),
    country_code: folded(customer.location.countryCode),
    city: folded(customer.location.city),
    region_code: folded(customer.location.regionCode),
    created_from: customer.createdFrom,
    integration_id: customer.integrationId,
    first_seen: seconds(customer.firstSeen),
    last_seen: seconds(customer.lastSeen)
  }
}

function folded(text: string | null): string | null {
  return text === null ? null : foldCase(text)
}

function seconds(text: string | null): number | null {
  return text === null ? null : Number(text)
}

/** A value of custom data as its index holds it. */
export function indexedValue(value: AttributeValue): string | number {
  return typeof value === 'string' ? foldCase(value) : Number(value)
}
