import { performance } from 'node:perf_hooks'
import { unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import { FairQueue } from '../indexing/fair-queue.ts'
import type { ReadJob } from '../indexing/read-pool.ts'
import type { FoundPage } from '../store.ts'

interface Pending {
  readonly askedAtMs: number
  readonly run: () => Promise<void>
  readonly reject: (error: unknown) => void
}

/** Searches wait in a bounded queue, in which the keys take turns; no key has more than its share of the queue, nor all connections where there are several. */
export class SearchQueue {
  readonly #answer: (job: ReadJob) => Promise<FoundPage>
  readonly #searchesMax: number
  readonly #searchSecondsMax: number
  readonly #waiting = new FairQueue<Pending>()
  /** By key, how many are being answered. */
  readonly #running = new Map<number, number>()
  #underWay = 0
  #isClosing = false
  #onIdle: (() => void) | undefined

  /** `searchesMax`: at a time. */
  constructor({ searchesMax, searchSecondsMax }: { searchesMax: number; searchSecondsMax: number }, answer: (job: ReadJob) => Promise<FoundPage>) {
    this.#answer = answer
    this.#searchesMax = searchesMax
    this.#searchSecondsMax = searchSecondsMax
  }

  get length(): number {
    return this.#waiting.length + this.#underWay
  }

  search(keyId: number, job: ReadJob): Promise<FoundPage> {
    if (this.#isClosing) return Promise.reject(unavailable('The server is stopping.'))
    if (this.#waiting.length >= limits.readQueueMax) return Promise.reject(unavailable('Too many searches are waiting. Try again.'))
    if (this.#waiting.lengthOf(keyId) >= limits.readQueueKeyMax) {
      return Promise.reject(unavailable('Too many searches of this API key are waiting. Try again, with fewer at once.'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push(keyId, { askedAtMs: performance.now(), run: () => this.#answer(job).then(resolve, reject), reject })
      this.#start()
    })
  }

  /** Finishes what was asked so far. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (this.length > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
  }

  #start(): void {
    while (this.#underWay < this.#searchesMax) {
      const next = this.#waiting.shift((key) => (this.#running.get(key) ?? 0) < Math.max(1, this.#searchesMax - 1))
      if (next === undefined) break
      const { key, item } = next
      if (performance.now() - item.askedAtMs > this.#searchSecondsMax * 1000) {
        item.reject(unavailable('This search waited too long for its turn. Try again.'))
        continue
      }
      this.#count(key, 1)
      void item.run().finally(() => {
        this.#count(key, -1)
        this.#start()
      })
    }
    if (this.length === 0) this.#onIdle?.()
  }

  #count(key: number, change: 1 | -1): void {
    const running = (this.#running.get(key) ?? 0) + change
    if (running === 0) this.#running.delete(key)
    else this.#running.set(key, running)
    this.#underWay += change
  }
}
