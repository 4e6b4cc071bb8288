import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { cursorGone } from '../../src/errors.ts'
import type { Store } from '../../src/store.ts'
import type { Delivery, ShownWebhook, WebhookDraft } from '../../src/webhook.ts'
import type { DelivererSettings } from '../../src/webhooks/deliverer.ts'
import { defaultDelivererSettings, Deliverer } from '../../src/webhooks/deliverer.ts'
import { hostLookup } from '../../src/webhooks/host-lookup.ts'
import { createSecretBox } from '../../src/webhooks/secret-box.ts'
import { givenKey } from '../../src/webhooks/secret-key.ts'
import { generateSigningSecret } from '../../src/webhooks/signing.ts'
import { createWebhookRoom } from '../../src/webhooks/webhook-room.ts'
import { openStore } from '../engines.ts'
import type { TestOrganization } from './open-organization.ts'
import { openOrganization } from './open-organization.ts'

interface Received {
  readonly type: string
  /** Who it was about, and its name then. */
  readonly customer: number | null
  readonly name: string | null
}

type Answer = (received: Received, response: ServerResponse) => void

const box = createSecretBox(givenKey(Buffer.alloc(32, 1)))
const secret = generateSigningSecret('standard')
const target = { allowsPrivate: true, timeoutMs: 2_000, connectionsMax: 16, userAgent: 'Clientele/test', lookup: hostLookup({ allowsPrivate: true }) }
/** Retries at once, and then fails. */
const impatient: DelivererSettings = { ...defaultDelivererSettings, schedule: [0.02, 0.02], claimSeconds: 5, claimIntervalMs: 50, timeoutMs: 2_000 }

interface Scene {
  readonly store: Store
  readonly organization: TestOrganization
  readonly webhook: ShownWebhook
  readonly received: Received[]
  /** What the receiver does from now on; it says yes at first. */
  answer: Answer
  start(settings?: Partial<DelivererSettings>, reading?: Partial<Pick<Store, 'readFeed' | 'changesBetween' | 'dueReplays'>>): Deliverer
  /** How often changes were found to be forgotten. */
  readonly gaps: number[]
  deliveries(): Promise<Delivery[]>
  untilReceived(count: number): Promise<void>
}

const yes: Answer = (_received, response) => { response.writeHead(204).end() }
const no: Answer = (_received, response) => { response.writeHead(500).end('not now') }

