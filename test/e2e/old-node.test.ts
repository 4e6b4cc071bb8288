import { join } from 'node:path'
import type { TestContext } from 'vitest'
import { expect, test } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { temporaryFolder } from '../engines.ts'
import type { Ended } from './start-cli.ts'
import { entry, runProgram, startProgram } from './start-cli.ts'

const nodeMajorMin = 24

/** A Node of the system, not of the checkout, that is too old for the sources; without one the test is skipped. */
async function oldNode({ skip }: Pick<TestContext, 'skip'>): Promise<string> {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '' && !folder.includes('node_modules'))
  const found = await runProgram('sh', ['-c', 'command -v node && node --version'], { env: { PATH: folders.join(':') } })
  const [path = '', version = ''] = found.stdout.split('\n')
  if (found.status !== 0) return skip('no Node is installed on this machine besides that of the checkout')
  if (Number.parseInt(version.slice(1), 10) >= nodeMajorMin) return skip(`the Node of this machine is ${version}, which runs the sources itself`)
  return path
}

test('an old Node hands over to that of the checkout, and passes on what it prints and how it ends', async (context) => {
  const node = await oldNode(context)
  const run = async (...args: string[]): Promise<Ended> => await runProgram(node, [entry, ...args])
  const version = await run('version', '--json')
  expect({ ...version, stdout: JSON.parse(version.stdout) as unknown })
    .toEqual({ status: 0, stdout: { version: manifest.version, node: process.versions.node }, stderr: '' })
  expect(await run('srve')).toEqual({ status: 2, stdout: '', stderr: "error: unknown command 'srve'\n(Did you mean serve?)\n" })
})

test.for(['SIGTERM', 'SIGINT'] as const)('an old Node passes %s on to the server, which stops as it should', async (signal, context) => {
  const server = await startProgram(await oldNode(context), [entry, 'serve', '--port', '0', '--database', `sqlite:${join(temporaryFolder(), 'clientele.db')}`])
  expect((await server.call('GET', '/health/live')).status).toBe(200)
  const { status, stderr } = await server.end(signal)
  const said = stderr.trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  expect({ status, said: said.filter(({ requestId }) => requestId === undefined).map(({ msg, signal: by }) => ({ msg, by })) })
    .toEqual({ status: 0, said: [{ msg: 'listening' }, { msg: 'stopping', by: signal }, { msg: 'stopped' }] })
  await expect(server.call('GET', '/health/live')).rejects.toThrow('fetch failed')
})

test('an old Node dies of the signal that its server died of', async (context) => {
  const dies = `data:text/javascript,if (Number.parseInt(process.versions.node) >= ${nodeMajorMin}) process.kill(process.pid, 'SIGTERM')`
  const node = await oldNode(context)
  expect(await runProgram('sh', ['-c', `"${node}" "${entry}" version; echo $?`], { env: { NODE_OPTIONS: `--import "${dies}"` } }))
    .toEqual({ status: 0, stdout: `${128 + 15}\n`, stderr: expect.stringMatching(/^(Terminated\n)?$/) })
})
