import type { Caller } from '../api-key.ts'
import type { Change } from '../change.ts'
import type { UnixSeconds } from '../clock.ts'
import type { Command } from '../command.ts'
import { commandUserIds } from '../command.ts'
import type { Tag } from '../contract/tag.ts'
import type { CustomerEvent } from '../contract/event.ts'
import type { AttributeType } from '../custom-data.ts'
import { attributeType } from '../custom-data.ts'
import type { Customer, CustomerJson, RevisedCustomer } from '../customer.ts'
import { renderCustomer } from '../customer.ts'
import { decide } from '../decide.ts'
import type { Decision, StoredVersion, UndoContext } from '../decision.ts'
import type { OrganizationNames } from '../sql/name-catalog.ts'
import type { Written } from '../store.ts'
import { madeChanges } from '../undo-context.ts'

/** A customer as it was loaded. */
export interface LoadedCustomer {
  readonly organizationId: number
  readonly customer: Customer
  readonly version: number
  readonly createdAt: UnixSeconds
}

/** What a group of commands begins with: what they name, as it is while their transaction holds it. */
export interface LoadedState {
  readonly customers: ReadonlyMap<number, LoadedCustomer>
  /** By `holderKey`. */
  readonly holders: ReadonlyMap<string, number>
  readonly names: (organizationId: number) => OrganizationNames
  /** The newest version of a tag. */
  readonly tagVersion: number
  /** Never used before, at least one for each command that needs one. */
  readonly customerIds: readonly number[]
  readonly eventIds: readonly number[]
  /** For each change in the order in which they are made. */
  readonly changeIds: readonly number[]
  /** Of the one undo that the group is, and who asks for it. */
  readonly undo: (UndoContext & { readonly keyName: string }) | null
}

/** A customer that a group made or changed, as it is in the end. */
export interface KeptCustomer {
  readonly organizationId: number
  readonly before: Customer | undefined
  readonly customer: Customer
  readonly rendering: CustomerJson
  /** The newest version of a tag when the rendering was made. */
  readonly tagVersion: number
  readonly version: number
  readonly createdAt: UnixSeconds
  readonly updatedAt: UnixSeconds
}

export interface ChangedTag extends Tag {
  readonly organizationId: number
  readonly version: number
  readonly isNew: boolean
  readonly isRecolored: boolean
}

export interface NewAttribute {
  readonly organizationId: number
  readonly name: string
  readonly type: AttributeType
}

export interface EventKey {
  readonly customerId: number
  readonly id: number
}

export interface RecordedEvent extends CustomerEvent {
  readonly organizationId: number
}

export interface RecordedChange {
  readonly caller: Caller
  readonly at: UnixSeconds
  readonly change: Change
}

interface ChangedNames {
  readonly tagColors: Map<string, string>
  readonly attributeTypes: Map<string, AttributeType>
  recoloredVersion: number
}

export function requireId(id: number | undefined): number {
  if (id === undefined) throw new Error('An id that should have been drawn is not there')
  return id
}

export function holderKey(organizationId: number, userId: string): string {
  return `${organizationId} ${userId}`
}

/**
 * What commands that share a transaction do, one after the other: each sees what those before it
 * did, and nothing is stored before all are decided. Holds no rule; `decide` does.
 */
export class WorkingSet {
  readonly #loaded: LoadedState
  /** By id, as they are now; undefined once deleted. */
  readonly #customers = new Map<number, Customer | undefined>()
  readonly #holders: Map<string, number>
  readonly #names = new Map<number, ChangedNames>()
  readonly #customerIds: number[]
  readonly #eventIds: number[]
  #tagVersion: number

  readonly kept = new Map<number, KeptCustomer>()
  /** Of those who were there before the group. */
  readonly deleted = new Map<number, LoadedCustomer>()
  readonly tags = new Map<string, ChangedTag>()
  readonly attributes: NewAttribute[] = []
  readonly events: RecordedEvent[] = []
  readonly deletedEvents: EventKey[] = []
  readonly changes: RecordedChange[] = []
  /** By organization, how many customers more or less. */
  readonly countChanges = new Map<number, number>()

