import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { answerParent } from './child.ts'

/** The yardsticks: servers that answer the same requests with constants of the same bytes and do nothing else. */

export interface ConstantAnswers {
  readonly framework: 'node:http' | 'fastify'
  readonly customer: string
  readonly page: string
}

const host = '127.0.0.1'
const contentType = 'application/json; charset=utf-8'

answerParent<ConstantAnswers, { url: string }>(async (answers) => {
  const port = answers.framework === 'fastify' ? await serveWithFastify(answers) : await serveWithNode(answers)
  return { url: `http://${host}:${port}` }
})

async function serveWithNode({ customer, page }: ConstantAnswers): Promise<number> {
  const customerBytes = Buffer.byteLength(customer)
  const pageBytes = Buffer.byteLength(page)
  const server = createServer((request, response) => {
    const isPage = request.url?.startsWith('/v1/customers?') === true
    response.writeHead(200, { 'content-type': contentType, 'content-length': isPage ? pageBytes : customerBytes })
    response.end(isPage ? page : customer)
  })
  await new Promise<void>((resolve) => { server.listen(0, host, resolve) })
  return (server.address() as AddressInfo).port
}

async function serveWithFastify({ customer, page }: ConstantAnswers): Promise<number> {
  const server = fastify({ logger: false })
  server.get('/v1/customers/:id', (_request, reply) => reply.type(contentType).send(customer))
  server.get('/v1/customers', (_request, reply) => reply.type(contentType).send(page))
  await server.listen({ host, port: 0 })
  return (server.server.address() as AddressInfo).port
}
