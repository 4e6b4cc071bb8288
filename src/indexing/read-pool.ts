import { performance } from 'node:perf_hooks'
import type { ResourceLimits, Worker } from 'node:worker_threads'
import { searchTookTooLong, unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { CustomerSearch } from '../search.ts'
import type { FoundPage } from '../store.ts'
import { FairQueue } from './fair-queue.ts'
import { startThread } from './start-thread.ts'
import type { ThreadError } from './thread-error.ts'
import { unpackError } from './thread-error.ts'

export interface ReadJob {
  readonly organizationId: number
  readonly search: CustomerSearch
}

/** Undefined: the thread leaves the question to others. */
export type ReadResult = { readonly value: FoundPage | undefined } | { readonly error: ThreadError }

interface Pending {
  readonly job: ReadJob
  readonly askedAtMs: number
  /** Undefined: the thread leaves the question to others. */
  readonly resolve: (page: FoundPage | undefined) => void
  readonly reject: (error: unknown) => void
}

interface Reading {
  readonly thread: Worker
  pending: { readonly key: number; readonly item: Pending } | undefined
  /** Ends the thread when it does not answer. */
  patience: NodeJS.Timeout | undefined
}

export interface ReadPoolOptions {
  readonly thread: URL
  readonly threadsMax: number
  readonly workerData: Record<string, unknown>
  readonly resourceLimits?: ResourceLimits
  /** A search that has waited longer for its turn is refused. */
  readonly searchSecondsMax: number
  /** A thread that has not answered a search by then, although it should have stopped it, is ended. */
  readonly answerSecondsMax?: number
  /** Told of what a thread says without being asked. */
  readonly onNotice?: (notice: unknown) => void
  /** Told when a thread ended by itself, and why if it is known; given when others can answer what it was asked. */
  readonly onLost?: (cause: unknown) => void
}

/**
 * A few threads with a reading connection each, which start when first needed. Searches wait in a
 * bounded queue, in which the keys take turns; no key has more than its share of the queue, nor all
 * threads where there are several.
 */
export class ReadPool {
  readonly #options: ReadPoolOptions
  readonly #waiting = new FairQueue<Pending>()
  readonly #threads = new Set<Reading>()
  #onIdle: (() => void) | undefined
  #isPaused = false
  #isClosing = false

  constructor(options: ReadPoolOptions) {
    this.#options = options
  }

  get length(): number {
    return this.#waiting.length + this.#reading
  }

  search(keyId: number, job: ReadJob): Promise<FoundPage | undefined> {
    if (this.#isClosing) return Promise.reject(unavailable('The server is stopping.'))
    if (this.#waiting.length >= limits.readQueueMax) return Promise.reject(unavailable('Too many searches are waiting. Try again.'))
    if (this.#waiting.lengthOf(keyId) >= limits.readQueueKeyMax) {
      return Promise.reject(unavailable('Too many searches of this API key are waiting. Try again, with fewer at once.'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push(keyId, { job, askedAtMs: performance.now(), resolve, reject })
      this.#dispatch()
    })
  }

  /** Says something to every thread, of which there is at least one then. */
  tell(message: unknown): void {
    if (this.#isClosing || this.#isPaused) return
    if (this.#threads.size === 0) this.#grow()
    for (const { thread } of this.#threads) thread.postMessage(message)
  }

  /** Finishes what was asked so far. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (this.length > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    await this.#closeThreads()
  }

  /** Runs the task while no thread has a connection. What is under way is finished before, what waits goes on after. */
  async whileClosed(task: () => void | Promise<void>): Promise<void> {
    this.#isPaused = true
    if (this.#reading > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    await this.#closeThreads()
    try {
      await task()
    } finally {
      this.#isPaused = false
      this.#dispatch()
    }
  }

  get #reading(): number {
    return [...this.#threads].filter(({ pending }) => pending !== undefined).length
  }

  async #closeThreads(): Promise<void> {
    await Promise.all([...this.#threads].map(({ thread }) => new Promise<void>((resolve) => {
      thread.removeAllListeners('exit')
      thread.once('exit', () => { resolve() })
      thread.postMessage('close')
    })))
    this.#threads.clear()
  }

  #dispatch(): void {
    while (!this.#isPaused && this.#waiting.length > 0) {
      const idle = [...this.#threads].find(({ pending }) => pending === undefined) ?? this.#grow()
      const next = idle && this.#waiting.shift((key) => this.#mayRead(key))
      if (idle === undefined || next === undefined) break
      if (performance.now() - next.item.askedAtMs > this.#options.searchSecondsMax * 1000) {
        next.item.reject(unavailable('This search waited too long for its turn. Try again.'))
        continue
      }
      idle.pending = next
      idle.thread.postMessage(next.item.job)
      this.#limit(idle)
    }
    if (this.#reading === 0) this.#onIdle?.()
  }

  /** One thread is always left to the other keys. */
  #mayRead(keyId: number): boolean {
    const own = [...this.#threads].filter(({ pending }) => pending?.key === keyId).length
    return own < Math.max(1, this.#options.threadsMax - 1)
  }

  #grow(): Reading | undefined {
    if (this.#threads.size >= this.#options.threadsMax) return undefined
    const reading: Reading = { thread: startThread(this.#options.thread, this.#options.workerData, this.#options.resourceLimits), pending: undefined, patience: undefined }
    this.#threads.add(reading)
    let cause: unknown
    reading.thread.on('message', (message: ReadResult | { readonly notice: unknown }) => {
      if ('notice' in message) this.#options.onNotice?.(message.notice)
      else this.#settle(reading, message)
    })
    reading.thread.on('error', (error) => { cause = error })
    reading.thread.on('exit', () => { this.#lose(reading, cause) })
    return reading
  }

  #limit(reading: Reading): void {
    const { answerSecondsMax, searchSecondsMax } = this.#options
    if (answerSecondsMax === undefined) return
    reading.patience = setTimeout(() => {
      reading.pending?.item.reject(searchTookTooLong(searchSecondsMax))
      void reading.thread.terminate()
    }, answerSecondsMax * 1000)
  }

  #settle(reading: Reading, result: ReadResult): void {
    const { pending } = reading
    clearTimeout(reading.patience)
    reading.pending = undefined
    if ('error' in result) pending?.item.reject(unpackError(result.error))
    else pending?.item.resolve(result.value)
    this.#dispatch()
  }

  #lose(reading: Reading, cause: unknown): void {
    clearTimeout(reading.patience)
    this.#threads.delete(reading)
    const { onLost } = this.#options
    if (onLost === undefined) reading.pending?.item.reject(unavailable('The search stopped. Try again.', { cause }))
    else {
      // Those that wait go elsewhere too, rather than start another thread that may end like this one.
      reading.pending?.item.resolve(undefined)
      for (let next = this.#waiting.shift(() => true); next !== undefined; next = this.#waiting.shift(() => true)) next.item.resolve(undefined)
      onLost(cause)
    }
    this.#dispatch()
  }
}
