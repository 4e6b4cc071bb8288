import { MessageChannel } from 'node:worker_threads'
import { expect, onTestFinished, test, vi } from 'vitest'
import { serveIndex } from './serve-index.ts'

/** Advances the clock, and answers how often commits were looked for meanwhile. */
type Pass = (ms: number) => Promise<number>

function start(news: () => boolean): Pass {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { port1, port2 } = new MessageChannel()
  onTestFinished(() => {
    vi.useRealTimers()
    port1.close()
    port2.close()
  })
  let looked = 0
  serveIndex(port1, {
    bytes: 0,
    isBuilding: false,
    takeMoved: () => [],
    want: () => undefined,
    search: () => undefined,
    buildSlice: () => undefined,
    follow() {
      looked += 1
      return news()
    },
    close: () => undefined
  }, { followMs: 250 })
  return async (ms) => {
    const before = looked
    await vi.advanceTimersByTimeAsync(ms)
    return looked - before
  }
}

test('commits are looked for now and then while there are none', async () => {
  const pass = start(() => false)
  expect([await pass(249), await pass(1), await pass(1_000)]).toEqual([0, 1, 4])
})

test('commits are followed often while they come, and now and then once they have stopped', async () => {
  let isWriting = true
  const pass = start(() => isWriting)
  expect([await pass(250), await pass(1_000)]).toEqual([1, 20])
  isWriting = false
  expect([await pass(50), await pass(249), await pass(1)]).toEqual([1, 0, 1])
})
