import { expect, test } from 'vitest'
import type { ChangeRecord } from '../change-record.ts'
import type { ChangeItem } from '../change-store.ts'
import { emptyCustomer, renderCustomer } from '../customer.ts'
import type { Webhook } from '../webhook.ts'
import { readWishes } from './wishes.ts'

const at = 1_700_000_000
const source = { searchContext: () => Promise.resolve({ attributes: new Map([['plan', 'text' as const]]) }) }
const webhook: Webhook = {
  id: 1, organizationId: 1, url: 'https://example.com/', format: 'standard', events: ['customer.created', 'customer.updated', 'customer.deleted', 'tag.updated'], filter: null,
  pauseReason: null, pausedAt: null, succeededAt: null, failingSince: null, createdAt: at, updatedAt: at
}

function item(change: Pick<ChangeRecord, 'kind' | 'before' | 'after'>, tags: readonly string[] = [], plan = 'pro'): ChangeItem {
  const customer = { ...emptyCustomer(7), firstSeen: String(at - 100), tags: tags.map((name) => ({ name, color: 'red' })), customData: new Map([['plan', plan]]) }
  const customerId = change.kind === 'tag.updated' ? null : 7
  return { change: { id: 1, at, key: { id: 1, name: 'k' }, requestId: 'r', customerId, ...change } as ChangeRecord, event: null, customer: customerId === null ? null : renderCustomer(customer) }
}

async function told(given: Partial<Webhook>, one: ChangeItem): Promise<string[]> {
  const tell = await readWishes({ ...webhook, ...given }, { source, clock: () => at, dates: 'string' })
  return tell(one).map(({ event }) => event)
}

const created = { kind: 'customer.created', before: null, after: {} } as const
const tag = { name: 'VIP', color: 'red' }
const vip = JSON.stringify({ filter: [{ field: 'tags', operator: 'any', value: ['VIP'] }] })

test('a webhook is told what it wants, and nothing else', async () => {
  expect(await told({}, item(created))).toEqual(['customer.created'])
  expect(await told({ events: ['customer.deleted'] }, item(created))).toEqual([])
  expect(await told({ format: 'helpcrunch', events: ['customer.blocked'] }, item({ kind: 'customer.updated', before: { email: null, blocked: false }, after: { email: 'a@b.c', blocked: true } })))
    .toEqual(['customer.blocked'])
})

test('a filter is passed by customers that a search would find, and by what is of none not at all', async () => {
  expect(await told({ filter: vip }, item(created, ['VIP']))).toEqual(['customer.created'])
  expect(await told({ filter: vip }, item(created))).toEqual([])
  expect(await told({ filter: JSON.stringify({ filter: [{ field: 'customData.plan', operator: '=', value: 'PRO' }] }) }, item(created))).toEqual(['customer.created'])
  expect(await told({ filter: vip }, item({ kind: 'tag.updated', before: tag, after: tag }))).toEqual([])
  expect(await told({}, item({ kind: 'tag.updated', before: tag, after: tag }))).toEqual(['tag.updated'])
})

test('a customer that passed the filter before a change is told of, and one that did at its deletion', async () => {
  expect(await told({ filter: vip }, item({ kind: 'customer.updated', before: { tags: ['VIP'] }, after: { tags: [] } }))).toEqual(['customer.updated'])
  expect(await told({ filter: vip }, item({ kind: 'customer.updated', before: { name: 'a' }, after: { name: 'b' } }))).toEqual([])
  expect(await told({ filter: vip }, item({ kind: 'customer.deleted', before: {}, after: null }, ['VIP']))).toEqual(['customer.deleted'])
})

test('dates of a filter count from the moment that they are read', async () => {
  const seen = (value: string) => JSON.stringify({ filter: [{ field: 'firstSeen', operator: '>', value }] })
  expect([await told({ filter: seen('-2m') }, item(created)), await told({ filter: seen('-1m') }, item(created))]).toEqual([['customer.created'], []])
})
