import { readdirSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'

/** An answer to a search, and the time from the request's first byte to the answer's last. */
export interface Answer {
  readonly status: number
  readonly ms: number
  readonly body: AnswerBody
}

/** What the bench reads of an answer. Servers that know less leave more of it out. */
interface AnswerBody {
  readonly data?: readonly { readonly id: number }[]
  readonly total?: number
  readonly meta?: { readonly cursor?: string | null }
  readonly explain?: { readonly plan: string }
  readonly errors?: readonly { readonly code: string; readonly message: string }[]
}

/** A question that the index in memory answers, that nobody passes, and that costs SQL nothing. */
export const asksForNobody = { filter: [{ field: 'customers.firstSeen', operator: '>', value: 250_000_000_000 }], limit: 1 }

/** Asks on one connection that is kept open. */
export class Asker {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #url: string
  readonly #key: string

  constructor({ url, key }: { url: string; key: string }) {
    this.#url = url
    this.#key = key
  }

  async search(search: object): Promise<Answer> {
    const sent = JSON.stringify(search)
    const started = performance.now()
    const { status, chunks } = await this.#post('/v1/customers/search', sent)
    const ms = performance.now() - started
    return { status, ms, body: JSON.parse(Buffer.concat(chunks).toString()) as AnswerBody }
  }

  close(): void {
    this.#agent.destroy()
  }

  #post(path: string, sent: string): Promise<{ status: number; chunks: Buffer[] }> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${this.#url}${path}`, {
        method: 'POST', agent: this.#agent,
        headers: { 'authorization': `Bearer ${this.#key}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }
      }, (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => { chunks.push(chunk) })
        incoming.on('error', reject)
        incoming.on('end', () => { resolve({ status: incoming.statusCode ?? 0, chunks }) })
      })
      outgoing.on('error', reject)
      outgoing.end(sent)
    })
  }
}

/** CPU time of all threads of a process that still run, finer than the ticks of its stat. */
export function threadMilliseconds(pid: number): number {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // It ended between the two.
    }
  }
  return nanoseconds / 1e6
}
