import { cpus } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Child } from './child.ts'
import { startChild } from './child.ts'
import type { ConstantAnswers } from './constant-server.ts'
import type { BenchEngine } from './database.ts'
import { benchEngines, copyDatabase, createDatabase } from './database.ts'
import type { DirectInserts, DirectlyInserted } from './direct-inserts.ts'
import type { DirectPostgres } from './direct-postgres.ts'
import type { Drive, Driven } from './generator.ts'
import type { Load, Loaded } from './load.ts'
import type { Subject } from './measurements.ts'
import { connectionCounts, Measurements } from './measurements.ts'
import { machineTicks, privateMebibytes } from './proc.ts'
import { run, say } from './program.ts'
import { describeCells, describeTargets } from './report.ts'
import type { Server } from './server.ts'
import { startServer } from './server.ts'
import type { WorkloadName } from './workload.ts'

/** As in the server's metric, which takes it off the time between two samples. */
const sampleMilliseconds = 10

const rounds = 3
const warmUpSeconds = 0.3
/** Samples set aside for each cell that creates, more than it could use. */
const samplesPerCell = 1_000_000
const readConnectionsBesideWriters = 8
/** As many transactions as the server has at a time. */
const directWriters = 4
const indexSecondsMax = 120

const usage = 'npm run bench -- [--customers N] [--seconds N] [--engine sqlite|postgres]'

await run({ usage, readFlags, bench })

interface Settings {
  readonly customers: number
  readonly seconds: number
  readonly engine: BenchEngine
}

