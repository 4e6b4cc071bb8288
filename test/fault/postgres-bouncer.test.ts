import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { temporaryFolder } from '../engines.ts'
import { expectNothingLostOrDoubled, startNamedLoad } from './postgres-load.ts'
import { create, createDatabase, inTurn, startServers } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 60_000 })

/** Where the program is, on Debian not on everybody's path. */
const program = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'].map((folder) => join(folder, 'pgbouncer'))
  .find((path) => spawnSync(path, ['--version']).status === 0)

test('through pgbouncer in transaction mode with few connections, two processes write, search and keep what they answered', async ({ skip }) => {
  if (program === undefined) return skip('pgbouncer is not installed')
  const { url: direct, ownerUrl } = await createDatabase()
  const url = await startBouncer(program, direct)
  const servers = await startServers(url, 2, { args: ['--rate-limit', '100000/min'] })
  const customer = await create(servers[0], { name: 'Ada', tags: ['Lead'], customData: { plan: 'pro' } })

  const load = startNamedLoad(servers, { connections: 16, customer })
  const searches = Array.from({ length: 40 }, async (_, index) => {
    const filter = [{ field: 'customers.customData.plan', operator: '=', value: 'pro' }, { field: 'customers.tagsData', operator: '=', value: ['Lead'] }]
    const { status, body } = await inTurn(servers, index).call('POST', '/v1/customers/search', { filter })
    return { status, body }
  })
  const patches = Array.from({ length: 40 }, async (_, index) =>
    (await inTurn(servers, index).call('PATCH', `/v1/customers/${customer}`, { customData: { [`a${index}`]: index } })).status)
  expect(await Promise.all(patches)).toEqual(patches.map(() => 200))
  for (const answer of await Promise.all(searches)) expect(answer).toMatchObject({ status: 200, body: { total: 1, data: [{ id: customer, name: 'Ada' }] } })
  await vi.waitUntil(() => load.acknowledged.length >= 300, { timeout: 30_000, interval: 5 })
  await load.stop()
  expect(load.refused).toEqual([])

  const { body } = await servers[1].call('GET', `/v1/customers/${customer}`)
  expect(body).toMatchObject({ customData: { plan: 'pro', ...Object.fromEntries(patches.map((_, index) => [`a${index}`, index])) } })
  await expectNothingLostOrDoubled(ownerUrl, load)
})

/** Answers the URL of the database through it. */
async function startBouncer(path: string, databaseUrl: string): Promise<string> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl)
  const folder = temporaryFolder()
  chmodSync(folder, 0o755)
  const listenPort = await freePort()
  writeFileSync(join(folder, 'users.txt'), `"${username}" "${password}"\n`)
  writeFileSync(join(folder, 'pgbouncer.ini'), `
[databases]
${pathname.slice(1)} = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${listenPort}
unix_socket_dir =
auth_type = plain
auth_file = ${join(folder, 'users.txt')}
pool_mode = transaction
default_pool_size = 4
max_client_conn = 100
${process.getuid?.() === 0 ? 'user = nobody' : ''}
`)
  const child = spawn(path, [join(folder, 'pgbouncer.ini')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { said += chunk })
  const ended = once(child, 'close')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await vi.waitUntil(async () => {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended: ${said}`)
    return await new Promise<boolean>((resolve) => {
      const socket = connect(listenPort, '127.0.0.1', () => { resolve(true) }).on('error', () => { resolve(false) })
      socket.on('connect', () => socket.destroy())
    })
  }, { timeout: 10_000, interval: 20 })
  const url = new URL(databaseUrl)
  url.port = String(listenPort)
  return url.href
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
