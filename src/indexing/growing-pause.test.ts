import { expect, test } from 'vitest'
import { GrowingPause } from './growing-pause.ts'

test('pauses double up to the longest, and begin anew after it held for as long', () => {
  const pause = new GrowingPause({ firstMs: 10, longestMs: 30 })
  expect(pause.isOn(0)).toBe(false)
  expect([pause.begin(100), pause.isOn(109), pause.isOn(110)]).toEqual([10, true, false])
  expect([pause.begin(115), pause.begin(136), pause.begin(170)]).toEqual([20, 30, 30])
  expect([pause.isOn(199), pause.begin(230), pause.begin(291)]).toEqual([true, 30, 10])
})
