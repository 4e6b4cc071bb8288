import type pg from 'pg'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { recount, wrongCounts } from '../../src/postgres/check-counts.ts'
import { missingPointers } from '../../src/postgres/check-feed.ts'
import { withClient } from '../../src/postgres/connection.ts'
import { distributeDatabase } from '../../src/postgres/distribute.ts'
import { DoctorSession } from '../../src/postgres/doctor-session.ts'
import { checkDatabase } from '../../src/postgres/doctor.ts'
import { isConflict } from '../../src/postgres/storage-error.ts'
import { PostgresStore } from '../../src/postgres/store.ts'
import type { DoctorReport } from '../../src/sql/doctor-report.ts'
import { createClusterDatabase } from '../citus-cluster.ts'
import type { TestOrganization } from '../conformance/open-organization.ts'
import { openOrganization, speakTo } from '../conformance/open-organization.ts'

// Each test makes a database on several machines.
vi.setConfig({ testTimeout: 180_000 })

const cluster = inject('citusUrl')

interface Patient {
  readonly url: string
  readonly organization: TestOrganization
  readonly workerUrl: string
  /** Of another server. */
  readonly another: TestOrganization
  readonly sql: (...texts: readonly string[]) => Promise<unknown[][]>
  readonly treat: (options: { repair: boolean }) => Promise<DoctorReport>
}

/** A database on several machines with two servers on it. */
async function openPatient(): Promise<Patient> {
  const { url, workerUrl } = await createClusterDatabase(cluster)
  const openStore = async (): Promise<PostgresStore> => {
    const store = await PostgresStore.open({ url })
    onTestFinished(async () => { await store.close() })
    return store
  }
  await PostgresStore.open({ url }).then(async (store) => { await store.close() })
  await distributeDatabase(url, { shards: 4 })
  const organization = await openOrganization(await openStore())
  return {
    url, organization, workerUrl,
    another: speakTo(await openStore(), organization.caller),
    sql: async (...texts) => await withClient(url, async (client) => {
      const answers: unknown[][] = []
      for (const text of texts) answers.push(await rowsOf(client, text))
      return answers
    }),
    treat: async (options) => await checkDatabase({ url, name: 'it' }, options)
  }
}

/** Of a statement that writers at work may end with a deadlock. */
async function rowsOf(client: pg.ClientBase, text: string): Promise<unknown[]> {
  for (;;) {
    try {
      return (await client.query<unknown[]>({ text, rowMode: 'array' })).rows
    } catch (error) {
      if (!isConflict(error)) throw error
    }
  }
}

const derived = [
  'select * from customers order by id', 'select * from customer_attributes order by customer_id, attribute_id', 'select * from user_ids order by digest',
  'select organization_id, sum(customers) from customer_counts group by organization_id', 'select position, organization_id, customer_id, event_id from feed order by position',
  'select * from changes order by id', 'select * from events order by id', 'select id, name, type from attributes where id = 1'
]

test('on several machines doctor finds and mends what it does on one', async () => {
  const { organization, sql, treat } = await openPatient()
  for (let index = 0; index < 20; index += 1) {
    const { id } = await organization.create({ userId: `u${index}`, tags: ['vip', `t${index % 3}`], customData: { plan: 'pro', n: index } })
    await organization.recordEvent({ name: 'paid', customer: id, data: { index } })
  }
  const before = await sql(...derived)
  expect(await treat({ repair: false })).toEqual({ customers: 20, findings: [] })
  expect(await treat({ repair: true })).toEqual({ customers: 20, findings: [] })

  await sql(
    "update customers set company = 'x' where id <= 10", "update customers set tag_ids = '{}' where id = 11", 'delete from customer_attributes where customer_id = 12',
    'insert into customer_attributes values (12, 99, 1, null), (13, 99, 1, null), (4711, 1, 1, null)', 'delete from user_ids where customer_id in (14, 15)',
    "insert into user_ids values (1, '\\x00', 4711), (1, '\\x01', 16)", 'delete from customer_counts', 'delete from feed where customer_id = 17',
    'insert into feed (position, organization_id, customer_id) values (0, 1, 1)', "insert into events values (3, 1, 4711, 'paid', '{}', 1)",
    "select setval('customer_ids', 4711)", "select setval('event_ids', 7)", "update attributes set type = 'number' where name = 'plan'", 'drop index customers_by_email')
  const report = await treat({ repair: false })
  expect(report.findings.map(({ kind, count }) => [kind, count])).toEqual([
    ['indexes', 1], ['sequences', 1], ['columns', 10], ['tagIds', 1], ['attributeTypes', 1], ['attributeEntriesMissing', 2], ['attributeEntriesSurplus', 3],
    ['userIdEntriesMissing', 2], ['userIdEntriesSurplus', 2], ['feedEntriesMissing', 2], ['feedEntriesSurplus', 1], ['customerCounts', 1], ['events', 1]
  ])
  const { findings } = await treat({ repair: true })
  expect(findings.filter(({ left }) => left > 0)).toEqual([])
  expect(await treat({ repair: false })).toEqual({ customers: 20, findings: [] })
  const after = await sql(...derived)
  // The attribute has a new id, by which servers learn of it.
  expect([after[0], ...after.slice(2, 7)]).toEqual([before[0], ...before.slice(2, 7)])
})

