import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import type pg from 'pg'
import type { Caller } from '../api-key.ts'
import type { Clock, UnixSeconds } from '../clock.ts'
import type { Command } from '../command.ts'
import { commandCustomerIds, commandUserIds } from '../command.ts'
import { parseCustomer } from '../customer.ts'
import { ApiError, unavailable } from '../errors.ts'
import type { Outcome, RepeatableRequest } from '../idempotency.ts'
import { limits } from '../limits.ts'
import type { Written } from '../store.ts'
import type { Catalog, NamesSeen, VersionedRow } from './catalog.ts'
import { selectNamesSeen } from './catalog.ts'
import { oneConnectionAMachine } from './citus.ts'
import { digestOf } from './customer-row.ts'
import type { NameIds } from './group-statements.ts'
import { statementsOf } from './group-statements.ts'
import type { Statement } from './insert-rows.ts'
import { insertRows } from './insert-rows.ts'
import type { OutcomeRow } from './kept-outcomes.ts'
import { insertOutcomes, KnownOutcomes } from './kept-outcomes.ts'
import { namesLockKey } from './lock-keys.ts'
import { isConflict, isConnectionError, sqlState, toStorageError, UnansweredCommit } from './storage-error.ts'
import { inTransaction } from './transaction.ts'
import { isUndo, lockUndo, readUndoContext } from './undo-reader.ts'
import type { ChangedTag, LoadedCustomer, LoadedState, RecordedChange } from './working-set.ts'
import { holderKey, requireId, WorkingSet } from './working-set.ts'

export interface CommandJob {
  readonly caller: Caller
  readonly command: Command
}

export type WriteOutcome = Outcome<Written> & { readonly state: RepeatableRequest['state'] }

interface LockedRow extends VersionedRow {
  readonly id: number
  readonly organization_id: number
  readonly created_at: number
}

interface DrawnIds {
  readonly transactionId: string
  readonly customerIds: readonly number[]
  readonly eventIds: readonly number[]
  readonly changeIds: readonly number[]
}

/** What a transaction reads before it decides; the customers are its own until it ends. */
interface Found {
  readonly customers: readonly LockedRow[]
  /** By `holderKey`. */
  readonly holders: ReadonlyMap<string, number>
  readonly drawn: DrawnIds
  readonly seen: NamesSeen
  readonly known: KnownOutcomes
  readonly undo: LoadedState['undo']
}

/** What Citus says of a lock on rows of several machines. */
const unsupported = '0A000'

/** What is said of the number of a transaction that no transaction has had yet. */
const numberNotReached = '22023'

const firstPauseMs = 20

/** A transaction that its server forgot about does not keep its locks for long. */
const beginWriting = [
  // Whatever the database is set to: what a lock was waited for must be seen.
  'begin isolation level read committed',
  `set local statement_timeout = '${limits.searchSecondsMax}s'`,
  `set local lock_timeout = '${limits.lockWaitSeconds}s'`,
  `set local idle_in_transaction_session_timeout = '${limits.requestTimeoutSeconds}s'`,
  oneConnectionAMachine
].join('; ')

/** Carries out commands on PostgreSQL, many in a transaction: one exchange to load, one to store and commit. */
export class GroupWriter {
  readonly #pool: pg.Pool
  readonly #catalog: Catalog
  readonly #clock: Clock
  /** Whether customers are spread over several machines; found out by an attempt to lock some, when it became so while this runs. */
  #isDistributed: boolean

  constructor(pool: pg.Pool, { catalog, clock, isDistributed }: { catalog: Catalog; clock: Clock; isDistributed: boolean }) {
    this.#pool = pool
    this.#catalog = catalog
    this.#clock = clock
    this.#isDistributed = isDistributed
  }

  /**
   * Runs jobs in one transaction and answers when they are durable. A job that is refused leaves no trace. Others in the way
   * and broken connections make it start over, a bounded number of times, and never after a commit that may have happened.
   */
  async runGroup(jobs: readonly CommandJob[]): Promise<{ outcomes: WriteOutcome[]; seconds: number }> {
    const started = performance.now()
    const outcomes = await this.#tryGroup(jobs)
    return { outcomes, seconds: (performance.now() - started) / 1000 }
  }

