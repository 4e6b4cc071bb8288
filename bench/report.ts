import type { Cell, Connections, Measurements, Subject } from './measurements.ts'
import { connectionCounts, median, medianOf } from './measurements.ts'
import type { BenchEngine } from './database.ts'
import type { WorkloadName } from './workload.ts'

const titles: readonly { readonly subject: Subject; readonly workload: WorkloadName; readonly title: string }[] = [
  { subject: 'node:http', workload: 'get', title: '(a) node:http, constant, a customer' },
  { subject: 'fastify', workload: 'get', title: '(b) Fastify, constant, a customer' },
  { subject: 'clientele', workload: 'get', title: 'GET one' },
  { subject: 'node:http', workload: 'list', title: '(a) node:http, constant, a page' },
  { subject: 'fastify', workload: 'list', title: '(b) Fastify, constant, a page' },
  { subject: 'clientele', workload: 'list', title: 'List of 100' },
  { subject: 'clientele', workload: 'search', title: 'Search email =' },
  { subject: 'clientele', workload: 'create', title: 'POST create' },
  { subject: 'clientele', workload: 'patch', title: 'PATCH' },
  { subject: 'clientele', workload: 'tags', title: 'PUT tags' },
  { subject: 'clientele', workload: 'event', title: 'POST event' }
]

const headings = ['', 'conn.', 'requests/s', 'p50 ms', 'p99 ms', 'server CPU µs', 'generator']

/** Every cell, the median of its rounds. */
export function describeCells(measurements: Measurements, engine: BenchEngine): string {
  const named = engine === 'sqlite' ? 'into SQLite' : 'through the driver of PostgreSQL'
  const rows = titles.flatMap(({ title, ...cell }) => connectionCounts.map((connections) => {
    const driven = measurements.of({ ...cell, connections })
    return [
      title, String(connections),
      whole(medianOf(driven, ({ perSecond }) => perSecond)),
      fine(medianOf(driven, ({ p50Milliseconds }) => p50Milliseconds)),
      fine(medianOf(driven, ({ p99Milliseconds }) => p99Milliseconds)),
      whole(medianOf(driven, ({ serverMicrosecondsPerRequest }) => serverMicrosecondsPerRequest)),
      percent(medianOf(driven, ({ generatorLoad }) => generatorLoad))
    ]
  }))
  const direct = [
    { title: `(c) straight ${named}, 64 a commit`, runs: measurements.directGroups },
    { title: '    the same, one a commit', runs: measurements.directSingles },
    ...engine === 'sqlite' ? [] : [{ title: '(d) read through the driver, 32 at a time, coalesced', runs: measurements.directReads }]
  ].map(({ title, runs }) => [
    title, '',
    whole(medianOf(runs, ({ customersPerSecond }) => customersPerSecond)),
    `${fine(medianOf(runs, ({ commitP50Milliseconds }) => commitP50Milliseconds))} *`,
    `${fine(medianOf(runs, ({ commitP99Milliseconds }) => commitP99Milliseconds))} *`,
    whole(medianOf(runs, ({ microsecondsPerCustomer }) => microsecondsPerCustomer)),
    ''
  ])
  const beside = [
    { title: 'GET one, 8 connections, no writers', connections: '8', runs: measurements.getAlone },
    { title: 'GET one, 8 connections, beside 64 writers', connections: '8', runs: measurements.getBesideWriters },
    { title: 'POST create beside those GETs', connections: '64', runs: measurements.writersBesideGet }
  ].map(({ title, connections, runs }, index) => [
    title, connections,
    whole(medianOf(runs, ({ perSecond }) => perSecond)),
    fine(medianOf(runs, ({ p50Milliseconds }) => p50Milliseconds)),
    fine(medianOf(runs, ({ p99Milliseconds }) => p99Milliseconds)),
    // Two generators share the server, so its time belongs to neither.
    index === 0 ? whole(medianOf(runs, ({ serverMicrosecondsPerRequest }) => serverMicrosecondsPerRequest)) : '',
    percent(medianOf(runs, ({ generatorLoad }) => generatorLoad))
  ])
  return `${alignColumns([headings, ...rows, ...direct, ...beside])}\n* of a commit`
}

interface Target {
  readonly claim: string
  readonly measured: string
  readonly isMet: boolean
  /** How far off, when missed. */
  readonly gap: string
}

