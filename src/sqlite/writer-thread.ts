import { parentPort, workerData } from 'node:worker_threads'
import type { Database } from 'better-sqlite3'
import { systemClock } from '../clock.ts'
import type { ThreadError } from '../indexing/thread-error.ts'
import { packError } from '../indexing/thread-error.ts'
import { openWriter } from './open.ts'
import { toStorageError } from './storage-error.ts'
import type { GroupOutcome, WriteJob, WriteOutcome, WriteResults } from './writer.ts'
import { Writer } from './writer.ts'

/** The thread that owns the only writing connection of this process. */

export interface WriteGroup {
  readonly jobs: readonly WriteJob[]
}

export interface WriteGroupResult extends Pick<GroupOutcome, 'seconds' | 'hasNewNames'> {
  readonly outcomes: readonly (Pick<WriteOutcome, 'state'> & ({ readonly value: WriteResults[keyof WriteResults] } | { readonly error: ThreadError }))[]
}

if (parentPort === null) throw new Error('writer-thread.ts runs as a worker thread')
const port = parentPort
const { path } = workerData as { path: string }
let db: Database | undefined
let writer: Writer | undefined

port.on('message', (message: WriteGroup | 'close') => {
  if (message === 'close') {
    db?.close()
    port.close()
    return
  }
  const { outcomes, ...group } = run(message.jobs)
  const packed = outcomes.map((outcome) => ('error' in outcome ? { ...outcome, error: packError(outcome.error) } : outcome))
  port.postMessage({ ...group, outcomes: packed } satisfies WriteGroupResult)
})

/** Opens with the first group, and again with the next when that failed, so that a passing fault passes. */
function run(jobs: readonly WriteJob[]): GroupOutcome {
  try {
    db ??= openWriter(path)
    writer ??= new Writer(db, systemClock)
  } catch (error) {
    return { outcomes: jobs.map(() => ({ error: toStorageError(error) ?? error })), seconds: 0, hasNewNames: false }
  }
  return writer.runGroup(jobs)
}
