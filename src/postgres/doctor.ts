import pg from 'pg'
import { OperatorError } from '../errors.ts'
import { CatalogTally } from '../sql/catalog-tally.ts'
import { Diagnosis, isMendable } from '../sql/diagnosis.ts'
import type { DoctorOptions, DoctorReport, Examination, OnProgress } from '../sql/doctor-report.ts'
import { summarize } from '../sql/doctor-report.ts'
import { recount, wrongCounts } from './check-counts.ts'
import type { IdRange } from './check-entries.ts'
import { removeClaims, removeStrays, strays, strayTables, surplusClaims } from './check-entries.ts'
import { forgetInMemory, makePointers, missingPointers, removePointers, surplusPointers } from './check-feed.ts'
import { readAttributes, repairNames } from './check-names.ts'
import { brokenIndexes, buildIndexes, lowSequences, raiseSequences, strayReferences } from './check-schema.ts'
import { isDistributed } from './citus.ts'
import { cannotBeUsed, checkServer, endQuietly, operatorRemedy, readOnlyRemedy, withClient } from './connection.ts'
import type { NamedDatabase } from './copy-source.ts'
import { requireReadable } from './copy-source.ts'
import type { Checked, CustomerRow } from './customer-check.ts'
import { checkCustomers, isWrong, reportCustomer, selectedColumns } from './customer-check.ts'
import { repairCustomers } from './customer-repair.ts'
import { DoctorSession } from './doctor-session.ts'
import { doctorLockKey } from './lock-keys.ts'
import { migrateDatabase, refuseHalfCopied, requireMade, requireMigrated } from './migrate.ts'
import { insufficientPrivilege, isConnectionError, readOnly, sqlState } from './storage-error.ts'

const sliceCustomers = 1_000
/** Customers that are held at once, so that writers wait a little only. */
const repairedMax = 100

/**
 * Holds everything that is kept besides renderings against them, and makes anew what differs. Each slice of customers is
 * checked at one moment, another one for each, so that no transaction is long.
 */
export async function checkDatabase({ url, name }: NamedDatabase, { repair, onProgress = () => undefined }: DoctorOptions): Promise<DoctorReport> {
  try {
    await withClient(url, async (client) => {
      await requireReadable(client)
      await requireMade(client)
    })
    if (repair) await migrateDatabase(url)
    return await withClient(url, async (client) => {
      await checkServer(client)
      await requireMigrated(client)
      await refuseHalfCopied(client)
      const session = new DoctorSession(client, { isDistributed: await isDistributed(client) })
      const first = await examine(session, onProgress)
      if (!repair || !first.findings.some(({ kind }) => isMendable(kind))) return summarize([first])
      await mend(session, first, onProgress)
      return summarize([first, await examine(session, onProgress)])
    })
  } catch (error) {
    // Before anything could be looked at: the user or the database of the URL is another one.
    if (isConnectionError(error) || /^(?:28|3D)/.test(sqlState(error))) throw cannotBeUsed(error, url)
    if (!(error instanceof pg.DatabaseError)) throw error
    throw new OperatorError(`${name} cannot be checked to the end: ${error.message}. ${remedyOf(error, { repair })}`, { cause: error })
  }
}

function remedyOf(error: pg.DatabaseError, { repair }: { repair: boolean }): string {
  if (error.code === readOnly) return readOnlyRemedy
  if (!repair) return error.code === insufficientPrivilege ? 'Run doctor as the user of the servers.' : 'Run doctor again.'
  return `What was repaired stays repaired; run doctor ${error.code === insufficientPrivilege ? 'as the owner of the tables' : 'again'}.`
}

async function examine(session: DoctorSession, onProgress: OnProgress): Promise<Examination> {
  const diagnosis = new Diagnosis()
  const tally = new CatalogTally()
  for (const { name } of await brokenIndexes(session)) diagnosis.add('indexes', name)
  for (const reference of await strayReferences(session)) diagnosis.add('references', reference)
  for (const { table } of await lowSequences(session)) diagnosis.add('sequences', table)
  const customers = await examineCustomers(session, { diagnosis, tally, onProgress })
  tally.report(await readAttributes(session), diagnosis)
  for await (const claims of surplusClaims(session)) for (const { customer_id } of claims) diagnosis.add('userIdEntriesSurplus', customer_id)
  for await (const pointers of missingPointers(session)) for (const { position } of pointers) diagnosis.add('feedEntriesMissing', position)
  for await (const pointers of surplusPointers(session)) for (const { position } of pointers) diagnosis.add('feedEntriesSurplus', position)
  for (const { organizationId } of await wrongCounts(session)) diagnosis.add('customerCounts', organizationId)
  return { customers, findings: diagnosis.list(), tally }
}

