import { hash } from 'node:crypto'
import type { ChangeRecord } from '../change-record.ts'
import { deletedEvent, shownFields } from '../change-record.ts'
import type { ChangeItem } from '../change-store.ts'
import type { UnixSeconds } from '../clock.ts'
import { parseCustomer, renderFields } from '../customer.ts'
import type { DateForm } from '../date-form.ts'
import { presentCustomer, withDates } from '../date-form.ts'
import type { MessageKey, Webhook } from '../webhook.ts'
import type { HelpcrunchEvent } from '../webhook-event.ts'

/** What a body has of the attempt. */
interface Attempt {
  /** How many were made before. */
  readonly attempts: number
  readonly now: UnixSeconds
}

/** One thing to be told, rendered when it is sent. */
export interface Message extends MessageKey {
  /** The same at each attempt, and after a crash. */
  readonly id: string
  readonly customerId: number | null
  readonly event: string
  body(attempt: Attempt): string
}

type Teller = Pick<Webhook, 'id' | 'createdAt' | 'format'>

/** All that a change has to say in the format of a webhook, whether it is wanted or not. */
export function messagesOf(webhook: Teller, item: ChangeItem, dates: DateForm): Message[] {
  const { change } = item
  const message = (event: string, part: number, body: (id: string, attempt: Attempt) => string): Message => {
    const id = messageId(webhook, change, part)
    return { changeId: change.id, part, id, customerId: change.customerId, event, body: (attempt) => body(id, attempt) }
  }
  if (webhook.format === 'standard') return [message(change.kind, 0, () => sharedBody(item, dates))]
  return helpcrunchEventsOf(change).map((event, part) =>
    message(event, part, (id, attempt) => helpcrunchBody(event, { id, item, attempt })))
}

/** By the item they are of: webhooks that read together are told the same. */
const sharedBodies = new WeakMap<ChangeItem, { readonly dates: DateForm; readonly body: string }>()

function sharedBody(item: ChangeItem, dates: DateForm): string {
  const known = sharedBodies.get(item)
  if (known?.dates === dates) return known.body
  const body = standardBody(item, dates)
  sharedBodies.set(item, { dates, body })
  return body
}

/** The change as the API tells of it, and the whole customer. */
function standardBody({ change, customer, event }: ChangeItem, dates: DateForm): string {
  const { id, at, kind, customerId, key, requestId } = change
  const { before, after } = shownFields(change)
  const render = (shown: object | null): Rendered => new Rendered(shown === null ? 'null' : renderFields(withDates(shown, dates)))
  const fields = {
    id, kind, at, customerId, key, requestId,
    before: render(before),
    after: render(after),
    customer: new Rendered(customer === null ? 'null' : presentCustomer(customer, dates)),
    event: render(event ?? deletedEvent(change))
  }
  return object({ type: kind, timestamp: new Date(at * 1000).toISOString(), data: new Rendered(object(fields)) })
}

/** HelpCrunch: several events may come of one update. Their order stays, and so does the part that each is. */
function helpcrunchEventsOf(change: ChangeRecord): HelpcrunchEvent[] {
  switch (change.kind) {
    case 'customer.created': case 'customer.restored': return ['customer.new']
    case 'customer.deleted': return ['customer.deleted']
    case 'customer.updated': {
      const { after } = change
      return [
        ...('email' in after ? ['customer.email_updated' as const] : []),
        ...('tags' in after ? ['customer.tags_changed' as const] : []),
        ...('unsubscribed' in after ? [after.unsubscribed ? 'customer.unsubscribed' as const : 'customer.subscribed' as const] : []),
        ...('blocked' in after ? [after.blocked ? 'customer.blocked' as const : 'customer.unblocked' as const] : [])
      ]
    }
    case 'event.recorded': case 'event.deleted': case 'tag.updated': return []
  }
}

function helpcrunchBody(event: HelpcrunchEvent, { id, item: { change, customer }, attempt }: { id: string; item: ChangeItem; attempt: Attempt }): string {
  if (customer === null) throw new Error(`Change ${change.id} came without its customer`)
  const { id: customerId, name, userId, email, unsubscribed, customData } = parseCustomer(customer)
  const eventData = { id: customerId, name, userId, email, unsubscribed, customData }
  return object({
    event,
    eventData: new Rendered(renderFields(eventData)),
    attempts: attempt.attempts, lastAttemptAt: attempt.now, createdAt: change.at, id
  })
}

/** The body of what a test sends, which is of no change. */
export function pingBody(webhook: Teller, id: string, now: UnixSeconds): string {
  if (webhook.format === 'standard') return object({ type: 'ping', timestamp: new Date(now * 1000).toISOString(), data: { id: webhook.id } })
  return object({ event: 'ping', eventData: {}, attempts: 0, lastAttemptAt: now, createdAt: now, id })
}

/** Text that is JSON already, whose order of keys must stay. */
class Rendered {
  readonly json: string

  constructor(json: string) {
    this.json = json
  }
}

function object(fields: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(fields).map(([key, value]) => `${JSON.stringify(key)}:${value instanceof Rendered ? value.json : JSON.stringify(value)}`)
  return `{${parts.join()}}`
}

/**
 * A UUID made from what it is of, so that a message that is sent again after a crash has the same; of version 8 (RFC 9562), and
 * beginning with the time, so that the index of deliveries by id is appended to rather than written all over. The request and the
 * time of the webhook are in it because a database brought back from a backup gives its next numbers a second time.
 */
function messageId({ id, createdAt }: Teller, change: ChangeRecord, part: number): string {
  const time = (change.at * 1000).toString(16).padStart(12, '0')
  const digest = hash('sha256', JSON.stringify([id, createdAt, change.id, change.requestId, part]))
  const variant = '89ab'.charAt(parseInt(digest.charAt(3), 16) % 4)
  return `${time.slice(0, 8)}-${time.slice(8)}-8${digest.slice(0, 3)}-${variant}${digest.slice(4, 7)}-${digest.slice(7, 19)}`
}
