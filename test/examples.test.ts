import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
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

const webhookReceiver = fileURLToPath(new URL('../examples/webhook-receiver.ts', import.meta.url))
const webhooksPage = fileURLToPath(new URL('../docs/webhooks.md', import.meta.url))

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

test('examples/webhook-receiver.ts believes what a server sends, and nobody else; docs/webhooks.md shows it', async () => {
  const secret = `whsec_${Buffer.alloc(32, 5).toString('base64')}`
  const receiver = spawn(process.execPath, [webhookReceiver], { env: { ...process.env, WEBHOOK_SECRET: secret, PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => { receiver.kill('SIGKILL') })
  let said = ''
  receiver.stdout.setEncoding('utf8').on('data', (part: string) => { said += part })
  await vi.waitUntil(() => /port: \d+/.test(said), { timeout: 30_000 })
  const receiverUrl = `http://127.0.0.1:${/port: (\d+)/.exec(said)?.[1]}/`

  const { call } = await startCli({ database: join(temporaryFolder(), 'clientele.db'), args: ['--allow-private-webhooks'] })
  expect((await call('POST', '/v1/webhooks', { url: receiverUrl, secret })).status).toBe(201)
  await call('POST', '/v1/customers', { name: 'Ann' })
  await vi.waitUntil(() => said.includes('customer.created: customer 1, change 1\n'), { timeout: 30_000 })
  const forged = await fetch(receiverUrl, { method: 'POST', body: '{"type":"customer.deleted","data":{"id":2,"customerId":1}}', headers: { 'webhook-id': 'x', 'webhook-timestamp': `${Math.floor(Date.now() / 1000)}`, 'webhook-signature': 'v1,x' } })
  expect(forged.status).toBe(400)
  expect(said).not.toContain('customer.deleted')

  const [, program = ''] = readFileSync(webhookReceiver, 'utf8').split('*/\n\n')
  expect(readFileSync(webhooksPage, 'utf8')).toContain(`These ten lines receive them, examples/webhook-receiver.ts:\n\n\`\`\`ts\n${program}\`\`\``)
  expect(program.split('\n').filter((line) => line !== '')).toHaveLength(10)
})
