import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { OperatorError } from '../../src/errors.ts'
import { readOnlyRemedy, withClient } from '../../src/postgres/connection.ts'
import { createEmptyDatabase } from '../fault/postgres-servers.ts'
import { readMigrations } from '../../src/sql/migrations.ts'
import { surplusClaims } from '../../src/postgres/check-entries.ts'
import { surplusPointers } from '../../src/postgres/check-feed.ts'
import { DoctorSession } from '../../src/postgres/doctor-session.ts'
import { checkDatabase } from '../../src/postgres/doctor.ts'
import { doctorLockKey } from '../../src/postgres/lock-keys.ts'
import { isConflict } from '../../src/postgres/storage-error.ts'
import { PostgresStore } from '../../src/postgres/store.ts'
import type { Finding } from '../../src/sql/diagnosis.ts'
import type { DoctorReport } from '../../src/sql/doctor-report.ts'
import { openOrganization, speakTo } from '../conformance/open-organization.ts'
import { untilAnsweredFromIndex } from '../engines.ts'
import type { PostgresDatabase } from '../postgres-server.ts'
import { createPostgresDatabase } from '../postgres-server.ts'

const server = inject('postgresUrl')

let written: PostgresDatabase
beforeAll(async () => {
  written = await createPostgresDatabase(server)
  await fill(written.url)
})
afterAll(async () => { await written.drop() })

/** Commands of every type: 1,200 customers but for two deleted, of whom the first ten are told apart. */
async function fill(url: string): Promise<void> {
  // So few connections that one writer takes all commands in turn.
  const store = await PostgresStore.open({ url, poolSize: 2, indexBytesMax: 0 })
  try {
    const organization = await openOrganization(store)
    await store.createOrganization('empty')
    await Promise.all(Array.from({ length: 1_200 }, async (_, index) => await organization.create({
      name: `Name ${index}`, email: `E${index}@Example.com`, userId: `U-${index + 1}`, firstSeen: index % 5 === 0 ? null : index, lastSeen: 7,
      location: { city: 'Київ' }, phone: '+1 (2) 3', tags: index % 3 === 0 ? ['Lead', { name: 'VIP', color: 'red' }] : [],
      customData: { Plan: index % 2 === 0 ? 'Pro' : 'Free', 2024: index, active: index % 2 === 0 }
    })))
    await organization.patch(2, { name: 'İ "quoted" ß', firstSeen: null, customData: { Plan: null, seats: -0.5 } })
    await organization.put(3, { device: { platform: 'mobile' }, notes: '\u{1f600}' })
    await organization.tag(4, [{ name: 'Lead', color: 'blue' }])
    await organization.untag(7, ['VIP'])
    await organization.recordEvent({ name: 'Paid', customer: 5, createdAt: 9 })
    await organization.recordEvent({ name: 'Paid', customer: 11, createdAt: 9 })
    await organization.delete(11)
    await organization.delete(12)
  } finally {
    await store.close()
  }
}

interface Patient {
  readonly url: string
  readonly ownerUrl: string
  /** Damages it, as no command would. */
  readonly sql: (text: string) => Promise<void>
  readonly rows: (...texts: readonly string[]) => Promise<unknown[][]>
  /** As the role of the servers, which owns nothing. */
  readonly check: () => Promise<DoctorReport>
  readonly repair: () => Promise<DoctorReport>
}

/** A copy of what the commands have written. */
async function openPatient(): Promise<Patient> {
  const { url, ownerUrl, drop } = await createPostgresDatabase(server, written)
  onTestFinished(drop)
  const superuserUrl = Object.assign(new URL(server), { pathname: new URL(url).pathname }).href
  return {
    url, ownerUrl,
    sql: async (text) => { await untilUnhindered(async () => await withClient(superuserUrl, async (client) => await client.query(text))) },
    rows: async (...texts) => await withClient(ownerUrl, async (client) => {
      const answers: unknown[][] = []
      for (const text of texts) answers.push((await client.query<unknown[]>({ text, rowMode: 'array' })).rows)
      return answers
    }),
    check: async () => await checkDatabase({ url, name: 'it' }, { repair: false }),
    repair: async () => await checkDatabase({ url: ownerUrl, name: 'it' }, { repair: true })
  }
}

