import { createHmac } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'

/** How the receiver behaves. Dawdling it falls behind; mixed is some of the others, at random. */
export type Mood = 'answers' | 'dawdles' | 'refuses' | 'hangs' | 'resets' | 'mixed'

/** What its parent tells it; a secret is that of the webhook which leads to its path. */
export type ReceiverOrder = { readonly mood: Mood } | { readonly path: string; readonly secret: string }

/** A line of its log. */
export interface Arrival {
  readonly path: string
  /** As the format of the webhook has it. */
  readonly id: string
  readonly isSigned: boolean
  /** Whether something of the same customer was under way to the same path. */
  readonly isBeside: boolean
  readonly isAccepted: boolean
  readonly body: unknown
}

const [, , log = ''] = process.argv
const secrets = new Map<string, string>()
const underWay = new Map<string, number>()
let mood: Mood = 'answers'

process.on('message', (order: ReceiverOrder) => {
  if ('mood' in order) mood = order.mood
  else secrets.set(order.path, order.secret)
})

const server = createServer((request, response) => {
  receive(request, response).catch(() => { response.destroy() })
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url: path = '' } = request
  const raw = await text(request)
  const body = JSON.parse(raw) as { id?: string; eventData?: { id: number }; data?: { customerId: number } }
  const customer = `${path} ${body.eventData?.id ?? body.data?.customerId}`
  const isBeside = (underWay.get(customer) ?? 0) > 0
  underWay.set(customer, (underWay.get(customer) ?? 0) + 1)
  request.socket.setNoDelay(true)
  response.on('close', () => { underWay.set(customer, (underWay.get(customer) ?? 1) - 1) })

  const does = mood === 'mixed' ? (['answers', 'answers', 'answers', 'answers', 'refuses', 'resets'] as const)[Math.floor(Math.random() * 6)] : mood
  const { headers } = request
  const arrival: Arrival = {
    path, body, isBeside, isAccepted: does === 'answers' || does === 'dawdles',
    id: String(headers['webhook-id'] ?? body.id),
    isSigned: isSigned(raw, headers, secrets.get(path) ?? '')
  }
  // As a receiver that keeps what it acknowledges, and does so first.
  appendFileSync(log, `${JSON.stringify(arrival)}\n`)
  if (does === 'hangs') return
  if (does === 'resets') {
    request.socket.resetAndDestroy()
    return
  }
  await setTimeout(does === 'dawdles' ? 100 : Math.random() * 5)
  response.writeHead(arrival.isAccepted ? 204 : 500).end()
}

function isSigned(raw: string, headers: IncomingMessage['headers'], secret: string): boolean {
  if (headers['webhook-signature'] === undefined) {
    return headers['x-helpcrunch-signature'] === createHmac('sha1', secret).update(raw).digest('hex')
  }
  try {
    new Webhook(secret).verify(raw, headers as Record<string, string>)
    return headers['x-helpcrunch-signature'] === undefined
  } catch {
    return false
  }
}
