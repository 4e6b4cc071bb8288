import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { OperatorError } from '../errors.ts'
import type { Backup } from '../store.ts'
import { openWriter } from './open.ts'

/** Has a database written to a file, which appears under its name only when it has been checked and is on disk. */
export async function writeBackup(path: string, write: (draft: string) => void | Promise<void>): Promise<Backup> {
  if (existsSync(path)) throw new OperatorError(`${path} exists already. Name a new file, or remove it first.`)
  const draft = `${path}.${randomUUID()}.part`
  try {
    await write(draft)
    const customers = checkCopy(draft)
    fsyncPath(draft)
    renameSync(draft, path)
    fsyncPath(dirname(path))
    return { customers, bytes: statSync(path).size }
  } catch (error) {
    throw new OperatorError(`The backup to ${path} failed: ${error instanceof Error ? error.message : String(error)}. The database was not touched.`, { cause: error })
  } finally {
    for (const file of [draft, `${draft}-wal`, `${draft}-shm`]) rmSync(file, { force: true })
  }
}

/** Opens a copy and looks at every page of it. Answers how many customers it holds. */
function checkCopy(path: string): number {
  const copy = openWriter(path)
  try {
    // All of it is in the one file then.
    copy.pragma('journal_mode = delete')
    const verdict = copy.pragma('integrity_check', { simple: true })
    if (verdict !== 'ok') throw new Error(`the copy is damaged (${String(verdict)})`)
    return copy.prepare<[], number>('select count(*) from customers').pluck().get() ?? 0
  } finally {
    copy.close()
  }
}

function fsyncPath(path: string): void {
  const file = openSync(path, 'r')
  fsyncSync(file)
  closeSync(file)
}
