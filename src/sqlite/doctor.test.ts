import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Command } from '../command.ts'
import { parseCreate, parseEvent, parseTags, parseUpdate } from '../command.ts'
import type { Written } from '../store.ts'
import type { Finding } from '../sql/diagnosis.ts'
import { checkDatabase } from './doctor.ts'
import { openWriter, prepareDatabase } from './open.ts'
import { Writer } from './writer.ts'

const caller = { organizationId: 1, keyId: 1, requestId: 'test' }
const options = { attributes: new Map(), strictAttributes: false }

const templateFolder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
const template = join(templateFolder, 'clientele.db')
beforeAll(() => { writeTemplate(template) })
afterAll(() => { rmSync(templateFolder, { recursive: true }) })

/** Commands of every type: 1,200 customers but for two deleted, of whom the first ten are told apart. */
function writeTemplate(path: string): void {
  prepareDatabase(path)
  const db = openWriter(path)
  const writer = new Writer(db, () => 1)
  writer.runGroup([{ type: 'createDefault', name: 'first', secretHash: 'hash' }, { type: 'createOrganization', name: 'empty' }])
  run(writer, Array.from({ length: 1_200 }, (_, index) => create({
    name: `Name ${index}`, email: `E${index}@Example.com`, userId: `U-${index + 1}`, firstSeen: index % 5 === 0 ? null : index, lastSeen: 7,
    location: { city: 'Київ' }, tags: index % 3 === 0 ? ['Lead', { name: 'VIP', color: 'red' }] : [],
    customData: { Plan: index % 2 === 0 ? 'Pro' : 'Free', 2024: index, active: index % 2 === 0 }
  })))
  run(writer, [
    patch(2, { name: 'İ "quoted" ß', firstSeen: null, customData: { Plan: null, seats: -0.5 } }),
    parseUpdate({ device: { platform: 'mobile' }, notes: '\u{1f600}' }, { ...options, type: 'replace', id: 3 }).command,
    tag(4, { name: 'Lead', color: 'blue' }),
    parseTags({ tags: ['VIP'] }, { type: 'untag', id: 7 }).command,
    parseEvent({ name: 'Paid', customer: 5, createdAt: 9 }).command,
    parseEvent({ name: 'Paid', customer: 11, createdAt: 9 }).command,
    { type: 'delete', id: 11 }, { type: 'delete', id: 12 }
  ])
  db.close()
}

function create(body: object): Command {
  return parseCreate(body, options).command
}

function patch(id: number, body: object): Command {
  return parseUpdate(body, { ...options, type: 'patch', id }).command
}

function tag(id: number, ...tags: readonly unknown[]): Command {
  return parseTags({ tags }, { type: 'tag', id }).command
}

/** Answers the customers, parsed. */
function run(writer: Writer, commands: readonly Command[]): unknown[] {
  return writer.runGroup(commands.map((command) => ({ type: 'command', caller, command }))).outcomes.flatMap((outcome) => {
    if ('error' in outcome) throw outcome.error
    return (outcome.value as Written).customers.map(({ json }) => JSON.parse(json) as unknown)
  })
}

interface TestDatabase {
  readonly path: string
  /** Damages it, as no command would. */
  readonly sql: (text: string) => void
  readonly rows: (...texts: readonly string[]) => unknown[][]
  /** A server's writing connection, which stays open. */
  readonly openWriter: () => Writer
}

