import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Caller } from '../../src/api-key.ts'
import type { FeedPage, FeedPosition } from '../../src/change-store.ts'
import { systemClock } from '../../src/clock.ts'
import { ApiError } from '../../src/errors.ts'
import type { RepeatableRequest } from '../../src/idempotency.ts'
import { limits } from '../../src/limits.ts'
import type { Store } from '../../src/store.ts'
import type { Delivery, DeliveryProgress, HeldCustomer, ShownWebhook, WebhookDraft } from '../../src/webhook.ts'
import { createDatabase, openStore } from '../engines.ts'
import { openOrganization } from './open-organization.ts'

const secrets = { secret: 'sealed', previousSecret: null, previousUntil: null }

function draft(fields: Partial<WebhookDraft> = {}): WebhookDraft {
  return { url: 'https://example.com/hook', format: 'standard', events: ['customer.created'], filter: null, ...secrets, ...fields }
}

function shown({ id, organizationId, createdAt, updatedAt }: ShownWebhook, fields: Partial<ShownWebhook> = {}): ShownWebhook {
  return {
    id, organizationId, url: 'https://example.com/hook', format: 'standard', events: ['customer.created'], filter: null, pauseReason: null, pausedAt: null,
    succeededAt: null, failingSince: null, failedDeliveries: 0, heldCustomers: 0, previousSecretUntil: null, createdAt, updatedAt, ...fields
  }
}

function delivery(changeId: number, fields: Partial<Delivery> = {}): Delivery {
  return {
    id: `00000000-0000-8000-8000-${String(changeId).padStart(12, '0')}`, changeId, part: 0, customerId: 7, event: 'customer.created', status: 'delivered', attempts: 1,
    firstAttemptAt: 1_000 + changeId, lastAttemptAt: 1_000 + changeId, nextAttemptAt: null, responseStatus: 200, responseText: 'Ok', error: null, durationMs: 12,
    isReplay: false, ...fields
  }
}

function held(customerId: number, fields: Partial<HeldCustomer> = {}): HeldCustomer {
  return { customerId, next: { changeId: 5, part: 1 }, attempts: 1, nextAttemptAt: 2_000 + customerId, lastChangeId: 9, ...fields }
}

/** A position that the engine takes for one of its own, made of one that is: nothing is read from it here. */
function at(place: number): string {
  return ownPosition.replace(/[^.]+\.[^.]*$/, `1.${place}`)
}

let ownPosition = ''

function progress(fields: Partial<DeliveryProgress> = {}): DeliveryProgress {
  return { position: at(1), deliveries: [], held: [], released: [], succeededAt: null, failingSince: null, pauseReason: null, ...fields }
}

async function open(store?: Store): Promise<{ store: Store; caller: Caller }> {
  const opened = store ?? await openStore()
  const { caller } = await openOrganization(opened)
  ownPosition = await opened.feedEnd(caller.organizationId)
  return { store: opened, caller }
}

async function openClaimed(): Promise<{ store: Store; caller: Caller; webhook: ShownWebhook }> {
  const { store, caller } = await open()
  const webhook = await store.createWebhook(caller, draft())
  await store.claimWebhooks('one', 60)
  return { store, caller, webhook }
}

/** On PostgreSQL a change can be read when every transaction that was under way at its commit has ended. */
async function readUntil(store: Store, organizationId: number, after: FeedPosition | null, count: number): Promise<FeedPage> {
  for (;;) {
    const page = await store.readFeed(organizationId, { after, limit: 10, kinds: null, wantsCustomers: false })
    if (page.items.length >= count) return page
    await setTimeout(1)
  }
}

const ids = (claims: readonly { readonly webhook: { readonly id: number } }[]): number[] => claims.map(({ webhook }) => webhook.id)

