import type { ChangeItem } from '../change-store.ts'
import type { Clock } from '../clock.ts'
import { parseCustomer } from '../customer.ts'
import { matches, parseMatch } from '../match.ts'
import type { SearchContext } from '../parse-search.ts'
import type { Group } from '../search.ts'
import type { Webhook } from '../webhook.ts'
import type { Message, PresentCustomer } from './payload.ts'
import { messagesOf } from './payload.ts'

interface AttributeSource {
  searchContext(organizationId: number): Promise<Pick<SearchContext, 'attributes'>>
}

/** What a webhook wants to be told of a change. */
export type Tell = (item: ChangeItem) => Message[]

/** Reads the wishes of a webhook as they are now: its filter may count from this moment. */
export async function readWishes(webhook: Webhook, { source, clock, present }: { source: AttributeSource; clock: Clock; present: PresentCustomer }): Promise<Tell> {
  const { organizationId, events, filter } = webhook
  const wanted = new Set(events)
  const group = filter === null ? null : parseMatch(JSON.parse(filter), { attributes: (await source.searchContext(organizationId)).attributes, now: clock() })
  return (item) => {
    const messages = messagesOf(webhook, item, present).filter(({ event }) => wanted.has(event))
    return messages.length > 0 && passes(item, group) ? messages : []
  }
}

function passes({ customer }: ChangeItem, filter: Group | null): boolean {
  return filter === null || (customer !== null && matches(parseCustomer(customer), filter))
}
