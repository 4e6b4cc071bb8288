import { existsSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { OperatorError } from '../errors.ts'
import { findingKinds } from '../sql/diagnosis.ts'
import type { DoctorOptions, DoctorReport, TreatedFinding } from '../sql/doctor-report.ts'
import { sqlitePath, withoutPassword } from './config.ts'
import { report } from './output.ts'

/** So that a run of minutes is seen to go on, and a short one says nothing but what it found. */
const progressIntervalMs = 5_000

export async function doctor(options: { database: string; check?: true; json?: true }): Promise<void> {
  const database = withoutPassword(options.database)
  let saidMs = performance.now()
  const repair = options.check !== true
  const { customers, findings } = await checkDatabase(options.database, {
    repair,
    onProgress: (doing, done, total) => {
      if (performance.now() - saidMs < progressIntervalMs) return
      saidMs = performance.now()
      process.stderr.write(`${doing} customers: ${done} of ${total}\n`)
    }
  })
  const left = findings.filter((finding) => finding.left > 0)
  report(options, {
    json: { database, customers, isSound: left.length === 0, findings: findings.map((finding) => ({ ...finding, remedy: remedyOf(finding) })) },
    text: [...findings.map((finding) => describe(finding, repair)), `${database}: ${customers ?? 'unknown'} customers, ${verdict(findings, left)}`].join('\n')
  })
  if (left.length > 0) throw new OperatorError(repair ? 'Not all of it could be mended.' : 'Mend what can be mended with: npx clientele doctor')
}

async function checkDatabase(database: string, options: DoctorOptions): Promise<DoctorReport> {
  const path = sqlitePath(database)
  // Each loads a driver, and one is enough.
  if (path === undefined) {
    const engine = await import('../postgres/doctor.ts')
    return await engine.checkDatabase({ url: database, name: withoutPassword(database) }, options)
  }
  if (!existsSync(path)) throw new OperatorError(`There is no database ${path}. Name it with --database.`)
  const engine = await import('../sqlite/doctor.ts')
  return engine.checkDatabase(path, options)
}

function verdict(findings: readonly TreatedFinding[], left: readonly TreatedFinding[]): string {
  if (left.length > 0) return 'not sound.'
  return findings.length === 0 ? 'all sound.' : 'all sound now.'
}

function describe(finding: TreatedFinding, repair: boolean): string {
  const { kind, count, left, ids } = finding
  const { says, ofWhat } = findingKinds[kind]
  const outcome = !repair ? '' : left === 0 ? ', mended' : `, of which ${left} left`
  const plural = ids.length === 1 ? '' : ofWhat === 'index' ? 'es' : 's'
  const where = `${ofWhat}${plural} ${ids.join(', ')}${ids.length === 10 ? ' and maybe others' : ''}`
  return [`${says}: ${count}${outcome} (${where}).`, remedyOf(finding) ?? []].flat().join(' ')
}

/** What is left to do by hand. */
function remedyOf({ kind, left }: TreatedFinding): string | null {
  return left === 0 ? null : findingKinds[kind].remedy
}
