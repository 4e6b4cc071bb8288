import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { limits } from '../../src/limits.ts'
import { startCli } from '../e2e/start-cli.ts'
import { temporaryFolder } from '../engines.ts'
import { open } from './connection.ts'

vi.setConfig({ testTimeout: (limits.requestTimeoutSeconds + 30) * 1000 })

const timeout = /^HTTP\/1\.1 408 Request Timeout\r\n[^]*\r\n\r\n\{"errors":\[\{"code":"invalid_request","message":"Invalid request"\}\]\}$/

test('headers and bodies that never end are ended with 408, while others are served', async () => {
  const server = await startCli({ database: join(temporaryFolder(), 'clientele.db') })
  const headers = await open(server.url)
  headers.socket.write('POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nX-Never-')
  const body = await open(server.url)
  body.socket.write(`POST /v1/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${server.key}\r\nContent-Length: 100\r\n\r\n{"name":"`)
  // A byte now and then is no progress.
  const drip = setInterval(() => { body.socket.write('x') }, 1000)
  const served: number[] = []
  const ask = async (): Promise<void> => { served.push((await server.call('POST', '/v1/customers', { name: 'quick' })).status) }
  await ask()
  await headers.ended
  await ask()
  await body.ended
  clearInterval(drip)
  await ask()
  expect(headers.text).toMatch(timeout)
  expect(body.text).toMatch(timeout)
  expect(served).toEqual([201, 201, 201])
  expect((await server.call('GET', '/v1/customers?limit=1')).body).toMatchObject({ total: 3 })
})
