import type { RunningCli } from '../e2e/start-cli.ts'

/** A customer as the tests here write it: whole, tagged and with custom data, so that every table takes part. */
export interface Acknowledged {
  readonly id: number
  readonly userId: string
}

export interface Load {
  /** Creations answered 201 so far. */
  readonly acknowledged: Acknowledged[]
  /** Answers other than 201. */
  readonly refused: number[]
  /** Resolves when every connection has ended, by itself or because the server is gone. */
  readonly ended: Promise<unknown>
  stop(): void
}

/** Creates customers from many connections, each one after the other, until stopped or until nobody answers. */
export function startLoad(server: RunningCli, { connections, prefix }: { connections: number; prefix: string }): Load {
  const acknowledged: Acknowledged[] = []
  const refused: number[] = []
  let isStopped = false
  const write = async (connection: number): Promise<void> => {
    for (let count = 0; !isStopped; count += 1) {
      const userId = `${prefix}-${connection}-${count}`
      const answer = await server.call('POST', '/v1/customers', { ...draftOf(userId), firstSeen }).catch(noAnswer)
      if (answer === undefined) return
      if (answer.status === 201) acknowledged.push({ id: (answer.body as { id: number }).id, userId })
      else refused.push(answer.status)
    }
  }
  const ended = Promise.all(Array.from({ length: connections }, (_, connection) => write(connection)))
  return { acknowledged, refused, ended, stop() { isStopped = true } }
}

/** What `fetch` throws when the server is gone; anything else is a fault. */
function noAnswer(error: unknown): undefined {
  if (!(error instanceof TypeError && ['fetch failed', 'terminated'].includes(error.message))) throw error
}

/** The same of all, so that they are listed by id: transactions that share a second may take their ids and the time in another order. */
const firstSeen = 1_700_000_000

export function draftOf(userId: string): object {
  return { userId, name: `Name of ${userId}`, tags: ['loaded'], customData: { origin: userId } }
}

export interface Walked {
  readonly total: number
  readonly taggedTotal: number
  readonly customers: readonly Acknowledged[]
}

/** Everyone there is, page by page, with the totals that list and search state; throws when a customer is not whole. */
export async function walkAll(server: RunningCli): Promise<Walked> {
  const customers: Acknowledged[] = []
  for (;;) {
    const { body } = await server.call('GET', `/v1/customers?limit=100&offset=${customers.length}`)
    const { data, total } = body as { data: WalkedCustomer[]; total: number }
    for (const { id, userId, name, tags, customData } of data) {
      const expected = { ...draftOf(userId), tags: [{ name: 'loaded', color: '#c377e0' }] }
      if (JSON.stringify({ userId, name, tags, customData }) !== JSON.stringify(expected)) throw new Error(`Customer ${id} is not whole`)
      customers.push({ id, userId })
    }
    if (data.length === 100) continue
    const tagged = await server.call('POST', '/v1/customers/search', {
      filter: [{ field: 'customers.tagsData', operator: '=', value: ['loaded'] }], limit: 1
    })
    return { total, taggedTotal: (tagged.body as { total: number }).total, customers }
  }
}

interface WalkedCustomer {
  readonly id: number
  readonly userId: string
  readonly name: string
  readonly tags: readonly object[]
  readonly customData: object
}

/** By id, so that two lists can be compared. */
export function sorted(customers: readonly Acknowledged[]): Acknowledged[] {
  return customers.toSorted((one, other) => one.id - other.id)
}