describe('a webhook', () => {
  test('is answered, found and listed alike', async () => {
    const { store, caller } = await open()
    const before = systemClock()

    const made = await store.createWebhook(caller, draft({ filter: '[]', format: 'helpcrunch', events: ['customer.new', 'customer.deleted'] }))

    const expected = shown(made, { organizationId: caller.organizationId, filter: '[]', format: 'helpcrunch', events: ['customer.new', 'customer.deleted'] })
    expect(made).toEqual({ ...expected, secrets })
    expect(made.createdAt).toBeGreaterThanOrEqual(before)
    expect(made.updatedAt).toBe(made.createdAt)
    expect(await store.findWebhook(caller.organizationId, made.id)).toEqual(made)
    expect(await store.webhooks(caller.organizationId)).toEqual([expected])
  })

  test('shows until when the secret before holds while it does', async () => {
    const { store, caller } = await open()
    const { id } = await store.createWebhook(caller, draft({}))

    const patched = await store.updateWebhook(caller, id, { previousSecret: 'old', previousUntil: systemClock() })

    expect(patched?.previousSecretUntil).toBeNull()
    expect([await store.findWebhook(caller.organizationId, id), ...await store.webhooks(caller.organizationId)].map((one) => one?.previousSecretUntil)).toEqual([null, null])
  })

  test('is altered where the patch says so', async () => {
    const { store, caller } = await open()
    const { id } = await store.createWebhook(caller, draft({ filter: '[]' }))

    const rotated = { secret: 'new', previousSecret: 'sealed', previousUntil: systemClock() + 1_000 }
    const patched = await store.updateWebhook(caller, id, { url: 'https://example.com/other', ...rotated })

    const expected = { id, url: 'https://example.com/other', filter: '[]' }
    expect(patched).toEqual(patched && { ...shown(patched, { ...expected, previousSecretUntil: rotated.previousUntil }), secrets: rotated })
    expect(await store.findWebhook(caller.organizationId, id)).toEqual(patched)
    expect(await store.updateWebhook(caller, id, { filter: null, events: ['tag.updated'] })).toEqual({ ...patched, filter: null, events: ['tag.updated'], updatedAt: expect.any(Number) as number })
  })

  test('keeps a secret that was rotated meanwhile', async () => {
    const { store, caller } = await open()
    const { id } = await store.createWebhook(caller, draft({}))
    const rotate = (secret: string) => store.updateWebhook(caller, id, { secret, previousSecret: 'sealed', previousUntil: null, replacesSecret: 'sealed' })

    expect((await rotate('first'))?.secrets.secret).toBe('first')
    await expect(rotate('second')).rejects.toMatchObject({ code: 'conflict' })
    expect((await store.findWebhook(caller.organizationId, id))?.secrets.secret).toBe('first')
  })

  test('that is paused keeps its first reason, and forgets what failed when it goes on', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()
    await store.keepProgress('one', id, progress({ failingSince: 1_500, pauseReason: 'failing' }))

    const paused = await store.findWebhook(caller.organizationId, id)
    expect(paused).toEqual(paused && { ...shown(paused, { pauseReason: 'failing', pausedAt: paused.pausedAt, failingSince: 1_500 }), secrets })
    expect(paused?.pausedAt).toBeGreaterThan(1_500)
    expect(await store.updateWebhook(caller, id, { pauseReason: 'asked' })).toMatchObject({ pauseReason: 'failing', pausedAt: paused?.pausedAt, failingSince: 1_500 })
    const resumed = await store.updateWebhook(caller, id, { pauseReason: null })
    expect(resumed).toEqual(resumed && { ...shown(resumed), secrets })
    expect(await store.updateWebhook(caller, id, { pauseReason: 'asked' })).toMatchObject({ pauseReason: 'asked', pausedAt: expect.any(Number) as number })
  })

  test('is made once for a request that may be repeated, and each time with the secret of the first', async () => {
    const { store, caller } = await open()
    const repeatable = (): RepeatableRequest => ({ key: 'k', fingerprint: 'f', state: 'new' })
    const [first, again] = [repeatable(), repeatable()]

    const made = await store.createWebhook({ ...caller, repeatable: first }, draft())

    expect(await store.createWebhook({ ...caller, repeatable: again }, draft({ secret: 'another' }))).toEqual(made)
    expect([first.state, again.state]).toEqual(['kept', 'repeated'])
    expect(await store.webhooks(caller.organizationId)).toHaveLength(1)
    const deleted = await store.deleteWebhook({ ...caller, repeatable: { ...repeatable(), key: 'd' } }, made.id)
    expect([deleted, await store.deleteWebhook({ ...caller, repeatable: { ...repeatable(), key: 'd' } }, made.id), await store.deleteWebhook(caller, made.id)]).toEqual([true, true, false])
  })

  test('is one of so many at most in an organization', async () => {
    const { store, caller } = await open()
    const other = (await openOrganization(store, 'other')).caller
    await Promise.all(Array.from({ length: limits.webhooksMax }, async () => await store.createWebhook(caller, draft())))

    const refused = await store.createWebhook(caller, draft()).catch((error: unknown) => error)

    expect(refused).toBeInstanceOf(ApiError)
    expect(refused).toMatchObject({ code: 'conflict', message: 'There are 100 webhooks already, which is the limit. Delete one first.' })
    expect(await store.createWebhook(other, draft())).toMatchObject({ organizationId: other.organizationId })
    const [first] = await store.webhooks(caller.organizationId)
    await store.deleteWebhook(caller, first?.id ?? 0)
    await store.createWebhook(caller, draft())
    expect(await store.webhooks(caller.organizationId)).toHaveLength(limits.webhooksMax)
  })

  test('that is deleted is gone with its deliveries, and its id is not given again', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()
    await store.keepProgress('one', id, progress({ deliveries: [delivery(1)], held: [held(7)] }))

    expect(await store.deleteWebhook(caller, id)).toBe(true)

    expect(await store.deleteWebhook(caller, id)).toBe(false)
    expect(await store.findWebhook(caller.organizationId, id)).toBeUndefined()
    expect(await store.updateWebhook(caller, id, { url: 'https://example.com/' })).toBeUndefined()
    expect(await store.deliveries(caller.organizationId, id, { before: null, status: null, limit: 10 })).toEqual([])
    expect(await store.keepProgress('one', id, progress())).toBe(false)
    expect(await store.claimWebhooks('one', 60)).toEqual([])
    expect((await store.createWebhook(caller, draft())).id).toBeGreaterThan(id)
  })

  test('is of its organization alone', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()
    const other = (await openOrganization(store, 'other')).caller
    const { id: deliveryId } = delivery(1)
    await store.keepProgress('one', id, progress({ deliveries: [delivery(1, { status: 'failed' })] }))

    expect(await store.webhooks(other.organizationId)).toEqual([])
    expect(await store.findWebhook(other.organizationId, id)).toBeUndefined()
    expect(await store.updateWebhook(other, id, { url: 'https://example.com/other' })).toBeUndefined()
    expect(await store.deliveries(other.organizationId, id, { before: null, status: null, limit: 10 })).toEqual([])
    expect(await store.findDelivery(other.organizationId, id, deliveryId)).toBeUndefined()
    expect(await store.replayDeliveries(other, id, { id: deliveryId })).toBe(0)
    expect(await store.replayDeliveries(other, id, { since: 0 })).toBe(0)
    expect(await store.deleteWebhook(other, id)).toBe(false)

    const webhook = await store.findWebhook(caller.organizationId, id)
    expect(webhook).toEqual(webhook && { ...shown(webhook, { failedDeliveries: 1 }), secrets })
    expect(await store.findDelivery(caller.organizationId, id, deliveryId)).toEqual(delivery(1, { status: 'failed' }))
  })
})