async function openScene(draft: Partial<WebhookDraft> = {}): Promise<Scene> {
  const store = await openStore()
  const organization = await openOrganization(store)
  const received: Received[] = []
  const gaps: number[] = []
  const server = createServer((request, response) => {
    text(request).then((body) => {
      new StandardWebhook(secret).verify(body, request.headers as Record<string, string>)
      const { type, data } = JSON.parse(body) as { type: string; data: { customerId: number | null; customer: { name: string | null } | null } }
      const one = { type, customer: data.customerId, name: data.customer?.name ?? null }
      received.push(one)
      scene.answer(one, response)
    }).catch((error: unknown) => { response.destroy(error as Error) })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const secrets = { secret: box.seal(secret), previousSecret: null, previousUntil: null }
  const webhook = await store.createWebhook(organization.caller, { url, format: 'standard', events: ['customer.created', 'customer.updated', 'customer.deleted', 'tag.updated'], filter: null, ...secrets, ...draft })
  const scene: Scene = {
    store, organization, webhook, received, gaps, answer: yes,
    start: (settings = {}, reading = {}) => startDeliverer(withReading(store, reading), { settings, gaps }),
    deliveries: async () => await store.deliveries(organization.caller.organizationId, webhook.id, { before: null, status: null, limit: 100 }),
    untilReceived: async (count) => { await vi.waitUntil(() => received.length >= count, { timeout: 20_000, interval: 5 }) }
  }
  return scene
}

/** The same store, but that some of its readings take as long as a test wants. */
function withReading(store: Store, reading: Partial<Store>): Store {
  return new Proxy(store, {
    get(_, name: keyof Store) {
      const own = reading[name] ?? store[name]
      return typeof own === 'function' ? own.bind(store) : own
    }
  })
}

let workers = 0

function startDeliverer(store: Store, { settings, gaps }: { settings: Partial<DelivererSettings>; gaps: number[] }): Deliverer {
  const deliverer = new Deliverer({
    store, worker: `worker ${workers++}`, box, target, settings: { ...impatient, ...settings }, dates: 'string',
    listener: { onAttempt: () => undefined, onPaused: () => undefined, onGap: ({ id }) => { gaps.push(id) }, onError: (error) => { throw error } }
  })
  onTestFinished(async () => { await deliverer.close() })
  return deliverer
}

async function untilStatuses(scene: Scene, statuses: readonly string[]): Promise<Delivery[]> {
  await vi.waitUntil(async () => JSON.stringify((await scene.deliveries()).map(({ status }) => status).toSorted()) === JSON.stringify(statuses.toSorted()), { timeout: 20_000, interval: 10 })
  return await scene.deliveries()
}

const seconds = expect.any(Number) as number

test('what happens to customers is delivered in their order, and each delivery is kept', async () => {
  const scene = await openScene()
  scene.start()
  const { id } = await scene.organization.create({ name: 'one' })
  await scene.organization.patch(id, { name: 'two' })
  await scene.organization.delete(id)
  await scene.untilReceived(3)
  expect(scene.received).toEqual([
    { type: 'customer.created', customer: id, name: 'one' }, { type: 'customer.updated', customer: id, name: 'two' }, { type: 'customer.deleted', customer: id, name: 'two' }
  ])
  const deliveries = await untilStatuses(scene, ['delivered', 'delivered', 'delivered'])
  expect(deliveries.find(({ event }) => event === 'customer.created')).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string, changeId: seconds, part: 0, customerId: id, event: 'customer.created', status: 'delivered', attempts: 1,
    firstAttemptAt: seconds, lastAttemptAt: seconds, nextAttemptAt: null, responseStatus: 204, responseText: '', error: null, durationMs: seconds, isReplay: false
  })
  expect(await scene.store.findWebhook(scene.webhook.organizationId, scene.webhook.id)).toMatchObject({ succeededAt: seconds, failingSince: null, failedDeliveries: 0 })
})

test('a customer whose delivery fails is tried again, those behind it wait, and other customers do not', async () => {
  const scene = await openScene()
  const one = await scene.organization.create({ name: 'one 1' })
  let isUp = false
  scene.answer = (received, response) => { (received.customer === one.id && !isUp ? no : yes)(received, response) }
  scene.start({ schedule: Array.from({ length: 1_000 }, () => 0.02) })
  await scene.untilReceived(1)
  await scene.organization.patch(one.id, { name: 'one 2' })
  const other = await scene.organization.create({ name: 'other' })
  await scene.organization.patch(one.id, { name: 'one 3' })
  await vi.waitUntil(() => scene.received.some(({ customer }) => customer === other.id), { timeout: 20_000, interval: 5 })
  expect(new Set(scene.received.filter(({ customer }) => customer === one.id).map(({ name }) => name))).toEqual(new Set(['one 1']))
  isUp = true
  await untilStatuses(scene, ['delivered', 'delivered', 'delivered', 'delivered'])
  const names = scene.received.filter(({ customer }) => customer === one.id).map(({ name }) => name)
  expect(names.filter((name, index) => name !== names[index - 1])).toEqual(['one 1', 'one 2', 'one 3'])
  expect(names.slice(-3)).toEqual(['one 1', 'one 2', 'one 3'])
  await vi.waitUntil(async () => (await scene.store.heldCustomers(scene.webhook.id)).length === 0, { timeout: 20_000, interval: 10 })
  await scene.organization.patch(one.id, { name: 'one 4' })
  await vi.waitUntil(() => scene.received.at(-1)?.name === 'one 4', { timeout: 20_000, interval: 5 })
})

