import type fc from 'fast-check'
import { ApiError } from '../../src/errors.ts'
import type { Store } from '../../src/store.ts'
import type { TestOrganization } from '../conformance/open-organization.ts'
import { openOrganization } from '../conformance/open-organization.ts'
import type { drafts, happenings } from './generated.ts'
import type { Kept } from './in-memory-search.ts'

type ValueOf<A> = A extends fc.Arbitrary<infer Value> ? Value : never

/** An organization of one run, and its customers as `find` answers them. A taken userId, or a customer deleted before, is a command less. */
export async function populate(
  store: Store, run: { name: string; drafts: ValueOf<typeof drafts>; happenings: ValueOf<typeof happenings> }
): Promise<TestOrganization & { kept: Kept[]; ids: number[] }> {
  const organization = await openOrganization(store, run.name)
  const createdAt = Math.floor(Date.now() / 1000)
  const created = await Promise.all(run.drafts.map((body) => organization.create(body).catch(unlessRefused)))
  const ids = created.flatMap((customer) => customer?.id ?? [])
  await Promise.all(run.happenings.map(async ({ of, what }) => {
    const id = ids[of % ids.length]
    if (id === undefined) return
    switch (what.type) {
      case 'patch': case 'put': await organization[what.type](id, what.body).catch(unlessRefused); break
      case 'tag': case 'untag': await organization[what.type](id, what.tags).catch(unlessRefused); break
      case 'delete': await organization.delete(id).catch(unlessRefused)
    }
  }))
  const found = await Promise.all(ids.map((id) => organization.find(id)))
  return { ...organization, ids, kept: found.flatMap((customer) => (customer === undefined ? [] : { customer, createdAt })) }
}

function unlessRefused(error: unknown): undefined {
  if (!(error instanceof ApiError) || !['invalid_userId_value', 'not_found'].includes(error.code)) throw error
}
