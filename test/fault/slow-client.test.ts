import { expect, onTestFinished, test } from 'vitest'
import { limits } from '../../src/limits.ts'
import { startServer } from '../start-server.ts'
import { open } from './connection.ts'

const timeout = /^HTTP\/1\.1 408 Request Timeout\r\n[^]*\r\n\r\n\{"errors":\[\{"code":"invalid_request","message":"Invalid request"\}\]\}$/

test('headers and bodies that never end are ended with 408, while others are served', async () => {
  const server = await startServer()
  const url = await server.listen()
  // What they are by default is tested below.
  server.http.server.headersTimeout = 300
  server.http.server.requestTimeout = 1_500
  const headers = await open(url)
  headers.socket.write('POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nX-Never-')
  const body = await open(url)
  body.socket.write(`POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server.key}\r\nContent-Length: 100\r\n\r\n{"name":"`)
  // A byte now and then is no progress.
  const drip = setInterval(() => { body.socket.write('x') }, 50)
  onTestFinished(() => { clearInterval(drip) })
  const served: number[] = []
  const ask = async (): Promise<void> => {
    const answer = await fetch(`${url}/v1/customers`, {
      method: 'POST', headers: { 'authorization': `Bearer ${server.key}`, 'content-type': 'application/json' }, body: '{"name":"quick"}'
    })
    served.push(answer.status)
  }
  await ask()
  await headers.ended
  await ask()
  await body.ended
  await ask()
  expect(headers.text).toMatch(timeout)
  expect(body.text).toMatch(timeout)
  expect(served).toEqual([201, 201, 201])
  expect((await server.call('GET', '/v1/customers?limit=1')).body).toMatchObject({ total: 3 })
})

test('a connection has its time to ask, to be idle and to stand still', async () => {
  const { http } = await startServer()
  const { headersTimeout, requestTimeout, keepAliveTimeout, timeout: stalledTimeout } = http.server
  expect({ headersTimeout, requestTimeout, keepAliveTimeout, stalledTimeout }).toEqual({
    headersTimeout: limits.headerTimeoutSeconds * 1000,
    requestTimeout: limits.requestTimeoutSeconds * 1000,
    keepAliveTimeout: limits.idleTimeoutSeconds * 1000,
    stalledTimeout: limits.stalledTimeoutSeconds * 1000
  })
})

test('headers beyond their bytes are answered 431, and the connection is closed', async () => {
  const server = await startServer()
  const url = await server.listen()
  const ask = async (bytes: number): Promise<string> => {
    const start = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: '
    const end = '\r\n\r\n'
    const connection = await open(url)
    connection.socket.write(start + 'x'.repeat(bytes - start.length - end.length) + end)
    await connection.ended
    return connection.text
  }
  // What Node counts leaves out the punctuation of the headers.
  expect(await ask(limits.headerBytesMax)).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(await ask(limits.headerBytesMax + 100))
    .toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n[^]*\r\n\r\n\{"errors":\[\{"code":"invalid_request","message":"Invalid request"\}\]\}$/)
})
