import type pg from 'pg'
import type { Caller } from '../api-key.ts'
import type { UnixSeconds } from '../clock.ts'
import { systemClock } from '../clock.ts'
import { ApiError } from '../errors.ts'
import type { KeptAnswer, KeptOutcome, Outcome, RepeatableRequest } from '../idempotency.ts'
import { RequestUnderWay } from '../idempotency.ts'
import { limits } from '../limits.ts'
import { packAnswer, packOutcome, readOutcome } from '../sql/kept-outcome.ts'
import type { Statement } from './insert-rows.ts'
import { insertRows } from './insert-rows.ts'
import { outcomeLockClass } from './lock-keys.ts'

type Asker = Pick<Caller, 'organizationId'> & { readonly repeatable: RepeatableRequest }

interface KeptRow extends KeptOutcome {
  readonly organization_id: number
  readonly key: string
}

const secondsAnHour = 3_600

/** Older ones are as if they were not there. */
function keptSince(now: UnixSeconds): UnixSeconds {
  return now - limits.idempotencyKeyHours * secondsAnHour
}

/** Of requests that may be repeated, what came of those that were carried out, and which are being so by others. */
export class KnownOutcomes {
  readonly #kept = new Map<string, KeptOutcome>()
  readonly #free = new Set<string>()

  /** Holds the keys until the transaction ends. None is waited for, or requests of others would wait too. */
  static async load(client: pg.ClientBase, callers: readonly Caller[]): Promise<KnownOutcomes> {
    const known = new KnownOutcomes()
    const askers = callers.filter(isRepeatable)
    if (askers.length === 0) return known
    const organizationIds = askers.map(({ organizationId }) => organizationId)
    const keys = askers.map(({ repeatable }) => repeatable.key)
    // The second, begun when the locks are held, sees what those committed who held them before.
    const [{ rows: locks }, { rows: kept }] = await Promise.all([
      client.query<{ organization_id: number; key: string; is_held: boolean }>(`
        select organization_id, key, pg_try_advisory_xact_lock(${outcomeLockClass}, hashtext(organization_id || ' ' || key)) as is_held
        from unnest($1::bigint[], $2::text[]) as asked (organization_id, key)`, [organizationIds, keys]),
      client.query<KeptRow>(
        'select organization_id, key, fingerprint, outcome from idempotency_keys where organization_id = any($1) and key = any($2) and created_at > $3',
        [organizationIds, keys, keptSince(systemClock())])
    ])
    for (const { organization_id, key, is_held } of locks) if (is_held) known.#free.add(nameOf(organization_id, key))
    for (const row of kept) known.#kept.set(nameOf(row.organization_id, row.key), row)
    return known
  }

  /** For deciding, which may have to be done again. */
  begin(): KnownOutcomes {
    const begun = new KnownOutcomes()
    for (const [name, kept] of this.#kept) begun.#kept.set(name, kept)
    for (const name of this.#free) begun.#free.add(name)
    return begun
  }

  /** Carries out what was not carried out before. A second request of the same transaction waits like one of another. */
  run<Value>(caller: Caller, work: () => Outcome<Value>): KnownOutcome<Value> {
    return this.#known<Value>(caller) ?? keptOutcome(caller, work())
  }

  async runAlone<Value>(caller: Caller, work: () => Promise<Value>): Promise<KnownOutcome<Value>> {
    return this.#known<Value>(caller) ?? keptOutcome(caller, await settle(work))
  }

  #known<Value>(caller: Caller): KnownOutcome<Value> | undefined {
    if (!isRepeatable(caller)) return undefined
    const name = nameOf(caller.organizationId, caller.repeatable.key)
    const kept = this.#kept.get(name)
    if (kept !== undefined) return repeated(kept, caller.repeatable)
    return this.#free.delete(name) ? undefined : { outcome: { error: new RequestUnderWay() }, state: 'new', row: undefined }
  }
}

interface KnownOutcome<Value> {
  readonly outcome: Outcome<Value>
  readonly state: RepeatableRequest['state']
  /** What is to be kept of it. */
  readonly row: OutcomeRow | undefined
}

export interface OutcomeRow {
  readonly organization_id: number
  readonly key: string
  readonly fingerprint: string
  readonly outcome: Buffer
  readonly created_at: UnixSeconds
}

export function insertOutcomes(rows: readonly OutcomeRow[]): Statement[] {
  return insertRows('idempotency_keys', rows.map((row) => ({ ...row })),
    'on conflict (organization_id, key) do update set fingerprint = excluded.fingerprint, outcome = excluded.outcome, created_at = excluded.created_at')
}

export async function findOutcome(pool: pg.Pool, organizationId: number, key: string): Promise<KeptOutcome | undefined> {
  const { rows: [row] } = await pool.query<KeptOutcome>(
    'select fingerprint, outcome from idempotency_keys where organization_id = $1 and key = $2 and created_at > $3', [organizationId, key, keptSince(systemClock())])
  return row
}

/** Unless something is kept already, and is not of yesterday. */
export async function keepAnswer(pool: pg.Pool, organizationId: number, { key, fingerprint }: RepeatableRequest, answer: KeptAnswer): Promise<void> {
  const now = systemClock()
  await pool.query(`
    insert into idempotency_keys as kept (organization_id, key, fingerprint, outcome, created_at) values ($1, $2, $3, $4, $5)
    on conflict (organization_id, key) do update set fingerprint = excluded.fingerprint, outcome = excluded.outcome, created_at = excluded.created_at
    where kept.created_at <= $6`, [organizationId, key, fingerprint, packAnswer(answer), now, keptSince(now)])
}

function isRepeatable(caller: Caller): caller is Caller & Asker {
  return caller.repeatable !== undefined
}

function nameOf(organizationId: number, key: string): string {
  return `${organizationId} ${key}`
}

function repeated<Value>(kept: KeptOutcome, request: RepeatableRequest): KnownOutcome<Value> {
  try {
    return { outcome: readOutcome<Value>(kept, request), state: 'repeated', row: undefined }
  } catch (error) {
    // The key was used for another request, of which nothing is to be kept.
    if (error instanceof ApiError) return { outcome: { error }, state: 'kept', row: undefined }
    throw error
  }
}

function keptOutcome<Value>(caller: Caller, outcome: Outcome<Value>): KnownOutcome<Value> {
  const packed = isRepeatable(caller) ? packOutcome(outcome) : undefined
  if (packed === undefined || !isRepeatable(caller)) return { outcome, state: 'new', row: undefined }
  const { organizationId, repeatable: { key, fingerprint } } = caller
  return { outcome, state: 'kept', row: { organization_id: organizationId, key, fingerprint, outcome: Buffer.from(packed), created_at: systemClock() } }
}

async function settle<Value>(work: () => Promise<Value>): Promise<Outcome<Value>> {
  try {
    return { value: await work() }
  } catch (error) {
    // What is refused is refused before its first write.
    if (error instanceof ApiError) return { error }
    throw error
  }
}
