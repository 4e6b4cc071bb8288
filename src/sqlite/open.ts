import { randomUUID } from 'node:crypto'
import { chmodSync, closeSync, existsSync, fstatSync, linkSync, mkdirSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { unfinishedCopy } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import { limits } from '../limits.ts'
import { readMigrations } from '../sql/migrations.ts'
import { registerSearchFunctions } from './search-functions.ts'

/** Marks a file as ours: "Cltl" in ASCII. */
const applicationId = 0x436c746c

const mebibyte = 1024 * 1024

const cacheMebibytesDefault = 64

/** A connection for reading. It cannot write, whatever is asked of it. */
export function openReader(path: string, { cacheMebibytes = cacheMebibytesDefault } = {}): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: limits.lockWaitSeconds * 1000 })
  db.pragma(`cache_size = ${-cacheMebibytes * 1024}`)
  // Random reads of a database larger than the cache go without a copy and a system call each.
  db.pragma(`mmap_size = ${2048 * mebibyte}`)
  registerSearchFunctions(db)
  return db
}

/** A connection for writing, whose commits are on disk when they return. */
export function openWriter(path: string): Database.Database {
  const db = new Database(path, { fileMustExist: true, timeout: limits.lockWaitSeconds * 1000 })
  db.pragma('journal_mode = WAL')
  // better-sqlite3 is built so that a WAL database drops to NORMAL at its first use unless told.
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = ON')
  db.pragma(`cache_size = ${-cacheMebibytesDefault * 1024}`)
  // Checkpoints are written by the writer thread, so long pauses between them disturb nobody.
  db.pragma('wal_autocheckpoint = 8000')
  db.pragma(`journal_size_limit = ${64 * mebibyte}`)
  return db
}

/**
 * Makes the database when there is none and brings its schema up to date. Several processes may do
 * this at once. Refuses, touching nothing, a file that is not ours, damaged, or of a newer version.
 * Answers the names of the migrations it ran.
 */
export function prepareDatabase(path: string): string[] {
  if (!existsSync(path)) createDatabase(path)
  const migrations = readMigrations(migrationsFolder)
  checkFile(path, { schemaVersionMax: migrations.length })
  const schemaVersion = readSchemaVersion(path)
  refuseNewer(path, { schemaVersion, schemaVersionMax: migrations.length })
  return schemaVersion === migrations.length ? [] : migrate(path)
}

/** The same checks for what must not change the file, which refuses an older schema too. */
export function requirePrepared(path: string): void {
  const schemaVersionMax = readMigrations(migrationsFolder).length
  checkFile(path, { schemaVersionMax })
  const schemaVersion = readSchemaVersion(path)
  refuseNewer(path, { schemaVersion, schemaVersionMax })
  if (schemaVersion === schemaVersionMax) return
  throw new OperatorError(`${path} was written by an older version of Clientele. Bring it up to date first: npx clientele migrate`)
}

/** Refuses the target of a copy that has begun and not ended. */
export function refuseHalfCopied(path: string): void {
  const db = openReader(path)
  try {
    if (readCopyProgress(db) !== undefined) throw unfinishedCopy(path)
  } finally {
    db.close()
  }
}

/** What is kept of a copy to this database while it is not finished. */
export function readCopyProgress(db: Database.Database): string | undefined {
  const isThere = db.prepare("select 1 from sqlite_schema where name = 'copy_progress'").get() !== undefined
  return isThere ? db.prepare<[], string>('select progress from copy_progress').pluck().get() : undefined
}

export const migrationsFolder = new URL('./migrations/', import.meta.url)

function refuseNewer(path: string, { schemaVersion, schemaVersionMax }: { schemaVersion: number; schemaVersionMax: number }): void {
  if (schemaVersion <= schemaVersionMax) return
  throw new OperatorError(
    `${path} was written by a newer version of Clientele (schema ${schemaVersion}; this version knows up to ${schemaVersionMax}). ` +
    'Start the newer version, or restore a backup made before the upgrade.'
  )
}

function migrate(path: string): string[] {
  const db = openWriter(path)
  try {
    const ran: string[] = []
    // IMMEDIATE takes the write lock first, so of two processes one waits and then finds nothing to do.
    db.transaction(() => {
      for (const { version, name, sql } of readMigrations(migrationsFolder)) {
        if (version <= Number(db.pragma('user_version', { simple: true }))) continue
        db.exec(sql)
        db.pragma(`user_version = ${version}`)
        ran.push(name)
      }
    }).immediate()
    return ran
  } catch (error) {
    throw new OperatorError(`${path} cannot be brought up to date: ${reason(error)}. Nothing was changed; try again.`, { cause: error })
  } finally {
    db.close()
  }
}

