import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Moments } from './moments.ts'

beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] }) })
afterEach(() => { vi.useRealTimers() })

test('what comes at different times is done together, and none later than it may be', () => {
  const moments = new Moments(100)
  const done: string[] = []
  vi.advanceTimersByTime(110)
  moments.within(100, () => done.push('early'))
  vi.advanceTimersByTime(80)
  moments.within(100, () => done.push('late'))
  moments.within(250, () => done.push('later'))
  vi.advanceTimersByTime(9)
  expect(done).toEqual([])
  vi.advanceTimersByTime(1)
  expect(done).toEqual(['early', 'late'])
  vi.advanceTimersByTime(200)
  expect(done).toEqual(['early', 'late', 'later'])
})

test('what may not wait for a moment is done at once, and what was called off never', () => {
  const moments = new Moments(100)
  const done: string[] = []
  vi.advanceTimersByTime(110)
  moments.within(20, () => done.push('at once'))
  const callOff = moments.within(100, () => done.push('called off'))
  moments.within(100, () => done.push('kept'))
  vi.advanceTimersByTime(1)
  expect(done).toEqual(['at once'])
  callOff()
  vi.advanceTimersByTime(1000)
  expect(done).toEqual(['at once', 'kept'])
})
