import { performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import type { Statement } from 'better-sqlite3'
import type { ReadJob } from '../indexing/read-pool.ts'
import type { IndexThreadData } from '../indexing/search-dispatch.ts'
import { serveIndex } from '../indexing/serve-index.ts'
import type { FoundPage } from '../store.ts'
import type { RenderingRow } from './catalog.ts'
import { Catalog } from './catalog.ts'
import { entriesWorthFinding, EntryLookup } from './entry-lookup.ts'
import { openReader } from './open.ts'
import type { PagePart, WholeRow } from './page-part.ts'
import { readPart, selectRows, selectWhole } from './page-part.ts'
import { SearchIndex } from './search-index.ts'

/** The thread that keeps customers in memory and answers searches from there. */

/** Rows are read here by their ids, once as they change: more than the upper levels of a tree would only keep what others wrote. */
const cacheMebibytes = 8
/** How often commits are looked for when nobody asks. */
const followMs = 100

if (parentPort === null) throw new Error('index-thread.ts runs as a worker thread')
const { path, bytesMax, searchSecondsMax } = workerData as IndexThreadData & { readonly path: string }
const db = openReader(path, { cacheMebibytes })
const catalog = new Catalog(db)
const lookup = new EntryLookup(db)
const index = new SearchIndex(db, { bytesMax, searchSecondsMax, nowMs: () => performance.now() })
// In the order of the ids: CROSS JOIN keeps SQLite from turning the join around.
const selectPage = `${selectRows} from json_each(?) as wanted cross join customers on customers.id = wanted.value`
const pageRows: Statement<[string], RenderingRow> = db.prepare(selectPage)
const wholePage: Statement<[string], WholeRow> = db.prepare(`${selectWhole} from (${selectPage})`)
const dataVersion = db.prepare<[], number>('pragma data_version').pluck()
let dataVersionSeen = -1

serveIndex(parentPort, {
  get bytes() { return index.bytes },
  get isBuilding() { return index.isBuilding },
  takeMoved: () => index.takeMoved(),
  want(want) {
    inTransaction(() => {
      if (want === 'large') index.wantLarge()
      else index.want(want)
    })
  },
  search,
  buildSlice() { inTransaction(() => { index.buildSlice() }) },
  follow() {
    // Not after each answer: counting takes as long as a simple search.
    index.makeRoom()
    const version = dataVersion.get() ?? 0
    if (version === dataVersionSeen) return false
    dataVersionSeen = version
    inTransaction(() => { index.followChanges() })
    return true
  },
  close() { db.close() }
}, { followMs })

function search({ organizationId, search: wanted }: ReadJob): FoundPage | undefined {
  return inTransaction(() => {
    const startedMs = performance.now()
    catalog.refresh()
    const names = catalog.of(organizationId)
    const found = index.search(organizationId, wanted, {
      lookUp: (filter, passedRows) => lookup.find(organizationId, filter, { max: entriesWorthFinding(passedRows), names }),
      readerOf: (sort) => lookup.readerOf(organizationId, sort, names)
    })
    if (found === undefined) return undefined
    const { ids, plan, steps, entriesVisited, ...rest } = found
    const { customers, count } = render(organizationId, ids)
    return {
      ...rest, customers, count,
      pageMs: performance.now() - startedMs - found.totalMs,
      explanation: wanted.wantsExplanation ? { plan: `columns, ${plan}`, steps, entriesVisited } : null
    }
  })
}

function render(organizationId: number, ids: readonly number[]): PagePart {
  const wanted = JSON.stringify(ids)
  const part = readPart(catalog, organizationId, { whole: () => wholePage.get(wanted), rows: () => pageRows.all(wanted) })
  if (part.count !== ids.length) throw new Error('The index has customers that the database has not')
  return part
}

function inTransaction<Answer>(read: () => Answer): Answer {
  return db.transaction(read)()
}
