import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { limits } from '../limits.ts'
import { guardedConnector } from './guarded-connection.ts'
import { hostLookup } from './host-lookup.ts'
import type { TargetSettings } from './target.ts'
import { Target } from './target.ts'

// Of nobody: made for these tests, for the name localhost.
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqwUO70iyJOJ8Yr20
oqkZkjr5GMHfDG/3AO7sLmyTjLahRANCAARZNTKwMHkEDhT+3MrIp1S+It87JUfd
z7QlZbaQYvshgRHUFms9cowqSDWgdJjwtxNahN7HCsB4CcVbJipu5cDy
-----END PRIVATE KEY-----`
const certificate = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUK6cAIYDbEWbkY8pdbfx8nZcAR6EwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzA4MTM0NVoYDzIxMjYxMDMw
MDgxMzQ1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARZNTKwMHkEDhT+3MrIp1S+It87JUfdz7QlZbaQYvshgRHUFms9cowq
SDWgdJjwtxNahN7HCsB4CcVbJipu5cDyo2kwZzAdBgNVHQ4EFgQUFsoucFBoI8gG
usdkRFSYkfEnm/YwHwYDVR0jBBgwFoAUFsoucFBoI8gGusdkRFSYkfEnm/YwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIhAJ/goFiIWJE2J96cUbvFcEjc0CRGhHb/iUrRiVMGyClOAiBroAbD3qRm
UXU/ZihWcVXZXQpmXC+9qHcMo+f1QwUK5A==
-----END CERTIFICATE-----`

const lookup = hostLookup({ allowsPrivate: true })
const settings: TargetSettings = { allowsPrivate: true, timeoutMs: 5_000, connectionsMax: 2, userAgent: 'Clientele/test', lookup }
const message = { headers: { 'webhook-id': 'm-1' }, body: '{"name":"Zoë"}' }
const never = new AbortController().signal

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  onTestFinished(() => { server.close() })
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function receive(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer)
  onTestFinished(() => { server.closeAllConnections() })
  return `http://127.0.0.1:${await listen(server)}/hooks?a=b`
}

function targetAt(url: string, given: Partial<TargetSettings> = {}): Target {
  const target = new Target(url, { ...settings, ...given })
  onTestFinished(() => { target.destroy() })
  return target
}

const durationMs = expect.any(Number) as number

test('a message arrives with its headers and its body, byte for byte', async () => {
  const arrived: unknown[] = []
  const url = await receive((request, response) => {
    const { method, url: path, headers } = request
    text(request).then((body) => {
      arrived.push({ method, path, body, id: headers['webhook-id'], type: headers['content-type'], agent: headers['user-agent'], length: headers['content-length'] })
      response.writeHead(202).end('thanks')
    }, () => { response.destroy() })
  })
  expect(await targetAt(url).send(message, never)).toEqual({ status: 202, text: 'thanks', error: null, durationMs })
  expect(arrived).toEqual([{ method: 'POST', path: '/hooks?a=b', body: message.body, id: 'm-1', type: 'application/json', agent: 'Clientele/test', length: '15' }])
})

test('a redirect is an answer, and not followed', async () => {
  let requests = 0
  const url = await receive((_request, response) => {
    requests += 1
    response.writeHead(307, { location: '/elsewhere' }).end()
  })
  expect(await targetAt(url).send(message, never)).toEqual({ status: 307, text: '', error: null, durationMs })
  expect(requests).toBe(1)
})

test('of an answer without end the first bytes are kept, and the rest is not waited for', async () => {
  const url = await receive((_request, response) => {
    response.writeHead(200)
    const write = (): void => { if (!response.destroyed) response.write('\u0000é'.repeat(1_000), () => { setImmediate(write) }) }
    write()
  })
  const outcome = await targetAt(url).send(message, never)
  expect(outcome).toEqual({ status: 200, text: '\ufffdé'.repeat(limits.webhookAnswerBytesMax).slice(0, 2_731), error: null, durationMs })
})

test('a receiver that does not answer, or not to the end, is given up in time', async () => {
  const silent = await receive(() => undefined)
  const slow = await receive((_request, response) => { response.writeHead(200).write('a') })
  const late = { status: null, text: null, error: 'No complete answer came within 0.05 s.', durationMs }
  expect(await targetAt(silent, { timeoutMs: 50 }).send(message, never)).toEqual(late)
  expect(await targetAt(slow, { timeoutMs: 50 }).send(message, never)).toEqual(late)
})