describe('a position', () => {
  test('of a new webhook is behind what there was, and before what comes', async () => {
    const store = await openStore()
    const { caller, create } = await openOrganization(store)
    await create({ name: 'before' })
    await store.createWebhook(caller, draft())
    const { id } = await create({ name: 'after' })

    const [claim] = await store.claimWebhooks('one', 60)
    const question = { limit: 10, kinds: null, wantsCustomers: false }
    const { items, next } = await readUntil(store, caller.organizationId, claim?.position ?? null, 1)
    expect(items.map(({ change }) => change.customerId)).toEqual([id])

    await store.keepProgress('one', claim?.webhook.id ?? 0, progress({ position: next ?? '' }))
    const [later] = await store.claimWebhooks('one', 60)
    expect(later?.position).toBe(next)
    expect(await store.readFeed(caller.organizationId, { ...question, after: later?.position ?? null })).toMatchObject({ items: [] })
  })
})

describe('a claim', () => {
  test('is answered with what the webhook is now and where it stands', async () => {
    const { store, caller } = await open()
    const { id } = await store.createWebhook(caller, draft())

    const [claim] = await store.claimWebhooks('one', 60)
    const { failedDeliveries: _failed, heldCustomers: _held, previousSecretUntil: _until, ...webhook } = (await store.webhooks(caller.organizationId))[0] as ShownWebhook
    expect(claim).toEqual({ webhook, secrets, position: expect.any(String) as string })

    await store.keepProgress('one', id, progress({ position: at(2), succeededAt: 1_234 }))
    await store.updateWebhook(caller, id, { url: 'https://example.com/other', secret: 'new' })
    expect(await store.claimWebhooks('one', 60)).toEqual([{
      webhook: { ...webhook, url: 'https://example.com/other', succeededAt: 1_234, updatedAt: expect.any(Number) as number },
      secrets: { ...secrets, secret: 'new' }, position: at(2)
    }])
  })

  test('keeps others away until it runs out, or is given back', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()

    expect(await store.claimWebhooks('two', 60)).toEqual([])
    expect(await store.keepProgress('two', id, progress({ position: at(9) }))).toBe(false)
    await store.releaseWebhooks('one')
    expect(await store.claimWebhooks('two', -1)).toMatchObject([{ webhook: { id }, position: expect.not.stringContaining(at(9)) as string }])
    // Nobody else has claimed it.
    expect(await store.keepProgress('two', id, progress({ position: at(3) }))).toBe(true)
    expect(await store.claimWebhooks('three', 60)).toMatchObject([{ webhook: { id }, position: at(3) }])
    expect(await store.keepProgress('two', id, progress({ position: at(4), deliveries: [delivery(1)], held: [held(7)] }))).toBe(false)
    expect(await store.claimWebhooks('three', 60)).toMatchObject([{ position: at(3) }])
    expect(await store.heldCustomers(id)).toEqual([])
    expect(await store.findDelivery(caller.organizationId, id, delivery(1).id)).toBeUndefined()
  })

  test('is of one process only, however many ask at once', async () => {
    const database = await createDatabase()
    const stores = await Promise.all([database.openStore(), database.openStore(), database.openStore()])
    const [first] = stores
    const { caller } = await openOrganization(first)
    for (let made = 0; made < 20; made += 1) await first.createWebhook(caller, draft())

    const claimed: number[] = []
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(stores.map(async (store, index) => await store.claimWebhooks(`worker ${index}`, 60)))
      claimed.splice(0, Infinity, ...answers.flatMap(ids))
      expect(new Set(claimed).size).toBe(claimed.length)
    }
    // What one had claimed beyond its share before the others came, the others get when its claims run out.
    expect(claimed.length).toBeLessThanOrEqual(20)
  })

  test('is of a share, once there are others', async () => {
    const { store, caller } = await open()
    const webhooks = await Promise.all(Array.from({ length: 4 }, async () => await store.createWebhook(caller, draft())))
    const all = webhooks.map(({ id }) => id).toSorted((one, other) => one - other)
    const held = all.slice(2)

    expect(ids(await store.claimWebhooks('one', 60))).toEqual(all)
    expect(await store.claimWebhooks('two', 60)).toEqual([])
    // What it has begun can be kept.
    expect(ids(await store.claimWebhooks('one', 60))).toEqual(all.slice(0, 2))
    expect(await store.keepProgress('one', held[0] ?? 0, progress())).toBe(true)
    await store.releaseWebhooks('one')
    expect(ids(await store.claimWebhooks('two', 60))).toEqual(all)
  })

  test('is not of a webhook that is paused', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()
    await store.updateWebhook(caller, id, { pauseReason: 'asked' })

    expect(await store.claimWebhooks('one', 60)).toEqual([])
    expect(await store.keepProgress('one', id, progress({ position: at(5) }))).toBe(true)
    await store.updateWebhook(caller, id, { pauseReason: null })
    expect(await store.claimWebhooks('one', 60)).toMatchObject([{ webhook: { id }, position: at(5) }])
  })
})

