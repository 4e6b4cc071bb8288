import type { RecordedFields } from '../change.ts'
import type { ChangeItem } from '../change-store.ts'
import type { Clock } from '../clock.ts'
import type { Customer } from '../customer.ts'
import { parseCustomer } from '../customer.ts'
import type { DateForm } from '../date-form.ts'
import { matches, parseMatch } from '../match.ts'
import type { SearchContext } from '../parse-search.ts'
import type { Group } from '../search.ts'
import type { Webhook } from '../webhook.ts'
import type { Message } from './payload.ts'
import { messagesOf } from './payload.ts'

interface AttributeSource {
  searchContext(organizationId: number): Promise<Pick<SearchContext, 'attributes'>>
}

/** What a webhook wants to be told of a change. */
export type Tell = (item: ChangeItem) => Message[]

/** Reads the wishes of a webhook as they are now: its filter may count from this moment. */
export async function readWishes(webhook: Webhook, { source, clock, dates }: { source: AttributeSource; clock: Clock; dates: DateForm }): Promise<Tell> {
  const { organizationId, events, filter } = webhook
  const wanted = new Set(events)
  const group = filter === null ? null : parseMatch(JSON.parse(filter), { attributes: (await source.searchContext(organizationId)).attributes, now: clock() })
  return (item) => {
    const messages = messagesOf(webhook, item, dates).filter(({ event }) => wanted.has(event))
    return messages.length > 0 && passes(item, group) ? messages : []
  }
}

/** After the change or before it, so that one who leaves is told of as well as one who comes. */
function passes({ change, customer }: ChangeItem, filter: Group | null): boolean {
  if (filter === null) return true
  if (customer === null) return false
  const now = parseCustomer(customer)
  if (matches(now, filter)) return true
  return change.kind === 'customer.updated' && matches(customerBefore(now, change.before), filter)
}

function customerBefore(now: Customer, { tags, ...fields }: RecordedFields): Customer {
  // No filter asks for colors.
  return { ...now, ...fields, ...(tags === undefined ? {} : { tags: tags.map((name) => ({ name, color: '' })) }) }
}