  async #tryGroup(jobs: readonly CommandJob[]): Promise<WriteOutcome[]> {
    try {
      return await this.#retry(jobs)
    } catch (error) {
      const storageError = isConflict(error)
        ? unavailable('Other writers were in the way. Nothing was changed; try again.', { cause: error })
        : toStorageError(error)
      if (storageError !== undefined) return jobs.map(() => ({ error: storageError, state: 'new' }))
      if (jobs.length === 1) return [{ error, state: 'new' }]
      // One job fails unexpectedly; none suffers from its neighbor.
      const outcomes: WriteOutcome[] = []
      for (const job of jobs) outcomes.push(...await this.#tryGroup([job]))
      return outcomes
    }
  }

  async #retry(jobs: readonly CommandJob[]): Promise<WriteOutcome[]> {
    const until = performance.now() + limits.connectionWaitSeconds * 1000
    let hasMetCitus = false
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#commitGroup(jobs)
      } catch (error) {
        const meetsCitus: boolean = sqlState(error) === unsupported && !hasMetCitus
        hasMetCitus ||= meetsCitus
        this.#isDistributed ||= meetsCitus
        const isPassing = isConflict(error) || isConnectionError(error) || meetsCitus
        if (!isPassing || attempt === limits.writeAttemptsMax || performance.now() > until) throw error
        // At random, so that two that are in each other's way do not meet again.
        await setTimeout(firstPauseMs * attempt * Math.random())
      }
    }
  }

  async #commitGroup(jobs: readonly CommandJob[]): Promise<WriteOutcome[]> {
    let decided: Decided | undefined
    try {
      await inTransaction(this.#pool, {
        begin: beginWriting,
        task: async (client) => {
          const loaded = await this.#load(client, jobs)
          decided = await this.#settleNames(client, jobs, { ...this.#decide(jobs, loaded), found: loaded })
          const { found: { drawn }, set, outcomeRows } = decided
          const names = await this.#storeNames(client, set)
          return [...statementsOf(set, { ...names, changeIds: drawn.changeIds, isDistributed: this.#isDistributed }), ...insertOutcomes(outcomeRows)]
        },
        last: (statements) => statements
      })
    } catch (error) {
      if (!(error instanceof UnansweredCommit) || decided === undefined) throw error
      if (!await this.#isCommitted(decided, error)) throw error.cause
    }
    if (decided === undefined) return []
    const { set, outcomes } = decided
    // Who was answered may name them at once. If this fails, whoever needs them learns of them later.
    if (makesNames(set)) await this.#catalog.refresh(this.#pool).catch(() => undefined)
    return outcomes
  }

  /** Holds the customers named, and reads what else the commands need, in one exchange. */
  async #load(client: pg.ClientBase, jobs: readonly CommandJob[]): Promise<Found> {
    const named = [...new Set(jobs.flatMap(({ command }) => commandCustomerIds(command)))].toSorted((one, other) => one - other)
    const organizationIds = [...new Set(jobs.map(({ caller }) => caller.organizationId))]
    const userIds = jobs.flatMap(({ caller: { organizationId }, command }) => commandUserIds(command).map((userId) => ({ organizationId, userId, digest: digestOf(userId) })))
    const count = (type: Command['type']): number => jobs.filter(({ command }) => command.type === type).length
    // What came of one that is done is kept; what it took back may be known no more.
    const [undoJob] = jobs.filter(isUndo).filter(({ caller }) => caller.repeatable?.state !== 'done')
    const [, customers, { rows: [drawn] }, { rows: [seen] }, taken, known, undo] = await Promise.all([
      undoJob === undefined ? undefined : lockUndo(client, undoJob),
      named.length === 0 ? { rows: [] } : client.query<LockedRow>(this.#lockCustomers(named), [named, organizationIds]),
      // Without a table, so that it runs nowhere but in this transaction of this server.
      client.query<DrawnIds>(`
        select pg_current_xact_id()::text as "transactionId",
          array(select nextval('customer_ids') from generate_series(1, $1::int)) as "customerIds",
          array(select nextval('event_ids') from generate_series(1, $2::int)) as "eventIds",
          ${drawChangeIds('$3')}`,
      [count('create'), count('recordEvent'), jobs.reduce((sum, { command }) => sum + changesMax(command), 0)]),
      client.query<NamesSeen>(`select ${selectNamesSeen}`),
      userIds.length === 0 ? { rows: [] } : client.query<{ organization_id: number; digest: Buffer; customer_id: number }>(
        'select organization_id, digest, customer_id from user_ids where organization_id = any($1) and digest = any($2)',
        [organizationIds, userIds.map(({ digest }) => digest)]),
      KnownOutcomes.load(client, jobs.map(({ caller }) => caller)),
      // Behind the locks, so that it sees what they were waited for.
      undoJob === undefined ? null : readUndoContext(client, undoJob)
    ])
    if (drawn === undefined || seen === undefined) throw new Error('No ids were drawn')
    await this.#catalog.refresh(client, seen)
    const holdersByDigest = new Map(taken.rows.map((row) => [`${row.organization_id} ${row.digest.toString('hex')}`, row.customer_id]))
    const holders = new Map(userIds.flatMap(({ organizationId, userId, digest }) => {
      const holder = holdersByDigest.get(`${organizationId} ${digest.toString('hex')}`)
      return holder === undefined ? [] : [[holderKey(organizationId, userId), holder] as const]
    }))
    return { customers: customers.rows, holders, drawn, seen, known, undo }
  }

  #lockCustomers(ids: readonly number[]): string {
    const columns = 'id, organization_id, rendering, tag_ids, tag_version, version, created_at'
    // Citus locks rows for a SELECT on one machine only.
    return this.#isDistributed && ids.length > 1
      ? `update customers set updated_at = updated_at where id = any($1) and organization_id = any($2) returning ${columns}`
      : `select ${columns} from customers where id = any($1) and organization_id = any($2) order by id for update`
  }

  #decide(jobs: readonly CommandJob[], { customers, holders, drawn, seen, known, undo }: Found): Decision {
    const loaded: LoadedState = {
      customers: new Map(customers.map((row): [number, LoadedCustomer] => {
        const rendering = this.#catalog.render(row.organization_id, row)
        return [row.id, { organizationId: row.organization_id, customer: parseCustomer(rendering), version: row.version, createdAt: row.created_at }]
      })),
      holders,
      names: (organizationId) => this.#catalog.of(organizationId),
      tagVersion: seen.tagVersion,
      customerIds: drawn.customerIds,
      eventIds: drawn.eventIds,
      changeIds: drawn.changeIds,
      undo
    }
    const set = new WorkingSet(loaded)
    const now: UnixSeconds = this.#clock()
    const asked = known.begin()
    const decided = jobs.map(({ caller, command }) => asked.run(caller, (): Outcome<Written> => {
      try {
        return { value: set.run(caller, command, { ids: commandCustomerIds(command), now }) }
      } catch (error) {
        if (error instanceof ApiError) return { error }
        throw error
      }
    }))
    return { set, outcomes: decided.map(({ outcome, state }) => ({ ...outcome, state })), outcomeRows: decided.flatMap(({ row }) => row ?? []) }
  }

  /**
   * From here to the commit nobody else makes names. If others came first, everything is decided again, with theirs. A recoloring
   * is of no customer who is held: its change gets an id here, so that one committed later has a higher one.
   */
  async #settleNames(client: pg.ClientBase, jobs: readonly CommandJob[], decided: Decided): Promise<Decided> {
    const { found, set } = decided
    if (!makesNames(set)) return decided
    const recolors = set.changes.some(({ change }) => change.kind === 'tag.updated')
    const [, { rows: [seen] }, { rows: [drawn] }] = await Promise.all([
      client.query('select pg_advisory_xact_lock($1)', [namesLockKey]),
      client.query<NamesSeen>(`select ${selectNamesSeen}`),
      recolors ? client.query<Pick<DrawnIds, 'changeIds'>>(`select ${drawChangeIds('$1')}`, [found.drawn.changeIds.length]) : { rows: [] }
    ])
    if (seen === undefined) throw new Error('The newest names cannot be read')
    const hasOthersNames = seen.tagVersion !== found.seen.tagVersion || seen.attributeId !== found.seen.attributeId
    if (!hasOthersNames && !recolors) return decided
    if (hasOthersNames) await this.#catalog.refresh(client, seen)
    const settled = { ...found, seen, drawn: { ...found.drawn, ...drawn } }
    return { ...this.#decide(jobs, settled), found: settled }
  }

  async #storeNames(client: pg.ClientBase, set: WorkingSet): Promise<{ tagIds: NameIds; attributeIds: NameIds }> {
    const tagIds: NameIds = (organizationId, name) => this.#catalog.of(organizationId).tagIds.get(name)
    const attributeIds: NameIds = (organizationId, name) => this.#catalog.of(organizationId).attributeIds.get(name)
    if (!makesNames(set)) return { tagIds, attributeIds }
    const { tags, attributes } = set
    const changed = [...tags.values()]
    const made = insertRows('tags', changed.filter(({ isNew }) => isNew).map(tagRow), 'returning organization_id, id, name')
    const attributesMade = insertRows('attributes',
      attributes.map(({ organizationId, name, type }) => ({ organization_id: organizationId, name, type })), 'returning organization_id, id, name')
    const recolored = changed.filter(({ isNew }) => !isNew).map(({ organizationId, name, color, version }) => client.query(
      'update tags set color = $3, version = $4, is_recolored = true where organization_id = $1 and name = $2', [organizationId, name, color, version]))
    const run = async (statements: readonly Statement[]): Promise<NameIds> => {
      const answers = await Promise.all(statements.map(({ text, values }) => client.query<MadeName>(text, [...values])))
      const ids = new Map(answers.flatMap(({ rows }) => rows.map((row) => [`${row.organization_id} ${row.name}`, row.id] as const)))
      return (organizationId, name) => ids.get(`${organizationId} ${name}`)
    }
    const [newTagIds, newAttributeIds] = await Promise.all([run(made), run(attributesMade), ...recolored])
    return {
      tagIds: (organizationId, name) => newTagIds(organizationId, name) ?? tagIds(organizationId, name),
      attributeIds: (organizationId, name) => newAttributeIds(organizationId, name) ?? attributeIds(organizationId, name)
    }
  }

  /** Asks what became of a transaction until that is known. */
  async #isCommitted({ found: { drawn: { transactionId, changeIds } }, set: { changes: [change] } }: Decided, unanswered: UnansweredCommit): Promise<boolean> {
    const until = performance.now() + limits.lostCommitSeconds * 1000
    for (let attempt = 1; performance.now() < until; attempt += 1) {
      await setTimeout(firstPauseMs * attempt)
      try {
        const { rows: [row] } = await this.#pool.query<{ status: string | null }>('select pg_xact_status($1::xid8) as status', [transactionId])
        if (row?.status === 'aborted') return false
        if (row?.status !== 'committed') continue
        const isOurs = change === undefined || await this.#isRecorded(transactionId, change, requireId(changeIds[0]))
        if (isOurs !== undefined) return isOurs
      } catch (error) {
        // After a crash, when nothing of the transaction had reached the disk.
        if (sqlState(error) === numberNotReached) return false
        if (!isConnectionError(error)) break
      }
    }
    throw unanswered
  }

  /**
   * Whether a transaction that is committed is the one that made a change: after a crash, numbers that had not reached
   * the disk are given again. Undefined when another machine has yet to learn of the commit.
   */
  async #isRecorded(transactionId: string, { change: { customerId }, caller: { requestId } }: RecordedChange, id: number): Promise<boolean | undefined> {
    const { rowCount: pointers } = await this.#pool.query('select from feed where xid = $1::xid8 and position = $2', [transactionId, id])
    if (pointers === 0) return false
    const { rows: [recorded] } = await this.#pool.query<{ request_id: string }>('select request_id from changes where customer_id = $1 and id = $2', [customerId ?? 0, id])
    return recorded === undefined ? undefined : recorded.request_id === requestId
  }
}

