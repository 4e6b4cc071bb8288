import { setTimeout } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type pg from 'pg'
import type { IndexThreadData } from '../indexing/search-dispatch.ts'
import { serveIndex } from '../indexing/serve-index.ts'
import { openPool } from './connection.ts'
import { SearchIndex } from './search-index.ts'
import { isConnectionError, UnansweredCommit } from './storage-error.ts'
import { inTransaction } from './transaction.ts'

/** The thread that keeps customers in memory and answers searches from there. Its snapshots outlive a connection. */

/** How often commits are looked for when nobody asks. */
const followMs = 250
/** Between attempts to build on while the database cannot be reached. */
const reconnectMs = 500

if (parentPort === null) throw new Error('index-thread.ts runs as a worker thread')
const { url, bytesMax, searchSecondsMax } = workerData as IndexThreadData & { readonly url: string }
const pool = openPool({ url, poolSize: 1 })
/** Of the last transaction. */
let ending = Promise.resolve()
const index = new SearchIndex({ bytesMax, searchSecondsMax })
const begin = `begin isolation level repeatable read read only; set local statement_timeout = '${searchSecondsMax * 1000}'`

serveIndex(parentPort, {
  get bytes() { return index.bytes },
  get isBuilding() { return index.isBuilding },
  takeMoved: () => index.takeMoved(),
  want: async (want) => { await whileConnected((client) => index.want(client, want)) },
  search: (job) => whileConnected((client) => index.search(client, job)),
  async buildSlice() {
    const isConnected = await whileConnected(async (client) => {
      await index.buildSlice(client)
      return true
    })
    if (isConnected !== true) await setTimeout(reconnectMs)
  },
  async follow() {
    // Not after each answer: counting takes as long as a simple search.
    index.makeRoom()
    const seen = await whileConnected((client) => index.follow(client))
    return seen?.isNews === true
  },
  async close() {
    await ending
    await pool.end()
  }
}, { followMs })

/**
 * Undefined when the database cannot be reached: others then say so, and the next step tries again. What a step answers is of its
 * snapshot, so nobody waits for its transaction to end but the next step.
 */
async function whileConnected<Answer>(step: (client: pg.PoolClient) => Promise<Answer>): Promise<Answer | undefined> {
  await ending
  return await new Promise<Answer | undefined>((resolve, reject) => {
    const answerEarly = async (client: pg.PoolClient): Promise<void> => { resolve(await step(client)) }
    ending = inTransaction(pool, { begin, task: answerEarly }).catch((error: unknown) => {
      if (isConnectionError(error) || error instanceof UnansweredCommit) resolve(undefined)
      else reject(error instanceof Error ? error : new Error(String(error)))
    })
  })
}
