import { parentPort, workerData } from 'node:worker_threads'
import type { CustomerSearch } from '../search.ts'
import type { FoundPage } from '../store.ts'
import { openReader } from './open.ts'
import { Reader } from './reader.ts'
import { toStorageError } from './storage-error.ts'
import type { ThreadError } from './thread-error.ts'
import { packError } from './thread-error.ts'

/** A thread that answers searches, so that none of them holds up the main thread. */

export interface ReadJob {
  readonly organizationId: number
  readonly search: CustomerSearch
}

export type ReadResult = { readonly value: FoundPage } | { readonly error: ThreadError }

if (parentPort === null) throw new Error('read-thread.ts runs as a worker thread')
const port = parentPort
const { path } = workerData as { path: string }
const db = openReader(path)
const reader = new Reader(db)

port.on('message', (message: ReadJob | 'close') => {
  if (message === 'close') {
    db.close()
    port.close()
    return
  }
  port.postMessage(answer(message))
})

function answer({ organizationId, search }: ReadJob): ReadResult {
  try {
    reader.refresh()
    return { value: reader.search(organizationId, search) }
  } catch (error) {
    return { error: packError(toStorageError(error) ?? error) }
  }
}
