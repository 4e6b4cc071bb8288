import { fileURLToPath } from 'node:url'
import { expect, inject, test, vi } from 'vitest'
import type { RunningCli } from '../e2e/start-cli.ts'
import { startCli } from '../e2e/start-cli.ts'
import type { TestDatabase } from '../engines.ts'
import { createDatabase } from '../engines.ts'
import type { Receiver } from './receiver.ts'
import { startReceiver } from './receiver.ts'
import type { Arrival, Mood } from './webhook-receiver.ts'

vi.setConfig({ testTimeout: 300_000 })

const program = fileURLToPath(new URL('impatient-server.ts', import.meta.url))
const args = ['--allow-private-webhooks', '--secret-key', Buffer.alloc(32, 7).toString('base64')]
/** A receiver that is asked again after a time-out may see both at once, so where none hangs the servers wait for however busy the machine is. */
const waiting = ['--receiver-timeout', '60000']
const customers = 250
const connections = 16

async function startServer({ url }: TestDatabase, { key, more = [] }: { key?: string | undefined; more?: readonly string[] } = {}): Promise<RunningCli> {
  return await startCli({ program, args: ['--database', url, ...args, ...more], ...(key === undefined ? {} : { key }) })
}

interface Changing {
  /** How many changes were asked for so far. */
  made(): number
  readonly ended: Promise<void>
}

/** Has customers changed until there are so many changes; a request whose server was killed is asked of the next one. */
function makeChanges(changes: number, server: () => RunningCli): Changing {
  let made = 0
  const worker = async (of: number): Promise<void> => {
    for (let round = 0; made < changes; round += 1) {
      for (let index = of; index < customers && made < changes; index += connections) {
        made += 1
        const draft = { email: `${index}-${round}@example.com`, customData: { round } }
        await asked(server, round === 0 ? ['POST', '/v1/customers', { userId: `u-${index}`, ...draft }] : ['PATCH', `/v1/customers/${await idOf(server, index)}`, draft])
      }
    }
  }
  const ended = Promise.all(Array.from({ length: connections }, async (_, of) => { await worker(of) }))
  return { made: () => made, ended: ended.then(() => undefined) }
}

const ids = new Map<number, number>()

async function idOf(server: () => RunningCli, index: number): Promise<number> {
  const known = ids.get(index)
  if (known !== undefined) return known
  const body = await asked(server, ['POST', '/v1/customers/search', { filter: [{ field: 'userId', operator: '=', value: `u-${index}` }], limit: 1 }])
  const [{ id }] = (body as { data: [{ id: number }] }).data
  ids.set(index, id)
  return id
}

async function asked(server: () => RunningCli, [method, path, body]: [string, string, object]): Promise<unknown> {
  for (;;) {
    const current = server()
    try {
      const answer = await current.call(method, path, body)
      // The killed server may have created the customer.
      if (answer.status < 300 || answer.status === 400) return answer.body
      if (answer.status !== 503) throw new Error(`${method} ${path} was answered ${answer.status}: ${JSON.stringify(answer.body)}`)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      // It was killed; the next one is being started.
      await vi.waitUntil(() => server() !== current, { timeout: 30_000, interval: 5 })
    }
  }
}

interface Told {
  readonly id: number
  readonly customer: number
  readonly round: number
}

/** The changes that are to be told, by customer, in their order. */
async function changesByCustomer(database: TestDatabase): Promise<Map<number, number[]>> {
  const rows = await database.sql("select id, customer_id from changes where kind in ('customer.created', 'customer.updated') order by id")
  return grouped(rows.map(({ id, customer_id: customer }) => [Number(customer), Number(id)]))
}

