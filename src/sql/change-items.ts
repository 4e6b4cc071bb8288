import { setImmediate } from 'node:timers/promises'
import type { RecordedFields } from '../change.ts'
import type { KeptChangeRow, LaterChange } from '../change-record.ts'
import { fieldsLeft, isWhole, pickFields, readChange } from '../change-record.ts'
import type { ChangeItem } from '../change-store.ts'
import type { CustomerEvent } from '../contract/event.ts'
import type { Customer, CustomerJson } from '../customer.ts'
import { renderCustomer } from '../customer.ts'
import { defaultColor } from '../tag-color.ts'

/** An event as both engines keep it. */
export interface KeptEventRow {
  readonly id: number
  readonly customerId: number
  readonly name: string
  readonly data: string
  readonly createdAt: number
}

/** A customer as it is. */
export interface PresentCustomer {
  readonly customer: Customer
  /** The id of the newest change that touched its row; 0 for a row from before rows knew it. */
  readonly version: number
}

/** What changes are told with, besides themselves. */
export interface ChangeContext {
  /** Read before `later`. */
  readonly now: ReadonlyMap<number, PresentCustomer>
  /** By customer, unless nothing was changed since: its later changes of `replacingKinds`, newest first. */
  readonly later: ReadonlyMap<number, readonly LaterChange[]>
  readonly events: readonly KeptEventRow[]
  readonly tagColors: ReadonlyMap<string, string>
  readonly wantsCustomers: boolean
}

/** What a step of telling takes at most, unless a single change takes more, before others are served. */
const bytesAStep = 262_144

/**
 * Has items made of rows step by step, since each may come with a customer of megabytes, and of no more rows than fit in
 * `bytesMax`, but of one at least. `bytesOf` is how much of each customer there is now.
 */
export async function itemsInSteps(
  rows: readonly KeptChangeRow[], { wantsCustomers, bytesOf, bytesMax }: { wantsCustomers: boolean; bytesOf: ReadonlyMap<number, number>; bytesMax: number },
  make: (rows: readonly KeptChangeRow[]) => Promise<ChangeItem[]>
): Promise<ChangeItem[]> {
  const items: ChangeItem[] = []
  let step: KeptChangeRow[] = []
  let [bytes, bytesOfStep] = [0, 0]
  for (const row of rows) {
    const size = (row.before?.length ?? 0) + (row.after?.length ?? 0) + (wantsPast(row, wantsCustomers) ? bytesOf.get(row.customerId) ?? 0 : 0)
    if (bytes > 0 && bytes + size > bytesMax) break
    if (bytesOfStep > 0 && bytesOfStep + size > bytesAStep) {
      items.push(...await make(step))
      await setImmediate()
      step = []
      bytesOfStep = 0
    }
    step.push(row)
    bytes += size
    bytesOfStep += size
  }
  items.push(...await make(step))
  return items
}

/** Of which customers it must be known what they were: by id, the changes that left them so. */
export function pastsWanted(rows: readonly KeptChangeRow[], wantsCustomers: boolean): Map<number, number[]> {
  const wanted = new Map<number, number[]>()
  for (const row of rows) {
    if (!wantsPast(row, wantsCustomers)) continue
    const { id, customerId } = row
    const ids = wanted.get(customerId)
    if (ids === undefined) wanted.set(customerId, [id])
    else ids.push(id)
  }
  return wanted
}

/** Those of the pasts that lie behind later changes. Mostly there are none: changes are told as they are made. */
export function pastsReplaced(pasts: ReadonlyMap<number, readonly number[]>, now: ReadonlyMap<number, PresentCustomer>): Map<number, readonly number[]> {
  return new Map([...pasts].filter(([customerId, changeIds]) => {
    const { version = 0 } = now.get(customerId) ?? {}
    return version === 0 || changeIds.some((id) => id < version)
  }))
}

function wantsPast<Row extends KeptChangeRow>(row: Row, wantsCustomers: boolean): row is Row & { readonly customerId: number } {
  return row.customerId !== null && row.kind !== 'customer.deleted' && (wantsCustomers || isWhole(row.kind))
}

/** The events that were recorded, with their customers. */
export function eventsWanted(rows: readonly KeptChangeRow[]): { readonly id: number; readonly customerId: number }[] {
  return rows.flatMap((row) => {
    const id = recordedEvent(row)
    return id === undefined || row.customerId === null ? [] : [{ id, customerId: row.customerId }]
  })
}

/** Changes with what they were about. */
export function changeItems(rows: readonly KeptChangeRow[], { now, later, events, tagColors, wantsCustomers }: ChangeContext): ChangeItem[] {
  const eventsById = new Map(events.map((event) => [event.id, event]))
  const left = new Map<number, RecordedFields | null>()
  for (const [customerId, changeIds] of pastsWanted(rows, wantsCustomers)) {
    for (const [id, fields] of fieldsLeft(changeIds, later.get(customerId) ?? [], now.get(customerId)?.customer)) left.set(id, fields)
  }
  return rows.map((row) => {
    const change = readChange(row, left.get(row.id) ?? null)
    const fields = change.kind === 'customer.deleted' ? pickFields(change.before) : left.get(row.id) ?? null
    const event = eventsById.get(recordedEvent(row) ?? 0)
    return {
      change,
      event: event === undefined ? null : eventOf(event),
      customer: wantsCustomers && fields !== null ? renderFieldsOf(fields, tagColors) : null
    }
  })
}

function recordedEvent({ kind, after }: KeptChangeRow): number | undefined {
  return kind === 'event.recorded' && after !== null ? (JSON.parse(after) as { event: number }).event : undefined
}

function eventOf({ id, customerId, name, data, createdAt }: KeptEventRow): CustomerEvent {
  return { id, name, data: JSON.parse(data) as CustomerEvent['data'], createdAt: String(createdAt), customer: customerId }
}

/** In the colors of now. */
function renderFieldsOf(fields: RecordedFields, tagColors: ReadonlyMap<string, string>): CustomerJson {
  const tags = (fields.tags ?? []).map((name) => ({ name, color: tagColors.get(name) ?? defaultColor }))
  // Whoever left all fields of a customer has left each key.
  return renderCustomer({ ...fields, tags } as Customer)
}
