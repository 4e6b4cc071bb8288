import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { openOrganization } from '../../test/conformance/open-organization.ts'
import type { PostgresDatabase } from '../../test/postgres-server.ts'
import { createPostgresDatabase } from '../../test/postgres-server.ts'
import type { Finding } from '../sql/diagnosis.ts'
import type { DoctorReport } from '../sql/doctor-report.ts'
import { withClient } from './connection.ts'
import { checkDatabase } from './doctor.ts'
import { PostgresStore } from './store.ts'

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
  return {
    url,
    sql: async (text) => { await withClient(ownerUrl, async (client) => await client.query(text)) },
    rows: async (...texts) => await withClient(ownerUrl, async (client) => {
      const answers: unknown[][] = []
      for (const text of texts) answers.push((await client.query<unknown[]>({ text, rowMode: 'array' })).rows)
      return answers
    }),
    check: async () => await checkDatabase({ url, name: 'it' }, { repair: false }),
    repair: async () => await checkDatabase({ url: ownerUrl, name: 'it' }, { repair: true })
  }
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
      damage: `drop index customer_attributes_by_text; drop index customers_by_email`
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
  })
})
