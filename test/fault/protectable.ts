import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { temporaryFolder } from '../engines.ts'
import { mountSmallDisk } from './small-disk.ts'

/** Root may write any file, so for root it takes a file system that is read-only. */
export function protectable(context: TestContext): { database: string; protect(): void; release(): void } {
  if (process.getuid?.() === 0) {
    const disk = mountSmallDisk(context)
    return { database: join(disk.folder, 'clientele.db'), protect() { disk.remount('ro') }, release() { disk.remount('rw') } }
  }
  const database = join(temporaryFolder(), 'clientele.db')
  return { database, protect() { chmodSync(database, 0o400) }, release() { chmodSync(database, 0o600) } }
}
