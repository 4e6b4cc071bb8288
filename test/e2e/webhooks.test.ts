import { renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, inject, test, vi } from 'vitest'
import { startReceiver } from '../fault/receiver.ts'
import { createDatabase, temporaryFolder } from '../engines.ts'
import { runCli, startCli } from './start-cli.ts'

vi.setConfig({ testTimeout: 60_000 })

const url = 'https://example.com/hooks'
const isFile = inject('engine') === 'sqlite'
const secretKey = Buffer.alloc(32, 7).toString('base64')

test('the first webhook makes a key for its secret beside a file, and asks for one where there is no place for it', async () => {
  const { url: database } = await createDatabase()
  const { call, end } = await startCli({ database })
  const { status, body } = await call('POST', '/v1/webhooks', { url })
  if (isFile) {
    expect({ status, mode: statSync(`${database.replace('sqlite:', '')}.key`).mode & 0o777 }).toEqual({ status: 201, mode: 0o600 })
    return
  }
  expect({ status, body }).toEqual({ status: 503, body: { errors: [{
    code: 'unavailable',
    message: 'Webhooks need a key that their secrets are encrypted with. Set CLIENTELE_SECRET_KEY to the output of "openssl rand -base64 32", the same for every server on this database.'
  }] } })
  const { status: ended } = await end('SIGTERM')
  expect(ended).toBe(0)
  const { call: callAgain } = await startCli({ database, env: { CLIENTELE_SECRET_KEY: secretKey } })
  expect((await callAgain('GET', '/health/ready')).status).toBe(200)
})

test('a server with another key sends nothing, and says which key it needs', async () => {
  const database = await createDatabase()
  const receiver = await startReceiver()
  const args = ['--allow-private-webhooks']
  const first = await startCli({ database: database.url, args, env: { CLIENTELE_SECRET_KEY: secretKey } })
  const { key = '' } = first
  await receiver.subscribe(first, '/standard', {})
  await first.call('POST', '/v1/customers', { name: 'Ann' })
  await vi.waitUntil(() => receiver.arrivals().length === 1, { timeout: 20_000 })
  await first.end('SIGTERM')

  const second = await startCli({ database: database.url, key, args, env: { CLIENTELE_SECRET_KEY: Buffer.alloc(32, 8).toString('base64') } })
  await second.call('POST', '/v1/customers', { name: 'Bob' })
  const fault = /The secrets of webhooks were sealed with the key of fingerprint [0-9a-f]{8}, and CLIENTELE_SECRET_KEY has [0-9a-f]{8}\. Bring back that key, or give each webhook a new secret\./
  await vi.waitUntil(() => fault.test(second.stderr()), { timeout: 20_000 })
  const { status, body } = await second.call('POST', '/v1/webhooks/1/test')
  expect({ status, body }).toEqual({ status: 503, body: { errors: [{ code: 'unavailable', message: expect.stringMatching(fault) as string }] } })
  const { stderr } = await second.end('SIGTERM')
  expect(stderr.match(new RegExp(fault, 'g'))?.length).toBeGreaterThan(0)
  expect(receiver.arrivals().length).toBe(1)

  const third = await startCli({ database: database.url, key, args, env: { CLIENTELE_SECRET_KEY: secretKey } })
  await vi.waitUntil(() => receiver.arrivals().length === 2, { timeout: 20_000 })
  expect(receiver.arrivals().map(({ isSigned }) => isSigned)).toEqual([true, true])
  // What was delivered is counted once the receiver's answer has come back.
  await vi.waitUntil(async () => {
    const metrics = String((await third.call('GET', '/metrics')).body)
    return metrics.includes('clientele_webhooks 1\n') && metrics.includes('clientele_webhook_attempt_duration_seconds_count{status="delivered"} 1\n')
  }, { timeout: 20_000 })
})

test('changes of a webhook are followed within seconds, by the server that delivers as by another one', async () => {
  const database = await createDatabase()
  const receiver = await startReceiver()
  const options = { database: database.url, args: ['--allow-private-webhooks', '--secret-key', secretKey] }
  const first = await startCli(options)
  const { id } = await receiver.subscribe(first, '/before', {})
  await first.call('POST', '/v1/customers', { name: 'one' })
  await vi.waitUntil(() => receiver.arrivals().length === 1, { timeout: 20_000 })
  const second = isFile ? first : await startCli({ ...options, ...(first.key === undefined ? {} : { key: first.key }) })

  const { body } = await second.call('GET', `/v1/webhooks/${id}`)
  await second.call('PATCH', `/v1/webhooks/${id}`, { url: (body as { url: string }).url.replace('/before', '/after') })
  await vi.waitUntil(async () => {
    const seen = receiver.arrivals().length
    await first.call('PATCH', '/v1/customers/1', { notes: `${seen} ${Math.random()}` })
    await vi.waitUntil(() => receiver.arrivals().length > seen, { timeout: 20_000 })
    return receiver.arrivals().at(-1)?.path === '/after'
  }, { timeout: 20_000 })

  await second.call('POST', `/v1/webhooks/${id}/pause`)
  const deliveries = async () => ((await first.call('GET', '/metrics')).body as string).includes('clientele_webhooks 0\n')
  await vi.waitUntil(deliveries, { timeout: 20_000 })
  const paused = receiver.arrivals().length
  await first.call('PATCH', '/v1/customers/1', { notes: 'while paused' })
  await second.call('POST', `/v1/webhooks/${id}/resume`)
  await vi.waitUntil(() => receiver.arrivals().length > paused, { timeout: 20_000 })
})

test('a secret key that is none is refused, and not shown', async () => {
  const ended = await runCli(['serve', '--port', '0', '--database', `sqlite:${join(temporaryFolder(), 'clientele.db')}`], { env: { CLIENTELE_SECRET_KEY: 'hush' } })
  expect(ended).toEqual({ status: 2, stdout: '', stderr: 'error: CLIENTELE_SECRET_KEY, or --secret-key, should be 32 bytes in base64. Make one with: openssl rand -base64 32\n' })
})

test('a file with the key that is lost stops deliveries until it is brought back', async () => {
  const database = `sqlite:${join(temporaryFolder(), 'clientele.db')}`
  const path = `${database.replace('sqlite:', '')}.key`
  const receiver = await startReceiver()
  const args = ['--allow-private-webhooks']
  const first = await startCli({ database, args })
  await receiver.subscribe(first, '/standard', {})
  await first.end('SIGTERM')
  renameSync(path, `${path}.away`)
  const second = await startCli({ database, args, ...(first.key === undefined ? {} : { key: first.key }) })
  await vi.waitUntil(() => second.stderr().includes(`The secrets of webhooks are encrypted with the key in ${path}, which is not there. Bring it back, or set CLIENTELE_SECRET_KEY.`), { timeout: 20_000 })
  await second.call('POST', '/v1/customers', { name: 'Ann' })
  renameSync(`${path}.away`, path)
  await vi.waitUntil(() => receiver.arrivals().length === 1, { timeout: 20_000 })
})
