import { readStoredCustomer } from '../sql/stored-customer.ts'
import { deleteClaims, lockCustomers } from './customer-repair.ts'
import { digestOf } from './customer-row.ts'
import type { DoctorSession } from './doctor-session.ts'

/** Customers that are walked in one step, from the first id of a range to its last. */
export interface IdRange {
  readonly after: number
  readonly upTo: number
}

/** Entries of a customer that is not there. */
export interface StrayEntries {
  readonly customerId: number
  readonly entries: number
}

export interface StrayTable {
  readonly name: 'customer_attributes' | 'events'
  readonly finding: 'attributeEntriesSurplus' | 'events'
  /** Takes what is known of the ids asked for, of a column, so that no more of other tables is read. */
  readonly condition: (isAsked: (column: string) => string) => string
}

function nobody(table: string, isAsked: (column: string) => string): string {
  return `not exists (select from customers where customers.id = ${table}.customer_id and ${isAsked('customers.id')})`
}

export const strayTables: readonly StrayTable[] = [
  { name: 'customer_attributes', finding: 'attributeEntriesSurplus', condition: (isAsked) => nobody('customer_attributes', isAsked) },
  {
    name: 'events', finding: 'events',
    // Events of a deleted customer stay until its deletion is purged, and go with it.
    condition: (isAsked) => `${nobody('events', isAsked)} and not exists (
      select from changes where changes.customer_id = events.customer_id and ${isAsked('changes.customer_id')} and kind = 'customer.deleted')`
  }
]

const straysMax = 1_000

/** Within a transaction of the session's, or outside. */
export async function* strays(session: DoctorSession, { name, condition }: StrayTable, { after, upTo }: IdRange): AsyncGenerator<readonly StrayEntries[]> {
  const isAsked = (column: string): string => `${column} > $1 and ${column} <= $2`
  let from = after
  for (;;) {
    const found = await session.rows<StrayEntries>(`
      select customer_id as "customerId", count(*) as entries from ${name}
      where ${isAsked('customer_id')} and ${condition(isAsked)} group by customer_id order by customer_id limit $3`, [from, upTo, straysMax])
    if (found.length > 0) yield found
    if (found.length < straysMax) return
    from = found.at(-1)?.customerId ?? upTo
  }
}

/** Removes what `strays` has found. Nobody can turn up again as its customer: ids are not given twice, and no deletion is kept. */
export async function removeStrays(session: DoctorSession, { name, condition }: StrayTable, found: readonly StrayEntries[]): Promise<void> {
  await session.change(async () => {
    const isAsked = (column: string): string => `${column} = any($1)`
    await session.run([{ text: `delete from ${name} where ${isAsked('customer_id')} and ${condition(isAsked)}`, values: [found.map(({ customerId }) => customerId)] }])
  })
}

/** A row of user_ids. */
export interface Claim {
  readonly organization_id: number
  readonly digest: Buffer
  readonly customer_id: number
}

const claimsMax = 1_000

/** Every row of user_ids, in slices; those of a slice that should not be there come last. */
export async function* surplusClaims(session: DoctorSession): AsyncGenerator<readonly Claim[]> {
  let last: Pick<Claim, 'organization_id' | 'digest'> = { organization_id: Number.MIN_SAFE_INTEGER, digest: Buffer.alloc(0) }
  for (;;) {
    const { claims, wrong } = await session.atOneMoment(async () => {
      const some = await session.rows<Claim>(`
        select organization_id, digest, customer_id from user_ids where (organization_id, digest) > ($1, $2) order by organization_id, digest limit $3`,
      [last.organization_id, last.digest, claimsMax])
      return { claims: some, wrong: await wrongClaims(session, some) }
    })
    const surplus = await session.lookAgain(wrong, ({ length }) => length > 0, async (suspects) => (
      await session.atOneMoment(async () => await wrongClaims(session, await readClaims(session, suspects)))))
    if (surplus.length > 0) yield surplus
    const end = claims.at(-1)
    if (end === undefined || claims.length < claimsMax) return
    last = end
  }
}

/** What these rows of user_ids say now. */
async function readClaims(session: DoctorSession, claims: readonly Claim[]): Promise<Claim[]> {
  const keyOf = ({ organization_id, digest }: Claim): string => `${organization_id} ${digest.toString('hex')}`
  const asked = new Set(claims.map(keyOf))
  const rows = await session.rows<Claim>('select organization_id, digest, customer_id from user_ids where organization_id = any($1) and digest = any($2)',
    [[...new Set(claims.map(({ organization_id }) => organization_id))], claims.map(({ digest }) => digest)])
  return rows.filter((row) => asked.has(keyOf(row)))
}

/** Of rows of user_ids, those whose customer has not got the userId. */
async function wrongClaims(session: DoctorSession, claims: readonly Claim[]): Promise<Claim[]> {
  if (claims.length === 0) return []
  const isOf = ({ organization_id, digest }: Claim, customer: { organization_id: number; user_id: string | null } | undefined): boolean =>
    customer !== undefined && customer.user_id !== null && customer.organization_id === organization_id && digestOf(customer.user_id).equals(digest)
  const rows = await session.rows<{ id: number; organization_id: number; user_id: string | null }>(
    'select id, organization_id, user_id from customers where id = any($1)', [claims.map(({ customer_id }) => customer_id)])
  const byColumn = new Map(rows.map((row) => [row.id, row]))
  // The column may be wrong itself.
  const suspects = claims.filter((claim) => !isOf(claim, byColumn.get(claim.customer_id)))
  if (suspects.length === 0) return []
  const renderings = await session.rows<{ id: number; organization_id: number; rendering: string }>(
    'select id, organization_id, rendering from customers where id = any($1)', [suspects.map(({ customer_id }) => customer_id)])
  const byRendering = new Map(renderings.map(({ id, organization_id, rendering }) => [id, { organization_id, customer: readStoredCustomer(rendering, id) }]))
  return suspects.filter((claim) => {
    const holder = byRendering.get(claim.customer_id)
    if (holder === undefined) return true
    return holder.customer !== undefined && !isOf(claim, { organization_id: holder.organization_id, user_id: holder.customer.userId })
  })
}

/** Removes what `surplusClaims` has found, unless a writer has made it right. */
export async function removeClaims(session: DoctorSession, claims: readonly Claim[]): Promise<void> {
  await session.change(async () => {
    await lockCustomers(session, claims.map(({ customer_id }) => customer_id))
    await session.run(deleteClaims(await wrongClaims(session, claims)))
  })
}
