import { existsSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setImmediate } from 'node:timers/promises'
import type { ComparedTable, CopyProgress, CopyReport, CopySource, CopyTarget } from '../copy.ts'
import { copyDatabase, CopyFailure } from '../copy.ts'
import { OperatorError } from '../errors.ts'
import type { Backup } from '../store.ts'
import { sqlitePath, withoutPassword } from './config.ts'
import { report, table } from './output.ts'

export interface CopyOptions {
  readonly from: string
  readonly to: string
  readonly overwrite?: true
  readonly json?: true
}

export async function copy(options: CopyOptions): Promise<void> {
  const { from, to } = options
  const say = options.json === true ? () => undefined : reporter()
  const onProgress = async (progress: CopyProgress): Promise<void> => {
    say(progress)
    // Between two files nothing else lets a signal be heard.
    await setImmediate()
  }
  const stopListening = sayWhenInterrupted()
  const { tables, resumedAfter } = await run(from, to, { overwrite: options.overwrite === true, onProgress }).catch((error: unknown) => {
    if (!(error instanceof CopyFailure)) throw error
    throw new OperatorError(`${error.message} ${goOn}`, { cause: error })
  }).finally(stopListening)
  const isEqual = tables.every((compared) => compared.isEqual)
  report(options, {
    json: { from: withoutPassword(from), to: withoutPassword(to), resumedAfter, isEqual, tables },
    text: [describe(tables), ...(isEqual ? [`Copied ${withoutPassword(from)} to ${withoutPassword(to)}.`] : [])].join('\n')
  })
  if (!isEqual) throw new OperatorError('The copy is not like the source. Is something else writing to the target? Copy anew with --overwrite.')
}

const goOn = 'What was copied stays; run the same command again to go on.'

/** The process ends by the signal all the same. Answers how to be silent again. */
function sayWhenInterrupted(): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const
  const stopListening = (): void => { for (const signal of signals) process.off(signal, end) }
  const end = (signal: NodeJS.Signals): void => {
    process.stderr.write(`Interrupted. ${goOn}\n`)
    stopListening()
    process.kill(process.pid, signal)
  }
  for (const signal of signals) process.on(signal, end)
  return stopListening
}

/** Writes a checked copy to a file, whatever the engine of the database. */
export async function backUp(database: string, path: string): Promise<Backup> {
  const { writeBackup } = await import('../sqlite/backup.ts')
  return await writeBackup(path, async (draft) => {
    const { tables } = await run(database, `sqlite:${draft}`, { overwrite: false, onProgress: () => undefined })
    if (!tables.every(({ isEqual }) => isEqual)) throw new Error('the copy is not like the database')
  })
}

async function run(from: string, to: string, options: Parameters<typeof copyDatabase>[2]): Promise<CopyReport> {
  return await withSource(from, async (source) => await withTarget(to, async (target) => await copyDatabase(source, target, options)))
}

async function withSource<Answer>(database: string, use: (source: CopySource) => Promise<Answer>): Promise<Answer> {
  const path = sqlitePath(database)
  if (path === undefined) {
    const { withCopySource } = await import('../postgres/copy-source.ts')
    return await withCopySource({ url: database, name: withoutPassword(database) }, use)
  }
  if (!existsSync(path)) throw new OperatorError(`There is no database ${path}. Name it with --from.`)
  const { withCopySource } = await import('../sqlite/copy-source.ts')
  return await withCopySource(path, use)
}

async function withTarget<Answer>(database: string, use: (target: CopyTarget) => Promise<Answer>): Promise<Answer> {
  const path = sqlitePath(database)
  if (path === undefined) {
    const { withCopyTarget } = await import('../postgres/copy-target.ts')
    return await withCopyTarget({ url: database, name: withoutPassword(database) }, use)
  }
  const { withCopyTarget } = await import('../sqlite/copy-target.ts')
  return await withCopyTarget(path, use)
}

function describe(tables: readonly ComparedTable[]): string {
  const rows = tables.map(({ table: name, source, target, isEqual }) =>
    [name, source.rows, target.rows, source.checksum, isEqual ? 'the same' : target.checksum])
  return table(['table', 'rows of source', 'of target', 'checksum of source', 'of target'], rows)
}

const progressIntervalMs = 1_000

/** Says a line a second, with an estimate from what this run has done so far of the same kind. */
function reporter(): (progress: CopyProgress) => void {
  let saidMs = performance.now()
  let began: { doing: CopyProgress['doing']; done: number; atMs: number } | undefined
  return ({ doing, table: name, done, total }) => {
    const nowMs = performance.now()
    if (doing !== began?.doing) began = { doing, done, atMs: nowMs }
    if (nowMs - saidMs < progressIntervalMs && doing !== 'completing') return
    saidMs = nowMs
    const leftSeconds = (total - done) * (nowMs - began.atMs) / 1000 / (done - began.done)
    process.stderr.write(name === undefined
      ? 'making indexes and counts\n'
      : `${doing} ${name}: ${done} of ${total} rows, ${Math.floor(done / total * 100)} %${Number.isFinite(leftSeconds) ? `, ${duration(leftSeconds)} left` : ''}\n`)
  }
}

function duration(seconds: number): string {
  if (seconds < 90) return `about ${Math.ceil(seconds)} s`
  if (seconds < 90 * 60) return `about ${Math.round(seconds / 60)} min`
  return `about ${(seconds / 3600).toFixed(1)} h`
}
