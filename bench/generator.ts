import { createHistogram, performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import autocannon from 'autocannon'
import { answerParent } from './child.ts'
import { cpuSeconds } from './proc.ts'
import type { WorkloadName, WorkloadOptions } from './workload.ts'
import { workloads } from './workload.ts'

/** A process that sends requests, so that its work is none of the server's. */

export interface Drive {
  readonly workload: WorkloadName
  readonly options: WorkloadOptions
  readonly url: string
  readonly key: string
  readonly serverPid: number
  readonly connections: number
  readonly warmUpSeconds: number
  readonly seconds: number
  /** Of all connections together; without it as many as are answered. */
  readonly perSecondMax?: number
}

export interface Driven {
  readonly requests: number
  readonly perSecond: number
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
  readonly serverMicrosecondsPerRequest: number
  /** How much of a processor this process took; near 1 it was the generator that set the rate. */
  readonly generatorLoad: number
}

answerParent<Drive, Driven>(drive)

async function drive({ workload, options, url, key, serverPid, connections, warmUpSeconds, seconds, perSecondMax }: Drive): Promise<Driven> {
  const { status: expected, prepare } = workloads[workload]
  const next = prepare(options)
  const microseconds = createHistogram()
  let requests = 0
  let fault: string | undefined

  const run = autocannon({
    url,
    connections,
    duration: warmUpSeconds + seconds + 60,
    // It looks this often whether to stop.
    sampleInt: 50,
    ...perSecondMax === undefined ? {} : { overallRate: perSecondMax },
    requests: [{
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      setupRequest: (request) => ({ ...request, ...next() })
    }]
  }, () => undefined)
  const ended = new Promise<void>((resolve) => { run.once('done', () => { resolve() }) })
  run.on('response', (_client, status, _bytes, milliseconds) => {
    if (status !== expected) fault ??= `${workload} was answered ${status} instead of ${expected}`
    requests += 1
    microseconds.record(Math.max(1, Math.round(milliseconds * 1000)))
  })
  run.on('reqError', (error) => { fault ??= `${workload}: ${String(error)}` })

  await setTimeout(warmUpSeconds * 1000)
  const started = { at: performance.now(), server: cpuSeconds(serverPid), generator: process.cpuUsage() }
  requests = 0
  microseconds.reset()
  await setTimeout(seconds * 1000)
  const took = (performance.now() - started.at) / 1000
  const server = cpuSeconds(serverPid) - started.server
  const generator = process.cpuUsage(started.generator)
  const counted = requests
  const p50 = microseconds.percentile(50)
  const p99 = microseconds.percentile(99)
  run.stop()
  await ended

  if (fault !== undefined) throw new Error(fault)
  if (counted === 0) throw new Error(`${workload} got no answer`)
  return {
    requests: counted,
    perSecond: counted / took,
    p50Milliseconds: p50 / 1000,
    p99Milliseconds: p99 / 1000,
    serverMicrosecondsPerRequest: server / counted * 1e6,
    generatorLoad: (generator.user + generator.system) / 1e6 / took
  }
}
