import { defineConfig } from 'vitest/config'
import type { EngineName } from './test/engine-names.ts'
import { selectedEngines } from './test/engine-names.ts'
import { TallyReporter } from './test/tally-reporter.ts'

const engines = selectedEngines()

// Of the properties some are of rules, or of SQLite alone.
const properties = 'test/property/!(drafts|sql|sqlite-plans).test.ts'
/** Run on every engine, each of which is a project. */
const onEngines = ['test/conformance/**/*.test.ts', 'test/wire/**/*.test.ts', properties]
/** For an engine that is another only in how it searches. */
const ofSearch = ['test/conformance/**/*.test.ts', 'test/wire/search-*.test.ts', properties]

const include: Record<EngineName, string[]> = {
  'sqlite': onEngines,
  'sqlite without index': ofSearch,
  'postgres': onEngines
}

/** Run once before the tests of an engine, if any of them is selected. */
const globalSetup: Partial<Record<EngineName, string>> = {
  postgres: 'test/postgres-server.ts'
}

export default defineConfig({
  test: {
    // A process per file: a test may then be killed, leak, or crash inside the native SQLite
    // add-on without taking the others with it.
    pool: 'forks',
    isolate: true,
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
          name: 'one for all',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: onEngines,
          provide: { engine: engines[0] ?? 'sqlite' }
        }
      },
      ...engines.map((engine) => ({
        extends: true as const,
        test: { name: engine, include: include[engine], globalSetup: globalSetup[engine] ?? [], provide: { engine } }
      }))
    ]
  }
})
