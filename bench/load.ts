import { generateSecret, hashSecret } from '../src/api-key.ts'
import { openStore } from '../src/cli/open-store.ts'
import { parseCreate } from '../src/command.ts'
import { answerParent } from './child.ts'
import type { BenchDatabase } from './database.ts'
import { countRows, emptyLog, rowsAdded } from './database.ts'
import { sampleDraft } from './sample-customer.ts'

/** Makes a database of sample customers through the engine's own writing path. */

export interface Load {
  readonly database: BenchDatabase
  readonly customers: number
}

export interface Loaded {
  readonly key: string
  /** Rows that one create adds, by table. */
  readonly rowsOfCreate: Record<string, number>
}

/** Enough to fill a group while another is under way. */
const inFlightMax = 256

answerParent<Load, Loaded>(async ({ database, customers }) => {
  const store = await openStore(database.url, { indexBytesMax: 0 })
  const key = generateSecret()
  const { id: keyId, organizationId } = await store.createDefault({ name: 'bench', secretHash: hashSecret(key) }) ?? {}
  if (keyId === undefined || organizationId === undefined) throw new Error(`${database.url} is no new database`)

  const create = async (sample: number): Promise<void> => {
    const { command } = parseCreate(sampleDraft(sample), { attributes: new Map(), strictAttributes: false })
    await store.write({ organizationId, keyId, requestId: `load-${sample}` }, command)
  }
  // Ids follow samples only if writes are pushed in order, so one loop feeds the queue.
  const inFlight: Promise<void>[] = []
  for (let sample = 0; sample < customers - 1; sample += 1) {
    inFlight.push(create(sample))
    if (inFlight.length === inFlightMax) await Promise.all(inFlight.splice(0, inFlightMax / 2))
  }
  await Promise.all(inFlight)

  const before = await countRows(database)
  await create(customers - 1)
  const rowsOfCreate = rowsAdded(before, await countRows(database))
  await store.close()
  emptyLog(database)
  return { key, rowsOfCreate }
})
