import type { UnixSeconds } from './clock.ts'
import type { CustomerEvent } from './contract/event.ts'
import type { Tag } from './contract/tag.ts'
import type { Customer } from './customer.ts'

/** Fields of a customer as changes record them: tags by name, since their colors belong to the organization. */
export type RecordedFields = { [field in keyof Customer]?: field extends 'tags' ? string[] : Customer[field] }

/**
 * What a command did. `before` holds the old values of the fields that changed and `after` the new
 * ones; a creation has only `after` and a deletion only `before`, with all fields. The engine adds
 * who, when and in which request as it appends the change.
 */
export type Change =
  | { readonly kind: 'customer.created'; readonly customerId: number; readonly before: null; readonly after: RecordedFields }
  | { readonly kind: 'customer.updated'; readonly customerId: number; readonly before: RecordedFields; readonly after: RecordedFields }
  /** With the time of its creation, which a restoration gives back. */
  | { readonly kind: 'customer.deleted'; readonly customerId: number; readonly before: RecordedFields & { readonly createdAt?: UnixSeconds }; readonly after: null }
  | { readonly kind: 'customer.restored'; readonly customerId: number; readonly before: null; readonly after: RecordedFields }
  | { readonly kind: 'event.recorded'; readonly customerId: number; readonly before: null; readonly after: { readonly event: number } }
  | { readonly kind: 'event.deleted'; readonly customerId: number; readonly before: DeletedEvent; readonly after: null }
  | { readonly kind: 'tag.updated'; readonly customerId: null; readonly before: Tag; readonly after: Tag }

/** Enough to record the event again. */
interface DeletedEvent extends Pick<CustomerEvent, 'name' | 'data' | 'createdAt'> {
  readonly event: number
}

/** A change that leaves a customer there. */
export type KeptChange = Extract<Change, { kind: 'customer.created' | 'customer.updated' | 'customer.restored' }>

export function recordFields(customer: Customer): RecordedFields {
  return { ...customer, tags: customer.tags.map(({ name }) => name) }
}

/** `createdAt`: when the customer was made, as far as that is known. */
export function deletionOf(customer: Customer, createdAt: UnixSeconds | undefined): Extract<Change, { kind: 'customer.deleted' }> {
  const before = { ...recordFields(customer), ...(createdAt === undefined ? {} : { createdAt }) }
  return { kind: 'customer.deleted', customerId: customer.id, before, after: null }
}

/** The change from one customer to the other, or null when they are the same. Colors are no difference. */
export function changeBetween(before: Customer, after: Customer): Extract<Change, { kind: 'customer.updated' }> | null {
  const old = recordFields(before)
  const now = recordFields(after)
  const changed = (Object.keys(now) as (keyof Customer)[]).filter((field) => !isSame(old[field], now[field]))
  if (changed.length === 0) return null
  return { kind: 'customer.updated', customerId: after.id, before: pick(old, changed), after: pick(now, changed) }
}

/** Values of a customer are plain JSON built in one key order, or a Map of it, so equal text is equality. */
function isSame(one: unknown, other: unknown): boolean {
  return one === other || (typeof one === 'object' && textOf(one) === textOf(other))
}

function textOf(value: unknown): string {
  return JSON.stringify(value instanceof Map ? [...value] : value)
}

function pick(fields: RecordedFields, names: readonly (keyof Customer)[]): RecordedFields {
  return Object.fromEntries(names.map((name) => [name, fields[name]]))
}
