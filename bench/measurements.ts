import type { DirectlyInserted } from './direct-inserts.ts'
import type { Driven } from './generator.ts'
import type { WorkloadName } from './workload.ts'

export const connectionCounts = [1, 32, 64] as const
export type Connections = (typeof connectionCounts)[number]

export type Subject = 'clientele' | 'node:http' | 'fastify'

/** What the rounds yielded; every list has an entry a round. */
export class Measurements {
  readonly #driven = new Map<string, Driven[]>()
  readonly directGroups: DirectlyInserted[] = []
  readonly directSingles: DirectlyInserted[] = []
  /** On PostgreSQL: customers read through the driver, 32 at a time. */
  readonly directReads: DirectlyInserted[] = []
  /** Create on one connection: how many commits and commands the server counted. */
  readonly aloneCommits: { readonly commits: number; readonly commands: number }[] = []
  /** Create on 64 connections: the same. */
  readonly groupCommits: { readonly commits: number; readonly commands: number }[] = []
  readonly getAlone: Driven[] = []
  readonly getBesideWriters: Driven[] = []
  readonly writersBesideGet: Driven[] = []
  readonly pauseP999Milliseconds: number[] = []
  /** The same of a process that did nothing meanwhile. */
  readonly idlePauseP999Milliseconds: number[] = []
  readonly privateMebibytes: number[] = []

  add(cell: Cell, driven: Driven): void {
    const key = cellKey(cell)
    this.#driven.set(key, [...this.#driven.get(key) ?? [], driven])
  }

  of(cell: Cell): readonly Driven[] {
    return this.#driven.get(cellKey(cell)) ?? []
  }
}

export interface Cell {
  readonly subject: Subject
  readonly workload: WorkloadName
  readonly connections: Connections
}

function cellKey({ subject, workload, connections }: Cell): string {
  return `${subject} ${workload} ${connections}`
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)] ?? Number.NaN
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

export function medianOf<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return median(items.map(value))
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
