import { renameSync } from 'node:fs'
import type { Database } from 'better-sqlite3'
import { hashSecret } from '../../src/api-key.ts'
import { parseCreate, parseUpdate } from '../../src/command.ts'
import { Catalog } from '../../src/sqlite/catalog.ts'
import { CustomerWriter } from '../../src/sqlite/customer-writer.ts'
import { openWriter, prepareDatabase } from '../../src/sqlite/open.ts'
import { Writer } from '../../src/sqlite/writer.ts'
import { prepareWriterStatements } from '../../src/sqlite/writer-statements.ts'
import { answerParent } from '../child.ts'
import { below, seededRandom } from '../random.ts'
import { latestSeen, oldestSeen, searchSample } from './sample.ts'

/**
 * Makes a database with the engine's own writing code, so that every table, index and count is as a
 * server would have left it. Only how it reaches the disk differs: a few transactions without a journal.
 */

export interface Build {
  readonly path: string
  readonly customers: number
  readonly seed: number
  readonly key: string
}

const customersPerTransaction = 200_000
/** Counts are kept and buckets split this often, as the groups of a busy server do. */
const commandsPerGroup = 1_000
/** How many of the customers are patched once after they were created. */
const patchedShare = 0.15
const attributeTypes = { attributes: new Map(), strictAttributes: false } as const

answerParent<Build, { seconds: number }>(({ path, customers, seed, key }) => {
  const started = performance.now()
  const draft = `${path}.new`
  prepareDatabase(draft)
  const db = openWriter(draft)
  const organizationId = 1
  const first = { type: 'createDefault', name: 'bench', secretHash: hashSecret(key) } as const
  new Writer(db, () => oldestSeen).runGroup([first])

  // A draft that fails is thrown away, so nothing needs to be undone or flushed.
  db.pragma('journal_mode = off')
  db.pragma('synchronous = off')
  db.pragma(`cache_size = ${-3 * 1024 * 1024}`)
  fill(db, { organizationId, customers, seed })
  db.pragma('journal_mode = wal')
  new Writer(db, () => latestSeen).runGroup([{ type: 'optimize' }])
  db.close()
  renameSync(draft, path)
  return { seconds: (performance.now() - started) / 1000 }
})

function fill(db: Database, { organizationId, customers, seed }: { organizationId: number; customers: number; seed: number }): void {
  const statements = prepareWriterStatements(db)
  const writer = new CustomerWriter(statements, new Catalog(db))
  const random = seededRandom(seed)
  let commands = 0

  for (let number = 0; number < customers; number += 1) {
    if (number % customersPerTransaction === 0) {
      statements.begin.run()
      writer.beginGroup()
    }
    const caller = { organizationId, keyId: 1, requestId: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}` }
    const now = oldestSeen + Math.floor((latestSeen - oldestSeen) * number / customers)
    const { draft, events } = searchSample(seed, number)
    writer.write(caller, parseCreate(draft, attributeTypes).command, now)
    for (const event of events) writer.write(caller, { type: 'recordEvent', customerId: number + 1, ...event }, now)
    if (random() < patchedShare) {
      const patch = { lastPage: `https://www.example.com/orders/${number}`, customData: { payments: below(random, 500) } }
      writer.write(caller, parseUpdate(patch, { type: 'patch', id: 1 + below(random, number + 1), ...attributeTypes }).command, now)
    }
    commands += 1
    const isLast = number === customers - 1 || (number + 1) % customersPerTransaction === 0
    if (isLast || commands % commandsPerGroup === 0) writer.endGroup()
    if (isLast) statements.commit.run()
    else if (commands % commandsPerGroup === 0) writer.beginGroup()
  }
}