/** Runs what writers at work may end with a deadlock. */
async function untilUnhindered(damage: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await damage()
      return
    } catch (error) {
      if (!isConflict(error)) throw error
    }
  }
}

const caller = { organizationId: 1, keyId: 1, requestId: 'test' }

/** A server on it, which stays open. */
async function openServer({ url }: Patient, options: { poolSize?: number; indexBytesMax?: number } = { indexBytesMax: 0 }): Promise<PostgresStore> {
  const store = await PostgresStore.open({ url, ...options })
  onTestFinished(async () => { await store.close() })
  return store
}

function healthy(customers = 1_198) {
  return { customers, findings: [] }
}

/** A report in which all was mended. */
function mended(...findings: readonly Finding[]) {
  return { customers: 1_198, findings: findings.map((finding) => ({ ...finding, left: 0 })) }
}

function left(...findings: readonly Finding[]) {
  return { customers: 1_198, findings: findings.map((finding) => ({ ...finding, left: finding.count })) }
}

/** Everything that is derived, to be held against what it was before the damage; and the history, to which nothing is added. */
const derived = [
  'select * from customers order by id', 'select * from customer_attributes order by customer_id, attribute_id',
  'select * from user_ids order by digest', 'select organization_id, sum(customers) from customer_counts group by organization_id having sum(customers) <> 0',
  'select id, organization_id, name, color from tags order by id', 'select id, organization_id, name, type from attributes order by id',
  'select position, organization_id, customer_id, event_id from feed order by position', 'select * from changes order by id', 'select * from events order by id',
  `select indexname, indexdef from pg_indexes where schemaname = 'public' order by indexname`,
  `select sequencename, last_value from pg_sequences order by sequencename`
]

test('a database that commands have written is sound, and neither a check nor a repair changes it', async () => {
  const { check, repair, rows } = await openPatient()
  const whole = [...derived, 'select * from feed order by position', 'select * from purges', 'select ctid, xmin from customers order by id']
  const before = await rows(...whole)

  expect(await check()).toEqual(healthy())
  expect(await repair()).toEqual(healthy())
  expect(await rows(...whole)).toEqual(before)
})

