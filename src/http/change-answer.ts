import type { MadeChange } from '../change-record.ts'
import { deletedEvent, shownFields } from '../change-record.ts'
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
