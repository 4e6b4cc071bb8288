import { expect, test, vi } from 'vitest'
import type { Delivery, DeliveryProgress, HeldCustomer } from '../webhook.ts'
import { Moments } from './moments.ts'
import { ProgressKeeper } from './progress-keeper.ts'

function delivery(id: string, attempts: number): Delivery {
  return {
    id, changeId: 1, part: 0, customerId: 1, event: 'customer.created', status: 'delivered', attempts, firstAttemptAt: 1, lastAttemptAt: 1, nextAttemptAt: null,
    responseStatus: 200, responseText: '', error: null, durationMs: 1, isReplay: false
  }
}

const held = (customerId: number, attempts: number): HeldCustomer => ({ customerId, next: { changeId: 1, part: 0 }, attempts, nextAttemptAt: 1, lastChangeId: 1 })

function openKeeper(keep: (progress: DeliveryProgress) => Promise<boolean>, delays: { positionDelayMs?: number } = {}) {
  const heard = { kept: 0, lost: 0, errors: [] as unknown[] }
  const keeper = new ProgressKeeper({
    keep, standing: () => ({ position: 'here', succeededAt: 5, failingSince: null }),
    onKept: () => { heard.kept += 1 }, onLost: () => { heard.lost += 1 }, onError: (error) => { heard.errors.push(error) },
    moments: new Moments(5), delayMs: 5, positionDelayMs: 5, retryMs: 5, deliveriesMax: 3, ...delays
  })
  return { keeper, heard }
}

test('what was settled is kept together, the last of each delivery and customer', async () => {
  const kept: DeliveryProgress[] = []
  const { keeper, heard } = openKeeper((progress) => { kept.push(progress); return Promise.resolve(true) })
  keeper.deliver(delivery('a', 1))
  keeper.deliver(delivery('a', 2))
  keeper.hold(held(1, 1))
  keeper.hold(held(2, 1))
  keeper.release(1)
  keeper.hold(held(2, 2))
  keeper.pause('gone')
  expect(keeper.waiting).toBe(1)
  await vi.waitUntil(() => heard.kept === 1)
  expect(kept).toEqual([{ position: 'here', succeededAt: 5, failingSince: null, pauseReason: 'gone', deliveries: [delivery('a', 2)], held: [held(2, 2)], released: [1] }])
  expect(keeper.waiting).toBe(0)
  await keeper.flush()
  expect(kept.length).toBe(1)
})

test('what could not be kept is kept the next time, unless there is newer', async () => {
  const kept: DeliveryProgress[] = []
  const { keeper, heard } = openKeeper((progress) => {
    kept.push(progress)
    if (kept.length > 1) return Promise.resolve(true)
    keeper.deliver(delivery('a', 2))
    keeper.release(1)
    return Promise.reject(new Error('no disk'))
  })
  keeper.deliver(delivery('a', 1))
  keeper.deliver(delivery('b', 1))
  keeper.hold(held(1, 1))
  keeper.pause('failing')
  await vi.waitUntil(() => kept.length === 2)
  expect(heard.errors).toEqual([new Error('no disk')])
  expect(kept[1]).toMatchObject({ pauseReason: 'failing', deliveries: [delivery('a', 2), delivery('b', 1)], held: [], released: [1] })
})

test('a keeper whose webhook is with somebody else says so, and keeps nothing more', async () => {
  let asked = 0
  const { keeper, heard } = openKeeper(() => { asked += 1; return Promise.resolve(false) })
  keeper.move()
  await vi.waitUntil(() => heard.lost === 1)
  keeper.deliver(delivery('a', 1))
  await keeper.flush()
  expect({ asked, kept: heard.kept }).toEqual({ asked: 1, kept: 0 })
})

test('the position alone may wait for longer, and goes with what comes first', async () => {
  const kept: DeliveryProgress[] = []
  const { keeper, heard } = openKeeper((progress) => { kept.push(progress); return Promise.resolve(true) }, { positionDelayMs: 60_000 })
  keeper.move()
  keeper.deliver(delivery('a', 1))
  await vi.waitUntil(() => heard.kept === 1)
  expect(kept.length).toBe(1)
  keeper.move()
  await keeper.flush()
  expect(kept.length).toBe(2)
})