test('after the last retry a delivery has failed, the next of its customer goes on, and a replay brings it after all', async () => {
  const scene = await openScene()
  scene.answer = (received, response) => { (received.name === 'lost' ? no : yes)(received, response) }
  const deliverer = scene.start()
  const { id } = await scene.organization.create({ name: 'lost' })
  await scene.organization.patch(id, { name: 'found' })
  const deliveries = await untilStatuses(scene, ['failed', 'delivered'])
  expect(scene.received.map(({ name }) => name)).toEqual(['lost', 'lost', 'lost', 'found'])
  const failed = deliveries.find(({ status }) => status === 'failed')
  expect(failed).toMatchObject({ attempts: 3, nextAttemptAt: null, responseStatus: 500, responseText: 'not now', error: null, isReplay: false })

  const replay = async (): Promise<void> => {
    await scene.store.replayDeliveries(scene.organization.caller, scene.webhook.id, { id: failed?.id ?? '' })
    deliverer.changed()
  }
  await replay()
  await scene.untilReceived(5)
  expect(await untilStatuses(scene, ['failed', 'delivered'])).toContainEqual(expect.objectContaining({ attempts: 4, status: 'failed', isReplay: false }))
  scene.answer = yes
  await replay()
  expect(await untilStatuses(scene, ['delivered', 'delivered'])).toContainEqual(expect.objectContaining({ attempts: 5, status: 'delivered', isReplay: false }))
  expect(scene.received.map(({ name }) => name)).toEqual(['lost', 'lost', 'lost', 'found', 'lost', 'lost'])
})

test('a replay is told once, however long the database takes to say what is to be replayed', async () => {
  const scene = await openScene()
  scene.answer = no
  const { id } = await scene.organization.create({ name: 'lost' })
  const told = Promise.withResolvers<undefined>()
  let looksWithReplay = 0
  const dueReplays: Store['dueReplays'] = async (...asked) => {
    const due = await scene.store.dueReplays(...asked)
    if (due.length === 0) return due
    looksWithReplay += 1
    if (looksWithReplay === 2) await told.promise
    return due
  }
  const deliverer = scene.start({ schedule: [] }, { dueReplays })
  const [failed] = await untilStatuses(scene, ['failed'])

  // It is being told when it is looked for again, and has been told when that is answered.
  const answering = Promise.withResolvers<undefined>()
  scene.answer = (received, response) => { void answering.promise.then(() => { yes(received, response) }) }
  await scene.store.replayDeliveries(scene.organization.caller, scene.webhook.id, { id: failed?.id ?? '' })
  deliverer.changed()
  await vi.waitUntil(() => looksWithReplay === 2, { timeout: 20_000, interval: 5 })
  answering.resolve(undefined)
  await untilStatuses(scene, ['delivered'])
  told.resolve(undefined)
  await scene.organization.patch(id, { name: 'found' })
  await untilStatuses(scene, ['delivered', 'delivered'])
  expect(scene.received.map(({ name }) => name)).toEqual(['lost', 'lost', 'found'])
})

const noLongerTold = { status: 'failed', nextAttemptAt: null, isReplay: false, error: 'Its change is no longer kept, or the webhook does not want it any more.' }

test('a delivery that is retried has failed when its webhook does not want it any more, and the next of its customer goes on', async () => {
  const scene = await openScene({ events: ['customer.created', 'customer.deleted'] })
  scene.answer = no
  const deliverer = scene.start({ schedule: Array.from({ length: 1_000 }, () => 0.02) })
  const { id } = await scene.organization.create({ name: 'one' })
  const [retrying] = await untilStatuses(scene, ['retrying'])
  scene.answer = (received, response) => { (received.type === 'customer.deleted' ? yes : no)(received, response) }
  await scene.store.updateWebhook(scene.organization.caller, scene.webhook.id, { events: ['customer.deleted'] })
  deliverer.changed()
  await scene.organization.delete(id)
  const deliveries = await untilStatuses(scene, ['failed', 'delivered'])
  expect(deliveries.find(({ status }) => status === 'failed'))
    .toEqual({ ...retrying, ...noLongerTold, attempts: seconds, lastAttemptAt: seconds, durationMs: seconds })
  await vi.waitUntil(async () => (await scene.store.heldCustomers(scene.webhook.id)).length === 0, { timeout: 20_000, interval: 10 })
})

test('a replay of what is no longer kept has failed, with nothing sent', async () => {
  const scene = await openScene()
  const deliverer = scene.start()
  await scene.organization.create({ name: 'one' })
  const [delivery] = await untilStatuses(scene, ['delivered'])
  await scene.store.purgeChanges(systemClock() + 10)
  await scene.store.replayDeliveries(scene.organization.caller, scene.webhook.id, { id: delivery?.id ?? '' })
  deliverer.changed()
  expect(await untilStatuses(scene, ['failed'])).toEqual([{ ...delivery, ...noLongerTold }])
  expect(scene.received.length).toBe(1)
})

