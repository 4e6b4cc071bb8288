import type { Caller } from '../api-key.ts'
import type { Change, KeptChange } from '../change.ts'
import type { KeptChangeRow } from '../change-record.ts'
import { isWhole } from '../change-record.ts'
import type { UnixSeconds } from '../clock.ts'
import type { Command, UndoCommand } from '../command.ts'
import { commandCustomerIds, commandUserIds } from '../command.ts'
import type { CustomerEvent } from '../contract/event.ts'
import type { CustomData } from '../custom-data.ts'
import { attributeType } from '../custom-data.ts'
import type { Customer, CustomerJson, RevisedCustomer } from '../customer.ts'
import { parseCustomer, renderCustomer, renderFields } from '../customer.ts'
import { decide } from '../decide.ts'
import type { Decision, StoredVersion, UndoContext } from '../decision.ts'
import type { Written } from '../store.ts'
import type { Catalog } from './catalog.ts'
import { columnValues, indexedValue } from '../sql/customer-row.ts'
import { eventIdsOf, laterChanges, laterRowsMax, madeChanges, undatedDeletions } from '../undo-context.ts'
import { OrderCounter } from './order-counter.ts'
import type { WriterStatements } from './writer-statements.ts'

/**
 * Stores what commands do, inside a transaction that is the caller's. Holds no rule: it loads what a
 * command names, asks `decide`, and stores what comes back. After a rollback it knows things that
 * are not so; make another.
 */
export class CustomerWriter {
  readonly #sql: WriterStatements
  readonly #catalog: Catalog
  readonly #order: OrderCounter
  readonly #customersAdded = new Map<number, number>()
  #nextCustomerId = 0
  #nextEventId = 0
  #nextChangeId = 0

  constructor(sql: WriterStatements, catalog: Catalog) {
    this.#sql = sql
    this.#catalog = catalog
    this.#order = new OrderCounter(sql)
  }

