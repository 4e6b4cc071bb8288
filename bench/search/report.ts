import { median, percentile } from '../measurements.ts'
import type { Measured } from './measure.ts'
import type { Adding, BesideSlowest, BesideWriters } from './phases.ts'

export interface Sizes {
  readonly bytesPerCustomer: number
  /** With changes and events. */
  readonly bytesPerCustomerWithHistory: number
}

export interface Report {
  readonly customers: number
  readonly measured: readonly Measured[]
  readonly sizes: Sizes
  readonly besideWriters: BesideWriters
  readonly besideSlowest: BesideSlowest | null
  readonly withIndex: Adding
  readonly withoutIndex: Adding
  /** Of the server with the index beyond one without it. */
  readonly indexMebibytes: number
  readonly privateMebibytes: number
  /** The slowest first page of a tenth of the customers. */
  readonly slowestOfTenth: number | null
}

const nameWidth = 52
/** With fewer, what processes differ by anyhow is more than the index. */
const memoryCustomersMin = 100_000
const headings = ['page ms', 'again', 'total ms', 'again', 'CPU ms', 'hand page', 'hand total', 'total']

export const tableHead = [''.padEnd(nameWidth), ...headings.map((heading) => heading.padStart(10)), ' plan (by hand)'].join(' ')

/** A line of the table. */
export function describeQuestion({ question, page, total, byHand, difference }: Measured): string {
  const times = total === null ? ['-', '-', '-', '-', '-'] : [page.ms, page.againMs, total.ms, total.againMs, page.cpuMs + total.cpuMs].map(fine)
  const cells = [...times, fine(byHand.pageMs), fine(byHand.totalMs), byHand.total.toLocaleString('en-US')]
  const plan = page.refusal === null ? page.plan : `refused: ${page.refusal}`
  const line = [question.name.padEnd(nameWidth), ...cells.map((cell) => cell.padStart(10)), ` ${plan} (${byHand.plan})`].join(' ')
  return difference === null ? line : `${line}\n  DIFFERS: ${difference}`
}

export function describeTargets(report: Report): string {
  const { customers, measured, sizes, besideWriters, besideSlowest, withIndex, withoutIndex, indexMebibytes, slowestOfTenth } = report
  const answered = measured.flatMap(({ question, page, total, byHand }) => (total === null ? [] : [{
    name: question.name, question, byHand, pageMs: page.ms, totalMs: total.ms, totalAgainMs: total.againMs
  }]))
  const indexed = answered.filter(({ question }) => !question.isOtherSort)
  const pages = indexed.map(({ pageMs }) => pageMs)
  const otherPages = answered.filter(({ question }) => question.isOtherSort)
  const oneFilter = answered.filter(({ question }) => question.isOneFilter)
  const ratios = answered.flatMap(({ name, pageMs, totalMs, byHand }) => [
    { name: `${name}, page`, ms: pageMs - allowance(byHand.pageMs), times: pageMs / byHand.pageMs },
    { name: `${name}, total`, ms: totalMs - allowance(byHand.totalMs), times: totalMs / byHand.totalMs }
  ])
  const worse = ratios.filter(({ ms }) => ms > 0).toSorted((one, other) => other.ms - one.ms)
  const slowest = Math.max(...answered.map(({ pageMs }) => pageMs))

  return [
    verdict(`questions not answered, of ${measured.length}, none`, measured.length - answered.length, 0, whole),
    verdict('first page, median, at most 5 ms', median(pages), 5, ms),
    verdict('first page, p95, at most 25 ms', percentile(pages, 0.95), 25, ms),
    verdict(`first page sorted by another field, at most 1,500 ms${worst(otherPages, ({ pageMs }) => pageMs)}`, Math.max(...otherPages.map(({ pageMs }) => pageMs)), 1_500, ms),
    verdict(`total of one filter, at most 60 ms${worst(oneFilter, ({ totalMs }) => totalMs)}`, Math.max(...oneFilter.map(({ totalMs }) => totalMs)), 60, ms),
    verdict(`total of any question, at most 250 ms${worst(answered, ({ totalMs }) => totalMs)}`, Math.max(...answered.map(({ totalMs }) => totalMs)), 250, ms),
    verdict(`total counted before, at most 5 ms${worst(answered, ({ totalAgainMs }) => totalAgainMs)}`, Math.max(...answered.map(({ totalAgainMs }) => totalAgainMs)), 5, ms),
    verdict(
      `the same while 200 customers a second are patched, at most 5 ms${describeCounted(besideWriters)}`,
      Math.max(...besideWriters.counted.map((each) => each.ms)), 5, ms),
    verdict('pages and totals slower than twice the SQL written by hand and 2 ms more, none', worse.length, 0, whole),
    ...worse.slice(0, 5).map(({ name, ms: over, times }) => `          ${name}: ${times.toFixed(1)} times, ${fine(over)} ms too much`),
    slowestOfTenth === null
      ? skipped('slowest first page, at most 4 times that of a tenth of the customers', '--compare measures it')
      : verdict(`slowest first page, at most 4 times that of a tenth of the customers (${fine(slowestOfTenth)} ms)`, slowest / slowestOfTenth, 4, times),
    ...besideSlowest === null ? [skipped('GET one beside the slowest questions', 'they failed')] : [
      verdict('p99 of GET one while the slowest questions run on four connections, under 30 ms', besideSlowest.gets.p99Milliseconds, 30, ms),
      verdict('99.9 % of event-loop pauses meanwhile, under 20 ms', besideSlowest.pauseP999Milliseconds, 20, ms)
    ],
    verdict(
      `CPU of adding a customer (${whole(withIndex.cpuMicroseconds)} µs, ${whole(withIndex.perSecond)}/s), at most 1.6 times that without ` +
      `the index (${whole(withoutIndex.cpuMicroseconds)} µs, ${whole(withoutIndex.perSecond)}/s)`, withIndex.cpuMicroseconds / withoutIndex.cpuMicroseconds, 1.6, times),
    verdict('database a customer with 8 attributes and all indexes, at most 3,500 bytes', sizes.bytesPerCustomer, 3_500, whole),
    verdict('the same with changes and events, at most 5,000 bytes', sizes.bytesPerCustomerWithHistory, 5_000, whole),
    customers < memoryCustomersMin
      ? skipped(
          `memory of the index, at most 350 MB a million customers (the whole process has ${whole(report.privateMebibytes)} MiB)`,
          `told from ${whole(memoryCustomersMin)} customers up`)
      : verdict(
          `memory of the server beyond one without the index, at most 350 MB a million customers (whole process ${whole(report.privateMebibytes)} MiB)`,
          indexMebibytes * 1.048576 * 1e6 / customers, 350, (value) => `${whole(value)} MB`)
  ].join('\n')
}

