import { describe, expect, test } from 'vitest'
import type { ChangeRecord } from '../change-record.ts'
import type { ChangeItem } from '../change-store.ts'
import { emptyCustomer, renderCustomer } from '../customer.ts'
import { messagesOf, pingBody } from './payload.ts'

const ann = {
  ...emptyCustomer(7), name: 'Ann', userId: 'u-1', email: 'ann@example.com', tags: [{ name: 'VIP', color: 'red' }],
  customData: new Map<string, string | number>([['plan', 'pro'], ['2024', 3]])
}
const customer = renderCustomer(ann)
const told = { id: 41, at: 1_700_000_000, key: { id: 1, name: 'first' }, requestId: 'r-1', customerId: 7 } as const
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function item(change: Pick<ChangeRecord, 'kind' | 'before' | 'after'>, given: Partial<ChangeItem> = {}): ChangeItem {
  return { change: { ...told, ...change } as ChangeRecord, customer, event: null, ...given }
}

const updated = item({
  kind: 'customer.updated',
  before: { email: null, unsubscribed: false, blocked: true, tags: [] }, after: { email: 'ann@example.com', unsubscribed: true, blocked: false, tags: ['VIP'] }
})

describe('in the format of HelpCrunch', () => {
  const webhook = { id: 3, createdAt: 1_600_000_000, format: 'helpcrunch' } as const
  const eventsOf = (one: ChangeItem) => messagesOf(webhook, one, 'string').map(({ event }) => event)

  test('one update says several things, each with a part and an id of its own', () => {
    const messages = messagesOf(webhook, updated, 'string')
    expect(messages.map(({ event, part, changeId, customerId }) => ({ event, part, changeId, customerId }))).toEqual([
      { event: 'customer.email_updated', part: 0, changeId: 41, customerId: 7 },
      { event: 'customer.tags_changed', part: 1, changeId: 41, customerId: 7 },
      { event: 'customer.unsubscribed', part: 2, changeId: 41, customerId: 7 },
      { event: 'customer.unblocked', part: 3, changeId: 41, customerId: 7 }
    ])
    expect(new Set(messages.map(({ id }) => id)).size).toBe(4)
    for (const { id } of messages) expect(id).toMatch(uuid)
  })

  test('a body has what CONTRACT says, and of an attempt its number and its time', () => {
    const [message] = messagesOf(webhook, item({ kind: 'customer.created', before: null, after: {} }), 'string')
    expect(message?.body({ attempts: 2, now: 1_700_000_300 })).toBe(
      '{"event":"customer.new","eventData":{"id":7,"name":"Ann","userId":"u-1","email":"ann@example.com","unsubscribed":false,"customData":{"plan":"pro","2024":3}},' +
      `"attempts":2,"lastAttemptAt":1700000300,"createdAt":1700000000,"id":"${message?.id}"}`)
  })

  test('a customer that is restored is new, and what HelpCrunch does not tell is not told', () => {
    expect(eventsOf(item({ kind: 'customer.restored', before: null, after: {} }))).toEqual(['customer.new'])
    expect(eventsOf(item({ kind: 'customer.deleted', before: {}, after: null }))).toEqual(['customer.deleted'])
    expect(eventsOf(item({ kind: 'customer.updated', before: { unsubscribed: true, blocked: false }, after: { unsubscribed: false, blocked: true } })))
      .toEqual(['customer.subscribed', 'customer.blocked'])
    expect(eventsOf(item({ kind: 'customer.updated', before: { name: 'A' }, after: { name: 'B' } }))).toEqual([])
    expect(eventsOf(item({ kind: 'event.recorded', before: null, after: { event: 1 } }))).toEqual([])
  })

  test('a ping is told as any event', () => {
    expect(JSON.parse(pingBody(webhook, 'id', 5))).toEqual({ event: 'ping', eventData: {}, attempts: 0, lastAttemptAt: 5, createdAt: 5, id: 'id' })
  })
})

