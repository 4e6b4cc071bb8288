import { performance } from 'node:perf_hooks'
import type { Database } from 'better-sqlite3'
import type { ApiKey, Caller } from '../api-key.ts'
import type { Clock, UnixSeconds } from '../clock.ts'
import type { Command } from '../command.ts'
import { ApiError } from '../errors.ts'
import type { KeptAnswer, KeptOutcome, Outcome, RepeatableRequest } from '../idempotency.ts'
import { limits } from '../limits.ts'
import { packAnswer, packOutcome, readOutcome } from '../sql/kept-outcome.ts'
import type { Organization, Written } from '../store.ts'
import { Catalog } from './catalog.ts'
import { CustomerWriter } from './customer-writer.ts'
import { toStorageError } from './storage-error.ts'
import type { WriterStatements } from './writer-statements.ts'
import { prepareWriterStatements } from './writer-statements.ts'
import type { WebhookJob, WebhookResults } from './webhook-writer.ts'
import { WebhookWriter } from './webhook-writer.ts'

/** Behind which deletion the next ones are. */
export interface DeletionPlace {
  readonly at: UnixSeconds
  readonly id: number
}

/** What the writing connection can be asked to do. Jobs are plain data, since they cross a thread. */
export type WriteJob =
  | { readonly type: 'command'; readonly caller: Caller; readonly command: Command }
  | { readonly type: 'createOrganization'; readonly name: string }
  | { readonly type: 'createDefault'; readonly name: string; readonly secretHash: string }
  | { readonly type: 'createKey'; readonly organizationId: number; readonly name: string; readonly secretHash: string }
  | { readonly type: 'revokeKey'; readonly id: number }
  | { readonly type: 'keepAnswer'; readonly organizationId: number; readonly request: RepeatableRequest; readonly answer: KeptAnswer }
  | { readonly type: 'purgeOutcomes'; readonly before: UnixSeconds; readonly max: number }
  | { readonly type: 'purgeChanges'; readonly before: UnixSeconds; readonly max: number }
  | { readonly type: 'emptyTrash'; readonly before: UnixSeconds; readonly from: DeletionPlace | undefined; readonly max: number }
  | { readonly type: 'optimize' }
  | { readonly type: 'probe' }
  | WebhookJob

/** What each type of job answers. */
export interface WriteResults extends WebhookResults {
  readonly command: Written
  readonly createOrganization: Organization
  readonly createDefault: ApiKey | undefined
  readonly createKey: ApiKey
  readonly revokeKey: ApiKey | undefined
  readonly keepAnswer: undefined
  readonly purgeOutcomes: number
  readonly purgeChanges: number
  /** Where to go on, unless all is done. */
  readonly emptyTrash: DeletionPlace | undefined
  readonly optimize: undefined
  readonly probe: undefined
}

export type WriteOutcome = Outcome<WriteResults[keyof WriteResults]> & {
  /** Of a job whose request may be repeated. */
  readonly state?: RepeatableRequest['state']
}

/** What came of a group. */
export interface GroupOutcome {
  readonly outcomes: WriteOutcome[]
  readonly seconds: number
  /** Whether keys, tags or attributes are others than after the group before. */
  readonly hasNewNames: boolean
}

const secondsAnHour = 3_600
/** Jobs that make or end keys. */
const keyJobs: ReadonlySet<WriteJob['type']> = new Set(['createOrganization', 'createDefault', 'createKey', 'revokeKey'])