test('an index that was not finished on one of several machines is found, and built anew', async () => {
  const { workerUrl, treat } = await openPatient()
  await withClient(workerUrl, async (client) => {
    // Citus does not show the parts of its tables otherwise.
    await client.query('set citus.override_table_visibility = off')
    await client.query("update pg_index set indisvalid = false where indexrelid = (select min(oid) from pg_class where relname ~ '^customers_by_email_[0-9]+$')")
  })
  const finding = { kind: 'indexes', count: 1, ids: ['customers_by_email'] }

  expect(await treat({ repair: false })).toEqual({ customers: 0, findings: [{ ...finding, left: 1 }] })
  expect(await treat({ repair: true })).toEqual({ customers: 0, findings: [{ ...finding, left: 0 }] })
})

/** Two servers write, all the time. */
async function writeAlways({ organization, another }: Patient): Promise<{ stop: () => Promise<void> }> {
  let count = 0
  let isWriting = true
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    const its = writer % 2 === 0 ? organization : another
    for (let own = 0; isWriting; own += 1) {
      const { id } = await its.create({ userId: `${writer}-${own}`, tags: ['Lead', `t${own % 9}`], customData: { own, writer: `w${writer}` } })
      if (own % 3 === 0) await its.patch(id, { userId: `moved ${writer}-${own}`, customData: { own: -own, [`a${own % 20}`]: own } })
      if (own % 7 === 0) await its.delete(id)
      else if (own % 5 === 0) await its.recordEvent({ name: 'Paid', customer: id })
      count += 1
    }
  })
  const stop = async (): Promise<void> => {
    isWriting = false
    await Promise.all(writers)
  }
  onTestFinished(stop)
  await vi.waitUntil(() => count > 100, { timeout: 60_000 })
  return { stop }
}

test('on several machines doctor mends while two servers write, and nothing is wrong afterwards', async () => {
  const patient = await openPatient()
  const { sql, treat } = patient
  const { stop } = await writeAlways(patient)
  expect((await treat({ repair: false })).findings).toEqual([])
  await sql("update customers set company = 'x' where id % 3 = 0", 'delete from customer_attributes where customer_id % 2 = 0',
    'update user_ids set customer_id = -customer_id where customer_id % 5 = 0', 'delete from customer_counts', 'delete from feed where position % 4 = 0')
  const { findings } = await treat({ repair: true })
  await stop()

  expect(findings.filter(({ left }) => left > 0)).toEqual([])
  expect((await treat({ repair: false })).findings).toEqual([])
})

test('on several machines doctor knows exactly what a count lacks while two servers write, and takes no pointer for missing that is there', async () => {
  const patient = await openPatient()
  const { url, organization: { caller: { organizationId } }, sql } = patient
  const { stop } = await writeAlways(patient)
  await withClient(url, async (client) => {
    const session = new DoctorSession(client, { isDistributed: true })
    for (let round = 1; round <= 30; round += 1) {
      await sql(`insert into customer_counts values (${organizationId}, ${1000 + round}, ${-round})`)
      expect(await wrongCounts(session)).toEqual([{ organizationId, lacking: round }])
      await recount(session)
      expect(await wrongCounts(session)).toEqual([])
      for await (const pointers of missingPointers(session)) expect(pointers).toEqual([])
    }
  })
  await stop()
})