export function describeTargets(measurements: Measurements, engine: BenchEngine): string {
  const targets = allTargets(measurements, engine)
  const lines = targets.map(({ claim, measured, isMet, gap }) => `${isMet ? 'met   ' : 'MISSED'}  ${claim}: ${measured}${isMet ? '' : `, ${gap}`}`)
  const createdAlone = medianOf(
    measurements.of({ subject: 'clientele', workload: 'create', connections: 1 }), ({ perSecond }) => perSecond)
  const insertedAlone = medianOf(measurements.directSingles, ({ customersPerSecond }) => customersPerSecond)
  return [
    ...lines,
    `${targets.filter(({ isMet }) => isMet).length} of ${targets.length} targets met`,
    `without a target: POST create alone ${whole(createdAlone)}/s, one a commit as in (c) ${whole(insertedAlone)}/s`
  ].join('\n')
}

function allTargets(measurements: Measurements, engine: BenchEngine): Target[] {
  const cpu = (cell: Cell): number => medianOf(measurements.of(cell), ({ serverMicrosecondsPerRequest }) => serverMicrosecondsPerRequest)
  const rate = (workload: WorkloadName, connections: Connections): number =>
    medianOf(measurements.of({ subject: 'clientele', workload, connections }), ({ perSecond }) => perSecond)
  const cpuRatio = (workload: WorkloadName): number =>
    cpu({ subject: 'clientele', workload, connections: 32 }) / cpu({ subject: 'fastify', workload, connections: 32 })
  const direct = medianOf(measurements.directGroups, ({ customersPerSecond }) => customersPerSecond)
  const perCommitAlone = Math.max(...measurements.aloneCommits.map(({ commits, commands }) => Math.max(commits / commands, commands / commits)))
  const p99Alone = medianOf(measurements.getAlone, ({ p99Milliseconds }) => p99Milliseconds)
  const p99Beside = medianOf(measurements.getBesideWriters, ({ p99Milliseconds }) => p99Milliseconds)
  const [firstPrivate = Number.NaN] = measurements.privateMebibytes
  const lastPrivate = measurements.privateMebibytes.at(-1) ?? Number.NaN

  const ofEngine = engine === 'sqlite'
    ? [
        atMost('GET one, CPU at 32 connections, at most 1.6 × (b)', cpuRatio('get'), 1.6, times),
        atLeast('POST create at 64 connections, at least 0.5 × (c)', rate('create', 64) / direct, 0.5, times)
      ]
    : [
        atLeast('GET one at 32 connections, at least 0.7 × (d)', rate('get', 32) / medianOf(measurements.directReads, ({ customersPerSecond }) => customersPerSecond), 0.7, times),
        atLeast('POST create at 64 connections, at least 0.6 × (c)', rate('create', 64) / direct, 0.6, times)
      ]
  return [
    ...ofEngine,
    atMost('POST create alone, one commit a request', perCommitAlone, 1, times),
    ...(['patch', 'tags', 'event'] as const).map((workload) =>
      atLeast(`${workload} at 64 connections, at least 0.8 × create`, rate(workload, 64) / rate('create', 64), 0.8, times)),
    atMost('List of 100, CPU at 32 connections, at most 4 × (b)', cpuRatio('list'), 4, times),
    atMost(
      `p99 of GET beside 64 writers, at most the larger of 30 ms and 3 × ${fine(p99Alone)} ms`, p99Beside, Math.max(30, 3 * p99Alone),
      (value) => `${fine(value)} ms`),
    atMost(
      `99.9 % of event-loop pauses beside writers, under 20 ms (rounds: ${measurements.pauseP999Milliseconds.map(fine).join(', ')}; ` +
      `of an idle process meanwhile: ${measurements.idlePauseP999Milliseconds.map(fine).join(', ')})`,
      median(measurements.pauseP999Milliseconds), 20, (value) => `${fine(value)} ms`),
    atMost(
      `Memory after the last round, at most 1.1 × after the first (MiB: ${measurements.privateMebibytes.map(whole).join(', ')})`,
      lastPrivate / firstPrivate, 1.1, times)
  ]
}

function atMost(claim: string, value: number, bound: number, show: (value: number) => string): Target {
  return { claim, measured: show(value), isMet: value <= bound, gap: `${percent(value / bound - 1)} too much` }
}

function atLeast(claim: string, value: number, bound: number, show: (value: number) => string): Target {
  return { claim, measured: show(value), isMet: value >= bound, gap: `${percent(1 - value / bound)} too little` }
}

function times(value: number): string {
  return `${value.toFixed(2)} ×`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function fine(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(1)
}

function percent(value: number): string {
  return `${Math.round(value * 100)} %`
}

function alignColumns(rows: readonly (readonly string[])[]): string {
  const [first = []] = rows
  const widths = first.map((_heading, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}