describe('is found, mended, and then found no more', () => {
  test.each<{ name: string; damage: string; findings: Finding[] }>([
    {
      name: 'a rendering in another form', findings: [{ kind: 'renderings', count: 2, ids: [1, 5] }],
      damage: `update customers set rendering = regexp_replace(rendering, '^\\{"id":(\\d+),(.*)\\}$', '{ \\2,"id":\\1}') where id in (1, 5)`
    },
    {
      name: 'tags in colors of before', findings: [{ kind: 'renderings', count: 1, ids: [7] }],
      damage: `update customers set rendering = replace(rendering, (select color from tags where name = 'Lead'), '#000000') where id = 7`
    },
    {
      name: 'columns of other values', findings: [{ kind: 'columns', count: 8, ids: [1, 2, 3, 4, 5, 6, 8, 9] }],
      damage: `update customers set email = 'E0@Example.com' where id = 1; update customers set city = null where id = 2;
        update customers set notes = 'x' where id = 3; update customers set phone_digits = '1' where id = 4; update customers set unsubscribed = 1 where id = 5;
        update customers set first_seen = 0 where id = 6; update customers set folded_user_id = 'U-8' where id = 8;
        update customers set user_id = null, company = 'x' where id = 9`
    },
    {
      name: 'ids of other tags', findings: [{ kind: 'tagIds', count: 2, ids: [1, 5] }],
      damage: `update customers set tag_ids = '{2,1}' where id = 1; update customers set tag_ids = '{77}' where id = 5`
    },
    {
      name: 'a rendering newer than any tag', findings: [{ kind: 'tagIds', count: 1, ids: [7] }],
      damage: 'update customers set tag_version = 4711 where id = 7'
    },
    {
      name: 'entries of attributes that lack', findings: [{ kind: 'attributeEntriesMissing', count: 3, ids: [6] }],
      damage: 'delete from customer_attributes where customer_id = 6'
    },
    {
      name: 'entries of attributes too many', findings: [{ kind: 'attributeEntriesSurplus', count: 5, ids: [2, 6, 11, 4711] }],
      damage: `insert into customer_attributes (customer_id, attribute_id, number, text) values
        (6, 99, 1, null), (2, (select id from attributes where name = 'Plan'), null, 'pro'), (11, 1, 1, null), (4711, 1, 1, null), (4711, 99, 1, null)`
    },
    {
      name: 'entries of attributes with another value',
      findings: [{ kind: 'attributeEntriesMissing', count: 2, ids: [6, 1100] }, { kind: 'attributeEntriesSurplus', count: 2, ids: [6, 1100] }],
      damage: `update customer_attributes set text = 'Free' where customer_id = 6 and text = 'free'; update customer_attributes set number = 1 where customer_id = 1100 and number = 1099`
    },
    {
      name: 'userIds of nobody', findings: [{ kind: 'userIdEntriesMissing', count: 2, ids: [1, 1100] }],
      damage: `delete from user_ids where customer_id in (1, 1100)`
    },
    {
      name: 'userIds of others',
      findings: [{ kind: 'userIdEntriesMissing', count: 3, ids: [1, 2, 5] }, { kind: 'userIdEntriesSurplus', count: 3, ids: [4711, 2, 1] }],
      damage: `update user_ids set customer_id = 4711 where customer_id = 5; update user_ids set customer_id = 3 - customer_id where customer_id in (1, 2)`
    },
    {
      name: 'userIds that nobody has', findings: [{ kind: 'userIdEntriesSurplus', count: 3, ids: [4711, 3, 5] }],
      damage: `insert into user_ids values (1, '\\x00', 4711), (1, '\\x01', 3), (2, sha256('U-5'), 5)`
    },
    {
      name: 'counts of customers', findings: [{ kind: 'customerCounts', count: 3, ids: [1, 2, 77] }],
      damage: `insert into customer_counts values (1, 70, -3), (2, 70, 1), (77, 1, 1)`
    },
    {
      name: 'an index that is gone and one that was not finished', findings: [{ kind: 'indexes', count: 2, ids: ['customers_by_email', 'customer_attributes_by_text'] }],
      damage: `drop index customer_attributes_by_text; update pg_index set indisvalid = false where indexrelid = 'customers_by_email'::regclass`
    }
  ])('$name', async ({ damage, findings }) => {
    const { check, repair, sql, rows } = await openPatient()
    const before = await rows(...derived)
    await sql(damage)

    expect(await check()).toEqual(left(...findings))
    expect(await repair()).toEqual(mended(...findings))
    expect(await check()).toEqual(healthy())
    expect(await rows(...derived)).toEqual(before)
  })

  test('pointers that the feed lacks, to no change, and with another content', async () => {
    const { check, repair, sql, rows } = await openPatient()
    const before = await rows(...derived)
    const positions = await rows('select position from feed where customer_id in (1, 2, 1100) or event_id is not null and customer_id = 5 order by customer_id, position')
    const [first, , second, event, last] = positions.flat(2).map(Number) as [number, number, number, number, number]
    const places = `select position, xid from feed where position <> ${last} order by position`
    const placesBefore = await rows(places)
    await sql(`insert into feed (position, organization_id, customer_id) values (0, 1, 5); delete from feed where position = ${last};
      update feed set customer_id = 5 where position = ${first}; update feed set organization_id = 5 where position = ${second};
      update feed set event_id = null where position = ${event}`)
    const findings: Finding[] = [
      { kind: 'feedEntriesMissing', count: 4, ids: [first, second, event, last] }, { kind: 'feedEntriesSurplus', count: 4, ids: [0, first, second, event].toSorted((one, other) => one - other) }
    ]

    expect(await check()).toEqual(left(...findings))
    expect(await repair()).toEqual(mended(...findings))
    expect(await check()).toEqual(healthy())
    expect(await rows(...derived)).toEqual(before)
    // A reader of the feed who has passed them does not get them again.
    expect(await rows(places)).toEqual(placesBefore)
  })

  test('events of nobody, which go', async () => {
    const { check, repair, sql, rows } = await openPatient()
    await sql(`delete from feed where position in (select id from changes where kind = 'customer.deleted' and customer_id = 11);
      delete from changes where kind = 'customer.deleted' and customer_id = 11;
      insert into events values (90, 1, 4711, 'Paid', '{}', 1), (91, 1, 4711, 'Paid', '{}', 1)`)
    const findings: Finding[] = [{ kind: 'sequences', count: 2, ids: ['customers', 'events'] }, { kind: 'events', count: 3, ids: [11, 4711] }]

    expect(await check()).toEqual(left(...findings))
    expect(await repair()).toEqual(mended(...findings))
    expect(await check()).toEqual(healthy())
    expect(await rows('select id, customer_id from events')).toEqual([[[1, 5]]])
  })

  test('ids that would be given again: after it none is', async () => {
    const patient = await openPatient()
    const { check, repair, sql, rows } = patient
    await sql(`select setval('customer_ids', 1199); select setval('event_ids', 1, false); select setval('organizations_id_seq', 1);
      select setval('tags_id_seq', 1); select setval('attributes_id_seq', 1); select setval('api_keys_id_seq', 1, false); select setval('feed_position_seq', 7)`)
    const findings: Finding[] = [{ kind: 'sequences', count: 7, ids: ['api_keys', 'attributes', 'changes', 'customers', 'events', 'organizations', 'tags'] }]

    expect(await check()).toEqual(left(...findings))
    expect(await repair()).toEqual(mended(...findings))
    expect(await check()).toEqual(healthy())
    const organization = speakTo(await openServer(patient), caller)
    await organization.create({ tags: ['new'] })
    await organization.recordEvent({ name: 'Paid', customer: 1 })
    expect(await rows('select max(id) from customers', 'select max(id) from events', "select id from tags where name = 'new'")).toEqual([[[1_201]], [[3]], [[3]]])
    expect(await check()).toEqual(healthy(1_199))
  })

  test('a tag that the table of tags lacks: it has its last color again, and servers that knew it go on', async () => {
    const patient = await openPatient()
    const { check, repair, sql, rows } = patient
    const organization = speakTo(await openServer(patient), caller)
    await organization.tag(1, ['VIP'])
    const renderings = 'select id, rendering from customers order by id'
    const before = await rows(renderings)
    await sql("delete from tags where name = 'Lead'")

    expect(await check()).toEqual(left({ kind: 'tags', count: 1, ids: [1] }))
    expect(await repair()).toEqual(mended({ kind: 'tags', count: 1, ids: [1] }))
    expect(await check()).toEqual(healthy())
    expect(await rows(renderings)).toEqual(before)
    expect(await rows('select name, color from tags order by id')).toEqual([[['VIP', 'red'], ['Lead', 'blue']]])
    const answers = [await organization.tag(2, ['Lead']), await organization.tag(10, ['VIP'])]
    expect(answers.map(({ tags }) => tags)).toEqual([[{ name: 'Lead', color: 'blue' }], [{ name: 'Lead', color: 'blue' }, { name: 'VIP', color: 'red' }]])
    expect(await check()).toEqual(healthy())
  })

  test('attributes that the table lacks or has with another type: servers that knew them go on', async () => {
    const patient = await openPatient()
    const { check, repair, sql, rows } = patient
    const organization = speakTo(await openServer(patient), caller)
    const misled = speakTo(await openServer(patient), caller)
    await organization.patch(1, { customData: { Plan: 'Pro' } })
    await sql("delete from attributes where name = 'Plan'; update attributes set type = 'text' where name = '2024'")
    await expect(misled.patch(1, { customData: { 2024: 7 } })).rejects.toThrow('Invalid request')

    const { findings } = await repair()
    expect(findings.map(({ kind, ids: [first], left: itsLeft }) => [kind, first, itsLeft])).toEqual([['attributes', 1, 0], ['attributeTypes', 1, 0], ['attributeEntriesSurplus', 1, 0]])
    expect(await check()).toEqual(healthy())
    expect(await rows('select name, type from attributes order by name')).toEqual([[['2024', 'number'], ['Plan', 'text'], ['active', 'boolean'], ['seats', 'number']]])
    await organization.patch(1, { customData: { Plan: 'Max', 2024: 7 } })
    await organization.patch(3, { customData: { Plan: 'Pro' } })
    await misled.patch(1, { customData: { Plan: 'Pro', 2024: 8 } })
    expect(await check()).toEqual(healthy())
    await expect(organization.patch(1, { customData: { 2024: 'seven' } })).rejects.toThrow('Invalid request')
  })

  test('customers whose ids are far apart, or below zero', async () => {
    const { check, repair, sql } = await openPatient()
    await sql(`create temporary table strangers as select * from customers where id = 6;
      ${[-5, 9_007_199_254_740_000].map((id) => `update strangers set id = ${id}, rendering = regexp_replace(regexp_replace(rendering, '"id":6,', '"id":${id},'), '"userId":"[^"]*"', '"userId":null');
        insert into customers select * from strangers; update strangers set id = 6, rendering = (select rendering from customers where id = 6);`).join('')}
      drop table strangers; select setval('customer_ids', 9007199254740000); update customer_counts set customers = customers + 2 where slot = (select min(slot) from customer_counts)`)
    expect(await check()).toEqual({ customers: 1_200, findings: [
      { kind: 'columns', count: 2, ids: [-5, 9_007_199_254_740_000], left: 2 }, { kind: 'attributeEntriesMissing', count: 6, ids: [-5, 9_007_199_254_740_000], left: 6 }
    ] })
    expect((await repair()).findings.map(({ kind, left: itsLeft }) => [kind, itsLeft])).toEqual([['columns', 0], ['attributeEntriesMissing', 0]])
    expect(await check()).toEqual(healthy(1_200))
  })
})

