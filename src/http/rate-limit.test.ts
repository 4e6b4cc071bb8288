import { expect, test } from 'vitest'
import { RateLimit } from './rate-limit.ts'

test('grants as many requests in a minute as allowed, and says after how many seconds the next is granted', () => {
  const rateLimit = new RateLimit({ requestsMax: 3 })

  expect([0, 10_000, 20_000, 20_000, 59_000, 59_999].map((nowMs) => rateLimit.take(1, nowMs))).toEqual([0, 0, 0, 40, 1, 1])
})

test('the minute slides: each request is free again a minute after it was granted', () => {
  const rateLimit = new RateLimit({ requestsMax: 2 })

  expect([0, 59_000, 60_000, 60_000, 118_999, 119_000, 119_500].map((nowMs) => rateLimit.take(1, nowMs))).toEqual([0, 0, 0, 59, 1, 0, 1])
})

test('what is refused does not count', () => {
  const rateLimit = new RateLimit({ requestsMax: 1 })
  rateLimit.take(1, 0)
  for (let nowMs = 1; nowMs < 60_000; nowMs += 1_000) rateLimit.take(1, nowMs)

  expect(rateLimit.take(1, 60_000)).toBe(0)
})

test('organizations are counted apart', () => {
  const rateLimit = new RateLimit({ requestsMax: 1 })

  expect([rateLimit.take(1, 0), rateLimit.take(2, 0), rateLimit.take(1, 0), rateLimit.take(2, 0)]).toEqual([0, 0, 60, 60])
})