function grouped<Value>(entries: readonly (readonly [key: number, value: Value])[]): Map<number, Value[]> {
  const groups = new Map<number, Value[]>()
  for (const [key, value] of entries) {
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}

function toldBy({ body }: Arrival): Told {
  const { data, eventData } = body as { data?: { id: number; customerId: number; customer: { customData: { round: number } } }; eventData?: { id: number; customData: { round: number } } }
  if (data !== undefined) return { id: data.id, customer: data.customerId, round: data.customer.customData.round }
  if (eventData !== undefined) return { id: eventData.customData.round, customer: eventData.id, round: eventData.customData.round }
  throw new Error(`This was told in no format: ${JSON.stringify(body)}`)
}

/** What of each customer arrived, in the order in which it was first accepted. */
function firstAccepted(arrivals: readonly Arrival[]): Map<number, number[]> {
  const told = grouped(arrivals.filter(({ isAccepted }) => isAccepted).map((arrival) => [toldBy(arrival).customer, toldBy(arrival).id]))
  return new Map([...told].map(([customer, changes]) => [customer, [...new Set(changes)]]))
}

/** Messages that were tried though one before them of the same customer had not been accepted. */
function tooEarly(arrivals: readonly Arrival[], expected: Map<number, readonly number[]>): Told[] {
  const accepted = new Map<number, number>()
  return arrivals.map((arrival) => ({ ...toldBy(arrival), isAccepted: arrival.isAccepted })).filter(({ customer, id, isAccepted }) => {
    const place = expected.get(customer)?.indexOf(id) ?? -1
    const next = accepted.get(customer) ?? 0
    if (isAccepted) accepted.set(customer, Math.max(next, place + 1))
    return place < 0 || place > next
  })
}

async function untilAllArrived(database: TestDatabase, receiver: Receiver, paths: readonly string[]): Promise<void> {
  const expected = (await database.sql("select count(*) as changes from changes where kind in ('customer.created', 'customer.updated')"))[0]?.changes
  await vi.waitUntil(() => {
    const accepted = receiver.arrivals().filter(({ isAccepted }) => isAccepted)
    return paths.every((path) => new Set(accepted.filter((arrival) => arrival.path === path).map(({ id }) => id)).size >= Number(expected))
  }, { timeout: 120_000, interval: 250 })
}

function expectWhole(arrivals: readonly Arrival[], expected: Map<number, number[]>, path: string): void {
  const own = arrivals.filter((arrival) => arrival.path === path)
  const isStandard = path === '/standard'
  // What HelpCrunch is told has no id of the change, so there the rounds are compared.
  const wanted = isStandard ? expected : new Map([...expected].map(([customer, changes]) => [customer, changes.map((_, index) => index)]))
  expect(own.filter(({ isSigned }) => !isSigned)).toEqual([])
  expect(sorted(firstAccepted(own))).toEqual(sorted(wanted))
  expect(tooEarly(own, wanted)).toEqual([])
  const idsOfMessages = grouped(own.map((arrival) => [toldBy(arrival).customer, `${toldBy(arrival).id} ${arrival.id}`]))
  expect([...idsOfMessages].map(([customer, messages]) => [customer, new Set(messages).size])).toEqual([...idsOfMessages.keys()].map((customer) => [customer, wanted.get(customer)?.length]))
  expect(new Set(own.map(({ id }) => id)).size).toBe([...wanted.values()].flat().length)
}

function sorted(groups: Map<number, number[]>): [number, number[]][] {
  return [...groups].toSorted(([one], [other]) => one - other)
}

test('ten thousand changes arrive, in the order of each customer, while the receiver fails in every way and the server is killed five times', async () => {
  const database = await createDatabase()
  const receiver = await startReceiver()
  let server = await startServer(database)
  const { key = '' } = server
  await receiver.subscribe(server, '/standard', { format: 'standard', events: ['customer.created', 'customer.updated'] })
  await receiver.subscribe(server, '/helpcrunch', { format: 'helpcrunch', events: ['customer.new', 'customer.email_updated'] })

  const changing = makeChanges(10_000, () => server)
  const moods: Mood[] = ['dawdles', 'refuses', 'hangs', 'resets', 'mixed']
  for (const [index, mood] of moods.entries()) {
    const before = receiver.arrivals().length
    receiver.behave(mood)
    await vi.waitUntil(() => {
      const since = receiver.arrivals().slice(before)
      const counted = mood === 'dawdles' ? since : since.filter(({ isAccepted }) => !isAccepted)
      return changing.made() >= (index + 1) * 1_800 && counted.length > 75
    }, { timeout: 60_000, interval: 50 })
    await server.end('SIGKILL')
    server = await startServer(database, { key })
  }
  receiver.behave('mixed')
  await changing.ended
  receiver.behave('answers')

  await untilAllArrived(database, receiver, ['/standard', '/helpcrunch'])
  const expected = await changesByCustomer(database)
  const arrivals = receiver.arrivals()
  // It was no test of failures if there were few.
  expect(arrivals.filter(({ isAccepted }) => !isAccepted).length).toBeGreaterThan(300)
  // A change whose answer a kill took was made again, which changes nothing.
  expect([...expected.values()].flat().length).toBe(10_000)
  expectWhole(arrivals, expected, '/standard')
  expectWhole(arrivals, expected, '/helpcrunch')
  expect(arrivals.filter(({ isBeside }) => isBeside)).toEqual([])
  const standing = async () => {
    const { data } = (await server.call('GET', '/v1/webhooks')).body as { data: { heldCustomers: number; failedDeliveries: number; pausedReason: string | null }[] }
    return data.map(({ heldCustomers, failedDeliveries, pausedReason }) => ({ heldCustomers, failedDeliveries, pausedReason }))
  }
  // A customer whose last message has arrived is let go a moment later.
  await vi.waitUntil(async () => (await standing()).every(({ heldCustomers }) => heldCustomers === 0), { timeout: 20_000, interval: 50 })
  expect(await standing()).toEqual(Array.from({ length: 2 }, () => ({ heldCustomers: 0, failedDeliveries: 0, pausedReason: null })))
  const { status, stderr } = await server.end('SIGTERM')
  expect({ status, database: inject('engine') }).toEqual({ status: 0, database: inject('engine') })
  expect(stderr).not.toContain('example.com')
})

interface Pair {
  readonly database: TestDatabase
  readonly receiver: Receiver
  readonly first: RunningCli
  readonly second: RunningCli
}

const paths = ['/a', '/b', '/c', '/d']

/** Two servers that deliver for two webhooks each. */
async function startTwo(): Promise<Pair> {
  const database = await createDatabase()
  const receiver = await startReceiver()
  ids.clear()
  const first = await startServer(database, { more: waiting })
  const second = await startServer(database, { key: first.key, more: waiting })
  for (const path of paths) await receiver.subscribe(first, path, { format: 'standard', events: ['customer.created', 'customer.updated'] })
  await untilDelivering(first, 2)
  await untilDelivering(second, 2)
  return { database, receiver, first, second }
}

async function untilDelivering(server: RunningCli, webhooks: number): Promise<void> {
  await vi.waitUntil(async () => String((await server.call('GET', '/metrics')).body).includes(`clientele_webhooks ${webhooks}\n`), { timeout: 60_000, interval: 50 })
}

async function expectInOrder(database: TestDatabase, receiver: Receiver): Promise<void> {
  await untilAllArrived(database, receiver, paths)
  const expected = await changesByCustomer(database)
  const arrivals = receiver.arrivals()
  for (const path of paths) {
    const own = arrivals.filter((arrival) => arrival.path === path)
    expect(sorted(firstAccepted(own))).toEqual(sorted(expected))
    expect(tooEarly(own, expected)).toEqual([])
  }
  expect(arrivals.filter(({ isBeside }) => isBeside)).toEqual([])
}

test('two servers share the work and send nothing of a customer at the same time, also when one is killed', async () => {
  const { database, receiver, first, second } = await startTwo()
  receiver.behave('mixed')
  const changing = makeChanges(2_000, () => first)
  await vi.waitUntil(() => receiver.arrivals().length > 2_000, { timeout: 60_000, interval: 20 })
  await second.end('SIGKILL')
  await changing.ended
  receiver.behave('answers')
  await expectInOrder(database, receiver)
})

test('a server that is stopped for longer than its claims, and goes on, sends nothing beside the one that took over', async () => {
  const { database, receiver, first, second } = await startTwo()
  const changing = makeChanges(2_000, () => first)
  await vi.waitUntil(() => receiver.arrivals().length > 1_000, { timeout: 60_000, interval: 20 })
  second.child.kill('SIGSTOP')
  await untilDelivering(first, paths.length)
  second.child.kill('SIGCONT')
  await untilDelivering(second, 2)
  await changing.ended
  await expectInOrder(database, receiver)
})
