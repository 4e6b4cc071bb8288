import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node'

/**
 * Ends every run with the reason for each skipped test and one line for machines to read.
 * That line counts as failed whatever keeps the run from being a success: a test, a hook, a file
 * that does not load, a stray error, a skip without a reason, no tests at all.
 */
export class TallyReporter implements Reporter {
  #tests: readonly TestCase[] = []
  #errors = 0
  #namesAreFiltered = () => false

  onInit(vitest: Vitest): void {
    this.#namesAreFiltered = () => vitest.config.testNamePattern !== undefined
    // Vitest still writes after its last report to us, and may set the exit code late.
    process.once('exit', (code) => {
      const tally = this.#tally()
      if (tally.failed > 0) process.exitCode = 1
      if (tally.failed === 0 && code !== 0) tally.failed = 1
      console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    this.#tests = modules.flatMap((module) => [...module.children.allTests()])
    const suites = modules.flatMap((module) => [module, ...module.children.allSuites()])
    const broken = suites.filter((suite) => suite.errors().length > 0)
    this.#errors = unhandledErrors.length + broken.length
  }

  #tally(): { passed: number, failed: number, skipped: number } {
    const tally = { passed: 0, failed: this.#errors, skipped: 0 }
    for (const test of this.#tests) {
      const result = test.result()
      if (result.state === 'passed') {
        tally.passed += 1
        continue
      }
      if (result.state !== 'skipped') {
        tally.failed += 1
        continue
      }
      // `vitest -t name` marks whatever was not asked for as skipped, without a note.
      if (result.note === undefined && this.#namesAreFiltered()) continue
      const reason = result.note?.replaceAll(/\s+/g, ' ').trim()
      tally[reason ? 'skipped' : 'failed'] += 1
      console.log(`skipped: ${test.fullName}: ${reason || 'no reason given'}`)
    }
    if (tally.passed + tally.failed + tally.skipped === 0) tally.failed = 1
    return tally
  }
}
