import type { FastifyReply } from 'fastify'
import type { CustomerJson } from '../customer.ts'
import { limits } from '../limits.ts'
import type { HttpSettings } from './settings.ts'

/** Sends text that is JSON already. */
export function sendJson(reply: FastifyReply, json: string | Buffer): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json)
}

// Stands once in each customer: quotes inside text are escaped, and no attribute of custom data is an object.
const datesAsText = /,"firstSeen":(?:"(\d+)"|null),"lastSeen":(?:"(\d+)"|null),"location":\{/g

/** HelpCrunch: older clients expect the dates as numbers. */
export function presentCustomer(customer: CustomerJson, timestamps: HttpSettings['timestamps']): CustomerJson {
  if (timestamps === 'string') return customer
  return customer.replace(datesAsText, (_match, firstSeen: string | undefined, lastSeen: string | undefined) =>
    `,"firstSeen":${firstSeen ?? 'null'},"lastSeen":${lastSeen ?? 'null'},"location":{`)
}

/** The same for several customers in one text. */
export function presentCustomers(customers: Uint8Array, timestamps: HttpSettings['timestamps']): Uint8Array {
  if (timestamps === 'string') return customers
  return Buffer.from(presentCustomer(Buffer.from(customers.buffer, customers.byteOffset, customers.byteLength).toString(), timestamps))
}

/** Names the parts of a request that meant nothing, so that a misspelling can be found. */
export function reportIgnored(reply: FastifyReply, ignored: readonly string[]): void {
  if (ignored.length === 0) return
  let header = ''
  for (const path of ignored) {
    const longer = `${header}${header === '' ? '' : ','}${encodeURIComponent(path.toWellFormed())}`
    if (longer.length > limits.ignoredHeaderBytesMax) break
    header = longer
  }
  if (header !== '') void reply.header('Clientele-Ignored', header)
}