describe('what is kept of deliveries', () => {
  test('is told newest first, a page at a time, and by status', async () => {
    const { store, caller: { organizationId }, webhook: { id } } = await openClaimed()
    const all = [
      delivery(1), delivery(2, { status: 'failed', attempts: 10, responseStatus: null, responseText: null, error: 'timeout' }),
      delivery(3, { customerId: null, event: 'tag.updated' }), delivery(4, { status: 'retrying', nextAttemptAt: 9_999, responseStatus: 500 }),
      delivery(5, { firstAttemptAt: 1_004 }), delivery(6, { status: 'failed', durationMs: 15_000 })
    ]
    expect(await store.keepProgress('one', id, progress({ deliveries: all }))).toBe(true)

    const page = async (fields: object): Promise<Delivery[]> => await store.deliveries(organizationId, id, { before: null, status: null, limit: 10, ...fields })
    const newest = [5, 4, 3, 2, 1, 0].map((index) => all[index] as Delivery)
    expect(await page({})).toEqual(newest)
    expect(await page({ limit: 2 })).toEqual(newest.slice(0, 2))
    expect(await page({ before: newest[1] })).toEqual(newest.slice(2))
    expect(await page({ status: 'failed' })).toEqual([all[5], all[1]])
    expect(await page({ status: 'failed', before: all[5] })).toEqual([all[1]])
    expect(await page({ status: 'retrying' })).toEqual([all[3]])
    expect(await page({ status: 'delivered' })).toEqual([all[4], all[2], all[0]])
    for (const one of all) expect(await store.findDelivery(organizationId, id, one.id)).toEqual(one)
    expect(await store.findDelivery(organizationId, id, delivery(7).id)).toBeUndefined()
    expect(await store.findDelivery(organizationId, id + 1, delivery(1).id)).toBeUndefined()
    expect(await store.webhooks(organizationId)).toMatchObject([{ failedDeliveries: 2, heldCustomers: 0 }])
  })

  test('follows its attempts', async () => {
    const { store, caller: { organizationId }, webhook: { id } } = await openClaimed()
    const first = delivery(1, { status: 'retrying', responseStatus: 500, responseText: 'No', nextAttemptAt: 1_006 })
    const second = { ...first, attempts: 2, lastAttemptAt: 1_006, nextAttemptAt: 1_306, responseStatus: null, responseText: null, error: 'reset', durationMs: 3.4 }
    const third = { ...first, status: 'delivered', attempts: 3, lastAttemptAt: 1_306, nextAttemptAt: null, responseStatus: 204, responseText: '' } as const

    await store.keepProgress('one', id, progress({ deliveries: [first] }))
    expect(await store.findDelivery(organizationId, id, first.id)).toEqual(first)
    await store.keepProgress('one', id, progress({ deliveries: [second] }))
    expect(await store.findDelivery(organizationId, id, first.id)).toEqual({ ...second, durationMs: 3 })
    await store.keepProgress('one', id, progress({ deliveries: [second, { ...third, firstAttemptAt: 1_300 }] }))
    expect(await store.findDelivery(organizationId, id, first.id)).toEqual(third)
  })

  test('has customers held until they are released', async () => {
    const { store, caller: { organizationId }, webhook: { id } } = await openClaimed()

    await store.keepProgress('one', id, progress({ held: [held(8), held(0), held(7)] }))
    expect(await store.heldCustomers(id)).toEqual([held(0), held(7), held(8)])
    expect(await store.webhooks(organizationId)).toMatchObject([{ heldCustomers: 3 }])
    const later = held(7, { next: { changeId: 6, part: 0 }, attempts: 2, nextAttemptAt: 5_000, lastChangeId: 12 })
    await store.keepProgress('one', id, progress({ held: [later], released: [8, 99] }))
    expect(await store.heldCustomers(id)).toEqual([held(0), later])
  })

  test('is kept whole or not at all', async () => {
    const { store, caller: { organizationId }, webhook: { id } } = await openClaimed()
    const everything = progress({ deliveries: [delivery(1)], held: [held(7)], released: [8], succeededAt: 3_000, failingSince: 3_001, pauseReason: 'gone' })

    expect(await store.keepProgress('two', id, everything)).toBe(false)
    expect(await store.keepProgress('one', id + 1, everything)).toBe(false)
    expect(await store.webhooks(organizationId)).toEqual([shown((await store.webhooks(organizationId))[0] as ShownWebhook)])
    expect(await store.heldCustomers(id)).toEqual([])

    expect(await store.keepProgress('one', id, everything)).toBe(true)
    expect(await store.webhooks(organizationId)).toMatchObject([{ heldCustomers: 1, succeededAt: 3_000, failingSince: 3_001, pauseReason: 'gone' }])
    expect(await store.findDelivery(organizationId, id, delivery(1).id)).toEqual(delivery(1))
  })

  test('is kept however much comes at once', async () => {
    const { store, caller: { organizationId }, webhook: { id } } = await openClaimed()
    const many = Array.from({ length: 5_000 }, (_, index) => index + 1)

    await store.keepProgress('one', id, progress({ deliveries: many.map((changeId) => delivery(changeId)), held: many.map((customerId) => held(customerId)) }))
    await store.keepProgress('one', id, progress({ released: many.slice(1) }))

    expect(await store.deliveries(organizationId, id, { before: null, status: null, limit: 10_000 })).toHaveLength(5_000)
    expect(await store.heldCustomers(id)).toEqual([held(1)])
  })
})

