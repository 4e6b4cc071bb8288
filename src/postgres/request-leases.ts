import type pg from 'pg'
import type { LeaseWish, RequestLease } from '../store.ts'

/** Leases requests to this process, in one statement. */
export async function leaseRequests(pool: pg.Pool, organizationId: number, { wanted, requestsMax }: LeaseWish): Promise<RequestLease> {
  const { rows: [lease] } = await pool.query<RequestLease>(
    'select taken, remaining, free_after_seconds as "freeAfterSeconds" from lease_requests($1, $2, $3)', [organizationId, wanted, requestsMax])
  if (lease === undefined) throw new Error('A lease answered nothing')
  return lease
}
