import { expect, test } from 'vitest'
import type { FeedPage } from '../change-store.ts'
import { SharedReadings } from './shared-readings.ts'
import { Turns } from './turns.ts'

test('those who stand at the same place read once together, unless there may be more by now', async () => {
  const asked: unknown[] = []
  const page: FeedPage = { items: [], next: 'end', hasMore: false }
  const readings = new SharedReadings({ readFeed: (organizationId, { after }) => { asked.push([organizationId, after]); return Promise.resolve(page) } }, new Turns(9), 100)
  await Promise.all([readings.read(1, 'a'), readings.read(1, 'a'), readings.read(1, 'b'), readings.read(2, 'a')])
  expect(asked).toEqual([[1, 'a'], [1, 'b'], [2, 'a']])
  const first = readings.read(1, 'c')
  readings.forget()
  await Promise.all([first, readings.read(1, 'c')])
  expect(asked.slice(3)).toEqual([[1, 'c'], [1, 'c']])
})