  constructor(loaded: LoadedState) {
    this.#loaded = loaded
    this.#holders = new Map(loaded.holders)
    this.#customerIds = [...loaded.customerIds]
    this.#eventIds = [...loaded.eventIds]
    this.#tagVersion = loaded.tagVersion
  }

  /** Throws an ApiError when the command is refused, and is then as it was before. */
  run(caller: Caller, command: Command, { ids, now }: { ids: readonly number[]; now: UnixSeconds }): Written {
    const { organizationId } = caller
    const before = new Map<number, Customer>()
    const stored = new Map<number, StoredVersion>()
    for (const id of ids) {
      const customer = this.#customer(organizationId, id)
      if (customer === undefined) continue
      before.set(id, customer)
      stored.set(id, { version: this.#version(id), createdAt: this.#createdAt(id) ?? now })
    }
    const userIdHolders = new Map(commandUserIds(command).flatMap((userId) => {
      const holder = this.#holders.get(holderKey(organizationId, userId))
      return holder === undefined ? [] : [[userId, holder] as const]
    }))
    const newIds = command.type === 'recordEvent' ? this.#eventIds : this.#customerIds
    const [newId = 0] = newIds
    const { undo, changeIds } = this.#loaded
    const { tagColors, attributeTypes, recoloredVersion: tagsVersion } = this.#namesOf(organizationId)
    const context = { now, newId, userIdHolders, tagColors, attributeTypes, stored, tagsVersion }
    const decisions = decide(command, before, undo === null ? context : { ...context, undo })
    if (command.type === 'recordEvent' || command.type === 'create') newIds.shift()
    if (command.type !== 'undo') return this.#apply(caller, decisions, now)
    const made = { at: now, key: { id: caller.keyId, name: undo?.keyName ?? '' }, requestId: caller.requestId }
    const changes = madeChanges(decisions, { ...made, ids: command.dryRun ? [] : changeIds.slice(this.changes.length) })
    const written = command.dryRun ? { customers: [], events: [] } : this.#apply(caller, decisions, now)
    return { ...written, changes }
  }

  #customer(organizationId: number, id: number): Customer | undefined {
    if (this.#customers.has(id)) return this.#customers.get(id)
    const loaded = this.#loaded.customers.get(id)
    return loaded?.organizationId === organizationId ? loaded.customer : undefined
  }

  #version(id: number): number {
    return this.kept.get(id)?.version ?? this.#loaded.customers.get(id)?.version ?? 0
  }

  #createdAt(id: number): UnixSeconds | undefined {
    return this.#loaded.customers.get(id)?.createdAt ?? this.kept.get(id)?.createdAt
  }

