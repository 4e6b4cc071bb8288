import SqliteDatabase, { SqliteError } from 'better-sqlite3'
import type { Database } from 'better-sqlite3'
import { readMigrations } from '../sql/migrations.ts'
import type { Diagnosis } from '../sql/diagnosis.ts'
import { migrationsFolder } from './open.ts'

/** What SQLite says of an index that does not agree with its table. */
const ofIndex = [
  /^row \d+ missing from index (.+)$/, /^wrong # of entries in index (.+)$/, /^non-unique entry in index (.+)$/,
  /^row \d+ values differ from index (.+)$/, /^rowid not at end-of-record for row \d+ of index (.+)$/
]

const verdictsMax = 1_000

/** Looks at every page of the file, at every entry of SQLite's indexes, and for indexes that are gone. */
export function checkFile(db: Database, diagnosis: Diagnosis): void {
  for (const { name } of missingIndexes(db)) diagnosis.add('indexes', name)
  const wrong = new Set<string>()
  for (const verdict of db.prepare<[], string>(`pragma integrity_check(${verdictsMax})`).pluck().all()) {
    if (verdict === 'ok') continue
    const index = ofIndex.flatMap((pattern) => pattern.exec(verdict)?.[1] ?? [])[0]
    if (index === undefined) diagnosis.add('pages', verdict.slice(0, 100))
    else wrong.add(index)
  }
  for (const index of wrong) diagnosis.add('indexes', index)
  const strays = db.prepare<[], { table: string; rowid: number }>('select "table", rowid from pragma_foreign_key_check')
  for (const { table, rowid } of strays.iterate()) diagnosis.add('references', `${table} ${rowid}`)
}

/** Makes each index anew from its table, in a transaction of its own. */
export function rebuildIndexes(db: Database): void {
  for (const { sql } of missingIndexes(db)) unlessTaken(db, () => { db.exec(sql) })
  const names = db.prepare<[], string>("select name from sqlite_schema where type = 'index'").pluck().all()
  for (const name of names) unlessTaken(db, () => { db.exec(`reindex "${name.replaceAll('"', '""')}"`) })
}

interface Index {
  readonly name: string
  readonly sql: string
}

/** The indexes that the migrations make and the database lacks. */
function missingIndexes(db: Database): Index[] {
  const selectIndexes = "select name, sql from sqlite_schema where type = 'index' and sql is not null order by name"
  const there = new Set(db.prepare<[], Index>(selectIndexes).all().map(({ name }) => name))
  const blank = new SqliteDatabase(':memory:')
  try {
    for (const { sql } of readMigrations(migrationsFolder)) blank.exec(sql)
    return blank.prepare<[], Index>(selectIndexes).all().filter(({ name }) => !there.has(name))
  } finally {
    blank.close()
  }
}

/** A userId that is in two rows cannot be indexed: the first keeps it, and what becomes of the others is said by their renderings. */
function unlessTaken(db: Database, build: () => void): void {
  try {
    db.transaction(build).immediate()
  } catch (error) {
    if (!(error instanceof SqliteError) || error.code !== 'SQLITE_CONSTRAINT_UNIQUE') throw error
    db.transaction(() => {
      db.exec('drop index if exists customers_by_user_id')
      db.exec(`
        update customers set user_id = null where id in (
          select id from (
            select id, row_number() over (partition by organization_id, user_id order by id) as nth from customers not indexed where user_id is not null)
          where nth > 1)`)
      const index = missingIndexes(db).find(({ name }) => name === 'customers_by_user_id')
      if (index === undefined) throw error
      db.exec(index.sql)
    }).immediate()
  }
}

/** The highest id of each table that anything in the database speaks of. */
const highestIds = `
  with of_changes as (
    select max(id) as id, max(customer_id) as customer_id, max(key_id) as key_id,
      max(case when kind = 'event.recorded' and json_valid(after) then json_extract(after, '$.event') end) as event_id
    from changes not indexed),
  ids (name, id) as (
    select 'organizations', max(id) from organizations
    union all select 'api_keys', max(id) from api_keys
    union all select 'api_keys', key_id from of_changes
    union all select 'tags', max(id) from tags
    union all select 'attributes', max(id) from attributes
    union all select 'customers', max(id) from customers
    union all select 'customers', customer_id from of_changes
    union all select 'customers', max(customer_id) from events
    union all select 'events', max(id) from events
    union all select 'events', event_id from of_changes
    union all select 'webhooks', max(id) from webhooks
    union all select 'webhooks', max(webhook_id) from webhook_positions
    union all select 'changes', id from of_changes)
  select name, max(id) as id from ids where id is not null group by name order by name`

interface HighestId {
  readonly name: string
  readonly id: number
}

function lowSequences(db: Database): HighestId[] {
  const sequence = db.prepare<[string], number>('select seq from sqlite_sequence where name = ?').pluck()
  return db.prepare<[], HighestId>(highestIds).all().filter(({ name, id }) => (sequence.get(name) ?? 0) < id)
}

export function checkSequences(db: Database, diagnosis: Diagnosis): void {
  for (const { name } of lowSequences(db)) diagnosis.add('sequences', name)
}

export function raiseSequences(db: Database): void {
  db.transaction(() => {
    const remove = db.prepare<[string]>('delete from sqlite_sequence where name = ?')
    const insert = db.prepare<[string, number]>('insert into sqlite_sequence (name, seq) values (?, ?)')
    for (const { name, id } of lowSequences(db)) {
      remove.run(name)
      insert.run(name, id)
    }
  }).immediate()
}
