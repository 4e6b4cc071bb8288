import type { Database } from 'better-sqlite3'
import { SqliteError } from 'better-sqlite3'
import { OperatorError } from '../errors.ts'
import { CatalogTally } from '../sql/catalog-tally.ts'
import type { FindingKind } from '../sql/diagnosis.ts'
import { Diagnosis, isMendable } from '../sql/diagnosis.ts'
import type { DoctorOptions, DoctorReport, Examination, OnProgress } from '../sql/doctor-report.ts'
import { summarize } from '../sql/doctor-report.ts'
import { Catalog } from './catalog.ts'
import { checkCounts, recount } from './check-counts.ts'
import { SurplusWalk, entryTables } from './check-entries.ts'
import { checkFile, checkSequences, raiseSequences, rebuildIndexes } from './check-file.ts'
import { readAttributes, repairNames } from './check-names.ts'
import type { CheckedCustomer, CustomerRow } from './customer-check.ts'
import { CustomerCheck } from './customer-check.ts'
import { openReader, openWriter, prepareDatabase, refuseHalfCopied, requirePrepared } from './open.ts'
import { prepareWriterStatements } from './writer-statements.ts'

const batchCustomers = 500

/**
 * Holds everything that is kept besides renderings against them, and makes anew what differs. The check
 * is of one moment. Repairs take the lock for writing again and again for a short while, look again
 * before they write, and are told to servers on the same database.
 */
export function checkDatabase(path: string, { repair, onProgress = () => undefined }: DoctorOptions): DoctorReport {
  if (repair) prepareDatabase(path)
  else requirePrepared(path)
  refuseHalfCopied(path)
  try {
    const examinations = [withDatabase(openReader(path), (db) => examine(db, onProgress))]
    if (repair) treat(path, examinations, onProgress)
    return summarize(examinations)
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error
    throw new OperatorError(`${path} cannot be checked to the end: ${error.message}. What was repaired stays repaired; run doctor again.`, { cause: error })
  }
}

/** Adds an examination after each repair. */
function treat(path: string, examinations: Examination[], onProgress: OnProgress): void {
  const run = (repair: (db: Database) => void): void => {
    withDatabase(openWriter(path), (db) => {
      try {
        repair(db)
      } finally {
        tellServers(db)
      }
    })
    examinations.push(withDatabase(openReader(path), (db) => examine(db, onProgress)))
  }
  const kinds = (): FindingKind[] => examinations.at(-1)?.findings.map(({ kind }) => kind) ?? []
  // Everything else is read by indexes, so they come first.
  if (kinds().includes('indexes') && !kinds().includes('pages')) run(rebuildIndexes)
  const tally = examinations.at(-1)?.tally
  if (tally !== undefined && kinds().some(isMendable)) run((db) => { repairRows(db, tally, onProgress) })
}

function withDatabase<Answer>(db: Database, use: (db: Database) => Answer): Answer {
  try {
    return use(db)
  } finally {
    db.close()
  }
}

/** In one read transaction, so that writers at work make nothing look wrong. */
function examine(db: Database, onProgress: OnProgress): Examination {
  const diagnosis = new Diagnosis()
  try {
    return db.transaction(() => examineMoment(db, diagnosis, onProgress))()
  } catch (error) {
    // Damage of some kinds keeps SQLite from looking for more of it.
    if (!(error instanceof SqliteError) || !error.code.startsWith('SQLITE_CORRUPT')) throw error
    diagnosis.add('pages', error.message)
    return { customers: null, findings: diagnosis.list(), tally: undefined }
  }
}

function examineMoment(db: Database, diagnosis: Diagnosis, onProgress: OnProgress): Examination {
  checkFile(db, diagnosis)
  if (diagnosis.has('pages')) return { customers: null, findings: diagnosis.list(), tally: undefined }
  const customers = db.prepare<[], number>('select count(*) from customers not indexed').pluck().get() ?? 0
  if (diagnosis.has('indexes')) return { customers, findings: diagnosis.list(), tally: undefined }
  checkSequences(db, diagnosis)
  const catalog = new Catalog(db)
  catalog.load()
  const check = new CustomerCheck(db, catalog)
  const tally = new CatalogTally()
  const entries = { tags: 0, attributes: 0 }
  let done = 0
  for (const row of customerRows(check)) {
    const checked = check.check(row)
    done += 1
    if (done % batchCustomers === 0) onProgress('checking', done, customers)
    if (checked === undefined) diagnosis.add('unreadable', row.id)
    else {
      tally.add({ organizationId: row.organization_id, tagVersion: row.tag_version, ...checked })
      reportCustomer(row, checked, diagnosis)
      entries.tags += checked.tagEntries - checked.missingTagIds.length
      entries.attributes += checked.attributeEntries - checked.missingAttributes.length
    }
  }
  tally.report(readAttributes(db), diagnosis)
  for (const index of ['tags', 'attributes'] as const) {
    const table = entryTables[index]
    // All that should be there was counted, so more than that is surplus; where there is none, the walk is saved.
    if (entries[index] === db.prepare<[], number>(table.count).pluck().get()) continue
    new SurplusWalk(db, table).find(check, ({ customerId }) => { diagnosis.add(table.surplus, customerId) })
  }
  checkCounts(db, diagnosis)
  for (const { customerId, events } of strayEvents(db)) diagnosis.add('events', customerId, events)
  return { customers, findings: diagnosis.list(), tally }
}

