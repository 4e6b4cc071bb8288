/**
 * Receives what a webhook of the format `standard` is told, and believes only what Clientele has signed.
 *
 *   WEBHOOK_SECRET=whsec_... npx node examples/webhook-receiver.ts
 *
 * PORT is 8080 unless set.
 */

import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

const webhook = new Webhook(process.env.WEBHOOK_SECRET ?? '')
const server = createServer((request, response) => {
  text(request).then((body) => {
    const { type, data } = webhook.verify(body, request.headers as Record<string, string>) as { type: string; data: { id: number; customerId: number } }
    console.log(`${type}: customer ${data.customerId}, change ${data.id}`)
  }).then(() => { response.writeHead(204).end() }, () => { response.writeHead(400).end() })
}).listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => { console.log('listening', server.address()) })