test('a receiver that is gone pauses its webhook, and one that goes on gets what happened meanwhile', async () => {
  const scene = await openScene()
  scene.answer = (_received, response) => { response.writeHead(410).end() }
  const deliverer = scene.start()
  const { id } = await scene.organization.create({ name: 'one' })
  const found = async () => await scene.store.findWebhook(scene.webhook.organizationId, scene.webhook.id)
  await vi.waitUntil(async () => (await found())?.pauseReason === 'gone', { timeout: 20_000, interval: 10 })
  await vi.waitUntil(() => deliverer.status().webhooks === 0, { timeout: 20_000, interval: 10 })
  await scene.organization.patch(id, { name: 'two' })
  expect(scene.received.map(({ name }) => name)).toEqual(['one'])
  scene.answer = yes
  await scene.store.updateWebhook(scene.organization.caller, scene.webhook.id, { pauseReason: null })
  deliverer.changed()
  await scene.untilReceived(3)
  expect(scene.received.map(({ name }) => name)).toEqual(['one', 'one', 'two'])
})

test.each([
  { when: 'by the attempt that fails', given: { failingSeconds: 0 } },
  { when: 'also long before the next attempt', given: { failingSeconds: 1, schedule: [3_600] } }
])('a webhook at which nothing arrives for too long is paused, $when', async ({ given }) => {
  const scene = await openScene()
  scene.answer = no
  scene.start(given)
  await scene.organization.create({ name: 'one' })
  await vi.waitUntil(async () => (await scene.store.findWebhook(scene.webhook.organizationId, scene.webhook.id))?.pauseReason === 'failing', { timeout: 20_000, interval: 10 })
})

test('what is of no single customer is tried again as well, in its order', async () => {
  const scene = await openScene({ events: ['tag.updated'] })
  let refusals = 3
  scene.answer = (received, response) => { (refusals-- > 0 ? no : yes)(received, response) }
  const { id } = await scene.organization.create({ tags: [{ name: 'VIP', color: 'red' }] })
  scene.start({ schedule: Array.from({ length: 100 }, () => 0.02) })
  await scene.organization.tag(id, [{ name: 'VIP', color: 'blue' }])
  await scene.organization.tag(id, [{ name: 'VIP', color: 'green' }])
  const deliveries = await untilStatuses(scene, ['delivered', 'delivered'])
  expect(deliveries.map(({ customerId, attempts }) => ({ customerId, attempts })).toSorted((a, b) => a.attempts - b.attempts)).toEqual([{ customerId: null, attempts: 1 }, { customerId: null, attempts: 4 }])
})

test('a filter is passed by those it is meant for', async () => {
  const scene = await openScene({ filter: JSON.stringify({ filter: [{ field: 'customData.plan', operator: '=', value: 'pro' }] }) })
  await scene.organization.create({ name: 'free', customData: { plan: 'free' } })
  await scene.organization.create({ name: 'pro', customData: { plan: 'Pro' } })
  scene.start()
  await scene.untilReceived(1)
  expect(scene.received.map(({ name }) => name)).toEqual(['pro'])
})

test('a webhook that was away for longer than history is kept goes on from the oldest that is, and this is told', async () => {
  const scene = await openScene()
  const { id } = await scene.organization.create({ name: 'forgotten' })
  await scene.store.purgeChanges(systemClock() + 10)
  scene.start()
  await vi.waitUntil(() => scene.gaps.length > 0, { timeout: 20_000, interval: 5 })
  await scene.organization.patch(id, { name: 'kept' })
  await scene.untilReceived(1)
  expect({ received: scene.received, gaps: scene.gaps }).toEqual({ received: [{ type: 'customer.updated', customer: id, name: 'kept' }], gaps: [scene.webhook.id] })
})

test('a webhook whose place is gone since another machine took over the database goes on from where it is kept, and nothing is missed', async () => {
  const scene = await openScene()
  let isGone = false
  scene.start({}, {
    async readFeed(...question) {
      if (!isGone) return await scene.store.readFeed(...question)
      isGone = false
      throw cursorGone()
    }
  })
  const { id } = await scene.organization.create({ name: 'before' })
  await untilStatuses(scene, ['delivered'])
  isGone = true
  await scene.organization.patch(id, { name: 'after' })
  await scene.untilReceived(2)
  expect({ names: scene.received.map(({ name }) => name), gaps: scene.gaps, isGone }).toEqual({ names: ['before', 'after'], gaps: [], isGone: false })
})

