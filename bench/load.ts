import { generateSecret, hashSecret } from '../src/api-key.ts'
import { parseCreate } from '../src/command.ts'
import { openReader, openWriter } from '../src/sqlite/open.ts'
import { SqliteStore } from '../src/sqlite/store.ts'
import { answerParent } from './child.ts'
import { sampleDraft } from './sample-customer.ts'
import { countRows, rowsAdded } from './table-rows.ts'

/** Makes a database of sample customers through the engine's own writing path. */

export interface Load {
  readonly path: string
  readonly customers: number
}

export interface Loaded {
  readonly key: string
  /** Rows that one create adds, by table. */
  readonly rowsOfCreate: Record<string, number>
}

/** Enough to fill a group while another is under way. */
const inFlightMax = 256

answerParent<Load, Loaded>(async ({ path, customers }) => {
  const store = SqliteStore.open({ path })
  const key = generateSecret()
  const { id: keyId, organizationId } = await store.createDefault({ name: 'bench', secretHash: hashSecret(key) }) ?? {}
  if (keyId === undefined || organizationId === undefined) throw new Error(`${path} is no new database`)

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

  const reader = openReader(path)
  const before = countRows(reader)
  await create(customers - 1)
  const rowsOfCreate = rowsAdded(before, countRows(reader))
  reader.close()
  await store.close()
  // The last connection to close empties the write-ahead log into the file if it may write.
  openWriter(path).close()
  return { key, rowsOfCreate }
})
