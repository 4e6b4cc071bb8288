import { performance } from 'node:perf_hooks'
import { unavailable } from '../errors.ts'
import { limits } from '../limits.ts'
import type { CommitListener, Written } from '../store.ts'
import type { CommandJob, GroupWriter } from './group-writer.ts'

/** Transactions at a time as a rule: fewer and larger ones take a sixth less of the database's time for each job than four do. */
const usualWriters = 2
/** When a job has waited so long, those before it may be waiting for a lock, and it goes with one more. */
const patienceMs = 50

interface Pending {
  readonly job: CommandJob
  readonly sinceMs: number
  readonly resolve: (written: Written) => void
  readonly reject: (error: unknown) => void
}

/**
 * Group commit: jobs that arrive while the writers are busy share the next transaction. A job that
 * arrives alone is on its way at once.
 */
export class WriteQueue {
  readonly #writer: GroupWriter
  readonly #writersMax: number
  readonly #onCommit: CommitListener
  #waiting: Pending[] = []
  #underWay = 0
  #writers = 0
  #isScheduled = false
  /** Whether it is to be seen in a while who has waited too long. */
  #isImpatient = false
  #isClosing = false
  #onIdle: (() => void) | undefined

  /** `writersMax`: transactions at a time, however long jobs wait. */
  constructor(writer: GroupWriter, { writersMax, onCommit }: { writersMax: number; onCommit: CommitListener }) {
    this.#writer = writer
    this.#writersMax = writersMax
    this.#onCommit = onCommit
  }

  get length(): number {
    return this.#waiting.length + this.#underWay
  }

  push(job: CommandJob): Promise<Written> {
    if (this.#isClosing) return Promise.reject(unavailable('The server is stopping. Nothing was changed.'))
    if (this.#waiting.length >= limits.writeQueueMax) {
      return Promise.reject(unavailable('Too many writes are waiting. Nothing was changed; try again.'))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, sinceMs: performance.now(), resolve, reject })
      this.#schedule()
    })
  }

  /** Waits for everything pushed so far. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (this.length > 0) await new Promise<void>((resolve) => { this.#onIdle = resolve })
  }

  /** Jobs read off their sockets in the same turn of the event loop go together, without a wait. */
  #schedule(): void {
    const [oldest] = this.#waiting
    if (oldest === undefined || this.#writers >= this.#writersMax) return
    if (this.#writers >= usualWriters) {
      if (this.#isImpatient) return
      this.#isImpatient = true
      setTimeout(() => {
        this.#isImpatient = false
        this.#start()
      }, Math.max(0, Math.ceil(oldest.sinceMs + patienceMs - performance.now())))
    } else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => {
        this.#isScheduled = false
        this.#start()
      })
    }
  }

  #start(): void {
    const [oldest] = this.#waiting
    if (oldest === undefined || this.#writers >= this.#writersMax) return
    if (this.#writers >= usualWriters && performance.now() - oldest.sinceMs < patienceMs) {
      this.#schedule()
      return
    }
    const group = this.#waiting.splice(0, groupLength(this.#waiting))
    this.#writers += 1
    this.#underWay += group.length
    void this.#run(group).finally(() => {
      this.#writers -= 1
      this.#underWay -= group.length
      this.#start()
      if (this.length === 0) this.#onIdle?.()
    })
    if (this.#waiting.length > 0) this.#schedule()
  }

  async #run(group: readonly Pending[]): Promise<void> {
    try {
      const { outcomes, seconds } = await this.#writer.runGroup(group.map(({ job }) => job))
      this.#onCommit({ commands: group.length, seconds })
      for (const [index, { job, resolve, reject }] of group.entries()) {
        const outcome = outcomes[index]
        if (outcome !== undefined && job.caller.repeatable !== undefined) job.caller.repeatable.state = outcome.state
        if (outcome === undefined) reject(new Error('The writer answered fewer jobs than it was given'))
        else if ('error' in outcome) reject(outcome.error)
        else resolve(outcome.value)
      }
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }
}

/** An undo has a group of its own, since it waits for others and reads what they did. */
function groupLength(waiting: readonly Pending[]): number {
  const undo = waiting.findIndex(({ job: { command } }) => command.type === 'undo')
  return undo === -1 ? limits.groupCommandsMax : Math.min(Math.max(undo, 1), limits.groupCommandsMax)
}
