/** How answers give dates: HelpCrunch's newest clients expect text, older ones numbers. */
export type DateForm = 'string' | 'integer'

const dates: ReadonlySet<string> = new Set(['firstSeen', 'lastSeen', 'createdAt'])

/** Some fields of a customer, or an event, with their dates in that form. */
export function withDates(fields: object, form: DateForm): object {
  if (form === 'string') return fields
  return Object.fromEntries(Object.entries(fields).map(([field, value]) => [field, dates.has(field) && typeof value === 'string' ? Number(value) : value]))
}
