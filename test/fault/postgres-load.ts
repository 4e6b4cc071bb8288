import { setTimeout } from 'node:timers/promises'
import { expect } from 'vitest'
import type { RunningCli } from '../e2e/start-cli.ts'
import { inTurn, rows } from './postgres-servers.ts'

export interface NamedLoad {
  /** Names of writes that were answered as done. */
  readonly acknowledged: string[]
  /** Names of writes that were answered 503. */
  readonly refused: string[]
  /** Answers that are neither, and so a fault. */
  readonly unexpected: unknown[]
  /** Stops it, and resolves when all is answered. */
  stop(): Promise<void>
}

const pauseMs = 20

/**
 * Writes from many connections, in turn through each server, with a name of its own for each write: events of one customer,
 * whose number shows whether one was applied twice, and customers with a userId, of which a second one would be refused.
 */
export function startNamedLoad(servers: readonly RunningCli[], { connections, customer }: { connections: number; customer: number }): NamedLoad {
  const [acknowledged, refused, unexpected]: [string[], string[], unknown[]] = [[], [], []]
  let isStopped = false
  const write = async (connection: number): Promise<void> => {
    for (let count = 0; !isStopped; count += 1) {
      const name = `${connection}-${count}`
      const server = inTurn(servers, connection + count)
      const [path, body, done] = count % 2 === 0
        ? ['/v1/events', { name, customer }, 200] as const
        : ['/v1/customers', { userId: name, tags: [`tag ${count}`] }, 201] as const
      try {
        const answer = await server.call('POST', path, body)
        if (answer.status === done) acknowledged.push(name)
        else if (answer.status === 503 && answer.headers.get('retry-after') === '1') refused.push(name)
        else unexpected.push({ name, status: answer.status, body: answer.body })
        if (answer.status === 503) await setTimeout(pauseMs)
      } catch (error) {
        unexpected.push(error)
        return
      }
    }
  }
  const ended = Promise.all(Array.from({ length: connections }, (_, connection) => write(connection)))
  return {
    acknowledged, refused, unexpected,
    async stop() {
      isStopped = true
      await ended
    }
  }
}

/** What was acknowledged is there, once, and of the rest what is there is there once; all that is derived agrees. */
export async function expectNothingLostOrDoubled(url: string, { acknowledged, refused, unexpected }: NamedLoad): Promise<void> {
  expect(unexpected).toEqual([])
  const kept = (await rows<{ name: string }>(url, 'select name from events union all select user_id from customers where user_id is not null')).map(({ name }) => name)
  const there = new Set(kept)
  expect(kept).toHaveLength(there.size)
  expect(acknowledged.filter((name) => !there.has(name))).toEqual([])
  const asked = new Set([...acknowledged, ...refused])
  expect(kept.filter((name) => !asked.has(name))).toEqual([])
  const [derived] = await rows<Record<string, number>>(url, `
    select (select count(*) from customers) - (select sum(customers)::bigint from customer_counts) as counted,
      (select count(*) from customers where user_id is not null) - (select count(*) from user_ids join customers on id = customer_id) as held,
      (select count(*) from changes) - (select count(*) from feed join changes on changes.id = position and changes.customer_id = feed.customer_id) as fed,
      (select count(*) from customers) + (select count(*) from events)
        - (select count(*) from changes where kind in ('customer.created', 'event.recorded')) as changed`)
  expect(derived).toEqual({ counted: 0, held: 0, fed: 0, changed: 0 })
}
