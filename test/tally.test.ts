import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { root, runProgram } from './e2e/start-cli.ts'
import { temporaryFolder } from './engines.ts'

// Each is a run of Vitest of its own.
vi.setConfig({ testTimeout: 60_000 })

const reporter = JSON.stringify(join(root, 'test/tally-reporter.ts'))
const begin = "import { afterAll, describe, test } from 'vitest'\n"

/** Runs test files, and answers the exit code and the lines that the reporter ends with. */
async function tally(files: Record<string, string>, args: readonly string[] = []): Promise<{ status: number | null; lines: string[] }> {
  const folder = temporaryFolder()
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'vitest.config.ts'), `import { TallyReporter } from ${reporter}\nexport default { test: { reporters: [new TallyReporter()] } }\n`)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.test.ts`), begin + text)
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const { status, stdout } = await runProgram(process.execPath, [vitest, 'run', '--root', folder, ...args])
  return { status, lines: stdout.split('\n').filter((line) => /^skipped: |^\d+ passed, /.test(line)) }
}

test('a run is a success when its tests pass or are skipped for a reason, which is told', async () => {
  const one = "test('one', () => {})\ntest('other', ({ skip }) => skip('there is no\\n disk'))"
  expect(await tally({ one })).toEqual({ status: 0, lines: ['skipped: other: there is no disk', '1 passed, 0 failed, 1 skipped'] })
})

test('a skip without a reason is a failure, whatever way it was skipped', async () => {
  const one = [
    "test('one', () => {})", "test.skip('bare', () => {})", "test('inside', ({ skip }) => skip())", "test('blank', ({ skip }) => skip(' '))",
    "test.todo('later')", "describe.skip('all', () => { test('of these', () => {}) })"
  ].join('\n')
  expect(await tally({ one })).toEqual({
    status: 1,
    lines: [...['bare', 'inside', 'blank', 'later', 'all > of these'].map((name) => `skipped: ${name}: no reason given`), '1 passed, 5 failed, 0 skipped']
  })
})

test('a test, a hook, a file and a stray error that fail are counted', async () => {
  const files = {
    fails: "test('one', () => { throw new Error('wrong') })\ntest('other', () => {})",
    hook: "test('one', () => {})\nafterAll(() => { throw new Error('wrong') })",
    broken: "throw new Error('wrong')",
    stray: "test('one', async () => { setTimeout(() => { throw new Error('wrong') }); await new Promise((resolve) => { setTimeout(resolve, 20) }) })"
  }
  expect(await tally(files)).toEqual({ status: 1, lines: ['3 passed, 4 failed, 0 skipped'] })
})

test('a run without tests is a failure', async () => {
  expect(await tally({}, ['--passWithNoTests'])).toEqual({ status: 1, lines: ['0 passed, 1 failed, 0 skipped'] })
})

test('tests that were not asked for by name count for nothing', async () => {
  const one = "test('one', () => {})\ntest('other', () => {})\ntest('one more', ({ skip }) => skip('no disk'))"
  expect(await tally({ one }, ['-t', 'one'])).toEqual({ status: 0, lines: ['skipped: one more: no disk', '1 passed, 0 failed, 1 skipped'] })
})