test('a process that was stopped for longer than its claim sends nothing when it wakes', async () => {
  const scene = await openScene()
  scene.answer = no
  const claimSeconds = 3
  const deliverer = scene.start({ claimSeconds, claimIntervalMs: 60_000 }, {
    async changesBetween(...range) {
      const items = await scene.store.changesBetween(...range)
      // As SIGSTOP would: nothing of the process runs meanwhile.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, claimSeconds * 1_000)
      return items
    }
  })
  await vi.waitUntil(() => deliverer.status().webhooks === 1, { timeout: 20_000, interval: 5 })
  await scene.organization.create({ name: 'Ann' })
  await vi.waitUntil(() => deliverer.status().webhooks === 0, { timeout: 20_000, interval: 5 })
  expect(scene.received.length).toBe(1)
})

test('a process that stops hands over at once, with what it has settled', async () => {
  const scene = await openScene()
  const first = scene.start({ claimSeconds: 60 })
  await scene.organization.create({ name: 'one' })
  await scene.untilReceived(1)
  await first.close()
  scene.start({ claimSeconds: 60 })
  await scene.organization.create({ name: 'two' })
  await scene.untilReceived(2)
  expect(scene.received.map(({ name }) => name)).toEqual(['one', 'two'])
})

test('webhooks that hang delay nobody else, and stop with the server', async () => {
  const scene = await openScene()
  scene.answer = (received, response) => { if (received.name !== 'hung') yes(received, response) }
  const hanging = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(hanging, 'listening')
  onTestFinished(() => {
    hanging.closeAllConnections()
    hanging.close()
  })
  const secrets = { secret: box.seal(secret), previousSecret: null, previousUntil: null }
  const others = { url: `http://127.0.0.1:${(hanging.address() as AddressInfo).port}/`, format: 'standard', events: ['customer.created'], filter: null, ...secrets } as const
  for (let count = 1; count < 40; count += 1) await scene.store.createWebhook(scene.organization.caller, others)
  const deliverer = scene.start()
  await vi.waitUntil(() => deliverer.status().webhooks === 40, { timeout: 25_000, interval: 5 })
  for (let index = 0; index < 20; index += 1) await scene.organization.create({ name: `${index}` })
  await scene.untilReceived(20)
  expect(deliverer.status()).toMatchObject({ webhooks: 40 })
  await deliverer.close()
  expect(deliverer.status()).toEqual({ webhooks: 0, lagSeconds: 0, heldCustomers: 0 })
})

test('routes are given secrets, what a ping is answered, and the request of a delivery', async () => {
  const scene = await openScene()
  scene.start()
  const changed = vi.fn<() => void>()
  const room = createWebhookRoom({ store: scene.store, box, target, dates: 'string', onChanged: changed })
  const sealed = await room.newSecret('standard', null)
  expect(await room.reveal(sealed)).toMatch(/^whsec_/)
  expect(await room.reveal(await room.newSecret('helpcrunch', 'my own'))).toBe('my own')

  const secrets = { secret: box.seal(secret), previousSecret: null, previousUntil: null }
  scene.answer = (_received, response) => { response.writeHead(201).end('pong') }
  expect(await room.ping(scene.webhook, secrets)).toEqual({ status: 201, text: 'pong', error: null, durationMs: seconds })
  expect(scene.received).toEqual([{ type: 'ping', name: null }])

  const { id } = await scene.organization.create({ name: 'one' })
  const [delivery] = await untilStatuses(scene, ['delivered'])
  if (delivery === undefined) throw new Error('Nothing was delivered')
  const request = await room.requestOf(scene.webhook, delivery)
  expect({ ...request, body: JSON.parse(request?.body ?? '') as unknown }).toMatchObject({
    url: scene.webhook.url, headers: { 'Content-Type': 'application/json', 'webhook-id': delivery.id }, body: { type: 'customer.created', data: { customerId: id, customer: { name: 'one' } } }
  })
  expect(await room.requestOf(scene.webhook, { ...delivery, changeId: delivery.changeId + 1_000 })).toBeNull()
  room.changed()
  expect(changed).toHaveBeenCalledOnce()
})
