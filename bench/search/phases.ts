import { setTimeout } from 'node:timers/promises'
import type { Child } from '../child.ts'
import type { Drive, Driven } from '../generator.ts'
import { median, percentile } from '../measurements.ts'
import type { Server } from '../server.ts'
import type { WorkloadOptions } from '../workload.ts'
import type { Asker } from './ask.ts'
import { asksForNobody, threadMilliseconds } from './ask.ts'
import type { Measured, Subject } from './measure.ts'
import { countOf } from './measure.ts'

/** What is measured while others ask or write. */

export type Generator = Child<Drive, Driven>

export interface Beside {
  readonly server: Server
  readonly key: string
  readonly options: WorkloadOptions
}

/** Enough to change every counted total, and little enough to leave the processors to the questions. */
const patchesPerSecond = 200
const getsPerSecond = 1_000
const warmUpSeconds = 0.5

/** Before each round of counting. */
const pauseMs = 3_000
/** As often each total is counted again beside writers, in turn with all others: of three, two are slow by chance for one question of a hundred. */
const countingRounds = 9

interface CountedBesideWriters {
  readonly name: string
  /** The median of its rounds. */
  readonly ms: number
}

export interface BesideWriters {
  readonly counted: readonly CountedBesideWriters[]
  /** Of all counts, one by one. */
  readonly p99Milliseconds: number
  /** Totals that were other than counted by hand when the writers had stopped. */
  readonly differences: readonly string[]
}

/** Counts again what was counted before, while customers are patched, for so many seconds at most. */
export async function countBesideWriters(
  generator: Generator, { server, key, options }: Beside,
  { asker, tables, measured, seconds, isCompared = true }: Subject & { measured: readonly Measured[]; seconds: number; /** Whether the writers changed what is counted by hand. */ isCompared?: boolean }
): Promise<BesideWriters> {
  const answered = measured.filter(({ total }) => total !== null)
  const ends = performance.now() + seconds * 1000
  const writing = patch(generator, { server, key, options }, seconds)
  const times = new Map<string, number[]>(answered.map(({ question }) => [question.name, []]))
  for (let round = 0; round < countingRounds; round += 1) {
    // So that there is something to take in since the last time.
    await setTimeout(pauseMs)
    for (const { question } of answered) {
      if (performance.now() > ends) break
      const { ms } = await asker.search(countOf(question))
      times.get(question.name)?.push(ms)
    }
  }
  await writing
  const counted = [...times].filter(([, all]) => all.length > 0).map(([name, all]): CountedBesideWriters => ({ name, ms: median(all) }))

  const p99Milliseconds = percentile([...times.values()].flat(), 0.99)
  const differences: string[] = []
  if (!isCompared) return { counted, p99Milliseconds, differences }
  for (const { question } of answered.filter((_each, index) => index % 8 === 0)) {
    const { body: { total } } = await asker.search(countOf(question))
    const byHand = tables.count(question.hand.total)
    if (total !== byHand.total) differences.push(`${question.name}: ${total} after writers, by hand ${byHand.total}`)
  }
  return { counted, p99Milliseconds, differences }
}

export interface BesideSlowest {
  readonly gets: Driven
  readonly pauseP999Milliseconds: number
  readonly names: readonly string[]
}

/** Gets single customers while the slowest questions are asked on four connections. */
export async function getBesideSlowest(
  { asking, getting }: { asking: Generator; getting: Generator }, { server, key, options }: Beside,
  { measured, seconds }: { measured: readonly Measured[]; seconds: number }
): Promise<BesideSlowest> {
  const slowest = measured
    .flatMap(({ question, page, total }) => (total === null ? [] : { question, ms: page.ms + total.ms }))
    .toSorted((one, other) => other.ms - one.ms).slice(0, 8).map(({ question }) => question)
  // Begins the server's record of pauses anew.
  await server.scrape()
  const [, gets] = await Promise.all([
    asking.ask({
      workload: 'ask', options: { ...options, searches: slowest.map(({ body }) => body) }, url: server.url, key, serverPid: server.pid,
      connections: 4, warmUpSeconds, seconds
    }),
    get(getting, { server, key, options }, seconds)
  ])
  return { gets, pauseP999Milliseconds: (await server.scrape()).eventLoopP999Milliseconds, names: slowest.map(({ name }) => name) }
}

/** What a server is asked besides searches by the two above, which leaves pages of the file in the memory of its connections. */
export async function patchAndGet(generator: Generator, beside: Beside, { patchSeconds, getSeconds }: { patchSeconds: number; getSeconds: number }): Promise<void> {
  await patch(generator, beside, patchSeconds)
  await get(generator, beside, getSeconds)
}

async function patch(generator: Generator, { server, key, options }: Beside, seconds: number): Promise<Driven> {
  return await generator.ask({
    workload: 'touchSearched', options, url: server.url, key, serverPid: server.pid, connections: 8, perSecondMax: patchesPerSecond, warmUpSeconds, seconds
  })
}

async function get(generator: Generator, { server, key, options }: Beside, seconds: number): Promise<Driven> {
  return await generator.ask({
    workload: 'get', options, url: server.url, key, serverPid: server.pid, connections: 8, perSecondMax: getsPerSecond, warmUpSeconds, seconds
  })
}

export interface Adding {
  readonly perSecond: number
  /** With the work that the next question finds waiting. */
  readonly cpuMicroseconds: number
}

/** Creates customers on 64 connections, then asks something, so that an index that catches up late has caught up. */
export async function addCustomers(
  generator: Generator, { server, key, options }: Beside, { asker, seconds }: { asker: Asker; seconds: number }
): Promise<Adding> {
  const before = { customers: (await server.scrape()).customers, cpu: threadMilliseconds(server.pid) }
  const { perSecond } = await generator.ask({
    workload: 'addSearched', options, url: server.url, key, serverPid: server.pid, connections: 64, warmUpSeconds, seconds
  })
  await asker.search(asksForNobody)
  const cpu = threadMilliseconds(server.pid) - before.cpu
  return { perSecond, cpuMicroseconds: cpu * 1000 / ((await server.scrape()).customers - before.customers) }
}