  /** Catches up with what another process may have written since the last commit. */
  beginGroup(): void {
    if (this.#catalog.refresh()) this.#order.forget()
    this.#nextCustomerId = (this.#sql.sequence.get('customers') ?? 0) + 1
    this.#nextEventId = (this.#sql.sequence.get('events') ?? 0) + 1
    this.#nextChangeId = (this.#sql.sequence.get('changes') ?? 0) + 1
  }

  get namesVersion(): string {
    return this.#catalog.version
  }

  /** Keeps the counts of customers, once a group and not once a customer. */
  endGroup(): void {
    for (const [organizationId, count] of this.#customersAdded) this.#sql.addCustomers.run(count, organizationId)
    this.#customersAdded.clear()
    this.#order.flush()
  }

  /** Carries out one command. What it refuses, it refuses before its first write. */
  write(caller: Caller, command: Command, now: UnixSeconds): Written {
    const { organizationId } = caller
    const { tagColors, attributeTypes, recoloredVersion } = this.#catalog.of(organizationId)
    const before = new Map<number, Customer>()
    const stored = new Map<number, StoredVersion>()
    for (const id of commandCustomerIds(command)) {
      const row = this.#sql.find.get(id, organizationId)
      if (row === undefined) continue
      before.set(id, parseCustomer(this.#catalog.render(organizationId, row)))
      stored.set(id, { version: row.version, createdAt: row.created_at })
    }
    const userIdHolders = new Map<string, number>()
    for (const userId of commandUserIds(command)) {
      const holder = this.#sql.findByUserId.get(organizationId, userId)
      if (holder !== undefined) userIdHolders.set(userId, holder)
    }
    const newId = command.type === 'recordEvent' ? this.#nextEventId : this.#nextCustomerId
    const undo = command.type === 'undo' ? { undo: this.#undoContext(organizationId, command) } : {}
    const decisions = decide(command, before, { now, newId, userIdHolders, tagColors, attributeTypes, stored, tagsVersion: recoloredVersion, ...undo })
    const versions = new Map([...stored].map(([id, { version }]) => [id, version]))
    if (command.type !== 'undo') return this.#store(caller, { decisions, versions, now })
    const ids = command.dryRun ? [] : decisions.map((_, index) => this.#nextChangeId + index)
    const written = command.dryRun ? { customers: [], events: [] } : this.#store(caller, { decisions, versions, now })
    const key = { id: caller.keyId, name: this.#sql.findKey.get(caller.keyId)?.name ?? '' }
    return { ...written, changes: madeChanges(decisions, { at: now, key, requestId: caller.requestId, ids }) }
  }

  /** `versions`: of customers who were there before. */
  #store(caller: Caller, { decisions, versions, now }: { decisions: readonly Decision[]; versions: Map<number, number>; now: UnixSeconds }): Written {
    const { organizationId } = caller
    const customers: Pick<RevisedCustomer, 'json' | 'version'>[] = []
    const events: CustomerEvent[] = []
    for (const { after, change, event, ...decision } of decisions) {
      if (event !== undefined) {
        this.#insertEvent(event)
        events.push(event)
      }
      if (after !== null) {
        if (change !== null) versions.set(after.id, this.#nextChangeId)
        const version = versions.get(after.id) ?? 0
        customers.push({ json: this.#keepCustomer(caller, { createdAt: now, ...decision, after, change, now, version }), version })
      } else if (change.kind === 'customer.deleted') this.#deleteCustomer(organizationId, change)
      else if (change.kind === 'event.deleted') this.#sql.deleteEvent.run(change.before.event)
      else if (change.kind === 'tag.updated') this.#recolorTag(organizationId, change.after)
      if (change !== null) this.#appendChange(caller, change, now)
    }
    // As it is once the whole command is done: it may have recolored tags.
    const { recoloredVersion: tagsVersion } = this.#catalog.of(organizationId)
    return { customers: customers.map((customer) => ({ ...customer, tagsVersion })), events }
  }

  #undoContext(organizationId: number, { changes }: UndoCommand): UndoContext {
    const [first] = changes
    if (first === undefined) throw new Error('An undo names no change')
    const firstIds = new Map<number | null, number>()
    for (const { id, customerId } of changes) firstIds.set(customerId, Math.min(id, firstIds.get(customerId) ?? id))
    const rowsMax = laterRowsMax(changes)
    const later: KeptChangeRow[] = []
    for (const [customerId, id] of firstIds) {
      const left = rowsMax - later.length
      later.push(...customerId === null ? this.#sql.tagChangesFrom.all(organizationId, id, left) : this.#sql.customerChangesFrom.all(customerId, id, left))
    }
    const events = eventIdsOf(changes).flatMap((id) => {
      const row = this.#sql.findEvent.get(id)
      if (row === undefined) return []
      return [[id, { ...row, data: JSON.parse(row.data) as CustomerEvent['data'], createdAt: String(row.createdAt) }] as const]
    })
    const creations = undatedDeletions(changes).flatMap((customerId) => {
      const at = this.#sql.creationTime.get(customerId)
      return at === undefined ? [] : [[customerId, at] as const]
    })
    return { later: laterChanges(later, rowsMax), events: new Map(events), creations: new Map(creations), finalBefore: this.#sql.trashFinalBefore.get() ?? 0 }
  }

  /** Stores a customer if it changed, and answers how it reads now. */
  #keepCustomer(
    { organizationId }: Caller, { after, change, now, createdAt, version }: {
      after: Customer; change: KeptChange | null; now: UnixSeconds; createdAt: UnixSeconds; version: number
    }
  ): CustomerJson {
    const rendering = renderCustomer(after)
    if (change === null) return rendering
    const tagIds = this.#ensureTags(organizationId, after)
    const row = { ...columnValues(after), tag_ids: tagIds.join(), tag_version: this.#catalog.tagVersion, rendering, version, updated_at: now }
    if (isWhole(change.kind)) {
      this.#sql.insert.run({ ...row, id: after.id, organization_id: organizationId, created_at: createdAt })
      // One that was restored has had its id for long.
      this.#nextCustomerId = Math.max(this.#nextCustomerId, after.id + 1)
      this.#addCustomers(organizationId, 1)
    } else if (isIndexed(change.after)) {
      this.#sql.update.run({ ...row, id: after.id })
    } else {
      this.#sql.updateUnindexed.run({ ...row, id: after.id })
    }
    this.#order.move(organizationId, after.id, change)
    if (change.after.tags !== undefined) {
      this.#indexTags(organizationId, after.id, { before: change.before?.tags ?? [], after: change.after.tags })
    }
    if (change.after.customData !== undefined) {
      this.#indexAttributes(organizationId, after.id, { before: change.before?.customData ?? new Map(), after: change.after.customData })
    }
    return rendering
  }

  #deleteCustomer(organizationId: number, { customerId, before }: Extract<Change, { kind: 'customer.deleted' }>): void {
    this.#sql.delete.run(customerId)
    this.#indexTags(organizationId, customerId, { before: before.tags ?? [], after: [] })
    this.#indexAttributes(organizationId, customerId, { before: before.customData ?? new Map(), after: new Map() })
    this.#order.move(organizationId, customerId, { before, after: null })
    this.#addCustomers(organizationId, -1)
  }

  #insertEvent({ id, customer, name, data, createdAt }: CustomerEvent): void {
    this.#sql.insertEvent.run(id, customer, name, JSON.stringify(data), Number(createdAt))
    this.#nextEventId = Math.max(this.#nextEventId, id + 1)
  }

  #ensureTags(organizationId: number, { tags }: Customer): number[] {
    const { tagIds } = this.#catalog.of(organizationId)
    for (const { name, color } of tags) {
      if (tagIds.has(name)) continue
      this.#sql.insertTag.run(organizationId, name, color, this.#catalog.tagVersion + 1)
      this.#catalog.load()
    }
    return tags.map(({ name }) => this.#idOf(tagIds, name))
  }

  #recolorTag(organizationId: number, { name, color }: { name: string; color: string }): void {
    this.#sql.recolorTag.run(color, this.#catalog.tagVersion + 1, this.#idOf(this.#catalog.of(organizationId).tagIds, name))
    this.#catalog.load()
  }

  #indexTags(organizationId: number, customerId: number, { before, after }: { before: readonly string[]; after: readonly string[] }): void {
    const { tagIds } = this.#catalog.of(organizationId)
    for (const name of before) if (!after.includes(name)) this.#sql.deleteTagEntry.run(this.#idOf(tagIds, name), customerId)
    for (const name of after) if (!before.includes(name)) this.#sql.insertTagEntry.run(this.#idOf(tagIds, name), customerId)
  }

  #indexAttributes(
    organizationId: number, customerId: number, { before, after }: { before: CustomData; after: CustomData }
  ): void {
    const { attributeIds } = this.#catalog.of(organizationId)
    for (const [name, value] of before) {
      if (after.get(name) !== value) this.#sql.deleteAttributeEntry.run(this.#idOf(attributeIds, name), indexedValue(value), customerId)
    }
    for (const [name, value] of after) {
      if (before.get(name) === value) continue
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
    // These fields are in the customer's row, which halves what a customer takes on disk.
    const keptAfter = isWhole(kind) || after === null ? null : renderFields(after)
    this.#sql.insertChange.run(this.#nextChangeId, organizationId, customerId, kind, now, keyId, requestId, before && renderFields(before), keptAfter)
    this.#nextChangeId += 1
  }

  #addCustomers(organizationId: number, count: number): void {
    this.#customersAdded.set(organizationId, (this.#customersAdded.get(organizationId) ?? 0) + count)
  }
}

const indexedFields = ['userId', 'email', 'firstSeen', 'lastSeen'] as const

/** SQLite rewrites every index that holds a column an UPDATE names, whether its value changed or not. */
function isIndexed(changed: object): boolean {
  return indexedFields.some((field) => field in changed)
}
