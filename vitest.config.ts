import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import type { EngineName } from './test/engine-names.ts'
import { selectedEngines } from './test/engine-names.ts'
import { TallyReporter } from './test/tally-reporter.ts'

// Of the properties some are of rules, or of SQLite alone.
const properties = 'test/property/!(drafts|match|sql|sqlite-plans|postgres-reader).test.ts'
/** Run on every engine, each of which is a project. */
const onEngines = ['test/conformance/**/*.test.ts', 'test/wire/**/*.test.ts', properties]
/** Run on SQLite and on PostgreSQL, by processes of their own. */
const onServers = ['test/e2e/{copy,webhooks}.test.ts', 'test/fault/{feed,idempotency,kill,stop,webhooks}.test.ts']
/** Of one engine, but need what is set up for it. */
const ofPostgres = ['src/postgres/**/*.test.ts', 'test/{e2e,fault,property}/postgres-*.test.ts']
const ofCitus = ['test/{e2e,fault}/citus-*.test.ts']
/** For an engine that is another only in how it searches. */
const ofSearch = ['test/conformance/**/*.test.ts', 'test/wire/{search-*,undo}.test.ts', properties]

const include: Record<EngineName, string[]> = {
  'sqlite': [...onEngines, ...onServers],
  'sqlite without index': ofSearch,
  'postgres': [...onEngines, ...onServers, ...ofPostgres],
  'postgres without index': ofSearch,
  'citus': [...onEngines, ...ofCitus]
}

/** Run once before the tests of an engine, if any of them is selected. */
const globalSetup: Partial<Record<EngineName, string>> = {
  'postgres': 'test/postgres-server.ts',
  'postgres without index': 'test/postgres-server.ts',
  'citus': 'test/citus-database.ts'
}

// Also for the processes that tests start.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/node-compile-cache', import.meta.url))

export default defineConfig({
  test: {
    // Threads inherit it.
    execArgv: ['--import', new URL('test/compile-cache.ts', import.meta.url).href],
    // A process per file: a test may then be killed, leak, or crash inside the native SQLite
    // add-on without taking the others with it.
    pool: 'forks',
    isolate: true,
    // The processor that is left free by default waits for the others: many tests wait for a disk or for processes of their own.
    maxWorkers: '100%',
    // Node loads our sources itself, as it does in production. Vite's loader is more forgiving:
    // it lets a test import a name from a CommonJS package that Node then refuses to find.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: 30_000,
    hookTimeout: 120_000,
    reporters: ['default', new TallyReporter()],
    projects: [
      {
        extends: true,
        test: {
          name: 'once',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [...onEngines, ...onServers, ...ofPostgres, ...ofCitus],
          provide: { engine: 'sqlite' }
        }
      },
      ...selectedEngines().map((engine) => ({
        extends: true as const,
        test: {
          name: engine,
          include: include[engine],
          globalSetup: globalSetup[engine] ?? [],
          provide: { engine },
          // There all tests share one database.
          ...(engine === 'citus' ? { fileParallelism: false, sequence: { groupOrder: 1 } } : {})
        }
      }))
    ]
  }
})