/** A copy of what the commands have written. */
function openDatabase(): TestDatabase {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'clientele.db')
  copyFileSync(template, path)
  const open = <Answer>(use: (db: SqliteDatabase.Database) => Answer): Answer => {
    const db = new SqliteDatabase(path)
    try {
      db.pragma('foreign_keys = off')
      // Lets the schema be written, which is how an index comes to miss entries.
      db.unsafeMode()
      return use(db)
    } finally {
      db.close()
    }
  }
  return {
    path,
    sql: (text) => { open((db) => db.exec(text)) },
    rows: (...texts) => open((db) => texts.map((text) => db.prepare(text).raw().all())),
    openWriter() {
      const db = openWriter(path)
      onTestFinished(() => { db.close() })
      return new Writer(db, () => 2)
    }
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

/** Everything that is derived, to be held against what it was before the damage. */
const derived = [
  'select id, user_id, email, name, company, phone, city, first_seen, last_seen, tag_ids, rendering from customers order by id',
  'select tag_id, customer_id from customer_tags', 'select attribute_id, value, customer_id from customer_attributes',
  'select id, customer_count from organizations', 'select sequence, sum(customers) from order_buckets group by sequence',
  'select id, organization_id, name, color from tags', 'select id, organization_id, name, type from attributes',
  "select name, seq from sqlite_sequence where name <> 'changes' order by name", 'select id, customer_id from events'
]

test('a database that commands have written is sound, and a check leaves it byte for byte', () => {
  const { path } = openDatabase()
  const before = readFileSync(path)

  expect(checkDatabase(path, { repair: false })).toEqual(healthy())
  expect(checkDatabase(path, { repair: true })).toEqual(healthy())
  expect(readFileSync(path).equals(before)).toBe(true)
})

describe('is found, mended, and then found no more', () => {
  test.each<{ name: string; damage: string; findings: Finding[] }>([
    {
      name: 'a rendering in another form', findings: [{ kind: 'renderings', count: 2, ids: [1, 5] }],
      damage: `update customers set rendering = json_pretty(rendering) where id = 1;
        update customers set rendering = json_set(json_remove(rendering, '$.id'), '$.id', 7) where id = 5`
    },
    {
      name: 'tags in colors of before', findings: [{ kind: 'renderings', count: 1, ids: [7] }],
      damage: `update customers set rendering = replace(rendering, (select color from tags where name = 'Lead'), '#000000') where id = 7`
    },
    {
      name: 'columns of other values', findings: [{ kind: 'columns', count: 3, ids: [1, 2, 9] }],
      damage: `update customers set email = 'E0@Example.com' where id = 1; update customers set city = null where id = 2;
        update customers set user_id = null, company = 'x' where id = 9`
    },
    {
      name: 'userIds that changed places', findings: [{ kind: 'columns', count: 3, ids: [1, 2, 900] }],
      damage: `update customers set user_id = null where id = 1; update customers set user_id = 'U-1' where id = 900;
        update customers set user_id = 'U-900' where id = 2; update customers set user_id = 'U-2' where id = 1`
    },
    {
      name: 'ids of other tags', findings: [{ kind: 'tagIds', count: 2, ids: [1, 5] }],
      damage: `update customers set tag_ids = '2,1' where id = 1; update customers set tag_ids = '77' where id = 5`
    },
    {
      name: 'a rendering newer than any tag', findings: [{ kind: 'tagIds', count: 1, ids: [7] }],
      damage: 'update customers set tag_version = 4711 where id = 7'
    },
    {
      name: 'entries of tags that lack', findings: [{ kind: 'tagEntriesMissing', count: 2, ids: [1] }],
      damage: 'delete from customer_tags where customer_id = 1'
    },
    {
      name: 'entries of tags too many', findings: [{ kind: 'tagEntriesSurplus', count: 3, ids: [2, 4711] }],
      damage: 'insert into customer_tags (tag_id, customer_id) values (1, 2), (1, 4711), (99, 2)'
    },
    {
      name: 'entries of attributes that lack', findings: [{ kind: 'attributeEntriesMissing', count: 3, ids: [6] }],
      damage: 'delete from customer_attributes where customer_id = 6'
    },
    {
      name: 'entries of attributes too many', findings: [{ kind: 'attributeEntriesSurplus', count: 4, ids: [6, 2, 4711] }],
      damage: `insert into customer_attributes (attribute_id, value, customer_id) values (1, 'Pro', 6), (2, 6, 2), (2, x'00', 6), (99, 1, 4711)`
    },
    {
      name: 'an entry too many for one that lacks',
      findings: [{ kind: 'attributeEntriesMissing', count: 1, ids: [6] }, { kind: 'attributeEntriesSurplus', count: 1, ids: [6] }],
      damage: `update customer_attributes set value = 'Free' where customer_id = 6 and value = 'free'`
    },
    {
      name: 'counts of customers', findings: [{ kind: 'customerCounts', count: 2, ids: [1, 2] }],
      damage: 'update organizations set customer_count = customer_count + 1'
    },
    {
      name: 'counts of the sorted lists', findings: [{ kind: 'orderBuckets', count: 5, ids: [1, 2, 3] }],
      damage: `update order_buckets set customers = customers + 1 where sequence = 'firstSeen' and low_seconds = -1;
        delete from order_buckets where sequence = 'no firstSeen';
        update order_buckets set low_id = low_id + 1 where sequence = 'lastSeen' and low_id > 0;
        insert into order_buckets values (2, 'lastSeen', 5, 5, 0), (3, 'firstSeen', -1, 0, 9)`
    },
    {
      name: 'counts of a list that there is none of', findings: [{ kind: 'orderBuckets', count: 1, ids: [1] }],
      damage: "insert into order_buckets values (1, 'name', -1, 0, 9)"
    }
  ])('$name', ({ damage, findings }) => {
    const { path, sql, rows } = openDatabase()
    const before = rows(...derived)
    sql(damage)

    expect(checkDatabase(path, { repair: false })).toEqual(left(...findings))
    expect(checkDatabase(path, { repair: true })).toEqual(mended(...findings))
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(rows(...derived)).toEqual(before)
  })

  test('events of nobody, which go', () => {
    const { path, sql, rows } = openDatabase()
    sql("delete from changes where kind = 'customer.deleted' and customer_id = 11; insert into events values (90, 4711, 'Paid', '{}', 1), (91, 4711, 'Paid', '{}', 1)")
    const findings: Finding[] = [{ kind: 'sequences', count: 1, ids: ['customers'] }, { kind: 'events', count: 3, ids: [11, 4711] }]

    expect(checkDatabase(path, { repair: false })).toEqual(left(...findings))
    expect(checkDatabase(path, { repair: true })).toEqual(mended(...findings))
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(rows('select id, customer_id from events')).toEqual([[[1, 5]]])
  })

  test('ids that would be given again: after it none is', () => {
    const { path, sql, rows, openWriter: open } = openDatabase()
    sql(`delete from customers where id = 1200; delete from customer_tags where customer_id = 1200;
      delete from customer_attributes where customer_id = 1200; delete from order_buckets; update organizations set customer_count = 1197 where id = 1;
      delete from events; update sqlite_sequence set seq = 1199 where name = 'customers'; delete from sqlite_sequence where name in ('events', 'organizations');
      update sqlite_sequence set seq = 1 where name in ('tags', 'changes')`)

    expect(checkDatabase(path, { repair: true })).toEqual({
      customers: 1_197,
      findings: [
        { kind: 'sequences', count: 5, left: 0, ids: ['changes', 'customers', 'events', 'organizations', 'tags'] },
        { kind: 'orderBuckets', count: 3, left: 0, ids: [1] }
      ]
    })
    expect(checkDatabase(path, { repair: false })).toEqual(healthy(1_197))
    const writer = open()
    run(writer, [create({ tags: ['new'] }), parseEvent({ name: 'Paid', customer: 1 }).command])
    expect(rows('select max(id) from customers', 'select id from events', "select id from tags where name = 'new'")).toEqual([[[1_201]], [[3]], [[3]]])
    expect(checkDatabase(path, { repair: false })).toEqual(healthy(1_198))
  })

  test('a tag that the table of tags lacks: it has its last color again, and connections that knew it go on', () => {
    const { path, sql, rows, openWriter: open } = openDatabase()
    const server = open()
    run(server, [tag(1, 'VIP')])
    const renderings = 'select id, rendering from customers order by id'
    const before = rows(renderings)
    sql("delete from tags where name = 'Lead'")
    const tagged = rows('select count(*) from customer_tags where tag_id = 1').flat(2)[0]
    const findings: Finding[] = [
      { kind: 'tags', count: 1, ids: [1] }, { kind: 'tagEntriesSurplus', count: Number(tagged), ids: [1, 4, 7, 10, 13, 16, 19, 22, 25, 28] }
    ]

    expect(checkDatabase(path, { repair: false })).toEqual(left(...findings))
    const report = checkDatabase(path, { repair: true })
    expect(report.findings.map(({ kind, left: itsLeft }) => [kind, itsLeft])).toEqual([['tags', 0], ['tagEntriesSurplus', 0]])
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(rows(renderings)).toEqual(before)
    expect(rows('select name, color from tags order by id')).toEqual([[['VIP', 'red'], ['Lead', 'blue']]])
    // One after the other: a group in which a tag were unknown would be tried again by what is on disk.
    const answers = [tag(2, 'Lead'), tag(10, 'VIP')].flatMap((command) => run(server, [command])) as { tags: object[] }[]
    expect(answers.map(({ tags }) => tags)).toEqual([[{ name: 'Lead', color: 'blue' }], [{ name: 'Lead', color: 'blue' }, { name: 'VIP', color: 'red' }]])
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
  })

  test('attributes that the table lacks or has with another type: connections that knew them go on', () => {
    const { path, sql, rows, openWriter: open } = openDatabase()
    const server = open()
    const misled = open()
    run(server, [patch(1, { customData: { Plan: 'Pro' } })])
    sql("delete from attributes where name = 'Plan'; update attributes set type = 'text' where name = '2024'")
    expect(() => run(misled, [patch(1, { customData: { 2024: 7 } })])).toThrow('Invalid request')

    expect(checkDatabase(path, { repair: true }).findings.map(({ kind, ids, left: itsLeft }) => [kind, ids[0], itsLeft])).toEqual([
      ['attributes', 1, 0], ['attributeTypes', 1, 0], ['attributeEntriesSurplus', 4, 0]
    ])
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(rows('select name, type from attributes order by name')).toEqual([[['2024', 'number'], ['Plan', 'text'], ['active', 'boolean'], ['seats', 'number']]])
    run(server, [patch(1, { customData: { Plan: 'Max', 2024: 7 } }), patch(3, { customData: { Plan: 'Pro' } })])
    run(misled, [patch(1, { customData: { Plan: 'Pro', 2024: 8 } })])
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(() => run(server, [patch(1, { customData: { 2024: 'seven' } })])).toThrow('Invalid request')
  })

  test('counts, while a connection remembers them: it goes on from the right ones', () => {
    const { path, sql, openWriter: open } = openDatabase()
    const server = open()
    run(server, [create({ firstSeen: 3 })])
    sql('delete from order_buckets; update organizations set customer_count = 0')

    expect(checkDatabase(path, { repair: true }).findings.map(({ kind, left: itsLeft }) => [kind, itsLeft])).toEqual([['customerCounts', 0], ['orderBuckets', 0]])
    run(server, [create({ firstSeen: 3 }), patch(1, { firstSeen: 9, lastSeen: null }), { type: 'delete', id: 2 }])
    expect(checkDatabase(path, { repair: false })).toEqual(healthy(1_199))
  })

  test('an index that is gone', () => {
    const { path, sql, rows } = openDatabase()
    const indexes = "select name, sql from sqlite_schema where type = 'index' order by name"
    const before = rows(indexes)
    sql('drop index customers_by_last_seen; drop index events_by_customer')
    const findings: Finding[] = [{ kind: 'indexes', count: 2, ids: ['customers_by_last_seen', 'events_by_customer'] }]

    expect(checkDatabase(path, { repair: false })).toEqual(left(...findings))
    expect(checkDatabase(path, { repair: true })).toEqual(mended(...findings))
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(rows(indexes)).toEqual(before)
  })

  test('an index that does not agree with its table', () => {
    const { path, sql, rows } = openDatabase()
    const before = rows(...derived)
    withoutIndex({ sql, rows }, 'customers_by_email', "update customers set email = 'x' where id = 1")
    const findings: Finding[] = [{ kind: 'indexes', count: 1, ids: ['customers_by_email'] }]

    expect(checkDatabase(path, { repair: false })).toEqual(left(...findings))
    expect(checkDatabase(path, { repair: true })).toEqual(mended(...findings, { kind: 'columns', count: 1, ids: [1] }))
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(rows(...derived)).toEqual(before)
  })

  test('a userId in the columns of two, which its index does not know', () => {
    const { path, sql, rows } = openDatabase()
    const before = rows(...derived)
    withoutIndex({ sql, rows }, 'customers_by_user_id', "update customers set user_id = 'U-900' where id in (2, 1100)")
    const findings: Finding[] = [{ kind: 'indexes', count: 1, ids: ['customers_by_user_id'] }]

    expect(checkDatabase(path, { repair: false })).toEqual(left(...findings))
    expect(checkDatabase(path, { repair: true })).toEqual(mended(...findings, { kind: 'columns', count: 3, ids: [2, 900, 1100] }))
    expect(checkDatabase(path, { repair: false })).toEqual(healthy())
    expect(rows(...derived)).toEqual(before)
  })
})

describe('is found and left, while all else is mended:', () => {
  test.each<{ name: string; damage: string; findings: Finding[] }>([
    {
      name: 'renderings that cannot be read', findings: [{ kind: 'unreadable', count: 9, ids: [1, 4, 5, 6, 7, 8, 9, 10, 13] }],
      damage: `update customers set rendering = '{"id":1,' where id = 1; update customers set rendering = json_remove(rendering, '$.notes') where id = 4;
        update customers set rendering = json_set(rendering, '$.more', 1) where id = 5; update customers set rendering = json_set(rendering, '$.email', 1) where id = 6;
        update customers set rendering = json_set(rendering, '$.tags[0].color', null) where id = 7; update customers set rendering = '[]' where id = 8;
        update customers set rendering = json_set(rendering, '$.customData.Plan', json('[]')) where id = 9;
        update customers set rendering = json_set(rendering, '$.firstSeen', '12:00') where id = 10;
        update customers set rendering = json_set(rendering, '$.location.zip', '1') where id = 13`
    },
    {
      name: 'a userId in the renderings of two', findings: [{ kind: 'userIds', count: 1, ids: [9] }],
      damage: `update customers set rendering = json_set(rendering, '$.userId', 'U-900'), user_id = null where id = 9`
    },
    {
      name: 'values of two types', findings: [{ kind: 'values', count: 2, ids: [5, 6] }],
      damage: `update customers set rendering = json_set(rendering, '$.customData.active', 'yes') where id in (5, 6);
        update customer_attributes set value = 'yes' where customer_id in (5, 6) and attribute_id = (select id from attributes where name = 'active')`
    },
    {
      name: 'rows of an organization that there is none of', findings: [{ kind: 'references', count: 1, ids: ['api_keys 1'] }],
      damage: 'update api_keys set organization_id = 77'
    }
  ])('$name', ({ damage, findings }) => {
    const { path, sql, rows } = openDatabase()
    sql(damage)
    const before = rows(...derived)

    expect(checkDatabase(path, { repair: true })).toEqual(left(...findings))
    sql("update customers set company = 'x' where id = 3")
    const columns = { kind: 'columns', count: 1, ids: [3], left: 0 }
    const { findings: both } = checkDatabase(path, { repair: true })
    expect(both.toSorted((one, other) => one.left - other.left)).toEqual([columns, ...left(...findings).findings])
    expect(rows(...derived)).toEqual(before)
  })

  test('a damaged page, at which nothing is written', () => {
    const { path, rows } = openDatabase()
    const page = Number(rows("select rootpage from sqlite_schema where name = 'events'").flat(2)[0])
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(2_000, 0x55), 0, 2_000, (page - 1) * 4_096)
    closeSync(file)
    const before = readFileSync(path)

    expect(checkDatabase(path, { repair: true })).toEqual({
      customers: null, findings: [{ kind: 'pages', count: 1, left: 1, ids: ['database disk image is malformed'] }]
    })
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})

test('a check refuses a database of an older version, and leaves it as it is; a repair brings it up to date', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const path = join(folder, 'clientele.db')
  const db = new SqliteDatabase(path)
  db.exec(`pragma application_id = ${0x436c746c}; pragma journal_mode = WAL`)
  db.exec(readFileSync(new URL('./migrations/0001-customers.sql', import.meta.url), 'utf8'))
  db.exec('pragma user_version = 1')
  db.close()
  const before = readFileSync(path)

  expect(() => checkDatabase(path, { repair: false })).toThrow('was written by an older version of Clientele. Bring it up to date first: npx clientele migrate')
  expect(readFileSync(path).equals(before)).toBe(true)
  expect(checkDatabase(path, { repair: true })).toEqual({ customers: 0, findings: [] })
})

test('after a repair the ids of changes have a gap, by which servers know to forget what they hold in memory; after a check they have none', () => {
  const { path, sql, rows } = openDatabase()
  const last = (): unknown[] => rows("select seq - (select max(id) from changes) from sqlite_sequence where name = 'changes'").flat(2)
  sql("update customers set company = 'x' where id = 3")

  checkDatabase(path, { repair: false })
  expect(last()).toEqual([0])
  checkDatabase(path, { repair: true })
  expect(last()).toEqual([1])
})

/** Hides an index from SQLite during a change, so that it misses it. */
function withoutIndex({ sql, rows }: Pick<TestDatabase, 'sql' | 'rows'>, index: string, change: string): void {
  const [literals] = rows(`select quote(tbl_name), rootpage, quote(sql) from sqlite_schema where name = '${index}'`).flat()
  sql(`pragma writable_schema = on; delete from sqlite_schema where name = '${index}'`)
  sql(change)
  const [table, rootpage, text] = literals as [string, number, string]
  sql(`pragma writable_schema = on; insert into sqlite_schema (type, name, tbl_name, rootpage, sql) values ('index', '${index}', ${table}, ${rootpage}, ${text})`)
}