  #namesOf(organizationId: number): Pick<OrganizationNames, 'tagColors' | 'attributeTypes' | 'recoloredVersion'> {
    return this.#names.get(organizationId) ?? this.#loaded.names(organizationId)
  }

  /** Names that this group adds to. */
  #changedNames(organizationId: number): ChangedNames {
    const { tagColors, attributeTypes, recoloredVersion } = this.#namesOf(organizationId)
    const names = this.#names.get(organizationId) ?? { tagColors: new Map(tagColors), attributeTypes: new Map(attributeTypes), recoloredVersion }
    this.#names.set(organizationId, names)
    return names
  }

  #apply(caller: Caller, decisions: readonly Decision[], now: UnixSeconds): Written {
    const { organizationId } = caller
    const customers: Pick<RevisedCustomer, 'json' | 'version'>[] = []
    const events: CustomerEvent[] = []
    for (const { after, change, event, createdAt = now } of decisions) {
      if (event !== undefined) {
        this.events.push({ ...event, organizationId })
        events.push(event)
      }
      if (after !== null) customers.push({ json: this.#keep(organizationId, { after, isChanged: change !== null, now, createdAt }), version: this.#version(after.id) })
      else if (change.kind === 'customer.deleted') this.#delete(organizationId, change.customerId)
      else if (change.kind === 'event.deleted') this.deletedEvents.push({ customerId: change.customerId, id: change.before.event })
      else if (change.kind === 'tag.updated') this.#recolor(organizationId, change.after)
      if (change !== null) this.changes.push({ caller, at: now, change })
    }
    // As it is once the whole command is done: it may have recolored tags.
    const { recoloredVersion: tagsVersion } = this.#namesOf(organizationId)
    return { customers: customers.map((customer) => ({ ...customer, tagsVersion })), events }
  }

  /** Answers how the customer reads now. */
  #keep(
    organizationId: number, { after, isChanged, now, createdAt }: { after: Customer; isChanged: boolean; now: UnixSeconds; createdAt: UnixSeconds }
  ): CustomerJson {
    const { id } = after
    const rendering = renderCustomer(after)
    const was = this.#customer(organizationId, id)
    this.#customers.set(id, after)
    if (!isChanged) return rendering
    this.#learnNames(organizationId, after)
    this.#moveUserId(organizationId, { id, from: was?.userId ?? null, to: after.userId })
    const loaded = this.#loaded.customers.get(id)
    const version = requireId(this.#loaded.changeIds[this.changes.length])
    const madeAt = this.#createdAt(id) ?? createdAt
    if (was === undefined) this.#count(organizationId, 1)
    this.deleted.delete(id)
    this.kept.set(id, { organizationId, before: loaded?.customer, customer: after, rendering, tagVersion: this.#tagVersion, version, createdAt: madeAt, updatedAt: now })
    return rendering
  }

  #delete(organizationId: number, id: number): void {
    const was = this.#customer(organizationId, id)
    const loaded = this.#loaded.customers.get(id)
    if (loaded !== undefined) this.deleted.set(id, loaded)
    this.#customers.set(id, undefined)
    this.kept.delete(id)
    this.#moveUserId(organizationId, { id, from: was?.userId ?? null, to: null })
    this.#count(organizationId, -1)
  }

  #recolor(organizationId: number, tag: Tag): void {
    this.#changedNames(organizationId).tagColors.set(tag.name, tag.color)
    this.#changeTag(organizationId, tag, { isNew: false, isRecolored: true })
    this.#changedNames(organizationId).recoloredVersion = this.#tagVersion
  }

  #learnNames(organizationId: number, { tags, customData }: Customer): void {
    for (const tag of tags) {
      if (this.#namesOf(organizationId).tagColors.has(tag.name)) continue
      this.#changedNames(organizationId).tagColors.set(tag.name, tag.color)
      this.#changeTag(organizationId, tag, { isNew: true, isRecolored: false })
    }
    for (const [name, value] of customData) {
      if (this.#namesOf(organizationId).attributeTypes.has(name)) continue
      const type = attributeType(value)
      this.#changedNames(organizationId).attributeTypes.set(name, type)
      this.attributes.push({ organizationId, name, type })
    }
  }

  #changeTag(organizationId: number, { name, color }: Tag, { isNew, isRecolored }: { isNew: boolean; isRecolored: boolean }): void {
    const key = `${organizationId} ${name}`
    const changed = this.tags.get(key)
    this.#tagVersion += 1
    this.tags.set(key, {
      organizationId, name, color, version: this.#tagVersion,
      isNew: isNew || changed?.isNew === true,
      isRecolored: isRecolored || changed?.isRecolored === true
    })
  }

  #moveUserId(organizationId: number, { id, from, to }: { id: number; from: string | null; to: string | null }): void {
    if (from === to) return
    // In a batch another customer may have taken it over already.
    if (from !== null && this.#holders.get(holderKey(organizationId, from)) === id) this.#holders.delete(holderKey(organizationId, from))
    if (to !== null) this.#holders.set(holderKey(organizationId, to), id)
  }

  #count(organizationId: number, change: number): void {
    this.countChanges.set(organizationId, (this.countChanges.get(organizationId) ?? 0) + change)
  }
}
