import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from '../engines.ts'

export interface SmallDisk {
  readonly folder: string
  /** Leaves no room for another page. */
  fill(): void
  makeRoom(): void
  remount(mode: 'ro' | 'rw'): void
}

/** A file system of its own, of a few mebibytes; skips the test where it may not be mounted. */
export function mountSmallDisk(context: TestContext): SmallDisk {
  const folder = join(temporaryFolder(), 'disk')
  mkdirSync(folder)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=700', 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    context.skip(`a disk of its own could not be mounted: ${error instanceof Error ? error.message.trim() : String(error)}`)
  }
  // Lazily, since a process that was just killed may hold it a moment longer.
  onTestFinished(() => { execFileSync('umount', ['--lazy', folder]) })
  const ballast = join(folder, 'ballast')
  return {
    folder,
    fill() {
      for (;;) {
        const { bavail, bsize } = statfsSync(folder)
        if (bavail === 0) return
        try {
          writeFileSync(ballast, Buffer.alloc(bavail * bsize, 1), { flag: 'a' })
        } catch (error) {
          // A server that writes at the same time takes some of the room.
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
        }
      }
    },
    makeRoom() { rmSync(ballast) },
    remount(mode) { execFileSync('mount', ['-o', `remount,${mode}`, folder], { stdio: 'pipe' }) }
  }
}
