import { createHash } from 'node:crypto'
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readMigrations } from '../../src/sql/migrations.ts'
import { startChild } from '../child.ts'
import type { Build } from './build.ts'

/** Guards nothing: it opens databases of made-up customers on loopback. */
export const benchKey = `ck_${'b'.repeat(43)}`

export interface Wanted {
  readonly customers: number
  readonly seed: number
  readonly isFresh: boolean
}

/** The database of a seed and a size, kept between runs until the schema changes. Nobody may write to it. */
export async function preparedDatabase({ customers, seed, isFresh }: Wanted, say: (line: string) => void): Promise<string> {
  const folder = join(tmpdir(), 'clientele-bench-search')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, `seed${seed}-${customers}-${schemaDigest()}.db`)
  if (existsSync(path) && !isFresh) return path
  say(`making ${customers.toLocaleString('en-US')} customers, kept as ${path}`)
  // Those of other schemas, too, and what a run that was ended has left.
  for (const file of readdirSync(folder)) if (file.startsWith(`seed${seed}-${customers}-`)) rmSync(join(folder, file))
  const child = startChild<Build, { seconds: number }>('search/build')
  const { seconds } = await child.ask({ path, customers, seed, key: benchKey })
  child.end()
  say(`made in ${Math.round(seconds)} s`)
  return path
}

export function copyDatabase(path: string, folder: string): string {
  const copy = join(folder, 'clientele.db')
  copyFileSync(path, copy, constants.COPYFILE_FICLONE)
  return copy
}

/** Migrations may still change before they are released, so their number says too little. */
function schemaDigest(): string {
  const texts = readMigrations(new URL('../../src/sqlite/migrations/', import.meta.url)).map(({ sql }) => sql)
  return createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 8)
}
