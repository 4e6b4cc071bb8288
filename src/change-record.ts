import { orderedEntries } from './attribute-order.ts'
import type { Change, RecordedFields } from './change.ts'
import type { UnixSeconds } from './clock.ts'
import type { AttributeValue } from './contract/customer.ts'
import type { Customer } from './customer.ts'
import { customerKeys } from './customer.ts'

/** Every kind of change, in the order in which they are documented. */
export const changeKinds = [
  'customer.created', 'customer.updated', 'customer.deleted', 'customer.restored', 'event.recorded', 'event.deleted', 'tag.updated'
] as const satisfies readonly Change['kind'][]
export type ChangeKind = Change['kind']

/** A change as it is told of: of a creation and a restoration `after` has all fields, though they are kept without. */
export type ChangeRecord = Change & {
  readonly id: number
  readonly at: UnixSeconds
  readonly key: { readonly id: number; readonly name: string }
  readonly requestId: string
}

/** A change as it was just made, or, without an id, as it would be. */
export type MadeChange = Change & Omit<ChangeRecord, 'id' | keyof Change> & { readonly id: number | null }

/** A change as the engines keep it, fields as JSON. */
export interface KeptChangeRow {
  readonly id: number
  /** Null for a change that is of no single customer. */
  readonly customerId: number | null
  readonly kind: string
  readonly at: UnixSeconds
  readonly keyId: number
  readonly keyName: string
  readonly requestId: string
  readonly before: string | null
  readonly after: string | null
}

/**
 * A change as it is told of. Of a creation and a restoration, whose fields are not kept with them, `left` are all fields that
 * they left; see `fieldsLeft`.
 */
export function readChange({ kind, keyId, keyName, before, after, ...row }: KeptChangeRow, left: RecordedFields | null): ChangeRecord {
  // Only an engine has written it, from a change.
  return {
    ...row, kind, key: { id: keyId, name: keyName },
    before: before === null ? null : parseFields(before),
    after: after === null ? (isWhole(kind) ? left : null) : parseFields(after)
  } as ChangeRecord
}

/** Whether a change leaves all fields of a customer new. */
export function isWhole(kind: string): boolean {
  return kind === 'customer.created' || kind === 'customer.restored'
}

/**
 * All fields of a customer as a change left them: each is what the first later change replaced, or what it is now. `later` are
 * those of the customer behind the change, oldest first; `now` is undefined when the customer is not there.
 */
export function fieldsLeft(later: readonly Pick<KeptChangeRow, 'kind' | 'before'>[], now: Customer | undefined): RecordedFields | null {
  const fields: RecordedFields = {}
  for (const { kind, before } of later) {
    if (before === null || (kind !== 'customer.updated' && kind !== 'customer.deleted')) continue
    const replaced = parseFields(before)
    for (const key of customerKeys) if (!(key in fields) && key in replaced) Object.assign(fields, { [key]: replaced[key] })
    if (kind === 'customer.deleted') return fields
  }
  if (now === undefined) return null
  return { ...now, tags: now.tags.map(({ name }) => name), ...fields }
}

const customDataStart = '"customData":'

/** Fields as `renderFields` wrote them: custom data is the last of them. */
function parseFields(json: string): RecordedFields {
  const { customData, ...others } = JSON.parse(json) as Omit<RecordedFields, 'customData'> & { customData?: Record<string, AttributeValue> }
  if (customData === undefined) return others
  // Quotes inside text are escaped, so this stands there once.
  const text = (): string => json.slice(json.indexOf(customDataStart) + customDataStart.length, -1)
  return { ...others, customData: orderedEntries(customData, text) }
}
