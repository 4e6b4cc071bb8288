import fc from 'fast-check'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import type { ChangeRecord, KeptChangeRow } from '../../src/change-record.ts'
import { pickFields, readChange } from '../../src/change-record.ts'
import type { RecordedFields } from '../../src/change.ts'
import type { Customer } from '../../src/contract/customer.ts'
import { ApiError } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'
import type { Written } from '../../src/store.ts'
import type { TestOrganization } from '../conformance/open-organization.ts'
import { openOrganization, speakTo } from '../conformance/open-organization.ts'
import type { TestDatabase } from '../engines.ts'
import { runCli } from '../e2e/start-cli.ts'
import { createDatabase } from '../engines.ts'

/** All that an organization has, as a caller can tell. Customers and events by id; those of the trash keep their events. */
interface State {
  readonly customers: ReadonlyMap<number, Customer>
  readonly events: ReadonlyMap<number, number>
  readonly colors: ReadonlyMap<string, string>
}

/** A change, and what was there right before it and right after. */
interface Step {
  readonly change: ChangeRecord
  readonly before: State
  readonly after: State
}

type Flat = Map<string, unknown>

/** What a change says of the fields of its customer. */
interface Told {
  readonly before: object | null
  readonly after: object | null
}

/** A customer as elements that are touched one by one. */
function flatten({ location, tags, customData, id, ...plain }: Customer): Flat {
  return new Map<string, unknown>([
    ...Object.entries(plain),
    ...Object.entries(location).map(([part, value]) => [`location.${part}`, value] as const),
    ...tags.map(({ name }) => [`tags.${name}`, id] as const),
    ...Object.entries(customData).map(([name, value]) => [`customData.${name}`, value] as const)
  ])
}

/** Paths in which a change made a difference; null: all. */
function touched({ change, before, after }: Step): string[] | null {
  switch (change.kind) {
    case 'customer.updated': {
      const [one, other] = [before, after].map(({ customers }) => flatten(customers.get(change.customerId) as Customer)) as [Flat, Flat]
      return [...new Set([...one.keys(), ...other.keys()])].filter((path) => !isDeepStrictEqual(one.get(path), other.get(path)))
    }
    case 'event.recorded': return [`events.${change.after.event}`]
    case 'event.deleted': return [`events.${change.before.event}`]
    case 'tag.updated': return [change.before.name]
    case 'customer.created': case 'customer.deleted': case 'customer.restored': return null
  }
}

function conflicts(step: Step, later: readonly Step[]): number[] {
  const ours = touched(step)
  return later.filter((other) => {
    if (other.change.customerId !== step.change.customerId) return false
    const theirs = touched(other)
    return ours === null || theirs === null || theirs.some((path) => ours.includes(path))
  }).map(({ change }) => change.id)
}

type Expected = 'refused' | { readonly customer: Customer | Flat | undefined; readonly events: ReadonlyMap<number, number>; readonly colors: ReadonlyMap<string, string> }

/** What becomes of the customer that the change is of, when it is taken back: exactly when nothing touched it since, else element by element. */
function expectUndo(step: Step, now: State, later: readonly Step[]): Expected {
  const { change } = step
  const events = new Map(now.events)
  const colors = new Map(now.colors)
  const customer = change.customerId === null ? undefined : now.customers.get(change.customerId)
  switch (change.kind) {
    case 'customer.created': case 'customer.restored': return { customer: undefined, events, colors }
    case 'customer.deleted': {
      if (customer !== undefined) return { customer, events, colors }
      const was = step.before.customers.get(change.customerId) as Customer
      if ([...now.customers.values()].some(({ userId }) => userId !== null && userId === was.userId)) return 'refused'
      return { customer: { ...was, tags: was.tags.map(({ name }) => ({ name, color: colors.get(name) ?? '' })) }, events, colors }
    }
    case 'event.recorded': {
      if (!events.has(change.after.event)) return { customer, events, colors }
      if (customer === undefined) return 'refused'
      events.delete(change.after.event)
      return { customer, events, colors }
    }
    case 'event.deleted': {
      if (events.has(change.before.event)) return { customer, events, colors }
      if (customer === undefined) return 'refused'
      events.set(change.before.event, change.customerId)
      return { customer, events, colors }
    }
    case 'tag.updated': {
      colors.set(change.before.name, change.before.color)
      return { customer: undefined, events, colors }
    }
    case 'customer.updated': {
      if (customer === undefined) return 'refused'
      const was = flatten(step.before.customers.get(change.customerId) as Customer)
      const userId = was.get('userId')
      const takesUserId = (touched(step) ?? []).includes('userId') && userId !== null
      if (takesUserId && [...now.customers.values()].some((other) => other.userId === userId && other.id !== customer.id)) return 'refused'
      if (later.every((other) => other.change.customerId !== change.customerId)) {
        const exact = step.before.customers.get(change.customerId) as Customer
        return { customer: { ...exact, tags: exact.tags.map(({ name }) => ({ name, color: colors.get(name) ?? '' })) }, events, colors }
      }
      const flat = flatten(customer)
      for (const path of touched(step) ?? []) {
        if (was.has(path)) flat.set(path, was.get(path))
        else flat.delete(path)
      }
      return { customer: flat, events, colors }
    }
  }
}