test('why there was no answer is said in a sentence', async () => {
  const server = createTcpServer((socket) => { socket.resetAndDestroy() })
  const resetting = await listen(server)
  const closed = createTcpServer()
  const closedPort = await listen(closed)
  closed.close()
  const error = async (url: string) => (await targetAt(url).send(message, never))?.error
  expect(await error(`http://127.0.0.1:${resetting}/`)).toBe('The connection was closed before an answer came.')
  expect(await error(`http://127.0.0.1:${closedPort}/`)).toBe('The connection was refused.')
  const chatting = await listen(createTcpServer((socket) => { socket.end('SSH-2.0-OpenSSH\r\n') }))
  const boasting = await receive((_, response) => { response.writeHead(200, { 'X-Long': 'x'.repeat(limits.headerBytesMax) }).end() })
  expect(await error(`http://127.0.0.1:${chatting}/`)).toBe('The answer is not HTTP.')
  expect(await error(boasting)).toBe('The headers of the answer are too long.')
  expect(await error('http://nowhere.invalid/')).toMatch(/^The name of the host could not be resolved/)
})

test('a host that is looked up without end delays no other, and an address waits for no lookup', async () => {
  const url = await receive((_request, response) => { response.end('here') })
  const { port } = new URL(url)
  const given = { timeoutMs: 500, lookup: async (hostname: string) => hostname === 'silent.test' ? await new Promise<never>(() => undefined) : [{ address: '127.0.0.1', family: 4 }] }
  const arrived = { status: 200, text: 'here', error: null, durationMs }
  const waiting = targetAt(`http://silent.test:${port}/`, given).send(message, never)
  expect(await targetAt(`http://good.test:${port}/`, given).send(message, never)).toEqual(arrived)
  expect(await targetAt(url, { lookup: async () => await new Promise<never>(() => undefined) }).send(message, never)).toEqual(arrived)
  expect(await waiting).toEqual({ status: null, text: null, error: 'No complete answer came within 0.5 s.', durationMs })
})

test('what is stopped says nothing about the receiver', async () => {
  const stopping = new AbortController()
  const url = await receive(() => { stopping.abort() })
  expect(await targetAt(url).send(message, stopping.signal)).toBeUndefined()
  expect(await targetAt(url).send(message, stopping.signal)).toBeUndefined()
})

test('certificates are checked, names included', async () => {
  const server = createTlsServer({ key, cert: certificate }, (_request, response) => { response.end('safe') })
  const port = await listen(server)
  expect(await targetAt(`https://localhost:${port}/`, { ca: certificate }).send(message, never)).toEqual({ status: 200, text: 'safe', error: null, durationMs })
  const refused = (code: string) => ({ status: null, text: null, error: `The certificate or TLS of the host was refused: ${code}.`, durationMs })
  expect(await targetAt(`https://localhost:${port}/`).send(message, never)).toEqual(refused('DEPTH_ZERO_SELF_SIGNED_CERT'))
  expect(await targetAt(`https://127.0.0.1:${port}/`, { ca: certificate }).send(message, never)).toEqual(refused('ERR_TLS_CERT_ALTNAME_INVALID'))
})

test('a target that was allowed once is refused by a server that guards addresses', async () => {
  const url = await receive(() => undefined)
  expect(await targetAt(url, { allowsPrivate: false }).send(message, never))
    .toEqual({ status: null, text: null, error: 'This URL should begin with "https://".', durationMs })
})

test.each(['localhost', '127.0.0.1', '[::ffff:127.0.0.1]', '0x7f.1'])('no byte is sent to %s, whatever a URL made of it', async (hostname) => {
  let bytes = 0
  const server = createTcpServer((socket) => { socket.on('data', (data) => { bytes += data.length }).on('error', () => undefined) })
  const port = await listen(server)
  const connect = guardedConnector({ mayWrite: () => true, allowsPrivate: false, lookup, timeoutMs: 1_000 })
  const error = await new Promise((resolve) => {
    connect({ hostname, host: hostname, protocol: 'https:', port: String(port) }, (...[failure]) => { resolve(failure?.message) })
  })
  expect(error).toBe('The URL leads to a private or reserved address, which webhooks may not be sent to.')
  expect(bytes).toBe(0)
})

test('a connection that cannot be made in time is given up', async () => {
  // Accepts, and never speaks TLS.
  const port = await listen(createTcpServer())
  const connect = guardedConnector({ mayWrite: () => true, allowsPrivate: true, lookup, timeoutMs: 50 })
  const error = await new Promise((resolve) => {
    connect({ hostname: '127.0.0.1', host: '127.0.0.1', protocol: 'https:', port: String(port) }, (...[failure]) => { resolve(failure?.message) })
  })
  expect(error).toBe('No connection within 0.05 s')
})