/**
 * The file appears under its name only when it is a database of ours, so that an empty file is
 * always a sign of damage and two processes that start together cannot meet half of one.
 */
function createDatabase(path: string): void {
  const draft = `${path}.${randomUUID()}.new`
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    closeSync(openSync(draft, 'wx', 0o600))
    const db = openWriter(draft)
    db.pragma(`application_id = ${applicationId}`)
    db.close()
    chmodSync(draft, 0o600)
    linkSync(draft, path)
  } catch (error) {
    if (isErrorWithCode(error, 'EEXIST') && existsSync(path)) return
    throw new OperatorError(`Cannot create the database ${path}: ${reason(error)}. Check the folder, its permissions and the room on the disk.`, { cause: error })
  } finally {
    for (const file of [draft, ...sideFiles(draft)]) rmSync(file, { force: true })
  }
}

const headerBytes = 100
const walHeaderBytes = 32
const frameHeaderBytes = 24

/** Reads the header by hand, since opening a database may already write to it. */
function checkFile(path: string, { schemaVersionMax }: { schemaVersionMax: number }): void {
  const refuse = (why: string, options?: ErrorOptions): never => {
    throw new OperatorError(`${path} ${why}. Nothing was changed. Restore a backup, or name another file with --database.`, options)
  }
  try {
    if (!statSync(path).isFile()) refuse('is not a file')
    const file = openSync(path, 'r')
    try {
      const bytes = fstatSync(file).size
      const header = Buffer.alloc(headerBytes)
      if (bytes === 0) refuse('is empty: the database was truncated, or something else made the file')
      if (readSync(file, header, 0, headerBytes, 0) < headerBytes) refuse('is too short to be a database: it was truncated')
      if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') refuse('is not an SQLite database')
      if (header.readUInt32BE(68) !== applicationId) refuse('is an SQLite database, but not one of Clientele')
      refuseNewer(path, { schemaVersion: header.readUInt32BE(60), schemaVersionMax })
      const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
      const pages = header.readUInt32BE(28)
      const pagesThere = Math.floor(bytes / pageBytes)
      if (pagesThere < pages && !hasPagesInWal(`${path}-wal`, { pageBytes, first: pagesThere + 1, last: pages })) {
        refuse(`is truncated: it has ${bytes} of ${pages * pageBytes} bytes`)
      }
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error
    refuse(`cannot be read: ${reason(error)}`, { cause: error })
  }
}

/** A crash amid a checkpoint leaves the file short of pages that the write-ahead log still has. */
function hasPagesInWal(path: string, { pageBytes, first, last }: { pageBytes: number; first: number; last: number }): boolean {
  if (!existsSync(path)) return false
  const file = openSync(path, 'r')
  try {
    const missing = new Set<number>()
    for (let page = first; page <= last; page += 1) missing.add(page)
    const frames = Math.floor((fstatSync(file).size - walHeaderBytes) / (frameHeaderBytes + pageBytes))
    const walHeader = Buffer.alloc(walHeaderBytes)
    readSync(file, walHeader, 0, walHeaderBytes, 0)
    const header = Buffer.alloc(frameHeaderBytes)
    for (let frame = 0; frame < frames; frame += 1) {
      readSync(file, header, 0, frameHeaderBytes, walHeaderBytes + frame * (frameHeaderBytes + pageBytes))
      // Frames with other salts than the log's are left from before a checkpoint and count for nothing.
      if (header.compare(walHeader, 16, 24, 8, 16) !== 0) break
      missing.delete(header.readUInt32BE(0))
    }
    return missing.size === 0
  } finally {
    closeSync(file)
  }
}

function readSchemaVersion(path: string): number {
  const wasThere = new Set(sideFiles(path).filter(existsSync))
  try {
    const db = new Database(path, { readonly: true, timeout: limits.lockWaitSeconds * 1000 })
    try {
      // Reads the schema, which is where damage near the start of the file shows.
      db.prepare('select count(*) from sqlite_schema').get()
      return Number(db.pragma('user_version', { simple: true }))
    } finally {
      db.close()
    }
  } catch (error) {
    for (const file of sideFiles(path)) if (!wasThere.has(file)) rmSync(file, { force: true })
    throw new OperatorError(`${path} cannot be opened: ${reason(error)}. Nothing was changed. Restore a backup, or name another file with --database.`, { cause: error })
  }
}

/** The write-ahead log and its index, which SQLite makes beside a database as it opens it. */
function sideFiles(path: string): string[] {
  return [`${path}-wal`, `${path}-shm`]
}

function isErrorWithCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
