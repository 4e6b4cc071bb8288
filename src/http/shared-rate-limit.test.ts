import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { LeaseWish, RequestLease } from '../store.ts'
import { SharedRateLimit } from './shared-rate-limit.ts'

beforeEach(() => { vi.useFakeTimers({ now: 0 }) })
afterEach(() => { vi.useRealTimers() })

/** What the database keeps for all processes: requests leased in the minute that ends now. */
class Ledger {
  readonly wishes: LeaseWish[] = []
  #leased: { atMs: number; requests: number }[] = []

  readonly lease = async (_organizationId: number, wish: LeaseWish): Promise<RequestLease> => {
    this.wishes.push(wish)
    this.#leased = this.#leased.filter(({ atMs }) => atMs > Date.now() - 60_000)
    const used = this.#leased.reduce((sum, { requests }) => sum + requests, 0)
    const taken = Math.min(wish.wanted, wish.requestsMax - used)
    this.#leased.push({ atMs: Date.now(), requests: taken })
    const oldest = this.#leased.find(({ requests }) => requests > 0)?.atMs ?? Date.now()
    return { taken, remaining: wish.requestsMax - used - taken, freeAfterSeconds: Math.ceil((oldest + 60_000 - Date.now()) / 1000) }
  }
}

/** Asks for `requests` evenly over `ms`, and answers how many were granted. */
async function ask(rateLimit: Pick<SharedRateLimit, 'take'>, { requests, ms }: { requests: number; ms: number }): Promise<number> {
  const answers: Promise<number>[] = []
  for (let asked = 0; asked < requests; asked += 1) {
    answers.push(Promise.resolve(rateLimit.take(1, Date.now())))
    await vi.advanceTimersByTimeAsync(ms / requests)
  }
  await vi.advanceTimersByTimeAsync(2_000)
  return (await Promise.all(answers)).filter((retryAfterSeconds) => retryAfterSeconds === 0).length
}

test('two processes grant together what is allowed, however unevenly they are asked', async () => {
  const { lease } = new Ledger()
  const [one, other] = [new SharedRateLimit({ requestsMax: 120, lease }), new SharedRateLimit({ requestsMax: 120, lease })]
  const uneven = { take: (id: number, nowMs: number) => (nowMs % 500 === 0 ? other : one).take(id, nowMs) }

  expect(await ask(uneven, { requests: 500, ms: 50_000 })).toBe(120)
})

test('a burst that is allowed is granted whole, within a lease or two', async () => {
  const { lease } = new Ledger()
  const rateLimit = new SharedRateLimit({ requestsMax: 120, lease })

  expect(await ask(rateLimit, { requests: 120, ms: 10 })).toBe(120)
})

test('a process leases at most once a second, and not at all while nobody asks', async () => {
  const ledger = new Ledger()
  const rateLimit = new SharedRateLimit({ requestsMax: 6_000, lease: ledger.lease })
  await ask(rateLimit, { requests: 1_000, ms: 10_000 })
  const asked = ledger.wishes.length
  await vi.advanceTimersByTimeAsync(60_000)

  expect(asked).toBeLessThanOrEqual(13)
  expect(ledger.wishes.length - asked).toBeLessThanOrEqual(1)
})

test('what a process does not use it gives back', async () => {
  const ledger = new Ledger()
  const [one, other] = [new SharedRateLimit({ requestsMax: 60, lease: ledger.lease }), new SharedRateLimit({ requestsMax: 60, lease: ledger.lease })]
  await ask(one, { requests: 1, ms: 3_000 })

  expect(await ask(other, { requests: 60, ms: 1_000 })).toBe(59)
})

test('a refusal says after how many seconds to come again, without asking the database each time', async () => {
  const ledger = new Ledger()
  const rateLimit = new SharedRateLimit({ requestsMax: 2, lease: ledger.lease })
  await ask(rateLimit, { requests: 2, ms: 10 })
  const asked = ledger.wishes.length
  const refused = rateLimit.take(1, Date.now())
  await vi.advanceTimersByTimeAsync(1_000)

  expect(await refused).toBe(58)
  expect(ledger.wishes.length - asked).toBeLessThanOrEqual(1)
})

test('a lease that fails is answered to those who wait, and the next request tries again', async () => {
  let isDown = true
  const { lease } = new Ledger()
  const rateLimit = new SharedRateLimit({ requestsMax: 2, lease: async (id, wish) => { if (isDown) throw new Error('down'); return await lease(id, wish) } })
  const failed = Promise.resolve(rateLimit.take(1, Date.now())).catch((error: unknown) => String(error))
  await vi.advanceTimersByTimeAsync(0)
  isDown = false
  const next = rateLimit.take(1, Date.now())
  await vi.advanceTimersByTimeAsync(1_000)

  expect([await failed, await next]).toEqual(['Error: down', 0])
})