/** Answers how many there are. */
async function examineCustomers(
  session: DoctorSession, { diagnosis, tally, onProgress }: { diagnosis: Diagnosis; tally: CatalogTally; onProgress: OnProgress }
): Promise<number> {
  const total = await countCustomers(session)
  const organizationIds = new Set((await session.rows<{ id: number }>('select id from organizations')).map(({ id }) => id))
  let done = 0
  for (let range = await nextRange(session, Number.MIN_SAFE_INTEGER); ; range = await nextRange(session, range.upTo)) {
    const checked = await checkRange(session, range)
    for (const one of checked) {
      const { row } = one
      if (!organizationIds.has(row.organization_id)) diagnosis.add('references', `customers ${row.id}`)
      if (one.customer === undefined) diagnosis.add('unreadable', row.id)
      else {
        tally.add({ organizationId: row.organization_id, tagVersion: row.tag_version, customer: one.customer, unknownTags: one.unknownTags })
        reportCustomer(one, diagnosis)
      }
    }
    for (const table of strayTables) {
      for await (const found of strays(session, table, range)) for (const { customerId, entries } of found) diagnosis.add(table.finding, customerId, entries)
    }
    done += checked.length
    onProgress('checking', done, total)
    if (range.upTo === Number.MAX_SAFE_INTEGER) return done
  }
}

async function mend(session: DoctorSession, examination: Examination, onProgress: OnProgress): Promise<void> {
  const [lock] = await session.rows<{ locked: boolean }>('select pg_try_advisory_lock($1) as locked', [doctorLockKey])
  // Two would each add what a count lacks.
  if (lock?.locked !== true) throw new OperatorError('Another doctor is mending this database. Wait for it, then run doctor again.')
  try {
    await mendEverything(session, examination, onProgress).catch(async (error: unknown) => {
      // Also of what was mended before. Whoever may not write here may not tell either, and has to know why.
      await tellServers(session).catch((untold: unknown) => { throw operatorRemedy(error) === undefined ? untold : error })
      throw error
    })
    await tellServers(session)
  } finally {
    await endQuietly(session.client, 'select pg_advisory_unlock($1)', [doctorLockKey])
  }
}

/** A later doctor finds nothing wrong and has nothing to tell, so a failure of this has to be known. */
async function tellServers(session: DoctorSession): Promise<void> {
  try {
    await session.change(async () => { await forgetInMemory(session) })
  } catch (error) {
    throw new OperatorError(
      `What was repaired stays repaired, but running servers could not be told: ${error instanceof Error ? error.message : String(error)}. Restart them, or their searches may not show it.`, { cause: error })
  }
}

/** In an order in which nothing is made from what is still wrong. */
async function mendEverything(session: DoctorSession, { customers, tally }: Examination, onProgress: OnProgress): Promise<void> {
  await buildIndexes(session)
  await raiseSequences(session)
  if (tally !== undefined) await repairNames(session, tally)
  await mendCustomers(session, { total: customers ?? 0, onProgress })
  for await (const claims of surplusClaims(session)) await removeClaims(session, claims)
  for await (const pointers of missingPointers(session)) await makePointers(session, pointers)
  for await (const pointers of surplusPointers(session)) await removePointers(session, pointers)
  await recount(session)
}

async function mendCustomers(session: DoctorSession, { total, onProgress }: { total: number; onProgress: OnProgress }): Promise<void> {
  let done = 0
  for (let range = await nextRange(session, Number.MIN_SAFE_INTEGER); ; range = await nextRange(session, range.upTo)) {
    const checked = await checkRange(session, range)
    const wrong = checked.filter((one) => one.customer !== undefined && isWrong(one)).map(({ row }) => row.id)
    for (let from = 0; from < wrong.length; from += repairedMax) await repairCustomers(session, wrong.slice(from, from + repairedMax))
    for (const table of strayTables) {
      for await (const found of strays(session, table, range)) await removeStrays(session, table, found)
    }
    done += checked.length
    onProgress('repairing', done, total)
    if (range.upTo === Number.MAX_SAFE_INTEGER) return
  }
}

async function checkRange(session: DoctorSession, { after, upTo }: IdRange): Promise<Checked[]> {
  const checked = await session.atOneMoment(async () => await checkCustomers(session,
    await session.rows<CustomerRow>(`select ${selectedColumns} from customers where id > $1 and id <= $2 order by id`, [after, upTo])))
  const isSuspicious = (one: Checked): boolean => one.customer !== undefined && (isWrong(one) || one.unknownTags.length > 0)
  return await session.lookAgain(checked, (all) => all.some(isSuspicious), async (all) => {
    const suspects = all.filter(isSuspicious).map(({ row }) => row.id)
    const again = new Map((await session.atOneMoment(async () => await checkCustomers(session,
      await session.rows<CustomerRow>(`select ${selectedColumns} from customers where id = any($1)`, [suspects])))).map((one) => [one.row.id, one]))
    // Who is gone now was deleted meanwhile.
    return all.flatMap((one) => (isSuspicious(one) ? again.get(one.row.id) ?? [] : one))
  })
}

/** From behind an id to that of the last customer of a slice; the last range has no end. Only an id comes from each machine. */
async function nextRange(session: DoctorSession, after: number): Promise<IdRange> {
  const [end] = await session.rows<{ id: number }>('select id from customers where id > $1 order by id offset $2 limit 1', [after, sliceCustomers - 1])
  return { after, upTo: end?.id ?? Number.MAX_SAFE_INTEGER }
}

/** As counted, which may be wrong, for what is told of the progress. */
async function countCustomers(session: DoctorSession): Promise<number> {
  const [row] = await session.rows<{ customers: number }>('select coalesce(sum(customers), 0)::bigint as customers from customer_counts')
  return row?.customers ?? 0
}
