import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { withClient } from '../../src/postgres/connection.ts'
import { openReader } from '../../src/sqlite/open.ts'
import { keep, startChild } from '../child.ts'
import type { BenchEngine } from '../database.ts'
import { benchEngines, createDatabase } from '../database.ts'
import type { Drive, Driven } from '../generator.ts'
import { machineTicks, privateMebibytes } from '../proc.ts'
import { run, say } from '../program.ts'
import type { Server } from '../server.ts'
import { startServer } from '../server.ts'
import type { WorkloadOptions } from '../workload.ts'
import { Asker, asksForNobody } from './ask.ts'
import { benchKey, copyDatabase, preparedDatabase } from './database.ts'
import type { Measured, MeasuredPage, Subject } from './measure.ts'
import { bestPage, bestTotal, findByHand, measurePage, measureTotal, strangerTo } from './measure.ts'
import { addCustomers, countBesideWriters, getBesideSlowest, patchAndGet } from './phases.ts'
import type { Question } from './questions.ts'
import { allQuestions } from './questions.ts'
import type { Sizes } from './report.ts'
import { describePostgresTargets, describeQuestion, describeTargets, tableHead } from './report.ts'
import { Tables } from './tables.ts'

const usage = 'npm run bench:search -- [--customers N] [--seed N] [--only TEXT] [--compare] [--fresh] [--engine sqlite|postgres] [--by-sql]'
/** Old changes are part of the database and stay. */
const serverFlags = ['--change-days', '36500']
/** A server that cannot have its index in memory is waited for in vain. */
const indexSecondsMax = 240
const warmUpSecondsMax = 15
const writersSeconds = 40
/** What is asked by hand is asked as often. */
const roundsMax = 3
const cellSeconds = 5
/** Samples set aside for each cell that creates. */
const samplesPerCell = 1_000_000
const historyTables: ReadonlySet<string> = new Set(['changes', 'events'])

interface Settings {
  readonly customers: number
  readonly seed: number
  readonly only: string
  readonly isFresh: boolean
  readonly isCompared: boolean
  readonly engine: BenchEngine
  /** Whether the server has no index in memory. */
  readonly isBySql: boolean
}

await run({ usage, readFlags, bench })

function readFlags(args: readonly string[]): Settings | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        customers: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' }, only: { type: 'string', default: '' },
        compare: { type: 'boolean', default: false }, fresh: { type: 'boolean', default: false },
        'engine': { type: 'string', default: 'sqlite' }, 'by-sql': { type: 'boolean', default: false }
      }
    })
    const customers = Number(values.customers)
    const seed = Number(values.seed)
    if (!Number.isInteger(customers) || customers < 10_000 || customers > 10_000_000) return '--customers should be a whole number from 10000 to 10000000'
    if (!Number.isInteger(seed) || seed < 0 || seed > 2 ** 31) return '--seed should be a whole number from 0 up'
    const engine = benchEngines.find((name) => name === values.engine)
    if (engine === undefined) return `there is no engine "${values.engine}"; there are: ${benchEngines.join(', ')}`
    if (values.compare && engine === 'postgres') return '--compare is for sqlite'
    return { customers, seed, only: values.only, isFresh: values.fresh, isCompared: values.compare, engine, isBySql: values['by-sql'] }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** Answers whether every question was answered as by hand. */
