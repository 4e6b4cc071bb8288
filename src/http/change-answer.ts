import type { MadeChange } from '../change-record.ts'
import { deletedEvent, shownFields } from '../change-record.ts'
import type { CustomerEvent } from '../contract/event.ts'
import { renderFields } from '../customer.ts'
import type { DateForm } from '../date-form.ts'
import { withDates } from '../date-form.ts'

/** A change as JSON, attributes in their order. */
export function renderChange({ change, event }: { readonly change: MadeChange; readonly event: CustomerEvent | null }, dates: DateForm): string {
  const { id, kind, at, customerId, key, requestId } = change
  const about = JSON.stringify({ id, kind, at, customerId, key, requestId })
  const { before, after } = shownFields(change)
  const shownEvent = event ?? deletedEvent(change)
  const eventText = shownEvent === null ? '' : `,"event":${JSON.stringify(withDates(shownEvent, dates))}`
  const render = (fields: object | null): string => (fields === null ? 'null' : renderFields(withDates(fields, dates)))
  return `${about.slice(0, -1)},"before":${render(before)},"after":${render(after)}${eventText}}`
}