describe('a replay', () => {
  test('of one has it tried again at once', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()
    const failed = delivery(1, { status: 'failed', attempts: 10 })
    const retrying = delivery(3, { status: 'retrying', nextAttemptAt: 5_000 })
    await store.keepProgress('one', id, progress({ deliveries: [failed, delivery(2), retrying] }))
    const asked = systemClock()

    expect(await store.dueReplays(id, 10)).toEqual([])
    expect(await store.replayDeliveries(caller, id, { id: failed.id })).toBe(1)
    expect(await store.replayDeliveries(caller, id, { id: failed.id })).toBe(0)
    expect(await store.replayDeliveries(caller, id, { id: retrying.id })).toBe(0)
    expect(await store.replayDeliveries(caller, id, { id: delivery(9).id })).toBe(0)
    const due = await store.dueReplays(id, 10)
    expect(due).toEqual([{ ...failed, status: 'retrying', isReplay: true, nextAttemptAt: due[0]?.nextAttemptAt }])
    expect(due[0]?.nextAttemptAt).toBeGreaterThanOrEqual(asked)

    expect(await store.replayDeliveries(caller, id, { id: delivery(2).id })).toBe(1)
    expect((await store.dueReplays(id, 10)).map(({ changeId }) => changeId)).toEqual([1, 2])
    expect(await store.dueReplays(id, 1)).toEqual(due)
    await store.keepProgress('one', id, progress({ deliveries: [{ ...failed, status: 'delivered', attempts: 11, isReplay: true }] }))
    expect((await store.dueReplays(id, 10)).map(({ changeId }) => changeId)).toEqual([2])
    await store.keepProgress('one', id, progress({ deliveries: [delivery(2, { status: 'retrying', isReplay: true, nextAttemptAt: systemClock() + 3_600 })] }))
    expect(await store.dueReplays(id, 10)).toEqual([])
  })

  test('of all takes those that failed since', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()
    const other = await store.createWebhook(caller, draft())
    await store.claimWebhooks('one', 60)
    await store.keepProgress('one', other.id, progress({ deliveries: [delivery(9, { status: 'failed' })] }))
    await store.keepProgress('one', id, progress({
      deliveries: [delivery(1, { status: 'failed' }), delivery(2, { status: 'failed' }), delivery(3), delivery(4, { status: 'failed', firstAttemptAt: 1, lastAttemptAt: 1_500 })]
    }))

    expect(await store.replayDeliveries(caller, id, { since: 1_002 })).toBe(2)

    expect((await store.dueReplays(id, 10)).map(({ changeId }) => changeId).toSorted((one, other) => one - other)).toEqual([2, 4])
    expect(await store.webhooks(caller.organizationId)).toMatchObject([{ failedDeliveries: 1 }, { failedDeliveries: 1 }])
    expect(await store.replayDeliveries(caller, id, { since: 0 })).toBe(1)
    expect(await store.dueReplays(other.id, 10)).toEqual([])
  })
})

