import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { SqliteStore } from '../src/sqlite/store.ts'
import type { Store } from '../src/store.ts'

/** Every engine that `ENGINES` selects (comma-separated; default all), each opening a store of its own for one test. */
const openers: Record<string, () => Store> = {
  sqlite: () => SqliteStore.open({ path: join(temporaryFolder(), 'clientele.db') })
}

export const engines = (process.env.ENGINES ?? Object.keys(openers).join()).split(',').map((name) => {
  const open = openers[name]
  if (open === undefined) throw new Error(`ENGINES names "${name}"; there are: ${Object.keys(openers).join(', ')}`)
  return {
    name,
    /** An empty store, closed when the test has finished. */
    openStore(): Store {
      const store = open()
      onTestFinished(async () => { await store.close() })
      return store
    }
  }
})

/** A folder of its own for one test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}
