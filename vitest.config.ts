import { defineConfig } from 'vitest/config'
import { TallyReporter } from './test/tally-reporter.ts'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // A process per file: a test may then be killed, leak, or crash inside the native SQLite
    // add-on without taking the others with it.
    pool: 'forks',
    isolate: true,
    // Node loads our sources itself, as it does in production. Vite's loader is more forgiving:
    // it lets a test import a name from a CommonJS package that Node then refuses to find.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: 30_000,
    hookTimeout: 120_000,
    reporters: ['default', new TallyReporter()]
  }
})