describe('a purge', () => {
  test('forgets what was settled long ago', async () => {
    const { store, caller, webhook: { id } } = await openClaimed()
    const kept = [
      delivery(3, { firstAttemptAt: 1, status: 'retrying', nextAttemptAt: 5_000 }), delivery(4, { firstAttemptAt: 1, lastAttemptAt: 2_000 }), delivery(5, { firstAttemptAt: 2_000, lastAttemptAt: 2_000 })
    ]
    await store.keepProgress('one', id, progress({ deliveries: [delivery(1), delivery(2, { status: 'failed' }), ...kept] }))

    expect(await store.purgeDeliveries(1_500)).toBe(2)

    expect((await store.deliveries(caller.organizationId, id, { before: null, status: null, limit: 10 })).map(({ changeId }) => changeId).toSorted((one, other) => one - other)).toEqual([3, 4, 5])
    expect(await store.purgeDeliveries(1_500)).toBe(0)
  })

  test('forgets what was kept for webhooks that are deleted', async () => {
    const database = await createDatabase()
    const { store, caller } = await open(await database.openStore())
    const [gone, left] = [await store.createWebhook(caller, draft()), await store.createWebhook(caller, draft())]
    await store.claimWebhooks('one', 60)
    const many = Array.from({ length: limits.purgeGroupMax + 5 }, (_, index) => index + 1)
    const everything = progress({ deliveries: many.map((changeId) => delivery(changeId, { status: 'retrying' })), held: many.map((customerId) => held(customerId)) })
    for (const { id } of [gone, left]) await store.keepProgress('one', id, everything)
    await store.deleteWebhook(caller, gone.id)

    expect(await store.purgeDeliveries(0)).toBe(2 * many.length)

    expect(await store.heldCustomers(left.id)).toHaveLength(many.length)
    expect(await database.sql('select webhook_id from webhook_positions')).toEqual([{ webhook_id: left.id }])
    expect(await database.sql('select distinct webhook_id from deliveries')).toEqual([{ webhook_id: left.id }])
    expect(await database.sql('select distinct webhook_id from held_customers')).toEqual([{ webhook_id: left.id }])
  })
})
