import type fc from 'fast-check'
import { ApiError } from '../../src/errors.ts'
import type { Store } from '../../src/store.ts'
import type { TestOrganization } from '../conformance/open-organization.ts'
import { openOrganization } from '../conformance/open-organization.ts'
import type { TestDatabase } from '../engines.ts'
import type { drafts, happenings } from './generated.ts'
import { attributes } from './generated.ts'
import type { Kept } from './in-memory-search.ts'

type ValueOf<A> = A extends fc.Arbitrary<infer Value> ? Value : never

export interface PopulatedOrganization extends TestOrganization {
  readonly kept: Kept[]
  readonly ids: number[]
}

export interface Run {
  readonly name: string
  readonly drafts: ValueOf<typeof drafts>
  readonly happenings: ValueOf<typeof happenings>
  /** Whether the engine's index follows all that happens; else it is built of what is there at the end. */
  readonly isIndexedFirst: boolean
}

/**
 * An organization of one run, and its customers as `find` answers them. It has every attribute, if
 * nobody's. A taken userId, or a customer deleted before, is a command less. Searches are answered from the engine's index.
 */
export async function populate({ database, store }: { database: TestDatabase; store: Store }, run: Run): Promise<PopulatedOrganization> {
  const organization = await openOrganization(store, run.name)
  const values: Record<string, unknown> = { text: '', number: 0, boolean: false }
  const first = await organization.create({ customData: Object.entries(attributes).map(([name, type]) => ({ name, value: values[type] })) })
  await organization.delete(first.id)
  if (run.isIndexedFirst) await database.untilIndexed(store, organization.caller)

  const created = await Promise.all(run.drafts.map((body) => organization.create(body).catch(unlessRefused)))
  const ids = created.flatMap((customer) => customer?.id ?? [])
  const events = await Promise.all(run.happenings.map(async ({ of, what }) => {
    const id = ids[of % ids.length]
    if (id === undefined) return undefined
    switch (what.type) {
      case 'patch': case 'put': await organization[what.type](id, what.body).catch(unlessRefused); return undefined
      case 'tag': case 'untag': await organization[what.type](id, what.tags).catch(unlessRefused); return undefined
      case 'delete': await organization.delete(id).catch(unlessRefused); return undefined
      case 'event': return await organization.recordEvent({ name: what.name, customer: id, createdAt: what.createdAt }).catch(unlessRefused)
    }
  }))
  const found = await Promise.all(ids.map((id) => organization.find(id)))
  // What no answer shows.
  const times = new Map((await database.sql(`select id, created_at, updated_at from customers where organization_id = ${organization.caller.organizationId}`))
    .map((row) => [row.id, { createdAt: Number(row.created_at), updatedAt: Number(row.updated_at) }]))
  const kept = found.flatMap((customer) => {
    const its = times.get(customer?.id)
    if (customer === undefined || its === undefined) return []
    const itsEvents = events.flatMap((event) => (event?.customer === customer.id ? { name: event.name, createdAt: Number(event.createdAt) } : []))
    return { customer, ...its, events: itsEvents }
  })
  await database.untilIndexed(store, organization.caller)
  return { ...organization, ids, kept }
}

function unlessRefused(error: unknown): undefined {
  if (!(error instanceof ApiError) || !['invalid_userId_value', 'not_found'].includes(error.code)) throw error
}
