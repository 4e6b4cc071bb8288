import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { RunningCli } from './e2e/start-cli.ts'
import { runProgram, startCli } from './e2e/start-cli.ts'
import { temporaryFolder } from './engines.ts'

// Each test starts processes.
vi.setConfig({ testTimeout: 60_000 })

const createOrUpdate = fileURLToPath(new URL('../examples/create-or-update.ts', import.meta.url))

const ann = {
  id: 1, name: 'Ann Smith', email: 'ann@example.com', userId: 'u-1', company: null, phone: null,
  firstSeen: expect.stringMatching(/^\d+$/), lastSeen: expect.stringMatching(/^\d+$/),
  location: { regionCode: null, countryCode: null, city: null }, device: null, unsubscribed: false, blocked: false,
  source: null, referer: null, lastPage: null, locale: null, createdFrom: null, integrationId: null, notes: null,
  tags: [], customData: { plan: 'pro', seats: 12 }
}

test('examples/create-or-update.ts creates a customer, and then updates the same one', async () => {
  const { url, key = '', call } = await startCli({ database: join(temporaryFolder(), 'clientele.db') })
  const run = () => runProgram(process.execPath, [createOrUpdate], { env: { BASE_URL: `${url}/v1`, API_KEY: key } })

  expect(await run()).toEqual({ status: 0, stdout: 'created customer 1, Ann Smith\n', stderr: '' })
  await call('PATCH', '/v1/customers/1', { name: 'Ann', customData: { seats: 3 } })
  expect(await run()).toEqual({ status: 0, stdout: 'updated customer 1, Ann Smith\n', stderr: '' })
  expect((await call('GET', '/v1/customers')).body).toEqual({ data: [ann], total: 1, meta: { total: 1, limit: 100, cursor: null } })
})

test('examples/create-or-update.ts updates the customer whom another client created right after its search', async () => {
  const server = await startCli({ database: join(temporaryFolder(), 'clientele.db') })
  const baseUrl = await createRightAfterEachSearch(server)
  const ended = await runProgram(process.execPath, [createOrUpdate], { env: { BASE_URL: baseUrl, API_KEY: server.key ?? '' } })
  expect(ended).toEqual({ status: 0, stdout: 'updated customer 1, Ann Smith\n', stderr: '' })
  expect((await server.call('GET', '/v1/customers')).body).toEqual({ data: [ann], total: 1, meta: { total: 1, limit: 100, cursor: null } })
})

/** Stands between a client and the service, and is the other client. Answers the base URL to use. */
async function createRightAfterEachSearch(server: RunningCli): Promise<string> {
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url: path = '' } = request
    const answer = await server.call(method, path, JSON.parse(await text(request)) as unknown)
    if (path === '/v1/customers/search') await server.call('POST', '/v1/customers', { userId: 'u-1' })
    response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer.body))
  }
  const between = createServer((request, response) => {
    pass(request, response).catch((error: unknown) => { response.destroy(error as Error) })
  }).listen(0, '127.0.0.1')
  onTestFinished(() => { between.close() })
  await once(between, 'listening')
  return `http://127.0.0.1:${(between.address() as AddressInfo).port}/v1`
}