describe('in the standard format', () => {
  const webhook = { id: 3, createdAt: 1_600_000_000, format: 'standard' } as const
  const bodyOf = (one: ChangeItem) => messagesOf(webhook, one, 'string')[0]?.body({ attempts: 0, now: 1_700_000_300 }) ?? ''

  test('a change is told with the whole customer, byte for byte as the API answers it, and what was before and after', () => {
    expect(bodyOf(updated)).toBe(
      '{"type":"customer.updated","timestamp":"2023-11-14T22:13:20.000Z","data":{"id":41,"kind":"customer.updated","at":1700000000,"customerId":7,' +
      '"key":{"id":1,"name":"first"},"requestId":"r-1","before":{"email":null,"unsubscribed":false,"blocked":true,"tags":[]},' +
      `"after":{"email":"ann@example.com","unsubscribed":true,"blocked":false,"tags":["VIP"]},"customer":${customer},"event":null}}`)
  })

  test('dates are numbers wherever they stand, on a server that answers them so', () => {
    const dated = item({ kind: 'customer.updated', before: { firstSeen: '5', lastSeen: null }, after: { firstSeen: null, lastSeen: '6' } },
      { event: { id: 9, name: 'n', data: {}, createdAt: '5', customer: 7 } })
    const [message] = messagesOf(webhook, dated, 'integer')
    expect(JSON.parse(message?.body({ attempts: 0, now: 1 }) ?? '')).toMatchObject({ data: {
      before: { firstSeen: 5, lastSeen: null }, after: { firstSeen: null, lastSeen: 6 }, event: { createdAt: 5 }
    } })
  })

  test('an event is told whole, and a tag without a customer', () => {
    const event = { id: 9, name: 'order_paid', data: { total: 1 }, createdAt: '5', customer: 7 }
    expect(JSON.parse(bodyOf(item({ kind: 'event.recorded', before: null, after: { event: 9 } }, { event })))).toEqual({
      type: 'event.recorded', timestamp: '2023-11-14T22:13:20.000Z',
      data: { ...told, kind: 'event.recorded', before: null, after: null, customer: JSON.parse(customer) as unknown, event }
    })
    const { id, customer: _, ...kept } = event
    expect(JSON.parse(bodyOf(item({ kind: 'event.deleted', before: { event: id, ...kept }, after: null })))).toMatchObject({ data: { before: null, after: null, event } })
    const change = { ...told, customerId: null, kind: 'tag.updated', before: { name: 'VIP', color: 'red' }, after: { name: 'VIP', color: 'blue' } } as const
    expect(JSON.parse(bodyOf({ change, event: null, customer: null }))).toEqual({
      type: 'tag.updated', timestamp: '2023-11-14T22:13:20.000Z', data: { ...change, customer: null, event: null }
    })
  })

  test('of a deletion no more is shown than fields of the customer', () => {
    const { data } = JSON.parse(bodyOf(item({ kind: 'customer.deleted', before: { name: 'Ann', createdAt: 5 }, after: null }))) as { data: { before: unknown } }
    expect(data.before).toEqual({ name: 'Ann' })
  })

  test('a ping says that it is one', () => {
    expect(JSON.parse(pingBody(webhook, 'id', 1_700_000_000))).toEqual({ type: 'ping', timestamp: '2023-11-14T22:13:20.000Z', data: { id: 3 } })
  })
})

test('a message has the same id each time, and no other webhook, change, request or part has it', () => {
  const idsOf = (webhook: { id: number; createdAt: number }, change: Partial<ChangeRecord> = {}) =>
    messagesOf({ ...webhook, format: 'helpcrunch' }, { ...updated, change: { ...updated.change, ...change } as ChangeRecord }, 'string').map(({ id }) => id)
  expect(idsOf({ id: 3, createdAt: 1 })).toEqual(idsOf({ id: 3, createdAt: 1 }))
  const all = [idsOf({ id: 3, createdAt: 1 }), idsOf({ id: 4, createdAt: 1 }), idsOf({ id: 3, createdAt: 2 }), idsOf({ id: 3, createdAt: 1 }, { id: 42 }), idsOf({ id: 3, createdAt: 1 }, { requestId: 'r-2' })].flat()
  expect(new Set(all).size).toBe(all.length)
})
