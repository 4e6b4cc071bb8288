import { performance } from 'node:perf_hooks'
import type { Database } from 'better-sqlite3'
import type { ApiKey, Caller } from '../api-key.ts'
import type { Change } from '../change.ts'
import type { Clock, UnixSeconds } from '../clock.ts'
import type { Command } from '../command.ts'
import { commandCustomerIds, commandUserIds } from '../command.ts'
import type { Customer } from '../contract/customer.ts'
import type { CustomerEvent } from '../contract/event.ts'
import { attributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import { renderCustomer, spliceTags } from '../customer.ts'
import { decide } from '../decide.ts'
import { ApiError } from '../errors.ts'
import type { Organization, Written } from '../store.ts'
import { Catalog } from './catalog.ts'
import { columnValues, indexedValue } from './customer-row.ts'
import { toStorageError } from './storage-error.ts'
import { prepareWriterStatements } from './writer-statements.ts'

/** What the writing connection can be asked to do. Jobs are plain data, since they cross a thread. */
export type WriteJob =
  | { readonly type: 'command'; readonly caller: Caller; readonly command: Command }
  | { readonly type: 'createOrganization'; readonly name: string }
  | { readonly type: 'createDefault'; readonly name: string; readonly secretHash: Uint8Array }
  | { readonly type: 'createKey'; readonly organizationId: number; readonly name: string; readonly secretHash: Uint8Array }
  | { readonly type: 'revokeKey'; readonly id: number }
  | { readonly type: 'purgeChanges'; readonly before: UnixSeconds; readonly max: number }
  | { readonly type: 'optimize' }
  | { readonly type: 'probe' }

/** What each type of job answers. */
export interface WriteResults {
  readonly command: Written
  readonly createOrganization: Organization
  readonly createDefault: ApiKey | undefined
  readonly createKey: ApiKey
  readonly revokeKey: ApiKey | undefined
  readonly purgeChanges: number
  readonly optimize: undefined
  readonly probe: undefined
}

export type WriteOutcome =
  | { readonly value: WriteResults[keyof WriteResults] }
  | { readonly error: unknown }

/**
 * Carries out jobs on the one writing connection, many in a commit. Holds no rule: it loads, asks
 * `decide`, and stores what comes back.
 */
export class Writer {
  readonly #db: Database
  readonly #clock: Clock
  readonly #sql: ReturnType<typeof prepareWriterStatements>
  #catalog: Catalog
  #nextCustomerId = 0
  #nextEventId = 0
  readonly #customersAdded = new Map<number, number>()

  constructor(db: Database, clock: Clock) {
    this.#db = db
    this.#clock = clock
    this.#sql = prepareWriterStatements(db)
    this.#catalog = new Catalog(db)
  }

  /**
   * Runs jobs in one transaction and answers when they are on disk. A job that is refused leaves no
   * trace. When a job fails unexpectedly the others are run again, each by itself, so that none
   * suffers from its neighbor; when the database fails, all fail and nothing is kept.
   */
  runGroup(jobs: readonly WriteJob[]): { outcomes: WriteOutcome[]; seconds: number } {
    const started = performance.now()
    const outcomes = this.#tryGroup(jobs)
    return { outcomes, seconds: (performance.now() - started) / 1000 }
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
      this.#catchUp()
      const outcomes = jobs.map((job) => this.#runOrRefuse(job))
      this.#countCustomers()
      this.#sql.commit.run()
      return outcomes
    } catch (error) {
      this.#undo()
      throw error
    }
  }

  /** Another process may have written since our last commit. */
  #catchUp(): void {
    this.#catalog.refresh()
    this.#nextCustomerId = (this.#sql.sequence.get('customers') ?? 0) + 1
    this.#nextEventId = (this.#sql.sequence.get('events') ?? 0) + 1
  }

  #undo(): void {
    if (this.#db.inTransaction) this.#sql.rollback.run()
    this.#customersAdded.clear()
    // It may know tags and attributes that the rollback has unmade.
    this.#catalog = new Catalog(this.#db)
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
      case 'command': return this.#write(job.caller, job.command)
      case 'createOrganization': return this.#createOrganization(job.name)
      case 'createDefault': return this.#createDefault(job)
      case 'createKey': return this.#createKey(job)
      case 'revokeKey': return this.#revokeKey(job.id)
      case 'purgeChanges': return this.#purgeChanges(job)
      case 'optimize': return this.#optimize()
      case 'probe': {
        this.#sql.probe.run(this.#clock())
        return undefined
      }
    }
  }

  #write(caller: Caller, command: Command): Written {
    const { organizationId } = caller
    const { tagColors, attributeTypes } = this.#catalog.of(organizationId)
    const before = new Map<number, Customer>()
    for (const id of commandCustomerIds(command)) {
      const row = this.#sql.find.get(id, organizationId)
      if (row !== undefined) before.set(id, JSON.parse(this.#catalog.render(row)) as Customer)
    }
    const userIdHolders = new Map<string, number>()
    for (const userId of commandUserIds(command)) {
      const holder = this.#sql.findByUserId.get(organizationId, userId)
      if (holder !== undefined) userIdHolders.set(userId, holder)
    }
    const now = this.#clock()
    const newId = command.type === 'recordEvent' ? this.#nextEventId : this.#nextCustomerId
    const decisions = decide(command, before, { now, newId, userIdHolders, tagColors, attributeTypes })

    const customers: CustomerJson[] = []
    const events: CustomerEvent[] = []
    for (const { after, change, event } of decisions) {
      if (event !== undefined) {
        this.#insertEvent(event)
        events.push(event)
      }
      if (after !== null) customers.push(this.#keepCustomer(caller, { after, change, now }))
      else if (change?.kind === 'customer.deleted') this.#deleteCustomer(organizationId, change)
      else if (change?.kind === 'tag.updated') this.#recolorTag(organizationId, change.after)
      if (change !== null) this.#appendChange(caller, change, now)
    }
    return { customers, events }
  }

  /** Stores a customer if it changed, and answers how it reads now. */
  #keepCustomer(
    { organizationId }: Caller, { after, change, now }: { after: Customer; change: Change | null; now: UnixSeconds }
  ): CustomerJson {
    const rendering = renderCustomer(after)
    if (change === null) return spliceTags(rendering, after.tags)
    const tagIds = this.#ensureTags(organizationId, after)
    const row = { ...columnValues(after), tag_ids: tagIds.join(), rendering: rendering.text, tags_offset: rendering.tagsOffset, updated_at: now }
    if (change.kind === 'customer.created') {
      this.#sql.insert.run({ ...row, id: after.id, organization_id: organizationId, created_at: now })
      this.#nextCustomerId = after.id + 1
      this.#addCustomers(organizationId, 1)
    } else if (change.kind === 'customer.updated' && isIndexed(change.after)) {
      this.#sql.update.run({ ...row, id: after.id })
    } else {
      this.#sql.updateUnindexed.run({ ...row, id: after.id })
    }
    const { before: old, after: changed } = change
    if (changed !== null && 'tags' in changed) {
      const oldTags = old !== null && 'tags' in old ? old.tags ?? [] : []
      this.#indexTags(organizationId, after.id, { before: oldTags, after: changed.tags ?? [] })
    }
    if (changed !== null && 'customData' in changed) {
      const oldData = old !== null && 'customData' in old ? old.customData ?? {} : {}
      this.#indexAttributes(organizationId, after.id, { before: oldData, after: changed.customData ?? {} })
    }
    return spliceTags(rendering, after.tags)
  }

  #deleteCustomer(organizationId: number, { customerId, before }: Extract<Change, { kind: 'customer.deleted' }>): void {
    this.#sql.delete.run(customerId)
    this.#indexTags(organizationId, customerId, { before: before.tags ?? [], after: [] })
    this.#indexAttributes(organizationId, customerId, { before: before.customData ?? {}, after: {} })
    this.#addCustomers(organizationId, -1)
  }

  #insertEvent({ id, customer, name, data, createdAt }: CustomerEvent): void {
    this.#sql.insertEvent.run(id, customer, name, JSON.stringify(data), Number(createdAt))
    this.#nextEventId = id + 1
  }

  #ensureTags(organizationId: number, { tags }: Customer): number[] {
    const { tagIds } = this.#catalog.of(organizationId)
    for (const { name, color } of tags) {
      if (tagIds.has(name)) continue
      this.#sql.insertTag.run(organizationId, name, color, this.#catalog.nextTagVersion)
      this.#catalog.load()
    }
    return tags.map(({ name }) => this.#idOf(tagIds, name))
  }

  #recolorTag(organizationId: number, { name, color }: { name: string; color: string }): void {
    this.#sql.recolorTag.run(color, this.#catalog.nextTagVersion, this.#idOf(this.#catalog.of(organizationId).tagIds, name))
    this.#catalog.load()
  }

  #indexTags(organizationId: number, customerId: number, { before, after }: { before: readonly string[]; after: readonly string[] }): void {
    const { tagIds } = this.#catalog.of(organizationId)
    for (const name of before) if (!after.includes(name)) this.#sql.deleteTagEntry.run(this.#idOf(tagIds, name), customerId)
    for (const name of after) if (!before.includes(name)) this.#sql.insertTagEntry.run(this.#idOf(tagIds, name), customerId)
  }

  #indexAttributes(
    organizationId: number, customerId: number,
    { before, after }: { before: Customer['customData']; after: Customer['customData'] }
  ): void {
    const { attributeIds } = this.#catalog.of(organizationId)
    for (const [name, value] of Object.entries(before)) {
      if (after[name] !== value) this.#sql.deleteAttributeEntry.run(this.#idOf(attributeIds, name), indexedValue(value), customerId)
    }
    for (const [name, value] of Object.entries(after)) {
      if (before[name] === value) continue
      if (!attributeIds.has(name)) {
        this.#sql.insertAttribute.run(organizationId, name, attributeType(value))
        this.#catalog.load()
      }
      this.#sql.insertAttributeEntry.run(this.#idOf(attributeIds, name), indexedValue(value), customerId)
    }
  }

  #idOf(ids: ReadonlyMap<string, number>, name: string): number {
    const id = ids.get(name)
    if (id === undefined) throw new Error('A name that should be in the catalog is not')
    return id
  }

  #appendChange({ organizationId, keyId, requestId }: Caller, { kind, customerId, before, after }: Change, now: UnixSeconds): void {
    // A creation's fields are in the customer's row, which halves what a customer takes on disk.
    const keptAfter = kind === 'customer.created' || after === null ? null : JSON.stringify(after)
    this.#sql.insertChange.run(organizationId, customerId, kind, now, keyId, requestId, before && JSON.stringify(before), keptAfter)
  }

  #addCustomers(organizationId: number, count: number): void {
    this.#customersAdded.set(organizationId, (this.#customersAdded.get(organizationId) ?? 0) + count)
  }

  /** Once a group, not once a customer. */
  #countCustomers(): void {
    for (const [organizationId, count] of this.#customersAdded) this.#sql.addCustomers.run(count, organizationId)
    this.#customersAdded.clear()
  }

  #createOrganization(name: string): Organization {
    if (this.#sql.findOrganization.get(name) !== undefined) throw new ApiError('conflict', `An organization named "${name}" exists already`)
    const createdAt = this.#clock()
    const id = Number(this.#sql.insertOrganization.run(name, createdAt).lastInsertRowid)
    return { id, name, createdAt, customers: 0 }
  }

  #createDefault(key: { name: string; secretHash: Uint8Array }): ApiKey | undefined {
    if (this.#sql.anyOrganization.get() !== undefined) return undefined
    const { id } = this.#createOrganization('default')
    return this.#createKey({ organizationId: id, ...key })
  }

  #createKey({ organizationId, name, secretHash }: { organizationId: number; name: string; secretHash: Uint8Array }): ApiKey {
    const { lastInsertRowid } = this.#sql.insertKey.run(organizationId, name, Buffer.from(secretHash), this.#clock())
    const key = this.#sql.findKey.get(Number(lastInsertRowid))
    if (key === undefined) throw new Error('The key just made cannot be read')
    return key
  }

  #revokeKey(id: number): ApiKey | undefined {
    this.#sql.revokeKey.run(this.#clock(), id)
    return this.#sql.findKey.get(id)
  }

  #purgeChanges({ before, max }: { before: UnixSeconds; max: number }): number {
    const old = this.#sql.oldestChanges.all(max).filter(({ at }) => at < before)
    for (const { id, kind, customerId } of old) {
      // Until now the deletion could be undone; its customer's events go with that chance.
      if (kind === 'customer.deleted' && customerId !== null) this.#sql.deleteOrphanEvents.run({ customerId })
      this.#sql.deleteChange.run(id)
    }
    return old.length
  }

  #optimize(): undefined {
    this.#db.pragma('analysis_limit = 1000')
    this.#db.pragma('optimize = 0x10002')
    return undefined
  }
}

const indexedFields = ['userId', 'email', 'firstSeen', 'lastSeen'] as const

/** SQLite rewrites every index that holds a column an UPDATE names, whether its value changed or not. */
function isIndexed(changed: object): boolean {
  return indexedFields.some((field) => field in changed)
}