describe('is found and left, while all else is mended:', () => {
  test.each<{ name: string; damage: string; findings: Finding[] }>([
    {
      name: 'renderings that cannot be read', findings: [{ kind: 'unreadable', count: 5, ids: [1, 4, 5, 6, 1100] }],
      damage: `update customers set rendering = '{"id":1,' where id = 1; update customers set rendering = '[]' where id = 4;
        update customers set rendering = replace(rendering, '"notes":null,', '') where id = 5; update customers set rendering = replace(rendering, '"notes":null', '"notes":1') where id = 6;
        update customers set rendering = '' where id = 1100`
    },
    {
      name: 'a userId in the renderings of two', findings: [{ kind: 'userIds', count: 1, ids: [9] }],
      damage: `update customers set rendering = replace(rendering, '"U-9"', '"U-900"'), user_id = 'U-900', folded_user_id = 'u-900' where id = 9;
        delete from user_ids where customer_id = 9`
    },
    {
      name: 'values of two types', findings: [{ kind: 'values', count: 2, ids: [5, 6] }],
      damage: `update customers set rendering = regexp_replace(rendering, '"active":\\w+', '"active":"yes"') where id in (5, 6);
        update customer_attributes set number = null, text = 'yes' where customer_id in (5, 6) and attribute_id = (select id from attributes where name = 'active')`
    },
    {
      name: 'rows of an organization that there is none of', findings: [{ kind: 'references', count: 1, ids: ['api_keys 1'] }],
      damage: 'update api_keys set organization_id = 77'
    }
  ])('$name', async ({ damage, findings }) => {
    const { repair, sql, rows } = await openPatient()
    await sql(damage)
    const before = await rows(...derived)

    expect(await repair()).toEqual(left(...findings))
    await sql("update customers set company = 'x' where id = 3")
    const { findings: both } = await repair()
    expect(both.toSorted((one, other) => one.left - other.left)).toEqual([{ kind: 'columns', count: 1, ids: [3], left: 0 }, ...left(...findings).findings])
    expect(await rows(...derived)).toEqual(before)
  })
})

