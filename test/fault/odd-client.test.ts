import { expect, test, vi } from 'vitest'
import { startServer } from '../start-server.ts'
import { open } from './connection.ts'

const unauthorized = /^HTTP\/1\.1 401 Unauthorized\r\n[^]*x-request-id: [^]*\r\n\r\n\{"errors":\[\{"code":"invalid_request","message":"Invalid request"\},\{"code":"unauthorized","message":"Unauthorized"\}\]\}$/i
const requestId = expect.any(String) as string
const durationMs = expect.any(Number) as number
const plain = { level: 30, time: expect.any(Number) as number, msg: 'request', requestId, durationMs }

test('a request whose client leaves before the answer is logged and counted all the same', async () => {
  const { key, listen, logged, metrics } = await startServer()
  const { socket } = await open(await listen())
  socket.write(`POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nContent-Length: 100\r\n\r\n{"name":"`, () => { socket.destroy() })
  await vi.waitUntil(() => logged.length > 0)

  expect(logged).toEqual([{ ...plain, keyId: 1, method: 'POST', route: '/v1/customers', status: 499 }])
  expect(logged[0]?.durationMs).toBeGreaterThan(0)
  expect(await metrics()).toContain('clientele_http_request_duration_seconds_count{method="POST",route="/v1/customers",status="499"} 1')
})

test.each([
  { what: 'without a Host', request: 'GET /v1/customers HTTP/1.1\r\nConnection: close\r\n\r\n' },
  { what: 'that expects what is not known', request: 'GET /v1/customers HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nConnection: close\r\n\r\n' }
])('a request $what is answered and logged like any other', async ({ request }) => {
  const { listen, logged } = await startServer()
  const connection = await open(await listen())
  connection.socket.write(request)
  await connection.ended

  expect(connection.text).toMatch(unauthorized)
  expect(logged).toEqual([{ ...plain, method: 'GET', route: '/v1/customers', status: 401, code: 'unauthorized' }])
})

test('OPTIONS of everything is refused, and logged', async () => {
  const { listen, logged } = await startServer()
  const connection = await open(await listen())
  connection.socket.write('OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await connection.ended

  expect(connection.text).toMatch(/^HTTP\/1\.1 4\d\d [^]*x-request-id: [^]*\r\n\r\n\{"errors":\[/i)
  expect(logged).toMatchObject([{ msg: 'request', method: 'OPTIONS', route: 'unknown' }])
})

test('what is no HTTP is answered 400, and logged', async () => {
  const { listen, logged } = await startServer()
  const connection = await open(await listen())
  connection.socket.write('SSH-2.0-OpenSSH\r\n\r\n')
  await connection.ended

  expect(connection.text).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]*\{"errors":\[\{"code":"invalid_request","message":"Invalid request"\}\]\}$/)
  expect(logged).toEqual([{ level: 30, time: plain.time, msg: 'request could not be read', status: 400 }])
})