interface Decision {
  readonly set: WorkingSet
  readonly outcomes: WriteOutcome[]
  readonly outcomeRows: readonly OutcomeRow[]
}

interface Decided extends Decision {
  /** What it was decided on. */
  readonly found: Found
}

/** As many as the parameter says. */
function drawChangeIds(parameter: '$1' | '$3'): string {
  return `array(select nextval('feed_position_seq') from generate_series(1, ${parameter}::int)) as "changeIds"`
}

function makesNames({ tags, attributes }: WorkingSet): boolean {
  return tags.size > 0 || attributes.length > 0
}

interface MadeName {
  readonly organization_id: number
  readonly id: number
  readonly name: string
}

/** How many changes a command records at most. */
function changesMax(command: Command): number {
  switch (command.type) {
    case 'create': return 1 + (command.draft.tags?.length ?? 0)
    case 'patch': case 'replace': return 1 + (command.patch.tags?.length ?? 0)
    case 'batch': return command.items.reduce((sum, { patch }) => sum + 1 + (patch.tags?.length ?? 0), 0)
    case 'tag': return 1 + command.tags.length
    case 'untag': case 'delete': case 'recordEvent': return 1
    case 'undo': return command.dryRun ? 0 : command.changes.length
  }
}

function tagRow({ organizationId, name, color, version, isRecolored }: ChangedTag): Record<string, string | number> {
  return { organization_id: organizationId, name, color, version, is_recolored: String(isRecolored) }
}