function readFlags(args: readonly string[]): Settings | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { customers: { type: 'string', default: '200000' }, seconds: { type: 'string', default: '2' }, engine: { type: 'string', default: 'sqlite' } }
    })
    const customers = Number(values.customers)
    const seconds = Number(values.seconds)
    const engine = benchEngines.find((name) => name === values.engine)
    if (engine === undefined) return `there is no engine "${values.engine}"; there are: ${benchEngines.join(', ')}`
    if (!Number.isInteger(customers) || customers < 1000 || customers > 10_000_000) return '--customers should be a whole number from 1000 to 10000000'
    if (!(seconds >= 0.2 && seconds <= 60)) return '--seconds should be a number from 0.2 to 60'
    return { customers, seconds, engine }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function bench({ customers, seconds, engine }: Settings, folder: string): Promise<boolean> {
  const ticksBefore = machineTicks()
  const started = performance.now()
  say(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} processors, Node ${process.version}, databases in ${folder}`)

  const database = await createDatabase(engine, folder)
  const { key, rowsOfCreate } = await load({ database, customers })
  say(`made ${customers.toLocaleString('en-US')} customers in ${since(started)}`)
  const directDatabase = await copyDatabase(database, folder)

  const server = await startServer({ database: database.url, logPath: join(folder, 'server.log') })
  const headers = { authorization: `Bearer ${key}` }
  const customer = await text(`${server.url}/v1/customers/${Math.ceil(customers / 2)}`, headers)
  const page = await text(`${server.url}/v1/customers?offset=${Math.floor(customers / 4)}`, headers)
  say(`a customer has ${Buffer.byteLength(customer)} bytes, a page ${Buffer.byteLength(page)}`)

  const targets: Record<Subject, { url: string; pid: number }> = {
    'clientele': server,
    'node:http': await startConstantServer({ framework: 'node:http', customer, page }),
    'fastify': await startConstantServer({ framework: 'fastify', customer, page })
  }
  const generator = startChild<Drive, Driven>('generator')
  const besideGenerator = startChild<Drive, Driven>('generator')
  const direct = startChild<DirectInserts, DirectlyInserted>('direct-inserts')
  const directPostgres = startChild<DirectPostgres, DirectlyInserted>('direct-postgres')

  let cells = 0
  const driveWith = async (
    child: Child<Drive, Driven>, subject: Subject, workload: WorkloadName, connections: number, forSeconds = seconds
  ): Promise<Driven> => {
    cells += 1
    const existing = subject === 'clientele' ? (await server.scrape()).customers : customers
    return await child.ask({
      workload, key, connections, warmUpSeconds,
      seconds: forSeconds,
      url: targets[subject].url,
      serverPid: targets[subject].pid,
      options: { seed: cells, customers: existing, loadedSamples: customers, firstNewSample: customers + cells * samplesPerCell }
    })
  }
  const insertDirectly = async (rowsPerCommit: number, forSeconds = seconds): Promise<DirectlyInserted> => {
    cells += 1
    const inserts = { firstNewSample: customers + cells * samplesPerCell, rowsPerCommit, rowsOfCreate }
    if (engine === 'sqlite') return await direct.ask({ database: directDatabase, seconds: forSeconds, ...inserts })
    return await directPostgres.ask({ database: directDatabase, customers, atOnce: rowsPerCommit === 1 ? 1 : directWriters, seconds: forSeconds, inserts })
  }
  const readDirectly = async (): Promise<DirectlyInserted> =>
    await directPostgres.ask({ database: directDatabase, customers, atOnce: 32, seconds })

  const measurements = new Measurements()
  const workloadsOf: readonly (readonly [Subject, WorkloadName])[] = [
    ['node:http', 'get'], ['fastify', 'get'], ['clientele', 'get'],
    ['node:http', 'list'], ['fastify', 'list'], ['clientele', 'list'],
    ['clientele', 'search'], ['clientele', 'create'], ['clientele', 'patch'], ['clientele', 'tags'], ['clientele', 'event']
  ]

  say(await untilIndexed(server, key) ? 'the index of searches is built' : 'the index of searches is still being built')
  for (const [subject, workload] of workloadsOf) await driveWith(generator, subject, workload, 32, 0.5)
  await insertDirectly(64, 0.5)
  await driveWith(besideGenerator, 'clientele', 'get', 8, 0.5)
  say(`memory before the rounds: ${Math.round(privateMebibytes(server.pid))} MiB`)

  for (let round = 1; round <= rounds; round += 1) {
    for (const connections of connectionCounts) {
      for (const [subject, workload] of workloadsOf) {
        const before = await server.scrape()
        measurements.add({ subject, workload, connections }, await driveWith(generator, subject, workload, connections))
        const after = await server.scrape()
        const counted = { commits: after.commits - before.commits, commands: after.commandsCommitted - before.commandsCommitted }
        if (workload === 'create' && connections === 1) measurements.aloneCommits.push(counted)
        if (workload === 'create' && connections === 64) measurements.groupCommits.push(counted)
      }
    }
    measurements.directGroups.push(await insertDirectly(64))
    measurements.directSingles.push(await insertDirectly(1))
    if (engine === 'postgres') measurements.directReads.push(await readDirectly())
    measurements.getAlone.push(await driveWith(besideGenerator, 'clientele', 'get', readConnectionsBesideWriters))
    await driveBoth()
    measurements.privateMebibytes.push(privateMebibytes(server.pid))
    say(`round ${round} of ${rounds} done after ${since(started)}`)
  }

  async function driveBoth(): Promise<void> {
    // Resets the server's record of pauses, so that the next scrape tells of this stretch alone.
    await server.scrape()
    // This process only waits, so its own pauses are what the machine does to anyone.
    const idlePauses = monitorEventLoopDelay({ resolution: sampleMilliseconds })
    idlePauses.enable()
    const [writers, readers] = await Promise.all([
      driveWith(generator, 'clientele', 'create', 64),
      driveWith(besideGenerator, 'clientele', 'get', readConnectionsBesideWriters)
    ])
    idlePauses.disable()
    measurements.idlePauseP999Milliseconds.push(Math.max(0, idlePauses.percentile(99.9) / 1e6 - sampleMilliseconds))
    measurements.pauseP999Milliseconds.push((await server.scrape()).eventLoopP999Milliseconds)
    measurements.writersBesideGet.push(writers)
    measurements.getBesideWriters.push(readers)
  }

  const ticks = machineTicks()
  const stolen = (ticks.stolen - ticksBefore.stolen) / (ticks.total - ticksBefore.total)
  const groups = measurements.groupCommits.map(({ commits, commands }) => (commands / commits).toFixed(1))
  say(`\n${describeCells(measurements, engine)}\n`)
  say(`${describeTargets(measurements, engine)}\n`)
  say(`customers a commit, create at 64 connections: ${groups.join(', ')}`)
  say(`processor time taken by the hypervisor for others (steal): ${(stolen * 100).toFixed(1)} %; whole run ${since(started)}`)
  return true
}

/** Building the index of searches is work of the start, which no request should be charged for, nor wait behind lists that SQL answers meanwhile. */
async function untilIndexed(server: Server, key: string): Promise<boolean> {
  const ends = performance.now() + indexSecondsMax * 1000
  while (performance.now() < ends) {
    const response = await fetch(`${server.url}/v1/customers/search`, {
      method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ filter: [{ field: 'name', operator: '~', value: 'nobody' }], limit: 1, explain: true })
    })
    const { explain } = await response.json() as { explain: { plan: string } }
    if (explain.plan.startsWith('columns')) return true
    await setTimeout(250)
  }
  return false
}

async function load(question: Load): Promise<Loaded> {
  const child = startChild<Load, Loaded>('load')
  const loaded = await child.ask(question)
  child.end()
  return loaded
}

async function startConstantServer(answers: ConstantAnswers): Promise<{ url: string; pid: number }> {
  const child = startChild<ConstantAnswers, { url: string }>('constant-server')
  const { url } = await child.ask(answers)
  return { url, pid: child.pid }
}

async function text(url: string, headers: Record<string, string>): Promise<string> {
  const response = await fetch(url, { headers })
  if (!response.ok) throw new Error(`${url} was answered ${response.status}`)
  return await response.text()
}

function since(started: number): string {
  return `${Math.round((performance.now() - started) / 1000)} s`
}
