import type { Worker } from 'node:worker_threads'
import { unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { FoundPage } from '../store.ts'
import type { ReadJob, ReadResult } from './read-thread.ts'
import { startThread } from './start-thread.ts'
import { unpackError } from './thread-error.ts'

interface Pending {
  readonly job: ReadJob
  readonly resolve: (page: FoundPage) => void
  readonly reject: (error: unknown) => void
}

interface Reading {
  readonly thread: Worker
  pending: Pending | undefined
}

/** A few threads with a reading connection each. They start when first needed and take turns. */
export class ReadPool {
  readonly #path: string
  readonly #threadsMax: number
  readonly #waiting: Pending[] = []
  readonly #threads = new Set<Reading>()
  #onIdle: (() => void) | undefined
  #isPaused = false
  #isClosing = false

  constructor(path: string, { threadsMax }: { threadsMax: number }) {
    this.#path = path
    this.#threadsMax = threadsMax
  }

  get length(): number {
    return this.#waiting.length + this.#reading
  }

  search(job: ReadJob): Promise<FoundPage> {
    if (this.#isClosing) return Promise.reject(unavailable('The server is stopping.'))
    if (this.#waiting.length >= limits.readQueueMax) {
      return Promise.reject(unavailable('Too many searches are waiting. Try again.'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject })
      this.#dispatch()
    })
  }

  /** Finishes what was asked so far. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (this.length > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    await this.#closeThreads()
  }

  /** Runs the task while no thread has a connection. What is under way is finished before, what waits goes on after. */
  async whileClosed(task: () => void): Promise<void> {
    this.#isPaused = true
    if (this.#reading > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    await this.#closeThreads()
    try {
      task()
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
      if (idle === undefined) return
      const next = this.#waiting.shift()
      if (next === undefined) return
      idle.pending = next
      idle.thread.postMessage(next.job)
    }
    if (this.#reading === 0) this.#onIdle?.()
  }

  #grow(): Reading | undefined {
    if (this.#threads.size >= this.#threadsMax) return undefined
    const reading: Reading = { thread: startThread('read-thread', { path: this.#path }), pending: undefined }
    this.#threads.add(reading)
    let cause: unknown
    reading.thread.on('message', (result: ReadResult) => { this.#settle(reading, result) })
    reading.thread.on('error', (error) => { cause = error })
    reading.thread.on('exit', () => { this.#lose(reading, cause) })
    return reading
  }

  #settle(reading: Reading, result: ReadResult): void {
    const { pending } = reading
    reading.pending = undefined
    if ('error' in result) pending?.reject(unpackError(result.error))
    else pending?.resolve(result.value)
    this.#dispatch()
  }

  #lose(reading: Reading, cause: unknown): void {
    this.#threads.delete(reading)
    reading.pending?.reject(unavailable('The search stopped. Try again.', { cause }))
    this.#dispatch()
  }
}
