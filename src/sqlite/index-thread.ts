import { performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { parentPort, workerData } from 'node:worker_threads'
import type { Statement } from 'better-sqlite3'
import { ApiError } from '../errors.ts'
import type { HandedPage, ReadJob, ReadResult } from '../indexing/read-pool.ts'
import type { IndexNotice, IndexThreadData, Wanted } from '../indexing/search-dispatch.ts'
import { packError } from '../indexing/thread-error.ts'
import type { RenderingRow } from './catalog.ts'
import { Catalog } from './catalog.ts'
import { openReader } from './open.ts'
import type { PagePart, WholeRow } from './page-part.ts'
import { readPart, selectRows, selectWhole } from './page-part.ts'
import { SearchIndex } from './search-index.ts'

/** The thread that keeps customers in memory and answers searches from there. */

/** How often commits are followed when nobody asks, so that the next question has little to catch up with. */
const followMs = 100

if (parentPort === null) throw new Error('index-thread.ts runs as a worker thread')
const port = parentPort
const { path, bytesMax, searchSecondsMax } = workerData as IndexThreadData & { readonly path: string }
const db = openReader(path)
const catalog = new Catalog(db)
const index = new SearchIndex(db, { bytesMax, searchSecondsMax, nowMs: () => performance.now() })
// In the order of the ids: CROSS JOIN keeps SQLite from turning the join around.
const selectPage = `${selectRows} from json_each(?) as wanted cross join customers on customers.id = wanted.value`
const pageRows: Statement<[string], RenderingRow> = db.prepare(selectPage)
const wholePage: Statement<[string], WholeRow> = db.prepare(`${selectWhole} from (${selectPage})`)
const dataVersion = db.prepare<[], number>('pragma data_version').pluck()
const mebibyte = 1024 * 1024
/** An index that grew by less leaves little behind. */
const collectedBytesMin = 64 * mebibyte
let dataVersionSeen = -1
let isBuilding = false
let bytesNoticed = 0
let bytesCollected = 0

const following = setInterval(() => { follow() }, followMs)

port.on('message', (message: ReadJob | Wanted | 'close') => {
  if (message === 'close') {
    clearInterval(following)
    db.close()
    port.close()
  } else if ('want' in message) {
    inTransaction(() => {
      if (message.want === 'large') index.wantLarge()
      else index.want(message.want)
    })
    buildOn()
  } else {
    const result = answer(message)
    port.postMessage(result, 'value' in result && result.value !== undefined ? [result.value.customers.buffer] : [])
    buildOn()
  }
})

/**
 * A search that was stopped leaves the index as it was. What else fails ends the thread: the index may
 * then have seen a part of a change, and SQL answers in its place.
 */
function answer(job: ReadJob): ReadResult {
  try {
    return { value: find(job) }
  } catch (error) {
    if (error instanceof ApiError) return { error: packError(error) }
    throw error
  }
}

function find({ organizationId, search }: ReadJob): HandedPage | undefined {
  return inTransaction(() => {
    const startedMs = performance.now()
    catalog.refresh()
    const found = index.search(organizationId, search)
    if (found === undefined) return undefined
    const { ids, plan, steps, entriesVisited, ...rest } = found
    const { customers, count } = render(organizationId, ids)
    return {
      ...rest, count,
      // Small buffers share their memory with others, which must stay here.
      customers: new Uint8Array(customers),
      pageMs: performance.now() - startedMs - found.totalMs,
      explanation: search.wantsExplanation ? { plan: `columns, ${plan}`, steps, entriesVisited } : null
    }
  })
}

function render(organizationId: number, ids: readonly number[]): PagePart {
  const wanted = JSON.stringify(ids)
  const part = readPart(catalog, organizationId, { whole: () => wholePage.get(wanted), rows: () => pageRows.all(wanted) })
  if (part.count !== ids.length) throw new Error('The index has customers that the database has not')
  return part
}

/** Builds in slices, between which questions are answered. */
function buildOn(): void {
  if (!db.open) return
  notify()
  if (isBuilding || !index.isBuilding) return
  isBuilding = true
  setImmediate(() => {
    isBuilding = false
    unlessClosed(() => { inTransaction(() => { index.buildSlice() }) })
    if (!index.isBuilding && index.bytes - bytesCollected > collectedBytesMin) collectGarbage()
    buildOn()
  })
}

/** What building left behind is half as much again as the index, and V8 would keep it until the heap has grown by as much. */
function collectGarbage(): void {
  bytesCollected = index.bytes
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}

function follow(): void {
  // Not after each answer: counting takes as long as a simple search.
  index.makeRoom()
  unlessClosed(() => {
    const version = dataVersion.get() ?? 0
    if (version === dataVersionSeen) return
    dataVersionSeen = version
    inTransaction(() => { index.followChanges() })
  })
  notify()
}

function unlessClosed(step: () => void): void {
  if (db.open) step()
}

function notify(): void {
  const notice: IndexNotice = { moved: index.takeMoved(), bytes: Math.ceil(index.bytes / mebibyte) * mebibyte }
  if (notice.moved.length === 0 && notice.bytes === bytesNoticed) return
  bytesNoticed = notice.bytes
  port.postMessage({ notice })
}

function inTransaction<Answer>(read: () => Answer): Answer {
  return db.transaction(read)()
}
