import type { DoctorSession } from './doctor-session.ts'
import { insertRows } from './insert-rows.ts'

/** By how much the count of an organization is too low. */
export interface WrongCount {
  readonly organizationId: number
  readonly lacking: number
}

/** Writers change a count together with the customers, so what a count lacks stays the same at every moment. */
export async function wrongCounts(session: DoctorSession): Promise<WrongCount[]> {
  return await session.atOneMomentEverywhere(async () => {
    const there = await session.rows<{ organization_id: number; customers: number }>('select organization_id, count(*) as customers from customers group by organization_id')
    const counted = await session.rows<{ organization_id: number; customers: number }>(
      'select organization_id, sum(customers)::bigint as customers from customer_counts group by organization_id')
    const lacking = new Map(there.map(({ organization_id, customers }) => [organization_id, customers]))
    for (const { organization_id, customers } of counted) lacking.set(organization_id, (lacking.get(organization_id) ?? 0) - customers)
    return [...lacking].flatMap(([organizationId, customers]) => (customers === 0 ? [] : { organizationId, lacking: customers }))
      .toSorted((one, other) => one.organizationId - other.organizationId)
  })
}

/** Adds what is lacking, so that nobody has to wait while customers are counted. */
export async function recount(session: DoctorSession): Promise<void> {
  const counts = await wrongCounts(session)
  await session.change(async () => {
    await session.run(insertRows('customer_counts', counts.map(({ organizationId, lacking }) => ({ organization_id: organizationId, slot: 0, customers: lacking })),
      'on conflict (organization_id, slot) do update set customers = customer_counts.customers + excluded.customers'))
  })
}
