import { setImmediate } from 'node:timers/promises'
import type { FastifyReply } from 'fastify'
import { presentCustomer } from '../date-form.ts'
import { limits } from '../limits.ts'
import type { ParsedSearch } from '../parse-search.ts'
import { pickPageFields, sliceCustomers } from '../picked-fields.ts'
import type { HttpSettings } from './settings.ts'

/** Sends text that is JSON already. */
export function sendJson(reply: FastifyReply, json: string | Buffer): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json)
}

/** The customers of a page as they are answered, in parts. It may have many megabytes, so others are served between them. */
export async function presentPage(
  page: Uint8Array, { fields, timestamps }: Pick<ParsedSearch, 'fields'> & Pick<HttpSettings, 'timestamps'>
): Promise<Uint8Array[]> {
  if (fields === null && timestamps === 'string') return [page]
  const parts: Buffer[] = []
  for (const slice of sliceCustomers(page)) {
    if (parts.length > 0) await setImmediate()
    const presented = presentCustomer(slice.toString(), timestamps)
    const comma = parts.length > 0 ? ',' : ''
    parts.push(Buffer.from(comma + (fields === null ? presented : pickPageFields(presented, fields))))
  }
  return parts
}

/** Gives back the memory of bytes that nobody reads any more. As garbage they would have V8 mark the whole heap every hundred pages. */
export function freeBytes({ buffer, byteLength }: Uint8Array): void {
  // Those that share their memory with others are small, and never have half of it.
  if (buffer instanceof ArrayBuffer && byteLength > buffer.byteLength / 2) buffer.transfer(0)
}

/** HelpCrunch: clients send what means nothing, and expect no refusal. It is named, so that a misspelling can be found. */
export function reportIgnored(reply: FastifyReply, ignored: readonly string[]): void {
  if (ignored.length === 0) return
  let header = ''
  for (const path of ignored) {
    // A key without a name, as tables with a nameless column have one, would leave nothing to see.
    const name = path === '' ? '""' : path.toWellFormed()
    const longer = `${header}${header === '' ? '' : ','}${encodeURIComponent(name)}`
    if (longer.length > limits.ignoredHeaderBytesMax) break
    header = longer
  }
  if (header !== '') void reply.header('Clientele-Ignored', header)
}
