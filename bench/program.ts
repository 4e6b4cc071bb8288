import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endAll } from './child.ts'

export interface Program<Settings> {
  readonly usage: string
  /** Or what is wrong with the flags. */
  readonly readFlags: (args: readonly string[]) => Settings | string
  /** Answers whether all that must hold did. Everything it leaves in the folder is removed. */
  readonly bench: (settings: Settings, folder: string) => Promise<boolean>
}

/** Runs a bench by the flags it was started with. */
export async function run<Settings>({ usage, readFlags, bench }: Program<Settings>): Promise<void> {
  const settings = readFlags(process.argv.slice(2))
  if (typeof settings === 'string') {
    process.stderr.write(`error: ${settings}\n${usage}\n`)
    process.exitCode = 2
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'clientele-bench-'))
  // However this process ends, short of SIGKILL, nothing of it is left.
  process.once('exit', () => {
    endAll()
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  })
  process.once('SIGINT', () => { process.exit(130) })
  process.once('SIGTERM', () => { process.exit(143) })
  const isRight = await bench(settings, folder)
  // Children are still running and would keep this process.
  process.exit(isRight ? 0 : 1)
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
