import { createHash } from 'node:crypto'
import {
  closeSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync,
  writeFileSync, writeSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { describe, expect, onTestFinished, test } from 'vitest'
import { OperatorError } from '../errors.ts'
import { openReader, openWriter, prepareDatabase } from './open.ts'
import { Reader } from './reader.ts'

function temporaryPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
  return join(folder, 'clientele.db')
}

/**
 * Every file of the folder, by the hash of its bytes and the time of its last change. Reading the
 * schema of a database in WAL mode leaves an empty log and its index there, which say nothing.
 */
function snapshot(path: string): object {
  const folder = join(path, '..')
  const names = readdirSync(folder).filter((name) => !name.endsWith('-shm') && !(name.endsWith('-wal') && statSync(join(folder, name)).size === 0))
  return Object.fromEntries(names.toSorted().map((name) => {
    const stats = statSync(join(folder, name))
    const bytes = stats.isFile() ? createHash('sha256').update(readFileSync(join(folder, name))).digest('hex') : 'a folder'
    return [name, { mtimeMs: stats.mtimeMs, mode: stats.mode, bytes }]
  }))
}

function refusal(path: string): string {
  try {
    prepareDatabase(path)
  } catch (error) {
    if (error instanceof OperatorError) return error.message.replace(path, 'PATH')
    throw error
  }
  throw new Error('It was not refused')
}

function runSql(path: string, text: string): void {
  const db = new SqliteDatabase(path)
  db.exec(text)
  db.close()
}

const advice = 'Nothing was changed. Restore a backup, or name another file with --database.'
const migrations = readdirSync(new URL('./migrations/', import.meta.url)).toSorted()

describe('a database', () => {
  test('is made with its folder, both for the owner alone, with nothing beside it, once', () => {
    const path = join(temporaryPath(), 'data', 'clientele.db')

    expect(prepareDatabase(path)).toEqual(migrations)
    expect([statSync(join(path, '..')).mode & 0o777, statSync(path).mode & 0o777]).toEqual([0o700, 0o600])
    expect(readdirSync(join(path, '..'))).toEqual(['clientele.db'])
    expect(prepareDatabase(path)).toEqual([])
  })

  test('of the first version is brought up to date, with a secret of its own to sign with', () => {
    const secrets = [temporaryPath(), temporaryPath()].map((path) => {
      runSql(path, `pragma application_id = ${0x436c746c}; pragma journal_mode = WAL;`)
      runSql(path, readFileSync(new URL('./migrations/0001-customers.sql', import.meta.url), 'utf8'))
      runSql(path, "insert into organizations (name, created_at) values ('default', 0); pragma user_version = 1")

      expect(prepareDatabase(path)).toEqual(migrations.slice(1))
      expect(prepareDatabase(path)).toEqual([])
      const db = openReader(path)
      onTestFinished(() => { db.close() })
      expect(db.prepare('select name from organizations').pluck().all()).toEqual(['default'])
      return new Reader(db).cursorSecret()
    })

    expect(secrets.map(({ length }) => length)).toEqual([32, 32])
    expect(secrets[0]).not.toEqual(secrets[1])
  })

  test('whose migration fails is left as it was', () => {
    const path = temporaryPath()
    prepareDatabase(path)
    // The first table of the first migration can be made, the second is there already.
    runSql(path, 'drop table customers; drop table api_keys; drop table tags; drop table attributes; drop table organizations; pragma user_version = 0')
    runSql(path, 'create table api_keys (mine text)')
    const tables = (): unknown[] => {
      const db = openReader(path)
      try {
        return [db.pragma('user_version', { simple: true }), ...db.prepare("select sql from sqlite_schema where type = 'table' order by name").pluck().all()]
      } finally {
        db.close()
      }
    }
    const before = tables()

    expect(() => prepareDatabase(path)).toThrow('table api_keys already exists')
    expect(tables()).toEqual(before)
  })
})