function* customerRows(check: CustomerCheck): Generator<CustomerRow> {
  let rows = check.rowsAfter(Number.MIN_SAFE_INTEGER, batchCustomers)
  while (rows.length > 0) {
    yield* rows
    rows = check.rowsAfter(rows.at(-1)?.id ?? Infinity, batchCustomers)
  }
}

function reportCustomer({ id }: CustomerRow, { kinds, missingTagIds, missingAttributes }: CheckedCustomer, diagnosis: Diagnosis): void {
  for (const kind of kinds) diagnosis.add(kind, id)
  if (missingTagIds.length > 0) diagnosis.add('tagEntriesMissing', id, missingTagIds.length)
  if (missingAttributes.length > 0) diagnosis.add('attributeEntriesMissing', id, missingAttributes.length)
}

/** In an order in which nothing is made from what is still wrong. */
function repairRows(db: Database, tally: CatalogTally, onProgress: OnProgress): void {
  raiseSequences(db)
  const catalog = new Catalog(db)
  db.transaction(() => {
    catalog.refresh()
    repairNames(db, tally, catalog)
  }).immediate()
  const check = new CustomerCheck(db, catalog)
  repairCustomers(db, { catalog, check, onProgress })
  for (const table of Object.values(entryTables)) new SurplusWalk(db, table).remove(check, () => { catalog.refresh() })
  recount(db)
  removeStrayEvents(db)
}

function repairCustomers(
  db: Database, { catalog, check, onProgress }: { catalog: Catalog; check: CustomerCheck; onProgress: OnProgress }
): void {
  const sql = prepareWriterStatements(db)
  const freeUserId = db.prepare<[number]>('update customers set user_id = null where id = ?')
  const repair = (id: number): void => {
    const row = check.find(id)
    const checked = row === undefined ? undefined : check.check(row)
    if (row === undefined || checked === undefined) return
    const { right, missingTagIds, missingAttributes } = checked
    for (const tagId of missingTagIds) sql.insertTagEntry.run(tagId, id)
    for (const [attributeId, value] of missingAttributes) sql.insertAttributeEntry.run(attributeId, value, id)
    if (Object.keys(right).every((column) => right[column] === row[column])) return
    const holder = typeof right.user_id === 'string' ? check.holderOf(row.organization_id, right.user_id) : undefined
    const isHeldWrongly = holder !== undefined && holder !== id
    if (isHeldWrongly) freeUserId.run(holder)
    sql.update.run(right)
    // At once, or another customer could be given the userId that it has by its rendering.
    if (isHeldWrongly) repair(holder)
  }
  const total = db.prepare<[], number>('select count(*) from customers').pluck().get() ?? 0
  const readBatch = db.transaction((after: number) => {
    catalog.refresh()
    return check.rowsAfter(after, batchCustomers).map((row) => ({ id: row.id, isWrong: needsRepair(check.check(row)) }))
  })
  let done = 0
  let batch = readBatch(Number.MIN_SAFE_INTEGER)
  while (batch.length > 0) {
    const wrong = batch.filter(({ isWrong }) => isWrong)
    if (wrong.length > 0) {
      db.transaction(() => {
        catalog.refresh()
        for (const { id } of wrong) repair(id)
      }).immediate()
    }
    done += batch.length
    onProgress('repairing', done, total)
    batch = readBatch(batch.at(-1)?.id ?? Infinity)
  }
}

function needsRepair(checked: CheckedCustomer | undefined): boolean {
  if (checked === undefined) return false
  return checked.missingTagIds.length > 0 || checked.missingAttributes.length > 0 || checked.kinds.some((kind) => kind !== 'userIds')
}

interface StrayEvents {
  readonly customerId: number
  readonly events: number
}

/** Events of a deleted customer stay until its deletion is purged, and go with it. */
function strayEvents(db: Database): StrayEvents[] {
  return db.prepare<[], StrayEvents>(`
    with strays as (
      select customer_id, count(*) as events from events
      where not exists (select 1 from customers where customers.id = events.customer_id) group by customer_id)
    select customer_id as customerId, events from strays
    where customer_id not in (select customer_id from changes where kind = 'customer.deleted' and customer_id is not null)
    order by customer_id`).all()
}

/** Nobody can turn up again as the customer of events found: ids are not given twice, and no deletion is kept. */
function removeStrayEvents(db: Database): void {
  const sql = prepareWriterStatements(db)
  const strays = strayEvents(db)
  for (let from = 0; from < strays.length; from += batchCustomers) {
    db.transaction(() => {
      for (const { customerId } of strays.slice(from, from + batchCustomers)) sql.deleteOrphanEvents.run({ customerId })
    }).immediate()
  }
}

/**
 * Servers hear of all that is counted and named by SQLite's data_version. What they keep of customers
 * in memory follows the table of changes, and is forgotten at a gap in its ids.
 */
function tellServers(db: Database): void {
  db.prepare("update sqlite_sequence set seq = seq + 1 where name = 'changes'").run()
}