async function bench({ isCompared, ...settings }: Settings, folder: string): Promise<boolean> {
  const started = performance.now()
  const ticksBefore = machineTicks()
  say(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} processors, Node ${process.version}`)
  let slowestOfTenth: number | null = null
  if (isCompared) {
    const tenth = await open({ ...settings, customers: Math.round(settings.customers / 10) }, folder)
    const { measured, served } = await askAll(tenth)
    slowestOfTenth = slowestPage(measured)
    await served.stop()
    tenth.remove()
  }

  const opened = await open(settings, folder)
  if (settings.engine === 'postgres') return await benchPostgres(settings, opened)
  const { sizes, options } = opened
  const { measured, served } = await askAll(opened)
  const { server, asker } = served
  let differing = measured.filter(({ difference }) => difference !== null).length
  if (settings.only !== '') {
    await served.stop()
    return differing === 0
  }

  const generator = startChild<Drive, Driven>('generator')
  const getting = startChild<Drive, Driven>('generator')
  const beside = { server, key: benchKey, options }
  say('\ncounting again beside writers')
  const besideWriters = await countBesideWriters(generator, beside, { asker, pid: server.pid, tables: opened.tables, measured, seconds: writersSeconds })
  for (const difference of besideWriters.differences) say(`  DIFFERS: ${difference}`)
  differing += besideWriters.differences.length
  say('getting customers beside the slowest questions')
  const besideSlowest = await getBesideSlowest({ asking: generator, getting }, beside, { measured, seconds: cellSeconds }).catch((error: unknown) => {
    say(`  ${error instanceof Error ? error.message : String(error)}`)
    return null
  })
  if (besideSlowest !== null) say(`  ${besideSlowest.names.join('; ')}`)
  say('adding customers')
  const withIndex = await addCustomers(generator, beside, { asker, seconds: cellSeconds })
  const mebibytes = privateMebibytes(server.pid)
  await served.stop()

  const without = await startServer({ database: opened.url, logPath: join(folder, 'without.log'), flags: [...serverFlags, '--search-memory', '0'] })
  const other = new Asker({ url: without.url, key: benchKey })
  await warmUp(other)
  // Others than before, since a patch that changes nothing writes nothing.
  const more = { ...options, seed: options.seed + 1, firstNewSample: options.firstNewSample + samplesPerCell }
  const besideWithout = { server: without, key: benchKey, options: more }
  await patchAndGet(generator, besideWithout, { patchSeconds: writersSeconds, getSeconds: cellSeconds })
  const withoutIndex = await addCustomers(generator, besideWithout, { asker: other, seconds: cellSeconds })
  const indexMebibytes = mebibytes - privateMebibytes(without.pid)
  await without.stop()

  say(`\n${describeTargets({
    customers: settings.customers, measured, sizes, besideWriters, besideSlowest, withIndex, withoutIndex, indexMebibytes, privateMebibytes: mebibytes, slowestOfTenth
  })}\n`)
  const ticks = machineTicks()
  const stolen = (ticks.stolen - ticksBefore.stolen) / (ticks.total - ticksBefore.total)
  say(`differences from the SQL written by hand: ${differing}; time taken by the hypervisor for others: ${(stolen * 100).toFixed(1)} %; ` +
    `whole run ${Math.round((performance.now() - started) / 1000)} s`)
  return differing === 0
}

/** The same questions, asked of a server on PostgreSQL; by hand they are asked of the database that its customers were copied from. */
async function benchPostgres({ only, isBySql }: Pick<Settings, 'only' | 'isBySql'>, opened: Opened): Promise<boolean> {
  const { measured, served } = await askAll(opened)
  const { asker, server } = served
  let differing = measured.filter(({ difference }) => difference !== null).length
  const { options, tables } = opened
  const beside = { server, key: benchKey, options }
  const besideWriters = only === '' && !isBySql
    ? await countBesideWriters(startChild<Drive, Driven>('generator'), beside, { asker, pid: server.pid, tables, measured, seconds: writersSeconds, isCompared: false })
    : null
  say(`the process has ${Math.round(privateMebibytes(server.pid))} MiB`)
  await served.stop()
  say(`\n${describePostgresTargets({ measured, besideWriters })}\n`)
  differing += besideWriters?.differences.length ?? 0
  say(`differences from the SQL written by hand: ${differing}`)
  return differing === 0
}

/** A database on PostgreSQL with what another has. */
async function copyToPostgres(from: string, folder: string): Promise<string> {
  const { url } = await createDatabase('postgres', folder)
  const started = performance.now()
  const copy = spawn(process.execPath, [fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)), 'copy', '--from', from, '--to', url], { stdio: ['ignore', 'ignore', 'inherit'] })
  keep(copy)
  const [code] = await once(copy, 'exit') as [number | null]
  if (code !== 0) throw new Error('The copy to PostgreSQL failed')
  // What autovacuum does soon after.
  await withClient(url, async (client) => await client.query('vacuum analyze'))
  const { rows: [size] } = await withClient(url, async (client) => await client.query<{ bytes: number }>('select pg_database_size(current_database()) as bytes'))
  say(`copied to PostgreSQL in ${Math.round((performance.now() - started) / 1000)} s; the database has ${Math.round((size?.bytes ?? 0) / 2 ** 20)} MiB`)
  return url
}

interface Opened {
  readonly customers: number
  readonly seed: number
  readonly only: string
  /** Of the database that is served. */
  readonly url: string
  /** The file that the questions are asked of by hand. */
  readonly database: string
  readonly flags: readonly string[]
  readonly tables: Tables
  readonly sizes: Sizes
  readonly options: WorkloadOptions
  remove(): void
}

interface Served {
  readonly server: Server
  readonly asker: Asker
  stop(): Promise<void>
}

/** A copy of the database, which writers may change. */
async function open({ customers, seed, isFresh, only, engine, isBySql }: Omit<Settings, 'isCompared'>, folder: string): Promise<Opened> {
  const prepared = await preparedDatabase({ customers, seed, isFresh }, say)
  const database = copyDatabase(prepared, folder)
  const db = openReader(database)
  return {
    customers, seed, only, database,
    url: engine === 'sqlite' ? `sqlite:${database}` : await copyToPostgres(`sqlite:${database}`, folder),
    flags: isBySql ? [...serverFlags, '--search-memory', '0'] : serverFlags,
    sizes: sizesOf(db.prepare<[], { name: string; bytes: number }>('select name, pgsize as bytes from dbstat where aggregate = 1').all(), customers),
    tables: new Tables(db),
    options: { seed, customers, loadedSamples: customers, firstNewSample: customers },
    remove() {
      db.close()
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${database}${suffix}`, { force: true })
    }
  }
}

