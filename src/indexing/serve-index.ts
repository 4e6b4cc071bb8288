import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { MessagePort } from 'node:worker_threads'
import { ApiError } from '../errors.ts'
import type { FoundPage } from '../store.ts'
import { handOver } from './hand-over.ts'
import type { ReadJob, ReadResult } from './read-pool.ts'
import type { IndexNotice, Wanted } from './search-dispatch.ts'
import { packError } from './thread-error.ts'

/** What an engine's index of searches does in its thread. Never asked for two things at once. */
export interface ServedIndex {
  readonly bytes: number
  readonly isBuilding: boolean
  takeMoved(): IndexNotice['moved']
  /** An organization that somebody searches, or all in which a search without this index would take long. */
  want(want: Wanted['want']): Promise<void> | void
  /** Undefined when the organization is not here. A search that was stopped leaves the index as it was. */
  search(job: ReadJob): Promise<FoundPage | undefined> | FoundPage | undefined
  /** Brings one organization a step further. */
  buildSlice(): Promise<void> | void
  /** Takes in what was committed since the last time, so that the next question has little to catch up with; answers whether there was something. */
  follow(): Promise<boolean> | boolean
  close(): Promise<void> | void
}

const mebibyte = 1024 * 1024
/** V8 may hold so much more than it did when garbage was collected last: to collect takes some 25 ms at a million customers. */
const uncollectedBytesMax = 32 * mebibyte
/** How often commits are followed while they come: the less a question finds waiting, the sooner it is answered. */
const busyFollowMs = 50

/**
 * Has an index answer what comes through the port, one thing after the other. What fails otherwise than by an
 * ApiError ends the thread: the index may then have seen a part of a change, and SQL answers in its place. `followMs`: how often
 * commits are looked for while there are none and nobody asks.
 */
export function serveIndex(port: MessagePort, index: ServedIndex, { followMs }: { followMs: number }): void {
  let turn = Promise.resolve()
  let isClosed = false
  let isBuilding = false
  let bytesNoticed = 0
  let bytesCollected = bytesInHeap()

  let following = setTimeout(followInTurn, followMs)
  port.on('message', (message: ReadJob | Wanted | 'close') => {
    if (message === 'close') inTurn(close)
    else if ('want' in message) inTurn(async () => { await index.want(message.want) })
    else inTurn(async () => { await answer(message) })
  })

  function inTurn(step: () => Promise<void>): void {
    turn = turn.then(async () => {
      if (isClosed) return
      await step()
      buildOn()
    })
  }

  function followInTurn(): void {
    inTurn(follow)
  }

  async function follow(): Promise<void> {
    const hasFollowed = await index.follow()
    following = setTimeout(followInTurn, hasFollowed ? busyFollowMs : followMs)
    bytesCollected = Math.min(bytesCollected, bytesInHeap())
    if (!index.isBuilding && bytesInHeap() - bytesCollected > uncollectedBytesMax) collectGarbage()
  }

  async function close(): Promise<void> {
    isClosed = true
    clearTimeout(following)
    await index.close()
    port.close()
  }

  async function answer(job: ReadJob): Promise<void> {
    handOver(port, await find(job))
  }

  async function find(job: ReadJob): Promise<ReadResult> {
    try {
      return { value: await index.search(job) }
    } catch (error) {
      if (error instanceof ApiError) return { error: packError(error) }
      throw error
    }
  }

  /** Builds in slices, between which questions are answered. */
  function buildOn(): void {
    if (isClosed) return
    notify()
    if (isBuilding || !index.isBuilding) return
    isBuilding = true
    setImmediate(() => {
      inTurn(async () => {
        isBuilding = false
        await index.buildSlice()
      })
    })
  }

  /** What building or an order of texts left behind is up to half as much as the index, and V8 would keep it until the heap has grown by as much. */
  function collectGarbage(): void {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    collect()
    bytesCollected = bytesInHeap()
  }

  function notify(): void {
    const notice: IndexNotice = { moved: index.takeMoved(), bytes: Math.ceil(index.bytes / mebibyte) * mebibyte }
    if (notice.moved.length === 0 && notice.bytes === bytesNoticed) return
    bytesNoticed = notice.bytes
    port.postMessage({ notice })
  }
}

function bytesInHeap(): number {
  return getHeapStatistics().used_heap_size
}