class Tested {
  readonly #database: TestDatabase
  readonly #organization: TestOrganization
  readonly #store: Awaited<ReturnType<TestDatabase['openStore']>>
  readonly steps: Step[] = []
  state: State = { customers: new Map(), events: new Map(), colors: new Map() }
  #requests = 0

  constructor(database: TestDatabase, store: Awaited<ReturnType<TestDatabase['openStore']>>, organization: TestOrganization) {
    this.#database = database
    this.#store = store
    this.#organization = organization
  }

  /** Speaks in a request of its own. */
  async run(task: (organization: TestOrganization) => Promise<unknown>): Promise<void> {
    this.#requests += 1
    try {
      await task(speakTo(this.#store, { ...this.#organization.caller, requestId: this.#request }))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
    }
    await this.#observe()
  }

  get #request(): string {
    return `${this.#organization.caller.organizationId}-${this.#requests}`
  }

  async undo(steps: readonly Step[], { force, dryRun = false }: { force: boolean; dryRun?: boolean }): Promise<Written['changes'] | ApiError> {
    this.#requests += 1
    const caller = { ...this.#organization.caller, requestId: this.#request }
    try {
      const { changes } = await this.#store.write(caller, { type: 'undo', changes: steps.map(({ change }) => change), force, dryRun })
      return changes
    } catch (error) {
      if (error instanceof ApiError) return error
      throw error
    } finally {
      await this.#observe()
    }
  }

  async history(customerId: number): Promise<ChangeRecord[]> {
    const { items } = await this.#store.history(this.#organization.caller.organizationId, customerId, { beforeId: null, limit: limits.listItemsMax })
    return items.map(({ change }) => change)
  }

  async countOf(filter: readonly object[]): Promise<number | null> {
    return (await this.#organization.search({ filter, limit: 1 })).total
  }

  /** Takes in the changes since the last time, each with what was there before and after. */
  async #observe(): Promise<void> {
    const { organizationId } = this.#organization.caller
    const rows = await this.#database.sql(`
      select id, customer_id, kind, at, key_id, request_id, before, after from changes
      where organization_id = ${organizationId} and id > ${this.steps.at(-1)?.change.id ?? 0} order by id`)
    if (rows.length === 0) return
    const { data } = await this.#organization.search({ sort: 'id' })
    const now = new Map(data.map((customer) => [customer.id, customer]))
    const events = await this.#database.sql(`
      select events.id, events.customer_id from events where customer_id in (select customer_id from changes where organization_id = ${organizationId})`)
    const tags = await this.#database.sql(`select name, color from tags where organization_id = ${organizationId}`)
    const before = this.state
    this.state = {
      customers: now,
      events: new Map(events.map(({ id, customer_id: customerId }) => [Number(id), Number(customerId)])),
      colors: new Map(tags.map(({ name, color }) => [String(name), String(color)]))
    }
    // One command changes one customer, so what lies between its changes is of others, and needs no telling.
    for (const row of rows) this.steps.push({ change: readChange(keptRow(row), null), before, after: this.state })
  }
}

function keptRow(row: Record<string, unknown>): KeptChangeRow {
  const { id, customer_id: customerId, kind, at, key_id: keyId, request_id: requestId, before, after } = row as Record<string, string | number | null>
  return {
    id: Number(id), customerId: customerId === null || Number(customerId) === 0 ? null : Number(customerId), kind: String(kind), at: Number(at),
    keyId: Number(keyId), keyName: '', requestId: String(requestId), before: before as string | null, after: after as string | null
  }
}

const names = fc.constantFrom('Ann', 'Bob', null)
const userIds = fc.constantFrom('u1', 'u2', null)
const tagNames = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { maxLength: 3 })
const attributes = fc.dictionary(fc.constantFrom('plan', '2024', 'seats'), fc.constantFrom('x', 'y', null), { maxKeys: 2 })
const places = fc.record({ city: fc.constantFrom('Lviv', 'Kyiv', null), countryCode: fc.constantFrom('UA', 'PL') }, { requiredKeys: [] })
const devices = fc.constantFrom(null, { platform: 'desktop', ip: '192.0.2.1' }, { platform: 'mobile', userAgent: 'app' })
const draft = fc.record({ name: names, userId: userIds, blocked: fc.boolean(), device: devices, tags: tagNames, customData: attributes }, { requiredKeys: [] })
const patch = fc.tuple(draft, places).map(([fields, place]) => ({ ...fields, ...place }))
const whom = fc.nat({ max: 2 })

const action = fc.oneof(
  { weight: 1, arbitrary: fc.record({ type: fc.constant('create' as const), body: patch }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('patch' as const), whom, body: patch }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('put' as const), whom, body: patch }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), whom }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('event' as const), whom }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('recolor' as const), whom, color: fc.constantFrom('red', 'blue') }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('undoNewest' as const) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('undoRequest' as const) }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('undo' as const), which: fc.nat({ max: 12 }), force: fc.boolean() }) }
)

type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never

async function carryOut(tested: Tested, asked: Action): Promise<void> {
  const known = [...new Set(tested.steps.flatMap(({ change }) => change.customerId ?? []))]
  const id = 'whom' in asked ? known[asked.whom % Math.max(known.length, 1)] ?? 0 : 0
  switch (asked.type) {
    case 'create': { await tested.run(({ create }) => create({ firstSeen: 5, lastSeen: 5, ...asked.body })); return }
    case 'patch': { await tested.run(async (organization) => await organization.patch(id, asked.body)); return }
    case 'put': { await tested.run(async ({ put }) => await put(id, asked.body)); return }
    case 'delete': { await tested.run(async (organization) => { await organization.delete(id) }); return }
    case 'event': { await tested.run(async ({ recordEvent }) => await recordEvent({ name: 'bought', customer: id, data: { price: 2 }, createdAt: 7 })); return }
    case 'recolor': { await tested.run(async ({ tag }) => await tag(id, [{ name: 'a', color: asked.color }])); return }
    case 'undoNewest': { await undoNewest(tested); return }
    case 'undoRequest': { await undoRequest(tested); return }
    case 'undo': await undoAny(tested, asked)
  }
}

async function undoNewest(tested: Tested): Promise<void> {
  const step = tested.steps.at(-1)
  if (step === undefined) return
  const isAlone = tested.steps.at(-2)?.change.requestId !== step.change.requestId
  const wanted = expectUndo(step, tested.state, [])
  const made = await tested.undo([step], { force: false })
  // Somebody else may have its userId by now only when the newest change is of somebody else.
  expect(made).toHaveLength(1)
  if (isAlone) expect(tested.state).toEqual({ ...step.before, colors: tested.state.colors })
  expectState(tested.state, wanted, step)
}

/** All that the newest request did: what was before it is there again. */
async function undoRequest(tested: Tested): Promise<void> {
  const last = tested.steps.at(-1)
  if (last === undefined) return
  const steps = tested.steps.filter(({ change }) => change.requestId === last.change.requestId)
  const before = last.before
  expect(await tested.undo(steps, { force: false })).toHaveLength(steps.length)
  // Names of tags stay, in the color they were made with.
  expect(tested.state).toEqual({ ...before, colors: new Map([...tested.state.colors, ...before.colors]) })
  expect(orders(tested.state)).toEqual(orders(before))
}

async function undoAny(tested: Tested, { which, force }: { which: number; force: boolean }): Promise<void> {
  const index = tested.steps.length - 1 - which
  const step = tested.steps[index]
  if (step === undefined) return
  const later = tested.steps.slice(index + 1).filter(({ change: { customerId, kind, before } }) =>
    customerId === step.change.customerId && (kind !== 'tag.updated' || (step.change.kind === 'tag.updated' && before.name === step.change.before.name)))
  const before = tested.state
  const inTheWay = conflicts(step, later)
  const wanted = !force && inTheWay.length > 0 ? 'refused' : expectUndo(step, before, later)

  const dry = await tested.undo([step], { force, dryRun: true })
  expect(tested.state).toBe(before)
  const made = await tested.undo([step], { force })
  if (wanted === 'refused') {
    expect(made).toMatchObject({ code: 'conflict' })
    expect(dry).toMatchObject({ code: 'conflict' })
    if (!force) expect(made instanceof ApiError && (inTheWay.length === 0 || isDeepStrictEqual(made.conflicts.map(({ changeId }) => changeId), inTheWay))).toBe(true)
    expect(tested.state).toBe(before)
    return
  }
  expectState(tested.state, wanted, step)
  expect(withoutIds(made)).toEqual(withoutIds(dry))
  expect(made instanceof ApiError ? made : made?.map(({ change }) => change.id)).toEqual(tested.state === before ? [] : [tested.steps.at(-1)?.change.id])
}

function withoutIds(made: Written['changes'] | ApiError): unknown {
  return made instanceof ApiError ? made : made?.map(({ change: { id: _, requestId: _request, at: _at, ...change }, event }) => ({ change, event }))
}

function expectState(state: State, wanted: Expected, { change: { customerId } }: Step): void {
  if (wanted === 'refused') throw new Error('This should have been refused')
  expect(state.events).toEqual(wanted.events)
  expect(state.colors).toEqual(wanted.colors)
  if (customerId === null) return
  const customer = state.customers.get(customerId)
  if (wanted.customer instanceof Map) expect(customer && flatten(customer)).toEqual(wanted.customer)
  else expect(JSON.stringify(customer)).toEqual(JSON.stringify(wanted.customer))
}

/** Each change tells what the model saw of its customer right before it and right after. */
async function expectHistory(tested: Tested): Promise<void> {
  for (const id of new Set(tested.steps.flatMap(({ change }) => change.customerId ?? []))) {
    const own = tested.steps.filter(({ change }) => change.customerId === id).toReversed()
    const history = await tested.history(id)
    expect(history.map((change) => ({ id: change.id, kind: change.kind, ...toldBy(change) }))).toEqual(
      own.map((step) => ({ id: step.change.id, kind: step.change.kind, ...seenIn(step, id) })))
  }
}

function toldBy(change: ChangeRecord): Told {
  if (change.kind === 'event.recorded' || change.kind === 'event.deleted') return { before: null, after: null }
  return { before: change.before && pickFields(change.before), after: change.after && pickFields(change.after) }
}

function seenIn({ change: { kind }, before, after }: Step, id: number): Told {
  if (kind === 'event.recorded' || kind === 'event.deleted') return { before: null, after: null }
  const [was, is] = [before, after].map(({ customers }) => fieldsOf(customers.get(id)))
  if (was == null || is == null) return { before: was ?? null, after: is ?? null }
  const isSame = ([field, value]: [string, unknown]): boolean => isDeepStrictEqual(value, is[field as keyof Customer])
  const changed = Object.entries(was).filter((entry) => !isSame(entry)).map(([field]) => field)
  const only = (fields: object): object => Object.fromEntries(Object.entries(fields).filter(([field]) => changed.includes(field)))
  return { before: only(was), after: only(is) }
}

/** As changes have them. */
function fieldsOf(customer: Customer | undefined): RecordedFields | null {
  if (customer === undefined) return null
  return { ...customer, tags: customer.tags.map(({ name }) => name), customData: new Map(Object.entries(customer.customData)) }
}

/** What toEqual does not compare. */
function orders({ customers }: State): string[] {
  return [...customers.values()].map((customer) => JSON.stringify(customer))
}

test('whatever is done and taken back, customers, totals and history are those of a plain model', async () => {
  const database = await createDatabase()
  const store = await database.openStore()
  let organizations = 0
  await fc.assert(fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 40, size: 'max' }), fc.boolean(), async (actions, isIndexedFirst) => {
    organizations += 1
    const organization = await openOrganization(store, `organization ${organizations}`)
    // Else some searches are answered by SQL, and the index is built meanwhile.
    if (isIndexedFirst) await database.untilIndexed(store, organization.caller)
    const tested = new Tested(database, store, organization)
    for (const asked of actions) {
      await carryOut(tested, asked)
      const { customers, events } = tested.state
      const bought = [...customers.keys()].map((id) => [...events.values()].filter((buyer) => buyer === id).length)
      expect(await tested.countOf([])).toBe(customers.size)
      for (const value of [1, 2, 3]) {
        expect(await tested.countOf([{ field: 'events.bought', operator: '=', value }])).toBe(bought.filter((count) => count === value).length)
      }
    }
    await expectHistory(tested)
  }), { numRuns: 30, plugins: [fc.interruptAfterTimeLimit(90_000)] })
  expect((await runCli(['doctor', '--check', '--database', database.url])).stdout).toMatch(/ customers, all sound\.\n$/)
}, 240_000)
