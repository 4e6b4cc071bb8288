import { parentPort, workerData } from 'node:worker_threads'
import { handOver } from '../indexing/hand-over.ts'
import type { ReadJob, ReadResult } from '../indexing/read-pool.ts'
import { packError } from '../indexing/thread-error.ts'
import type { FoundPage } from '../store.ts'
import { openReader } from './open.ts'
import { Reader } from './reader.ts'
import { toStorageError } from './storage-error.ts'

/** A thread that answers searches by SQL, so that none of them holds up the main thread. */

export interface ReadThreadData {
  readonly path: string
  readonly searchSecondsMax: number
}

if (parentPort === null) throw new Error('read-thread.ts runs as a worker thread')
const port = parentPort
const { path, searchSecondsMax } = workerData as ReadThreadData
const db = openReader(path)
const reader = new Reader(db, { searchSecondsMax })
const inTransaction = db.transaction((read: () => FoundPage) => read())

port.on('message', (message: ReadJob | 'close') => {
  if (message === 'close') {
    db.close()
    port.close()
    return
  }
  handOver(port, answer(message))
})

function answer({ organizationId, search }: ReadJob): ReadResult {
  try {
    const value = inTransaction(() => {
      reader.refresh()
      return reader.search(organizationId, search)
    })
    return { value }
  } catch (error) {
    return { error: packError(toStorageError(error) ?? error) }
  }
}
