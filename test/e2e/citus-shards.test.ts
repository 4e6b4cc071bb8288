import pg from 'pg'
import { beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { placements } from '../../src/postgres/citus.ts'
import { withClient } from '../../src/postgres/connection.ts'
import { openStore } from '../engines.ts'
import type { TestOrganization } from '../conformance/open-organization.ts'
import { openOrganization } from '../conformance/open-organization.ts'

vi.setConfig({ testTimeout: 120_000 })

const url = inject('citusUrl')

interface Statement {
  readonly text: string
  readonly values: unknown[]
}

/** What of a statement a machine does. */
interface Task {
  readonly query: string
  readonly node: string
}

/** As EXPLAIN shows a statement. */
interface Explained {
  readonly text: string
  readonly tasks: readonly Task[]
  /** Rows that came from all machines together. */
  readonly rows: number
}

let organization: TestOrganization
let known: { id: number }

beforeEach(async () => {
  organization = await openOrganization(await openStore())
  // So that every name below is known and everything has been asked once.
  known = await organization.create({ userId: 'known', tags: ['vip', 'lead'], customData: { plan: 'pro' } })
  await organization.find(known.id)
})

/** The statements that the store sends while something is done, as they leave for the server. */
async function statementsOf(task: () => Promise<unknown>): Promise<Statement[]> {
  const sent: Statement[] = []
  const { parse, bind, query } = pg.Connection.prototype
  const spies = [
    vi.spyOn(pg.Connection.prototype, 'query').mockImplementation(function (this: pg.Connection, text) {
      sent.push({ text, values: [] })
      query.call(this, text)
    }),
    vi.spyOn(pg.Connection.prototype, 'parse').mockImplementation(function (this: pg.Connection, ...message) {
      sent.push({ text: message[0].text, values: [] })
      parse.apply(this, message)
    }),
    // Its values go right behind a statement, by whatever way of the driver.
    vi.spyOn(pg.Connection.prototype, 'bind').mockImplementation(function (this: pg.Connection, ...message) {
      sent.at(-1)?.values.push(...message[0]?.values ?? [])
      bind.apply(this, message)
    })
  ]
  try {
    await task()
    return sent.filter(({ text }) => /^\s*(?:select|insert|update|delete)\b/.test(text))
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

function isWrite({ text }: Statement): boolean {
  return /^\s*(?:insert|update|delete)\b/.test(text)
}

/** What each statement asks of which machine. Those that only read are run. */
async function explain(statements: readonly Statement[]): Promise<Explained[]> {
  return await withClient(url, async (client) => {
    await client.query('set citus.explain_all_tasks = on')
    const explained: Explained[] = []
    for (const statement of statements) {
      const { text, values } = statement
      const plain = await client.query<{ 'QUERY PLAN': unknown }>(`explain (verbose, format json) ${text}`, values)
      const run = isWrite(statement) || / for update/.test(text) ? undefined : await client.query<{ 'QUERY PLAN': unknown }>(`explain (analyze, format json) ${text}`, values)
      explained.push({ text, tasks: [...tasksIn(plain.rows[0]?.['QUERY PLAN'])], rows: rowsFrom(run?.rows[0]?.['QUERY PLAN']) })
    }
    return explained
  })
}

function* tasksIn(plan: unknown): Generator<Task> {
  if (typeof plan !== 'object' || plan === null) return
  if ('Query' in plan && 'Node' in plan) yield { query: String(plan.Query), node: String(plan.Node) }
  for (const part of Object.values(plan)) yield* tasksIn(part)
}

/** The rows of the outermost node that gathers what machines answer, and of the statements it is preceded by. */
function rowsFrom(plan: unknown): number {
  if (typeof plan !== 'object' || plan === null) return 0
  if ('Custom Plan Provider' in plan && 'Actual Rows' in plan) {
    const before = 'Distributed Query' in plan ? plan['Distributed Query'] : undefined
    return Number(plan['Actual Rows']) + (typeof before === 'object' && before !== null && 'Subplans' in before ? rowsFrom(before.Subplans) : 0)
  }
  return Object.values(plan).reduce<number>((sum, part) => sum + rowsFrom(part), 0)
}

/** How many shards of each table the statements are of; the copies of tables that are everywhere count as one. */
function shardsTouched(explained: readonly Explained[]): Record<string, number> {
  const shards = new Map<string, Set<string>>()
  for (const [, name = '', shard = ''] of explained.flatMap(({ tasks }) => tasks).flatMap(({ query }) => [...query.matchAll(/\bpublic\.(\w+?)_(\d{6,})\b/g)])) {
    shards.set(name, (shards.get(name) ?? new Set()).add(shard))
  }
  return Object.fromEntries([...shards].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([name, { size }]) => [name, size]))
}

/** Those that statements write, wherever they are. */
function tablesWritten(statements: readonly Statement[]): string[] {
  return [...new Set(statements.filter(isWrite).map(({ text }) => /(?:into|update|from) (\w+)/.exec(text)?.[1] ?? ''))].toSorted()
}

async function touched(task: () => Promise<unknown>): Promise<{ shards: Record<string, number>; written: string[] }> {
  const statements = await statementsOf(task)
  return { shards: shardsTouched(await explain(statements)), written: tablesWritten(statements) }
}

/** Read from the coordinator's copies. */
const names = { attributes: 1, tags: 1 }

describe('one shard of each table of customers is touched', () => {
  test('by a GET', async () => {
    expect(await touched(() => organization.find(known.id))).toEqual({ shards: { ...names, customers: 1 }, written: [] })
  })

  test('by a PATCH', async () => {
    expect(await touched(() => organization.patch(known.id, { name: 'Ann', customData: { plan: 'free' } }))).toEqual({
      shards: { ...names, changes: 1, customer_attributes: 1, customers: 1 },
      written: ['changes', 'customer_attributes', 'customers', 'feed']
    })
  })

  test('by tagging with a known tag', async () => {
    await organization.untag(known.id, ['lead'])

    expect(await touched(() => organization.tag(known.id, ['lead']))).toEqual({
      shards: { ...names, changes: 1, customers: 1 }, written: ['changes', 'customers', 'feed']
    })
  })

  test('by an event', async () => {
    expect(await touched(() => organization.recordEvent({ name: 'paid', customer: known.id }))).toEqual({
      shards: { ...names, changes: 1, customers: 1, events: 1 }, written: ['changes', 'events', 'feed']
    })
  })

  test('by a creation without a userId', async () => {
    expect(await touched(() => organization.create({ tags: ['vip'] }))).toEqual({
      shards: { ...names, changes: 1, customers: 1 }, written: ['changes', 'customer_counts', 'customers', 'feed']
    })
  })

  test('by a creation with a userId, and one of the userIds', async () => {
    expect(await touched(() => organization.create({ userId: 'new', tags: ['vip'], customData: { plan: 'pro' } }))).toEqual({
      shards: { ...names, changes: 1, customer_attributes: 1, customers: 1, user_ids: 1 },
      written: ['changes', 'customer_attributes', 'customer_counts', 'customers', 'feed', 'user_ids']
    })
  })

  test('and the shards of one customer are on one machine', async () => {
    const statements = await statementsOf(() => organization.recordEvent({ name: 'paid', customer: known.id }))
    const own = (await explain(statements)).filter(({ text }) => /\b(?:customers|events|changes)\b/.test(text))

    expect(own.length).toBeGreaterThan(2)
    expect(new Set(own.flatMap(({ tasks }) => tasks.map(({ node }) => node))).size).toBe(1)
  })

  test('and no table is written that is on every machine', async () => {
    const statements = await statementsOf(async () => {
      const { id } = await organization.create({ userId: 'one', tags: ['vip'], customData: { plan: 'free' } })
      await organization.patch(id, { userId: 'two', customData: { plan: null } })
      await organization.tag(id, ['lead'])
      await organization.untag(id, ['lead'])
      await organization.recordEvent({ name: 'paid', customer: id })
      await organization.batch([{ customer: id, name: 'Ann' }, { customer: known.id, name: 'Bob' }])
      await organization.find(id)
      await organization.search({ filter: [{ field: 'customers.name', operator: '~', value: 'n' }] })
      await organization.delete(id)
    })
    const everywhere = Object.entries(placements).flatMap(([name, { on }]) => (on === 'everywhere' ? [name] : []))

    expect(tablesWritten(statements).filter((name) => everywhere.includes(name))).toEqual([])
    expect(tablesWritten(statements)).toContain('customers')
  })
})

describe('a search', () => {
  /** Far more than pages of all shards hold. */
  const customers = 800
  const limit = 3

  const questions: [name: string, body: object][] = [
    ['for everyone', {}],
    ['by email', { filter: [{ field: 'customers.email', operator: '=', value: 'c7@example.com' }] }],
    ['for a part of a text', { filter: [{ field: 'customers.name', operator: '~', value: 'ann' }] }],
    ['for any text, by rank', { filter: [{ field: 'text', operator: '~', value: 'ann' }] }],
    ['by tags, with one left out', { filter: [{ field: 'tags', operator: 'any', value: ['vip'] }, { field: 'tags', operator: 'none', value: ['lead'] }] }],
    ['by an attribute of many', { filter: [{ field: 'customData.plan', operator: '=', value: 'pro' }] }],
    ['by an attribute of few', { filter: [{ field: 'customData.n', operator: '<', value: 2 }] }],
    ['by events', { filter: [{ field: 'events.paid', operator: '>', value: 0 }] }],
    ['without events', { filter: [{ field: 'events.paid', operator: '=', value: 0 }] }],
    ['by what it was changed at', { filter: [{ field: 'customers.lastSeen', operator: '>', value: 1_500_000_000 }], sort: 'customers.lastSeen' }],
    ['sorted by an attribute', { sort: 'customData.n', order: 'desc' }],
    ['sorted by what has no index', { sort: 'customers.city' }],
    ['of groups', { comparison: 'OR', filter: [{ field: 'customData.n', operator: '=', value: 5 }, { field: 'customers.name', operator: '$', value: 'x' }] }]
  ]

  test('brings together ids and keys of a page from each shard, then one page, and counts on every machine', async () => {
    await Promise.all(Array.from({ length: customers }, async (_, index) => {
      const { id } = await organization.create({
        name: `Ann ${index}`, email: `c${index}@example.com`, tags: index % 2 === 0 ? ['vip'] : ['vip', 'lead'], customData: { plan: index % 3 === 0 ? 'pro' : 'free', n: index }
      })
      if (index % 4 === 0) await organization.recordEvent({ name: 'paid', customer: id })
    }))
    const { shards, machines } = await placementsOfCustomers()

    for (const [name, body] of questions) {
      const explained = (await explain(await statementsOf(() => organization.search({ ...body, limit })))).filter(({ text }) => /\bfrom (?:customers|events|customer_attributes)\b/.test(text))
      const of = (kind: RegExp): Explained[] => explained.filter(({ text }) => kind.test(text))
      const [pages, bodies, totals, drivers] = [of(/^select .* as hit,/s), of(/^select id, rendering/), of(/^select count\(\*\) as total from (?!\(.*limit)/s), of(/limit \$\d+\) as few$/)]

      expect.soft(pages.length, name).toBeGreaterThan(0)
      expect.soft(pages.length + bodies.length + totals.length + drivers.length, name).toBe(explained.length)
      for (const { tasks, rows, text } of pages) {
        const ofPage = tasks.filter(({ query }) => / limit /i.test(query))
        // Each machine does its part, each part ends at the limit, and nothing else is asked first but for the ids of few.
        expect.soft({ name, tasks: ofPage.length, machines: machinesOf(ofPage) }).toEqual({ name, tasks: shards, machines })
        expect.soft(rows, `${name}: ${text}`).toBeLessThanOrEqual(shards * (limit + 1))
      }
      for (const { rows } of bodies) expect.soft(rows, name).toBeLessThanOrEqual(limit)
      for (const { rows } of drivers) expect.soft(rows, name).toBeLessThanOrEqual(shards * (limit + 1))
      for (const { tasks, rows } of totals) {
        expect.soft({ name, machines: machinesOf(tasks.filter(({ query }) => /count\(\*\)/.test(query))) }).toEqual({ name, machines })
        expect.soft(rows, name).toBeLessThanOrEqual(shards)
      }
    }
  })

  async function placementsOfCustomers(): Promise<{ shards: number; machines: Record<string, number> }> {
    return await withClient(url, async (client) => {
      const { rows } = await client.query<{ port: number; shards: number }>("select nodeport as port, count(*)::int as shards from citus_shards where table_name = 'customers'::regclass group by nodeport")
      return { shards: rows.reduce((sum, row) => sum + row.shards, 0), machines: Object.fromEntries(rows.map((row) => [row.port, row.shards])) }
    })
  }

  /** How many tasks each machine has, by its port. */
  function machinesOf(tasks: readonly Task[]): Record<string, number> {
    const machines: Record<string, number> = {}
    for (const { node } of tasks) {
      const port = /port=(\d+)/.exec(node)?.[1] ?? ''
      machines[port] = (machines[port] ?? 0) + 1
    }
    return machines
  }
})
