import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../clock.ts'
import { OperatorError } from '../errors.ts'
import { hostLookup } from './host-lookup.ts'
import { createSecretBox } from './secret-box.ts'
import { givenKey } from './secret-key.ts'
import { Sender } from './sender.ts'
import { generateSigningSecret } from './signing.ts'

const box = createSecretBox(givenKey(Buffer.alloc(32, 1)))
const [secret, nextSecret] = [generateSigningSecret('standard'), generateSigningSecret('standard')]
const unreadable = createSecretBox(givenKey(Buffer.alloc(32, 2))).seal(secret)
const target = { allowsPrivate: true, timeoutMs: 5_000, connectionsMax: 2, userAgent: 'Clientele/test', lookup: hostLookup({ allowsPrivate: true }) }
const message = { id: 'm-1', body: ({ attempts }: { attempts: number }) => JSON.stringify({ attempts }) }
const durationMs = expect.any(Number) as number
const delivered = { status: 204, text: '', error: null, durationMs }

const secretsOf = (sealed: string) => ({ secret: sealed, previousSecret: null, previousUntil: null })

/** Of a receiver: which secret its requests were signed with, and what they say. */
async function receive(answer: (response: ServerResponse) => void = (response) => { response.writeHead(204).end() }) {
  const received: unknown[] = []
  const server = createServer((request, response) => {
    text(request).then((body) => {
      const signer = [secret, nextSecret].find((one) => verifies(one, body, request.headers as Record<string, string>))
      received.push({ signer, body })
      answer(response)
    }, () => { response.destroy() })
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, received }
}

function verifies(one: string, body: string, headers: Record<string, string>): boolean {
  try {
    new StandardWebhook(one).verify(body, headers)
    return true
  } catch {
    return false
  }
}

/** Whose lease is to hold for an hour from now, or as long as is given. */
function openSender(url: string, { sealed = box.seal(secret), leaseMs = 3_600_000 }: { sealed?: string; leaseMs?: number } = {}) {
  const heard = { lapsed: 0, errors: [] as unknown[] }
  const configured = (at: string, secretSealed: string) => ({ webhook: { url: at, format: 'standard' as const }, secrets: secretsOf(secretSealed) })
  const sender = new Sender(configured(url, sealed), performance.now() + leaseMs, {
    box, target, clock: systemClock, onLapsed: () => { heard.lapsed += 1 }, onError: (error) => { heard.errors.push(error) }
  })
  onTestFinished(() => { sender.close() })
  const renew = (given: { url?: string; sealed?: string; leaseMs?: number }): void => {
    sender.renew(configured(given.url ?? url, given.sealed ?? sealed), performance.now() + (given.leaseMs ?? 3_600_000))
  }
  return { sender, heard, renew, standing: () => ({ holdsLease: sender.holdsLease, isReady: sender.isReady }) }
}

test('a message is sent with the number of its attempts, signed', async () => {
  const { url, received } = await receive()
  const { sender, heard, standing } = openSender(url)
  expect(await sender.send(message, 3)).toEqual(delivered)
  expect(received).toEqual([{ signer: secret, body: '{"attempts":3}' }])
  expect({ ...heard, ...standing() }).toEqual({ lapsed: 0, errors: [], holdsLease: true, isReady: true })
})

test('nothing is sent when the lease is over, until it is renewed', async () => {
  const { url, received } = await receive()
  const { sender, heard, renew, standing } = openSender(url, { leaseMs: 0 })
  expect(await sender.send(message, 0)).toBeUndefined()
  expect({ received, ...heard, ...standing() }).toEqual({ received: [], lapsed: 1, errors: [], holdsLease: false, isReady: false })
  renew({})
  expect(await sender.send(message, 0)).toEqual(delivered)
  expect(heard.lapsed).toBe(1)
})

test('what is sent after a change goes where the webhook leads then, with its secret of then', async () => {
  const [first, second] = [await receive(), await receive()]
  const { sender, renew } = openSender(first.url)
  await sender.send(message, 0)
  renew({ url: second.url, sealed: box.seal(nextSecret) })
  expect(await sender.send(message, 1)).toEqual(delivered)
  expect({ first: first.received, second: second.received })
    .toEqual({ first: [{ signer: secret, body: '{"attempts":0}' }], second: [{ signer: nextSecret, body: '{"attempts":1}' }] })
})

test('what is under way while the webhook comes to lead elsewhere ends where it was begun', async () => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const [first, second] = [await receive((response) => { arrived.resolve(response) }), await receive()]
  const { sender, renew } = openSender(first.url)
  const outcome = sender.send(message, 0)
  const response = await arrived.promise
  renew({ url: second.url })
  response.writeHead(200).end('late')
  expect(await outcome).toEqual({ status: 200, text: 'late', error: null, durationMs })
})

test('nothing is sent while the secrets cannot be opened, which is told once', async () => {
  const { url, received } = await receive()
  const { sender, heard, renew, standing } = openSender(url, { sealed: unreadable })
  renew({})
  expect(await sender.send(message, 0)).toBeUndefined()
  expect({ received, ...heard, ...standing() })
    .toEqual({ received: [], lapsed: 1, errors: [expect.any(OperatorError)], holdsLease: true, isReady: false })
  renew({ sealed: box.seal(secret) })
  expect(await sender.send(message, 0)).toEqual(delivered)
  renew({ sealed: unreadable })
  expect({ isReady: sender.isReady, errors: heard.errors.length }).toEqual({ isReady: false, errors: 2 })
})

test.each(['interrupt', 'close'] as const)('to %s it ends what is under way, without a word about the receiver', async (end) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const { url, received } = await receive((response) => { arrived.resolve(response) })
  const { sender, heard } = openSender(url)
  const outcome = sender.send(message, 0)
  await arrived.promise
  sender[end]()
  expect(await outcome).toBeUndefined()
  expect(await sender.send(message, 0)).toBeUndefined()
  expect({ requests: received.length, ...heard }).toEqual({ requests: 1, lapsed: 0, errors: [] })
})
