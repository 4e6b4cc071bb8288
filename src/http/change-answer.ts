import type { MadeChange } from '../change-record.ts'
import { pickFields } from '../change-record.ts'
import type { CustomerEvent } from '../contract/event.ts'
import { renderFields } from '../customer.ts'

/** A change as JSON, attributes in their order. */
export function renderChange({ change, event }: { readonly change: MadeChange; readonly event: CustomerEvent | null }): string {
  const { id, kind, at, customerId, key, requestId } = change
  const about = JSON.stringify({ id, kind, at, customerId, key, requestId })
  const { before, after } = shownFields(change)
  const shownEvent = event ?? deletedEvent(change)
  const eventText = shownEvent === null ? '' : `,"event":${JSON.stringify(shownEvent)}`
  return `${about.slice(0, -1)},"before":${before === null ? 'null' : renderFields(before)},"after":${after === null ? 'null' : renderFields(after)}${eventText}}`
}

/** Of an event there is more to say than what is kept with the change. */
function shownFields(change: MadeChange): { before: object | null; after: object | null } {
  if (change.kind === 'event.recorded' || change.kind === 'event.deleted') return { before: null, after: null }
  if (change.kind === 'tag.updated') return change
  return { before: change.before && pickFields(change.before), after: change.after && pickFields(change.after) }
}

function deletedEvent({ kind, customerId, before }: MadeChange): CustomerEvent | null {
  if (kind !== 'event.deleted') return null
  const { event, ...others } = before
  return { id: event, ...others, customer: customerId }
}