/** Carries out jobs on the one writing connection, many in a commit. */
export class Writer {
  readonly #db: Database
  readonly #clock: Clock
  readonly #sql: WriterStatements
  readonly #webhooks: WebhookWriter
  #customers: CustomerWriter
  #namesVersion = ''

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#sql = prepareWriterStatements(db)
    this.#webhooks = new WebhookWriter(db)
    this.#customers = new CustomerWriter(this.#sql, new Catalog(db))
  }

  /**
   * Runs jobs in one transaction and answers when they are on disk. A job that is refused leaves no
   * trace. When a job fails unexpectedly the others are run again, each by itself, so that none
   * suffers from its neighbor; when the database fails, all fail and nothing is kept.
   */
  runGroup(jobs: readonly WriteJob[]): GroupOutcome {
    const started = performance.now()
    const outcomes = this.#tryGroup(jobs)
    const { namesVersion } = this.#customers
    const hasNewNames = namesVersion !== this.#namesVersion || jobs.some(({ type }) => keyJobs.has(type))
    this.#namesVersion = namesVersion
    return { outcomes, seconds: (performance.now() - started) / 1000, hasNewNames }
  }

  #tryGroup(jobs: readonly WriteJob[]): WriteOutcome[] {
    try {
      return this.#commitGroup(jobs)
    } catch (error) {
      const storageError = toStorageError(error)
      if (storageError !== undefined) return jobs.map(() => ({ error: storageError }))
      if (jobs.length === 1) return [{ error }]
      return jobs.flatMap((job) => this.#tryGroup([job]))
    }
  }

  #commitGroup(jobs: readonly WriteJob[]): WriteOutcome[] {
    try {
      // IMMEDIATE takes the write lock before the first read, so that what is read stays true.
      this.#sql.begin.run()
      this.#customers.beginGroup()
      const outcomes = jobs.map((job) => this.#runOnce(job))
      this.#customers.endGroup()
      this.#sql.commit.run()
      return outcomes
    } catch (error) {
      this.#undo()
      throw error
    }
  }

  #undo(): void {
    if (this.#db.inTransaction) this.#sql.rollback.run()
    // It may know tags, attributes and ids that the rollback has unmade.
    this.#customers = new CustomerWriter(this.#sql, new Catalog(this.#db))
  }

  /** Does not carry out again what a request with the same key did. What comes of it is kept in the same transaction. */
  #runOnce(job: WriteJob): WriteOutcome {
    if (!('caller' in job) || job.caller.repeatable === undefined) return this.#runOrRefuse(job)
    const { organizationId, repeatable } = job.caller
    const now = this.#clock()
    const kept = this.#sql.findOutcome.get(organizationId, repeatable.key, now - limits.idempotencyKeyHours * secondsAnHour)
    if (kept !== undefined) return repeated(kept, repeatable)
    const outcome = this.#runOrRefuse(job)
    const packed = packOutcome(outcome)
    if (packed === undefined) return outcome
    this.#sql.keepOutcome.run(organizationId, repeatable.key, repeatable.fingerprint, packed, now)
    return { ...outcome, state: 'kept' }
  }

  #runOrRefuse(job: WriteJob): WriteOutcome {
    try {
      return { value: this.#run(job) }
    } catch (error) {
      // Refusals come before the first write of their job.
      if (error instanceof ApiError) return { error }
      throw error
    }
  }

  #run(job: WriteJob): WriteResults[keyof WriteResults] {
    switch (job.type) {
      case 'command': return this.#customers.write(job.caller, job.command, this.#clock())
      case 'createOrganization': return this.#createOrganization(job.name)
      case 'createDefault': return this.#createDefault(job)
      case 'createKey': return this.#createKey(job)
      case 'revokeKey': return this.#revokeKey(job.id)
      case 'keepAnswer': return this.#keepAnswer(job)
      case 'purgeOutcomes': return this.#sql.purgeOutcomes.run(job.before, job.max).changes
      case 'purgeChanges': return this.#purgeChanges(job)
      case 'emptyTrash': return this.#emptyTrash(job)
      case 'optimize': return this.#optimize()
      case 'probe': {
        this.#sql.probe.run(this.#clock())
        return undefined
      }
      case 'createWebhook': case 'updateWebhook': case 'deleteWebhook': case 'replayDeliveries':
      case 'claimWebhooks': case 'keepProgress': case 'releaseWebhooks': case 'purgeDeliveries':
        return this.#webhooks.run(job, this.#clock())
    }
  }

  #createOrganization(name: string): Organization {
    if (this.#sql.findOrganization.get(name) !== undefined) throw new ApiError('conflict', `An organization named "${name}" exists already`)
    const createdAt = this.#clock()
    const id = Number(this.#sql.insertOrganization.run(name, createdAt).lastInsertRowid)
    return { id, name, createdAt, customers: 0 }
  }

  #createDefault(key: { name: string; secretHash: string }): ApiKey | undefined {
    if (this.#sql.anyOrganization.get() !== undefined) return undefined
    const { id } = this.#createOrganization('default')
    return this.#createKey({ organizationId: id, ...key })
  }

  #createKey({ organizationId, name, secretHash }: { organizationId: number; name: string; secretHash: string }): ApiKey {
    const { lastInsertRowid } = this.#sql.insertKey.run(organizationId, name, secretHash, this.#clock())
    const key = this.#sql.findKey.get(Number(lastInsertRowid))
    if (key === undefined) throw new Error('The key just made cannot be read')
    return key
  }

  #revokeKey(id: number): ApiKey | undefined {
    this.#sql.revokeKey.run(this.#clock(), id)
    return this.#sql.findKey.get(id)
  }

  #purgeChanges({ before, max }: { before: UnixSeconds; max: number }): number {
    const old = this.#sql.changesBefore.all(before, max)
    for (const { id, kind, organizationId, customerId, requestId } of old) {
      // Those of a deletion that was recorded by a clock behind ours are still there.
      if (kind === 'customer.deleted' && customerId !== null) this.#sql.deleteFinalEvents.run({ customerId, id })
      this.#sql.deleteChange.run(id)
      this.#sql.keepHorizon.run(organizationId, id, requestId)
    }
    return old.length
  }

  #keepAnswer({ organizationId, request: { key, fingerprint }, answer }: Extract<WriteJob, { type: 'keepAnswer' }>): undefined {
    const now = this.#clock()
    if (this.#sql.findOutcome.get(organizationId, key, now - limits.idempotencyKeyHours * secondsAnHour) === undefined) {
      this.#sql.keepOutcome.run(organizationId, key, fingerprint, packAnswer(answer), now)
    }
    return undefined
  }

  /** From here on deletions made before `before` cannot be undone. The events of some of their customers go, in the order of the deletions. */
  #emptyTrash({ before, from, max }: { before: UnixSeconds; from: DeletionPlace | undefined; max: number }): DeletionPlace | undefined {
    const trash = this.#sql.finishTrash.get(before)
    if (trash === undefined || trash.emptiedBefore >= before) return undefined
    const deletions = this.#sql.deletions.all({ ...(from ?? { at: trash.emptiedBefore, id: 0 }), before, max })
    for (const { id, customerId } of deletions) this.#sql.deleteFinalEvents.run({ customerId, id })
    if (deletions.length === max) return deletions.at(-1)
    this.#sql.emptiedTrash.run(before)
    return undefined
  }

  #optimize(): undefined {
    this.#db.pragma('analysis_limit = 1000')
    this.#db.pragma('optimize = 0x10002')
    return undefined
  }
}

function repeated(kept: KeptOutcome, request: RepeatableRequest): WriteOutcome {
  try {
    return { ...readOutcome<WriteResults[keyof WriteResults]>(kept, request), state: 'repeated' }
  } catch (error) {
    // The key was used for another request, of which nothing is to be kept.
    if (error instanceof ApiError) return { error, state: 'kept' }
    throw error
  }
}