test('a userId that two have and nobody holds is given to the first, and the other one is left', async () => {
  const patient = await openPatient()
  const { check, repair, sql, rows } = patient
  await sql(`update customers set rendering = replace(rendering, '"U-9"', '"U-900"'), user_id = 'U-900', folded_user_id = 'u-900' where id = 9;
    delete from user_ids where customer_id in (9, 900)`)

  expect(await repair()).toEqual({
    customers: 1_198,
    findings: [{ kind: 'userIdEntriesMissing', count: 2, ids: [9, 900], left: 0 }, { kind: 'userIds', count: 1, ids: [900], left: 1 }]
  })
  expect(await rows("select customer_id from user_ids where digest = sha256('U-900')")).toEqual([[[9]]])
  // Giving the other one another userId takes nothing from the first.
  await speakTo(await openServer(patient), caller).patch(900, { userId: 'U-901 too' })
  expect(await check()).toEqual(healthy())
})

test('a server that holds customers in memory finds what was mended', async () => {
  const patient = await openPatient()
  const { sql, repair } = patient
  const store = await openServer(patient, { poolSize: 4 })
  const organization = speakTo(store, caller)
  const totalOf = async (name: string): Promise<number | null> => (await organization.search({ filter: [{ field: 'customers.name', operator: '=', value: name }] })).total
  await untilAnsweredFromIndex(store, caller)
  await sql(`update customers set rendering = replace(rendering, '"Name 0"', '"Anna"') where id = 1`)
  expect([await totalOf('Name 0'), await totalOf('Anna')]).toEqual([1, 0])

  await repair()
  expect([await totalOf('Name 0'), await totalOf('Anna')]).toEqual([0, 1])
  await untilAnsweredFromIndex(store, caller)
  expect([await totalOf('Name 0'), await totalOf('Anna')]).toEqual([0, 1])
})

