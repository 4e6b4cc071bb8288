import type { Worker } from 'node:worker_threads'
import { unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import { startThread, threadBeside } from '../indexing/start-thread.ts'
import { unpackError } from '../indexing/thread-error.ts'
import type { WriteGroup, WriteGroupResult } from './writer-thread.ts'
import type { WriteJob, WriteResults } from './writer.ts'

interface Pending {
  readonly job: WriteJob
  readonly resolve: (value: WriteResults[keyof WriteResults]) => void
  readonly reject: (error: unknown) => void
}

/** What is told of each group. */
interface Commit extends Pick<WriteGroupResult, 'seconds' | 'hasNewNames'> {
  readonly commands: number
}

/**
 * Group commit: jobs that arrive while a commit is under way share the next one. A job that arrives
 * alone is on its way at once.
 */
export class WriteQueue {
  readonly #path: string
  readonly #onCommit: (commit: Commit) => void
  #thread: Worker | undefined
  #waiting: Pending[] = []
  #underWay: Pending[] = []
  #isScheduled = false
  #onIdle: (() => void) | undefined
  #isPaused = false
  #isClosing = false

  constructor(path: string, onCommit: (commit: Commit) => void) {
    this.#path = path
    this.#onCommit = onCommit
  }

  get length(): number {
    return this.#waiting.length + this.#underWay.length
  }

  push<Job extends WriteJob>(job: Job): Promise<WriteResults[Job['type']]> {
    if (this.#isClosing) return Promise.reject(unavailable('The server is stopping. Nothing was changed.'))
    if (this.#waiting.length >= limits.writeQueueMax) {
      return Promise.reject(unavailable('Too many writes are waiting. Nothing was changed; try again.'))
    }
    return new Promise((resolve, reject) => {
      // Outcomes come back in the order of the jobs, so the type of the answer is that of the question.
      this.#waiting.push({ job, resolve: resolve as Pending['resolve'], reject })
      this.#schedule()
    })
  }

  /** Waits for everything pushed so far, then lets the thread close its connection. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (this.length > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    await this.#closeThread()
  }

  /** Runs the task while the thread has no connection. What is under way is finished before, what waits goes on after. */
  async whileClosed(task: () => Promise<void>): Promise<void> {
    this.#isPaused = true
    if (this.#underWay.length > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
    await this.#closeThread()
    try {
      await task()
    } finally {
      this.#isPaused = false
      this.#send()
    }
  }

  async #closeThread(): Promise<void> {
    const thread = this.#thread
    if (thread === undefined) return
    this.#thread = undefined
    thread.removeAllListeners('exit')
    await new Promise<void>((resolve) => {
      thread.once('exit', () => { resolve() })
      thread.postMessage('close')
    })
  }

  /** Jobs read off their sockets in the same turn of the event loop go together, without a wait. */
  #schedule(): void {
    if (this.#isScheduled || this.#underWay.length > 0) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#send()
    })
  }

  #send(): void {
    if (this.#isPaused || this.#underWay.length > 0 || this.#waiting.length === 0) return
    this.#underWay = this.#waiting.splice(0, limits.groupCommandsMax)
    this.#thread ??= this.#startThread()
    this.#thread.postMessage({ jobs: this.#underWay.map(({ job }) => job) } satisfies WriteGroup)
  }

  #startThread(): Worker {
    const thread = startThread(threadBeside(import.meta.url, './writer-thread.ts'), { path: this.#path })
    thread.on('message', (result: WriteGroupResult) => { this.#settle(result) })
    let cause: unknown
    thread.on('error', (error) => { cause = error })
    thread.on('exit', () => { this.#lose(cause) })
    return thread
  }

  #settle({ outcomes, seconds, hasNewNames }: WriteGroupResult): void {
    const group = this.#underWay
    this.#underWay = []
    this.#onCommit({ commands: group.length, seconds, hasNewNames })
    for (const [index, { job, resolve, reject }] of group.entries()) {
      const outcome = outcomes[index]
      if (outcome?.state !== undefined && 'caller' in job && job.caller.repeatable !== undefined) job.caller.repeatable.state = outcome.state
      if (outcome === undefined) reject(new Error('The writer thread answered fewer jobs than it was given'))
      else if ('error' in outcome) reject(unpackError(outcome.error))
      else resolve(outcome.value)
    }
    this.#goOn()
  }

  /** The thread ended without being asked. What it had in hand may be on disk or not; the next job starts another. */
  #lose(cause: unknown): void {
    const group = this.#underWay
    this.#underWay = []
    this.#thread = undefined
    const error = unavailable('The writer stopped, and it is not known whether this was written. Look before you try again.', { cause })
    for (const { reject } of group) reject(error)
    this.#goOn()
  }

  #goOn(): void {
    this.#send()
    if (this.#underWay.length === 0) this.#onIdle?.()
  }
}