/** A server that is warm but was asked nothing that is measured. */
async function serve({ url, database, flags }: Opened): Promise<Served> {
  const server = await startServer({ database: url, logPath: `${database}.log`, flags })
  const asker = new Asker({ url: server.url, key: benchKey })
  if (flags === serverFlags) await waitForIndex(asker, server)
  await warmUp(asker)
  return {
    server, asker,
    async stop() {
      asker.close()
      await server.stop()
    }
  }
}

/**
 * Pages of one server and totals of another, so that neither is found because the other was; each of as many servers as what is asked by
 * hand is asked times, of which the best counts there, too. The last server goes on.
 */
async function askAll(opened: Opened): Promise<{ measured: Measured[]; served: Served }> {
  const { customers, seed, tables, only } = opened
  const questions = allQuestions(tables, { customers, seed }).filter(({ name }) => name.includes(only))
  say(`\n${customers.toLocaleString('en-US')} customers, ${questions.length} questions`)
  const pages: MeasuredPage[][] = []
  for (let round = 0; round < roundsMax; round += 1) {
    const served = await serveWarm(opened, questions)
    pages.push(await inTurn(questions, async (question) => await measurePage(question, subjectOf(served, tables))))
    say(`asked for pages, server ${round + 1} of ${roundsMax}`)
    await served.stop()
  }
  const asked = questions.map((question, index) => ({
    page: bestPage(pages.map((round) => round[index]).filter((page) => page !== undefined)), byHand: findByHand(question, { tables })
  }))

  const totals: Measured[][] = []
  let last: Served | undefined
  for (let round = 0; round < roundsMax; round += 1) {
    await last?.stop()
    const served = await serveWarm(opened, questions)
    totals.push(await inTurn(asked, async (one) => await measureTotal(one, subjectOf(served, tables))))
    say(`asked for totals, server ${round + 1} of ${roundsMax}`)
    last = served
  }
  if (last === undefined) throw new Error('Nothing was asked')
  const measured = asked.map((_, index) => bestTotal(totals.map((round) => round[index]).filter((one) => one !== undefined)))
  say(tableHead)
  for (const one of measured) say(describeQuestion(one))
  return { measured, served: last }
}

/** A server that was asked other questions of the same kinds. */
async function serveWarm(opened: Opened, questions: readonly Question[]): Promise<Served> {
  const served = await serve(opened)
  for (const question of questions) await served.asker.search(strangerTo(question))
  return served
}

function subjectOf({ asker, server }: Served, tables: Tables): Subject {
  return { asker, tables, pid: server.pid }
}

async function inTurn<Item, Answer>(items: readonly Item[], ask: (item: Item) => Promise<Answer>): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const item of items) answers.push(await ask(item))
  return answers
}

/** Until a search says that the index in memory answers it. */
async function waitForIndex(asker: Asker, server: Server): Promise<void> {
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  while (seconds() < indexSecondsMax) {
    const { body: { explain } } = await asker.search({ ...asksForNobody, explain: true })
    // A server that explains nothing has no such index.
    if (explain === undefined) break
    if (explain.plan.startsWith('columns')) {
      say(`the index in memory answers after ${seconds().toFixed(1)} s; the process has ${Math.round(privateMebibytes(server.pid))} MiB`)
      return
    }
    await new Promise((resolve) => { setTimeout(resolve, 250) })
  }
  say(`no index in memory answers after ${Math.round(seconds())} s; SQL does`)
}

/** Questions of every kind that are not measured, so that no measured one pays for code that runs first. */
async function warmUp(asker: Asker): Promise<void> {
  const ends = performance.now() + warmUpSecondsMax * 1000
  const texts = ['lin', 'er', 'k', 'weber', 'ovit']
  for (let round = 0; round < 20; round += 1) {
    const value = `${texts[round % texts.length] ?? ''}${round < 5 ? '' : round}`
    const filters = [
      { field: 'customers.name', operator: '~', value }, { field: 'customers.email', operator: '=', value }, { field: 'customers.company', operator: '~', value },
      { field: 'customers.firstSeen', operator: '>', value: 1_700_000_000 + round }, { field: 'tags', operator: 'any', value: [`Group 0${20 + round}`] },
      { field: 'customers.customData.seats', operator: '<', value: 100 + round }, { field: 'text', operator: '~', value }, { field: 'events.Demo booked', operator: '>', value: round }
    ]
    for (const filter of filters) {
      for (const sort of ['firstSeen', 'name', 'updatedAt']) {
        if (performance.now() > ends) return
        await asker.search({ filter: [filter], sort: `customers.${sort}`, limit: 100, total: round % 2 === 0 })
      }
    }
  }
}

function sizesOf(objects: readonly { name: string; bytes: number }[], customers: number): Sizes {
  const sum = (list: readonly { bytes: number }[]): number => list.reduce((total, { bytes }) => total + bytes, 0) / customers
  return {
    bytesPerCustomer: sum(objects.filter(({ name }) => !historyTables.has(name.split('_by_')[0] ?? name))),
    bytesPerCustomerWithHistory: sum(objects)
  }
}

function slowestPage(measured: readonly Measured[]): number {
  return Math.max(...measured.flatMap(({ page, total }) => (total === null ? [] : page.ms)))
}