/** Another look comes after what a test has done meanwhile. */
class SlowSession extends DoctorSession {
  meanwhile: () => Promise<unknown> = async () => undefined

  override async lookAgain<Answer>(first: Answer, _: (answer: Answer) => boolean, look: (first: Answer) => Promise<Answer>): Promise<Answer> {
    await this.meanwhile()
    return await look(first)
  }
}

test.each([
  { of: 'claims', find: surplusClaims, insert: "insert into user_ids values (1, '\\x00', 1)", remove: "delete from user_ids where digest = '\\x00'" },
  { of: 'pointers', find: surplusPointers, insert: 'insert into feed (position, organization_id, customer_id) values (0, 1, 1)', remove: 'delete from feed where position = 0' }
])('on several machines, $of that a writer removed between two looks are not taken for surplus', async ({ find, insert, remove }) => {
  const { ownerUrl, sql } = await openPatient()
  await sql(insert)
  await withClient(ownerUrl, async (client) => {
    const session = new SlowSession(client, { isDistributed: true })
    const found = async (): Promise<object[]> => {
      const all: object[] = []
      for await (const some of find(session)) all.push(...some)
      return all
    }
    expect(await found()).toMatchObject([{ organization_id: 1, customer_id: 1 }])
    session.meanwhile = async () => { await sql(remove) }
    expect(await found()).toEqual([])
  })
})

