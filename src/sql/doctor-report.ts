import type { CatalogTally } from './catalog-tally.ts'
import type { Finding } from './diagnosis.ts'

export interface DoctorOptions {
  /** Without it nothing is written, not even a newer schema. */
  readonly repair: boolean
  readonly onProgress?: OnProgress
}

/** Told now and then how many customers are done. */
export type OnProgress = (doing: 'checking' | 'repairing', done: number, total: number) => void

export interface DoctorReport {
  /** Null when the database is too damaged to tell. */
  readonly customers: number | null
  readonly findings: readonly TreatedFinding[]
}

export interface TreatedFinding extends Finding {
  /** How many there are still. Those not found before came to light by a repair. */
  readonly left: number
}

export interface Examination {
  readonly customers: number | null
  readonly findings: readonly Finding[]
  /** Undefined when the rest was not looked at, since it could not be told. */
  readonly tally: CatalogTally | undefined
}

/** What the first of several examinations found, or a later one, and what of it the last one still finds. */
export function summarize(examinations: readonly Examination[]): DoctorReport {
  const last = examinations.at(-1)
  const merged = new Map<Finding['kind'], TreatedFinding>()
  for (const { findings } of examinations) {
    for (const finding of findings) {
      const known = merged.get(finding.kind)
      const left = last?.findings.find(({ kind }) => kind === finding.kind)
      merged.set(finding.kind, {
        kind: finding.kind, count: Math.max(finding.count, known?.count ?? 0), left: left?.count ?? 0, ids: left?.ids ?? known?.ids ?? finding.ids
      })
    }
  }
  return { customers: last?.customers ?? null, findings: [...merged.values()] }
}
