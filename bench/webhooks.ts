import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Child } from './child.ts'
import { startChild } from './child.ts'
import type { BenchEngine } from './database.ts'
import { benchEngines, createDatabase } from './database.ts'
import type { Drive, Driven } from './generator.ts'
import type { Load, Loaded } from './load.ts'
import { median, medianOf } from './measurements.ts'
import { cpuSeconds } from './proc.ts'
import { run, say } from './program.ts'
import type { Received, ReceiverQuestion } from './receiver.ts'
import { startServer } from './server.ts'

/** What webhooks cost those who write, and how soon a receiver is told. */

const rounds = 5
const subscriptions = 3
const customers = 10_000
const warmUpSeconds = 0.5
const changesPerSecond = 1_000
const drainSecondsMax = 120
const costMax = 1.4
const delayMillisecondsMax = 100

const usage = 'npm run bench:webhooks -- [--seconds N] [--engine sqlite|postgres]'

await run({ usage, readFlags, bench })

interface Settings {
  readonly seconds: number
  readonly engine: BenchEngine
}

function readFlags(args: readonly string[]): Settings | string {
  try {
    const { values } = parseArgs({ args: [...args], options: { seconds: { type: 'string', default: '5' }, engine: { type: 'string', default: 'sqlite' } } })
    const seconds = Number(values.seconds)
    const engine = benchEngines.find((name) => name === values.engine)
    if (engine === undefined) return `there is no engine "${values.engine}"; there are: ${benchEngines.join(', ')}`
    if (!(seconds >= 1 && seconds <= 60)) return '--seconds should be a number from 1 to 60'
    return { seconds, engine }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

interface Written extends Driven {
  /** Of the server per write, its deliveries included, those behind the writes too. */
  readonly microsecondsDrained: number
  readonly drainSeconds: number
}

async function bench({ seconds, engine }: Settings, folder: string): Promise<boolean> {
  // One after the other on one database: two servers would share the processors, and two databases the disk.
  const database = await createDatabase(engine, folder)
  const { key } = await load({ database, customers })
  const receiver = startChild<{ question: ReceiverQuestion }, Received>('receiver')
  const { url } = await receiver.ask({ question: 'listen' })
  const generator = startChild<Drive, Driven>('generator')
  const server = await startServer({ database: database.url, logPath: join(folder, 'server.log'), flags: ['--allow-private-webhooks', ...keyFlags(engine)] })
  let webhookIds: readonly number[] = []
  /** Anew, since one that was paused would begin with all that was written meanwhile. */
  const subscribe = async (count: number): Promise<void> => {
    for (const id of webhookIds) await ask('DELETE', `${server.url}/v1/webhooks/${id}`, key)
    const made = await Promise.all(Array.from({ length: count }, async () => await ask('POST', `${server.url}/v1/webhooks`, key, { url })))
    webhookIds = made.map((webhook) => (webhook as { id: number }).id)
  }

  let cells = 0
  const write = async (connections: number, subscribed: number): Promise<Written> => {
    cells += 1
    await subscribe(subscribed)
    await receiver.ask({ question: 'reset' })
    const before = { cpu: cpuSeconds(server.pid), customers: (await server.scrape()).customers }
    const driven = await generator.ask({
      workload: 'create', key, connections, warmUpSeconds, seconds, url: server.url, serverPid: server.pid,
      options: { seed: cells, customers, loadedSamples: customers, firstNewSample: customers + cells * 1_000_000 }
    })
    const writes = (await server.scrape()).customers - before.customers
    const started = performance.now()
    await drained(receiver, writes * subscribed)
    return {
      ...driven,
      microsecondsDrained: (cpuSeconds(server.pid) - before.cpu) / writes * 1e6,
      drainSeconds: (performance.now() - started) / 1000
    }
  }

  say(`writes with ${subscriptions} subscriptions against writes with none, ${rounds} rounds of ${seconds} s, server CPU per write\n`)
  say('conn.  subscriptions  writes/s  p50 ms  p99 ms  CPU µs  CPU µs with all deliveries  seconds behind')
  const costs = new Map<number, number>()
  for (const connections of [1, 64]) {
    const results: [none: Written[], some: Written[]] = [[], []]
    for (let round = 0; round < rounds; round += 1) {
      results[0].push(await write(connections, 0))
      results[1].push(await write(connections, subscriptions))
    }
    for (const [index, written] of results.entries()) {
      say([
        String(connections).padStart(5), String(index * subscriptions).padStart(13),
        Math.round(medianOf(written, ({ perSecond }) => perSecond)).toLocaleString('en-US').padStart(9),
        medianOf(written, ({ p50Milliseconds }) => p50Milliseconds).toFixed(2).padStart(7), medianOf(written, ({ p99Milliseconds }) => p99Milliseconds).toFixed(1).padStart(7),
        medianOf(written, ({ serverMicrosecondsPerRequest }) => serverMicrosecondsPerRequest).toFixed(0).padStart(7),
        medianOf(written, ({ microsecondsDrained }) => microsecondsDrained).toFixed(0).padStart(27), medianOf(written, ({ drainSeconds }) => drainSeconds).toFixed(1).padStart(15)
      ].join(' '))
    }
    // Of each round by itself, since the machine is not the same for all.
    costs.set(connections, median(results[0].map(({ perSecond }, round) => perSecond / (results[1][round]?.perSecond ?? Number.NaN))))
  }

  say(`\ndeliveries of ${changesPerSecond} changes a second to one subscription, 20 s`)
  await subscribe(1)
  await receiver.ask({ question: 'reset' })
  const before = (await server.scrape()).customers
  const driven = await generator.ask({
    workload: 'timed', key, connections: 32, warmUpSeconds, seconds: 20, url: server.url, serverPid: server.pid, perSecondMax: changesPerSecond,
    options: { seed: 1, customers, loadedSamples: customers, firstNewSample: 1 }
  })
  const atEnd = await receiver.ask({ question: 'count' })
  const writes = (await server.scrape()).customers - before
  await drained(receiver, writes)
  say(`${Math.round(driven.perSecond)} changes/s, ${writes} in all, ${writes - atEnd.deliveries} not delivered when the last was answered`)
  say(`from sending the write to receiving its delivery: median ${atEnd.p50Milliseconds.toFixed(1)} ms, 99 % ${atEnd.p99Milliseconds.toFixed(1)} ms\n`)

  const verdicts = [
    ...[...costs].map(([connections, cost]) => ({ isMet: cost <= costMax, text: `writing on ${connections} connections with ${subscriptions} subscriptions, time a write at most ${costMax} × without: ${cost.toFixed(2)} ×` })),
    { isMet: writes - atEnd.deliveries < changesPerSecond, text: `${changesPerSecond} changes/s keep up: ${writes - atEnd.deliveries} behind at the end` },
    { isMet: atEnd.p50Milliseconds <= delayMillisecondsMax, text: `median delay at most ${delayMillisecondsMax} ms: ${atEnd.p50Milliseconds.toFixed(1)} ms` }
  ]
  for (const { isMet, text } of verdicts) say(`${isMet ? 'met   ' : 'MISSED'}  ${text}`)
  await server.stop()
  return true
}

/** PostgreSQL has no file beside it that a key could be in. */
function keyFlags(engine: BenchEngine): string[] {
  return engine === 'sqlite' ? [] : ['--secret-key', Buffer.alloc(32, 1).toString('base64')]
}

async function load(options: Load): Promise<Loaded> {
  const child = startChild<Load, Loaded>('load')
  const loaded = await child.ask(options)
  child.end()
  return loaded
}

async function ask(method: 'POST' | 'DELETE', url: string, key: string, body?: object): Promise<unknown> {
  const response = await fetch(url, { method, headers: { authorization: `Bearer ${key}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`${url} was answered ${response.status}: ${await response.text()}`)
  return await response.json()
}

async function drained(receiver: Child<{ question: ReceiverQuestion }, Received>, deliveries: number): Promise<void> {
  const until = performance.now() + drainSecondsMax * 1000
  while ((await receiver.ask({ question: 'count' })).deliveries < deliveries) {
    if (performance.now() > until) throw new Error(`After ${drainSecondsMax} s not all ${deliveries} deliveries had arrived`)
    await setTimeout(20)
  }
}
