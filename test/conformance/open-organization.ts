import type { Caller } from '../../src/api-key.ts'
import { generateSecret, hashSecret } from '../../src/api-key.ts'
import { systemClock } from '../../src/clock.ts'
import type { Command } from '../../src/command.ts'
import { parseBatch, parseCreate, parseEvent, parseTags, parseUpdate } from '../../src/command.ts'
import type { Customer } from '../../src/contract/customer.ts'
import type { CustomerEvent } from '../../src/contract/event.ts'
import { parseSearch } from '../../src/parse-search.ts'
import { mayNameAttributes } from '../../src/search-field.ts'
import type { Store } from '../../src/store.ts'

/** One organization of a store, spoken to in bodies of the wire; answers are parsed. */
export interface TestOrganization {
  readonly caller: Caller
  create(body?: object): Promise<Customer>
  patch(id: number, body: object): Promise<Customer>
  put(id: number, body: object): Promise<Customer>
  batch(items: readonly object[]): Promise<Customer[]>
  tag(id: number, tags: readonly unknown[]): Promise<Customer>
  untag(id: number, tags: readonly unknown[]): Promise<Customer>
  delete(id: number): Promise<void>
  recordEvent(body: object): Promise<CustomerEvent>
  find(id: number): Promise<Customer | undefined>
  /** `now` is what relative dates count from. */
  search(body?: object, now?: number): Promise<{ data: Customer[]; total: number | null }>
}

const options = { attributes: new Map(), strictAttributes: false }

export async function openOrganization(store: Store, name = 'default'): Promise<TestOrganization> {
  const secretHash = hashSecret(generateSecret())
  const first = name === 'default' ? await store.createDefault({ name: 'first', secretHash }) : undefined
  const key = first ?? await store.createKey({ organizationId: (await store.createOrganization(name)).id, name: 'first', secretHash })
  return speakTo(store, { organizationId: key.organizationId, keyId: key.id, requestId: 'test-request' })
}

/** An organization that is there already. */
export function speakTo(store: Store, caller: Caller): TestOrganization {
  const write = async (command: Command): Promise<Customer[]> => {
    const { customers } = await store.write(caller, command)
    return customers.map(({ json }) => parseCustomer(json))
  }
  const writeOne = async (command: Command): Promise<Customer> => {
    const [customer, ...others] = await write(command)
    if (customer === undefined || others.length > 0) throw new Error(`${command.type} answered ${others.length + 1} customers`)
    return customer
  }
  return {
    caller,
    create: (body = {}) => writeOne(parseCreate(body, options).command),
    patch: (id, body) => writeOne(parseUpdate(body, { ...options, type: 'patch', id }).command),
    put: (id, body) => writeOne(parseUpdate(body, { ...options, type: 'replace', id }).command),
    batch: (items) => write(parseBatch(items, options).command),
    tag: (id, tags) => writeOne(parseTags({ tags }, { type: 'tag', id }).command),
    untag: (id, tags) => writeOne(parseTags({ tags }, { type: 'untag', id }).command),
    async delete(id) { await write({ type: 'delete', id }) },
    async recordEvent(body) {
      const { events: [event, ...others] } = await store.write(caller, parseEvent(body).command)
      if (event === undefined || others.length > 0) throw new Error('recordEvent answered no event or several')
      return event
    },
    async find(id) {
      const found = await store.find(caller.organizationId, id)
      return found === undefined ? undefined : parseCustomer(found.json)
    },
    async search(body = {}, now = systemClock()) {
      const { search } = parseSearch(body, { ...await store.searchContext(caller.organizationId, { namesAttributes: mayNameAttributes(body) }), now })
      const { customers, total } = await store.search(caller, search)
      return { data: parseCustomers(customers), total }
    }
  }
}

function parseCustomers(elements: Uint8Array): Customer[] {
  return JSON.parse(`[${Buffer.from(elements).toString()}]`) as Customer[]
}

function parseCustomer(json: string): Customer {
  return JSON.parse(json) as Customer
}
