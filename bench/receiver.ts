import { createHistogram } from 'node:perf_hooks'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerParent } from './child.ts'

/** A fast receiver of webhooks, a process of its own: reads each delivery whole and answers 204. */

export type ReceiverQuestion = 'listen' | 'reset' | 'count'

export interface Received {
  /** Where it listens. */
  readonly url: string
  /** Since the last reset. */
  readonly deliveries: number
  /** From the moment that stands in the name of the customer to that of the delivery. */
  readonly p50Milliseconds: number
  readonly p99Milliseconds: number
}

const microseconds = createHistogram()
let deliveries = 0

const server = createServer((request, response) => {
  const parts: Buffer[] = []
  request.on('data', (part: Buffer) => { parts.push(part) })
  request.on('end', () => {
    response.writeHead(204).end()
    deliveries += 1
    const sentAt = sentAtOf(Buffer.concat(parts).toString())
    if (sentAt !== undefined) microseconds.record(Math.max(1, Math.round((Date.now() - sentAt) * 1000)))
  })
})

/** Workload `timed` names each customer by the time. */
function sentAtOf(body: string): number | undefined {
  const name = /"name":"(\d{13})"/.exec(body)?.[1]
  return name === undefined ? undefined : Number(name)
}

answerParent<{ question: ReceiverQuestion }, Received>(async ({ question }) => {
  if (question === 'listen') await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  if (question === 'reset') {
    microseconds.reset()
    deliveries = 0
  }
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`, deliveries,
    p50Milliseconds: microseconds.percentile(50) / 1000, p99Milliseconds: microseconds.percentile(99) / 1000
  }
})