test('doctor checks and mends while two servers write: every write is answered, and nothing is wrong afterwards', async () => {
  const patient = await openPatient()
  const { check, repair, sql } = patient
  const stores = [await openServer(patient), await openServer(patient)]
  let count = 0
  let isWriting = true
  const writers = Array.from({ length: 6 }, async (_, writer) => {
    const organization = speakTo(stores[writer % 2] ?? await openServer(patient), caller)
    for (let own = 0; isWriting; own += 1) {
      const { id } = await organization.create({ userId: `${writer}-${own}`, firstSeen: own, tags: ['Lead', `t${own % 9}`], customData: { own, writer: `w${writer}` } })
      await organization.patch(1 + (own * 7 + writer) % 10, { lastSeen: null, customData: { own: -own, [`a${writer}`]: own } })
      if (own % 3 === 0) await organization.patch(id, { userId: `moved ${writer}-${own}` })
      if (own % 7 === 0) await organization.delete(id)
      if (own % 5 === 0) await organization.recordEvent({ name: 'Paid', customer: 1 })
      count += 1
    }
  })
  onTestFinished(async () => {
    isWriting = false
    await Promise.allSettled(writers)
  })
  await vi.waitUntil(() => count > 50, { timeout: 30_000 })
  expect((await check()).findings).toEqual([])
  await sql(`delete from customer_attributes where customer_id % 2 = 0; update customers set company = 'x', tag_ids = '{}' where id % 3 = 0;
    update user_ids set customer_id = -customer_id where customer_id % 5 = 0; delete from customer_counts; delete from feed where position % 4 = 0`)
  const { findings } = await repair()
  const after = count
  await vi.waitUntil(() => count > after + 20, { timeout: 30_000 })
  isWriting = false
  await Promise.all(writers)

  expect(findings.filter(({ left: itsLeft }) => itsLeft > 0)).toEqual([])
  expect((await check()).findings).toEqual([])
}, 120_000)

test('a repair refuses another one at work, and what its user may not do', async () => {
  const { url, ownerUrl, repair, sql } = await openPatient()
  await sql('drop index customers_by_email')
  await expect(checkDatabase({ url, name: 'it' }, { repair: true })).rejects.toThrow(new OperatorError(
    'it cannot be checked to the end: must be owner of table customers. What was repaired stays repaired; run doctor as the owner of the tables.'))
  await withClient(ownerUrl, async (client) => {
    await client.query('select pg_advisory_lock($1)', [doctorLockKey])
    await expect(repair()).rejects.toThrow(new OperatorError('Another doctor is mending this database. Wait for it, then run doctor again.'))
  })
  expect(await repair()).toEqual(mended({ kind: 'indexes', count: 1, ids: ['customers_by_email'] }))
})

test('a repair that may write nothing says so, and not that servers could not be told of it', async () => {
  const { url, repair, sql } = await openPatient()
  const database = new URL(url).pathname.slice(1)
  await sql(`drop index customers_by_email; alter database ${database} set default_transaction_read_only = on`)
  await expect(repair()).rejects.toThrow(new OperatorError(
    `it cannot be checked to the end: cannot execute DROP INDEX in a read-only transaction. ${readOnlyRemedy}`))
  await sql(`begin read write; alter database ${database} reset default_transaction_read_only; commit`)
  expect((await repair()).findings).toHaveLength(1)
})

test('a check refuses a database of an older version; a repair brings it up to date', async () => {
  const { ownerUrl: url } = await createEmptyDatabase()
  const [first] = readMigrations(new URL('../../src/postgres/migrations/', import.meta.url))
  await withClient(url, async (client) => await client.query(`${first?.sql}
    create table schema_migrations (version int primary key, name text not null, usable_from int not null);
    insert into schema_migrations values (1, '${first?.name}', 1)`))
  await expect(checkDatabase({ url, name: 'it' }, { repair: false })).rejects.toThrow(new OperatorError('The database has an older schema. Bring it up to date first: npx clientele migrate'))
  expect(await checkDatabase({ url, name: 'it' }, { repair: true })).toMatchObject({ findings: [] })
})

test('a repair of which servers could not be told is no success', async () => {
  const { repair, sql } = await openPatient()
  await sql(`delete from customer_attributes where customer_id = 1;
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'purges cannot be written'; end $$;
    create trigger refused before update on purges execute function refuse()`)

  await expect(repair()).rejects.toThrow(new OperatorError(
    'What was repaired stays repaired, but running servers could not be told: purges cannot be written. Restart them, or their searches may not show it.'))
  await sql('drop trigger refused on purges')
  expect((await repair()).findings).toEqual([])
})