/** Fewer hits are counted sooner. */
const fewHits = 20_000

/** What is wanted of PostgreSQL, whose searches have the network and another process on their way. */
export function describePostgresTargets({ measured, besideWriters }: { measured: readonly Measured[]; besideWriters: BesideWriters | null }): string {
  const answered = measured.flatMap(({ question, page, total, byHand }) => (total === null ? [] : [{
    name: question.name, isDeep: question.behind !== null, hits: byHand.total, pageMs: page.ms, totalMs: total.ms, totalAgainMs: total.againMs
  }]))
  const pages = answered.map(({ pageMs }) => pageMs)
  const few = answered.filter(({ hits }) => hits < fewHits)
  const many = answered.filter(({ hits }) => hits >= fewHits)
  const deep = answered.filter(({ isDeep }) => isDeep)
  return [
    verdict(`questions not answered, of ${measured.length}, none`, measured.length - answered.length, 0, whole),
    verdict(`first page, p95, at most 50 ms${worst(answered, ({ pageMs }) => pageMs)}`, percentile(pages, 0.95), 50, ms),
    verdict(`total under 20,000 hits, at most 150 ms${worst(few, ({ totalMs }) => totalMs)}`, Math.max(...few.map(({ totalMs }) => totalMs)), 150, ms),
    verdict(`total of more, at most 1,200 ms${worst(many, ({ totalMs }) => totalMs)}`, Math.max(...many.map(({ totalMs }) => totalMs)), 1_200, ms),
    verdict(`total counted before, at most 5 ms${worst(answered, ({ totalAgainMs }) => totalAgainMs)}`, Math.max(...answered.map(({ totalAgainMs }) => totalAgainMs)), 5, ms),
    verdict(`page behind a deep cursor, at most 50 ms${worst(deep, ({ pageMs }) => pageMs)}`, Math.max(...deep.map(({ pageMs }) => pageMs)), 50, ms),
    ...besideWriters === null ? [] : [verdict(
      `total counted before while 200 customers a second are patched, at most 5 ms${describeCounted(besideWriters)}`,
      Math.max(...besideWriters.counted.map((each) => each.ms)), 5, ms)]
  ].join('\n')
}

function describeCounted({ counted, p99Milliseconds }: BesideWriters): string {
  return ` (${counted.length} counted; of single counts, p99 ${ms(p99Milliseconds)})${worst(counted, (each) => each.ms)}`
}

function allowance(byHandMs: number): number {
  return Math.max(2 * byHandMs, byHandMs + 2)
}

function verdict(claim: string, value: number, bound: number, show: (value: number) => string): string {
  if (!Number.isFinite(value)) return skipped(claim, 'nothing was measured')
  return `${value <= bound ? 'met   ' : 'MISSED'}  ${claim}: ${show(value)}`
}

function skipped(claim: string, why: string): string {
  return `?       ${claim}: ${why}`
}

/** A verdict goes by the worst, of which one pause of the machine can make anything, so it is told beside the median. */
function worst<Item extends { readonly name: string }>(items: readonly Item[], value: (item: Item) => number): string {
  const [first] = items.toSorted((one, other) => value(other) - value(one))
  return first === undefined ? '' : ` (median ${fine(median(items.map(value)))} ms, worst: ${first.name})`
}

function ms(value: number): string {
  return `${fine(value)} ms`
}

function times(value: number): string {
  return `${value.toFixed(2)} times`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

function fine(value: number): string {
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : whole(value)
}