describe('refused, and left as it was', () => {
  test.each<[string, (path: string) => void, string]>([
    ['a folder', (path) => { mkdirSync(path) }, `PATH is not a file. ${advice}`],
    ['an empty file', (path) => { writeFileSync(path, '') }, `PATH is empty: the database was truncated, or something else made the file. ${advice}`],
    ['a file shorter than a header', (path) => { prepareDatabase(path); truncateSync(path, 99) }, `PATH is too short to be a database: it was truncated. ${advice}`],
    ['a file of something else', (path) => { writeFileSync(path, 'id,name\n'.repeat(100)) }, `PATH is not an SQLite database. ${advice}`],
    ["another program's database", (path) => { runSql(path, 'create table t (x)') }, `PATH is an SQLite database, but not one of Clientele. ${advice}`],
    ['a database of a newer version', (path) => { prepareDatabase(path); runSql(path, 'pragma user_version = 99') },
      `PATH was written by a newer version of Clientele (schema 99; this version knows up to ${migrations.length}). ` +
      'Start the newer version, or restore a backup made before the upgrade.'],
    ['a damaged schema', (path) => {
      prepareDatabase(path)
      const file = openSync(path, 'r+')
      writeSync(file, Buffer.alloc(200, 0x55), 0, 200, 100)
      closeSync(file)
    }, 'PATH cannot be opened: database disk image is malformed. ' + advice]
  ])('%s', (_name, make, message) => {
    const path = temporaryPath()
    make(path)
    const before = snapshot(path)

    expect(refusal(path)).toBe(message)
    expect(snapshot(path)).toEqual(before)
  })

  test('a database that lost its end', () => {
    const path = temporaryPath()
    prepareDatabase(path)
    const { size } = statSync(path)
    truncateSync(path, size - 1)
    const before = snapshot(path)

    expect(refusal(path)).toBe(`PATH is truncated: it has ${size - 1} of ${size} bytes. ${advice}`)
    expect(snapshot(path)).toEqual(before)
  })
})

describe('a crash amid a checkpoint', () => {
  /** A database whose last pages are in its write-ahead log too, copied as a crash would leave it, and then cut short. */
  function crashed({ withLog }: { withLog: boolean }): string {
    const original = temporaryPath()
    prepareDatabase(original)
    const db = openWriter(original)
    const insert = db.prepare('insert into organizations (name, created_at) values (?, 0)')
    db.transaction(() => { for (let index = 0; index < 2_000; index += 1) insert.run(`organization ${index}`) })()
    db.pragma('wal_checkpoint(passive)')
    const path = temporaryPath()
    copyFileSync(original, path)
    if (withLog) copyFileSync(`${original}-wal`, `${path}-wal`)
    db.close()
    truncateSync(path, statSync(path).size - 3 * 4_096)
    return path
  }

  test('leaves a file that is short of pages its log has: it opens, whole', () => {
    const path = crashed({ withLog: true })

    expect(prepareDatabase(path)).toEqual([])
    const db = openReader(path)
    onTestFinished(() => { db.close() })
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    expect(db.prepare('select count(*) from organizations').pluck().get()).toBe(2_000)
  })

  test('without the log the same file is refused', () => {
    const path = crashed({ withLog: false })
    const { size } = statSync(path)

    expect(refusal(path)).toBe(`PATH is truncated: it has ${size} of ${size + 3 * 4_096} bytes. ${advice}`)
    expect(existsSync(`${path}-wal`)).toBe(false)
  })

  test('with a log that lacks one of the pages the file is refused', () => {
    const path = crashed({ withLog: true })
    // Half of the frames: the pages at the end of the file were logged last.
    truncateSync(`${path}-wal`, Math.floor(statSync(`${path}-wal`).size / 2))

    expect(refusal(path)).toContain('is truncated')
  })
})

describe('a connection', () => {
  test('for writing keeps FULL synchronous commits after its first write', () => {
    const path = temporaryPath()
    prepareDatabase(path)
    const db = openWriter(path)
    onTestFinished(() => { db.close() })
    db.exec("insert into organizations (name, created_at) values ('default', 0)")

    expect([db.pragma('synchronous', { simple: true }), db.pragma('journal_mode', { simple: true }), db.pragma('foreign_keys', { simple: true })])
      .toEqual([2, 'wal', 1])
  })

  test('for reading cannot write', () => {
    const path = temporaryPath()
    prepareDatabase(path)
    const db = openReader(path)
    onTestFinished(() => { db.close() })

    expect(() => { db.exec('delete from organizations') }).toThrow('attempt to write a readonly database')
  })
})
