import { expect, test } from 'vitest'
import { retryDelayMs, retrySeconds } from './schedule.ts'

test('after the first attempt come nine more, the last one over three days later, each a little late', () => {
  const delays = (random: number) => Array.from({ length: 11 }, (_, index) => retryDelayMs(index + 1, { schedule: retrySeconds, random: () => random }))
  expect(delays(0)).toEqual([5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000, undefined, undefined])
  expect(delays(0.5).slice(0, 2)).toEqual([5_250, 315_000])
})
