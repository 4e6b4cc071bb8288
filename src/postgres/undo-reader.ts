import type pg from 'pg'
import type { Caller } from '../api-key.ts'
import type { KeptChangeRow } from '../change-record.ts'
import type { Command, UndoCommand } from '../command.ts'
import type { CustomerEvent } from '../contract/event.ts'
import type { UndoContext } from '../decision.ts'
import { eventIdsOf, laterChanges, laterRowsMax, undatedDeletions } from '../undo-context.ts'
import { undoLockKey } from './lock-keys.ts'

interface UndoJob {
  readonly caller: Caller
  readonly command: UndoCommand
}

interface EventRow {
  readonly id: number
  readonly customer: number
  readonly name: string
  readonly data: string
  readonly createdAt: number
}

/** Numbers of organizations may be larger than the second half of a lock's key. */
const lockNumbers = 2_147_483_647

export function isUndo(job: { readonly caller: Caller; readonly command: Command }): job is UndoJob {
  return job.command.type === 'undo'
}

/** Until the transaction ends nothing else of the organization is undone. */
export async function lockUndo(client: pg.ClientBase, { caller }: UndoJob): Promise<void> {
  await client.query('select pg_advisory_xact_lock($1, $2)', [undoLockKey, caller.organizationId % lockNumbers])
}

/** What an undo must know of what happened since. To be called behind the locks, in the same transaction. */
export async function readUndoContext(client: pg.ClientBase, { caller, command: { changes } }: UndoJob): Promise<UndoContext & { readonly keyName: string }> {
  const customerIds = [...new Set(changes.map(({ customerId }) => customerId ?? 0))]
  const eventIds = eventIdsOf(changes)
  const undated = undatedDeletions(changes)
  const rowsMax = laterRowsMax(changes)
  const [later, events, creations, { rows: [trash] }, { rows: [key] }] = await Promise.all([
    client.query<KeptChangeRow>(`
      select id, nullif(customer_id, 0) as "customerId", kind, at, key_id as "keyId", '' as "keyName", request_id as "requestId", before, after
      from changes where organization_id = $1 and customer_id = any($2) and id >= $3 order by id limit $4`,
    [caller.organizationId, customerIds, Math.min(...changes.map(({ id }) => id)), rowsMax]),
    eventIds.length === 0 ? { rows: [] } : client.query<EventRow>(`
      select id, customer_id as customer, name, data, created_at as "createdAt" from events where customer_id = any($1) and id = any($2)`,
    [customerIds, eventIds]),
    undated.length === 0 ? { rows: [] } : client.query<{ customerId: number; at: number }>(
      "select customer_id as \"customerId\", at from changes where customer_id = any($1) and kind = 'customer.created'", [undated]),
    // Until the transaction ends no events are removed for good.
    client.query<{ finalBefore: number }>('select final_before as "finalBefore" from trash for share'),
    client.query<{ name: string }>('select name from api_keys where id = $1', [caller.keyId])
  ])
  return {
    later: laterChanges(later.rows, rowsMax),
    events: new Map(events.rows.map((row) => [row.id, { ...row, data: JSON.parse(row.data) as CustomerEvent['data'], createdAt: String(row.createdAt) }])),
    creations: new Map(creations.rows.map(({ customerId, at }) => [customerId, at])),
    finalBefore: trash?.finalBefore ?? 0,
    keyName: key?.name ?? ''
  }
}
