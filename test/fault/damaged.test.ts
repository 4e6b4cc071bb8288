import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, test, vi } from 'vitest'
import { runCli, startCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'
import { startLoad } from './load.ts'

vi.setConfig({ testTimeout: 60_000 })

interface Damage {
  readonly name: string
  /** What is left at the path of the database. */
  readonly make: (path: string) => Promise<void> | void
  readonly why: (path: string) => string
}

const pageBytes = 4096

const damages: Damage[] = [
  {
    name: 'cut to half',
    async make(path) {
      await makeDatabase(path, 'SIGTERM')
      truncateSync(path, halfOf(path))
    },
    why: (path) => `is truncated: it has ${statSync(path).size} of ${pagesOf(path) * pageBytes} bytes`
  },
  {
    name: 'cut to half by the bytes, amid a page',
    async make(path) {
      await makeDatabase(path, 'SIGTERM')
      truncateSync(path, halfOf(path) + 7)
    },
    why: (path) => `is truncated: it has ${statSync(path).size} of ${pagesOf(path) * pageBytes} bytes`
  },
  {
    name: 'cut to half after a kill that left a log',
    async make(path) {
      await makeDatabase(path, 'SIGKILL')
      truncateSync(path, halfOf(path))
    },
    why: (path) => `is truncated: it has ${statSync(path).size} of ${pagesOf(path) * pageBytes} bytes`
  },
  {
    name: 'cut to half after a kill that left a log with more behind its end',
    async make(path) {
      await makeDatabase(path, 'SIGKILL', { customers: 600, checkpoint: 'wal_checkpoint(RESTART)' })
      truncateSync(path, halfOf(path))
    },
    why: (path) => `is truncated: it has ${statSync(path).size} of ${pagesOf(path) * pageBytes} bytes`
  },
  {
    name: 'empty',
    async make(path) {
      await makeDatabase(path, 'SIGTERM')
      truncateSync(path, 0)
    },
    why: () => 'is empty: the database was truncated, or something else made the file'
  },
  {
    name: 'empty after a kill that left a log',
    async make(path) {
      await makeDatabase(path, 'SIGKILL')
      truncateSync(path, 0)
    },
    why: () => 'is empty: the database was truncated, or something else made the file'
  },
  {
    name: 'cut within its header',
    async make(path) {
      await makeDatabase(path, 'SIGTERM')
      truncateSync(path, 50)
    },
    why: () => 'is too short to be a database: it was truncated'
  },
  {
    name: 'a text',
    make(path) { writeFileSync(path, 'CustomerId,FirstName\n'.repeat(1000)) },
    why: () => 'is not an SQLite database'
  },
  {
    name: 'overwritten with zeros',
    make(path) { writeFileSync(path, Buffer.alloc(100_000)) },
    why: () => 'is not an SQLite database'
  },
  {
    name: "someone else's database",
    make(path) {
      const db = new Database(path)
      db.exec('create table customers (id integer primary key, name text)')
      db.close()
    },
    why: () => 'is an SQLite database, but not one of Clientele'
  },
  {
    name: 'a folder',
    make(path) { mkdirSync(path) },
    why: () => 'is not a file'
  }
]

test.each(damages)('a database that is $name is refused, with its path and the reason, and nothing is touched', async ({ make, why }) => {
  const folder = join(temporaryFolder(), 'data')
  mkdirSync(folder)
  const path = join(folder, 'clientele.db')
  await make(path)
  const before = contents(folder)
  const refused = {
    status: 1, stdout: '', stderr: `error: ${path} ${why(path)}. Nothing was changed. Restore a backup, or name another file with --database.\n`
  }
  const ends = await Promise.all([['serve', '--port', '0'], ['key', 'create']].map((args) => runCli([...args, '--database', `sqlite:${path}`])))
  expect(ends).toEqual([refused, refused])
  expect(contents(folder)).toEqual(before)
})

test('a damaged schema is refused, with the path and the reason, and the file is not touched', async () => {
  const path = join(temporaryFolder(), 'clientele.db')
  await makeDatabase(path, 'SIGTERM')
  const bytes = readFileSync(path)
  // The b-tree of the schema begins behind the 100 bytes of the file's header.
  bytes.fill(0xee, 100, pageBytes)
  writeFileSync(path, bytes)
  expect(await runCli(['serve', '--port', '0', '--database', `sqlite:${path}`])).toEqual({
    status: 1, stdout: '',
    stderr: `error: ${path} cannot be opened: database disk image is malformed. Nothing was changed. Restore a backup, or name another file with --database.\n`
  })
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

/** A database with some customers, checkpointed after all but the last of them, whose server ended by the signal. */
async function makeDatabase(
  path: string, signal: NodeJS.Signals, { customers = 100, checkpoint = 'wal_checkpoint(TRUNCATE)' }: { customers?: number; checkpoint?: string } = {}
): Promise<void> {
  const server = await startCli({ database: path })
  const load = startLoad(server, { connections: 16, prefix: 'kept' })
  await vi.waitUntil(() => load.acknowledged.length >= customers, { timeout: 20_000, interval: 5 })
  load.stop()
  await load.ended
  const db = new Database(path)
  db.pragma(checkpoint)
  db.close()
  await server.call('POST', '/v1/customers', {})
  await server.end(signal)
  if (signal === 'SIGKILL') return
  const stopped = new Database(path)
  stopped.pragma('wal_checkpoint(TRUNCATE)')
  stopped.close()
}

function pagesOf(path: string): number {
  return readFileSync(path).readUInt32BE(28)
}

function halfOf(path: string): number {
  return Math.floor(statSync(path).size / pageBytes / 2) * pageBytes
}

/** Every file of a folder, byte for byte. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(files.map(({ name }) => [name, readFileSync(join(folder, name), 'base64')]))
}

test('a server whose log is cut off under it answers 503 to each read of it, and goes on', async () => {
  const path = join(temporaryFolder(), 'clientele.db')
  const server = await startCli({ database: path })
  for (let index = 0; index < 20; index += 1) await server.call('POST', '/v1/customers', { name: `n${index}` })
  truncateSync(`${path}-wal`, pageBytes)

  const statuses: number[] = []
  for (let id = 1; id <= 20; id += 1) statuses.push((await server.call('GET', `/v1/customers/${id}`)).status)
  expect(statuses).toEqual(statuses.map(() => 503))
  expect((await server.call('GET', '/health/live')).status).toBe(200)
})
