import type { RecordedFields } from './change.ts'
import { changeBetween, deletionOf } from './change.ts'
import type { ChangeRecord } from './change-record.ts'
import type { UnixSeconds } from './clock.ts'
import type { UndoCommand } from './command.ts'
import type { CustomerEvent } from './contract/event.ts'
import type { Customer } from './customer.ts'
import { customerKeys, emptyCustomer } from './customer.ts'
import type { Decision, DecisionContext, UndoContext } from './decision.ts'
import type { ChangeConflict } from './errors.ts'
import { ApiError } from './errors.ts'
import { limits } from './limits.ts'
import { defaultColor } from './tag-color.ts'

type RecordOf<Kind extends ChangeRecord['kind']> = Extract<ChangeRecord, { kind: Kind }>

/** A part of a customer that a change touches: one of several in a field, or with null the field as a whole. */
interface Path {
  readonly field: string
  readonly part: string | null
}

/** What is there while changes are taken back one after the other. */
interface UndoState {
  readonly now: UnixSeconds
  readonly customers: Map<number, Customer>
  readonly createdAt: Map<number, UnixSeconds>
  readonly holders: Map<string, number>
  readonly colors: Map<string, string>
  readonly events: Map<number, CustomerEvent>
  readonly creations: ReadonlyMap<number, UnixSeconds>
  readonly finalBefore: UnixSeconds
  /** Later changes that are not themselves taken back, oldest first; null: too many to look through. */
  readonly later: readonly ChangeRecord[] | null
}

/** What taking back changes does, newest first; each result can be taken back in turn. What is so already gives none. */
export function undo(command: UndoCommand, before: ReadonlyMap<number, Customer>, context: DecisionContext): Decision[] {
  const { changes, force } = command
  const { later, events, creations, finalBefore } = known(context)
  if (changes.some(({ kind, at }) => kind === 'customer.deleted' && at < finalBefore)) {
    throw new ApiError('gone', 'This deletion is too old to be taken back: the customer is deleted for good.')
  }
  const undone = new Set(changes.map(({ id }) => id))
  const state: UndoState = {
    now: context.now,
    customers: new Map(before),
    createdAt: new Map([...context.stored].map(([id, { createdAt }]) => [id, createdAt])),
    holders: new Map(context.userIdHolders),
    colors: new Map(context.tagColors),
    events: new Map(events),
    creations,
    finalBefore,
    later: later?.filter(({ id }) => !undone.has(id)) ?? null
  }
  if (!force) refuseConflicts(changes, state)
  return changes.toReversed().flatMap((change) => takeBack(change, state) ?? [])
}

function known({ undo: context }: DecisionContext): UndoContext {
  if (context === undefined) throw new Error('An undo was not given what happened since')
  return context
}

function takeBack(change: ChangeRecord, state: UndoState): Decision | undefined {
  switch (change.kind) {
    case 'customer.created': case 'customer.restored': return remove(change.customerId, state)
    case 'customer.updated': return putBack(change, state)
    case 'customer.deleted': return restore(change, state)
    case 'event.recorded': return forgetEvent(change, state)
    case 'event.deleted': return recordAgain(change, state)
    case 'tag.updated': return recolorBack(change, state)
  }
}

function remove(customerId: number, { customers, createdAt, holders }: UndoState): Decision | undefined {
  const was = customers.get(customerId)
  if (was === undefined) return undefined
  customers.delete(customerId)
  if (was.userId !== null) holders.delete(was.userId)
  return { after: null, change: deletionOf(was, createdAt.get(customerId)) }
}

function restore({ id, customerId, at, before }: RecordOf<'customer.deleted'>, state: UndoState): Decision | undefined {
  if (state.customers.has(customerId)) return undefined
  const { createdAt = state.creations.get(customerId) ?? at, tags = [], ...fields } = before
  const after: Customer = { ...emptyCustomer(customerId), ...fields, tags: colored(tags, state) }
  keep(after, { state, changeId: id, was: undefined })
  state.createdAt.set(customerId, createdAt)
  const recorded: RecordedFields = { ...after, tags }
  return { after, change: { kind: 'customer.restored', customerId, before: null, after: recorded }, createdAt }
}

function putBack(change: RecordOf<'customer.updated'>, state: UndoState): Decision | undefined {
  const stored = existing(change, state)
  const was = { ...stored, tags: colored(stored.tags.map(({ name }) => name), state) }
  const after = { ...was, ...fieldsPutBack(change, { was, state }) }
  const between = changeBetween(was, after)
  if (between === null) return undefined
  keep(after, { state, changeId: change.id, was })
  return { after, change: between }
}

function forgetEvent(change: RecordOf<'event.recorded'>, state: UndoState): Decision | undefined {
  const event = state.events.get(change.after.event)
  if (event === undefined) return undefined
  existing(change, state)
  state.events.delete(event.id)
  const { id, name, data, createdAt } = event
  return { after: null, change: { kind: 'event.deleted', customerId: change.customerId, before: { event: id, name, data, createdAt }, after: null } }
}

function recordAgain(change: RecordOf<'event.deleted'>, state: UndoState): Decision | undefined {
  const { customerId, before: { event: id, name, data, createdAt } } = change
  if (state.events.has(id)) return undefined
  existing(change, state)
  const event = { id, name, data, createdAt, customer: customerId }
  state.events.set(id, event)
  return { after: null, change: { kind: 'event.recorded', customerId, before: null, after: { event: id } }, event }
}

function recolorBack({ before: { name, color } }: RecordOf<'tag.updated'>, { colors }: UndoState): Decision | undefined {
  const was = colors.get(name)
  if (was === undefined || was === color) return undefined
  colors.set(name, color)
  return { after: null, change: { kind: 'tag.updated', customerId: null, before: { name, color: was }, after: { name, color } } }
}

/** The customer of a change, which must be there whatever is forced. */
function existing({ id, customerId }: { id: number; customerId: number }, { customers, later, finalBefore }: UndoState): Customer {
  const customer = customers.get(customerId)
  if (customer !== undefined) return customer
  if (later === null) throw new ApiError('conflict', `Customer ${customerId} is deleted. Take that back first, if it is not for good: its history says which change that was.`)
  const deletion = later.findLast((other) => other.customerId === customerId && other.kind === 'customer.deleted')
  if (deletion === undefined || deletion.at < finalBefore) throw new ApiError('gone', `Change ${id} cannot be taken back: customer ${customerId} is deleted for good.`)
  const message = `Customer ${customerId} is deleted. Take that back first, which is change ${deletion.id}.`
  throw new ApiError('conflict', message, { conflicts: [{ changeId: deletion.id, message }] })
}

function keep(after: Customer, { state: { customers, holders }, changeId, was }: { state: UndoState; changeId: number; was: Customer | undefined }): void {
  const { id, userId, tags, customData } = after
  const holder = userId === null ? undefined : holders.get(userId)
  if (holder !== undefined && holder !== id) {
    throw new ApiError('conflict', `Change ${changeId} cannot be taken back: customer ${holder} has the userId of customer ${id} now. Give it another first.`, { existingId: holder })
  }
  for (const [length, max, what] of [[tags.length, limits.customerTagsMax, 'tags'], [customData.size, limits.customerAttributesMax, 'attributes']] as const) {
    if (length > max) throw new ApiError('conflict', `Change ${changeId} cannot be taken back: customer ${id} would have more than ${max} ${what}. Remove some first.`)
  }
  if (was !== undefined && was.userId !== null && holders.get(was.userId) === id) holders.delete(was.userId)
  if (userId !== null) holders.set(userId, id)
  customers.set(id, after)
}

/** Tags belong to the organization, so they come back in the colors of now. */
function colored(names: readonly string[], { colors }: UndoState): Customer['tags'] {
  return names.map((name) => ({ name, color: colors.get(name) ?? defaultColor }))
}

/** Whole values go back as they were, order included, unless the field was touched since: then only what the change touched. */
function fieldsPutBack(change: RecordOf<'customer.updated'>, { was, state }: { was: Customer; state: UndoState }): Partial<Customer> {
  const laterPaths = state.later?.flatMap((other) => (other.id > change.id && other.customerId === change.customerId ? touchedBy(other) ?? everyField : [])) ?? everyField
  const touchedSince = new Set(laterPaths.map(({ field }) => field))
  const parts = (field: string): string[] => touchedBy(change)?.flatMap((path) => (path.field === field ? path.part ?? [] : [])) ?? []
  const { location, tags, customData, ...plain } = change.before
  return {
    ...plain,
    ...(location && { location: touchedSince.has('location') ? { ...was.location, ...pick(location, parts('location')) } : location }),
    ...(tags && { tags: colored(touchedSince.has('tags') ? mergeTags(was, { tags, parts: parts('tags') }) : tags, state) }),
    ...(customData && { customData: touchedSince.has('customData') ? mergeData(was, { customData, parts: parts('customData') }) : customData })
  }
}

const everyField: readonly Path[] = customerKeys.map((field) => ({ field, part: null }))

function pick<Fields extends object>(fields: Fields, names: readonly string[]): Partial<Fields> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => names.includes(name))) as Partial<Fields>
}

/** Those attached are detached, those detached are attached behind the others. */
function mergeTags(was: Customer, { tags, parts }: { tags: readonly string[]; parts: readonly string[] }): string[] {
  const names = new Set(was.tags.map(({ name }) => name))
  for (const name of parts) {
    if (tags.includes(name)) names.add(name)
    else names.delete(name)
  }
  return [...names]
}

function mergeData(was: Customer, { customData, parts }: { customData: Customer['customData']; parts: readonly string[] }): Customer['customData'] {
  const merged = new Map(was.customData)
  for (const name of parts) {
    const value = customData.get(name)
    if (value === undefined) merged.delete(name)
    else merged.set(name, value)
  }
  return merged
}

/** Null: everything of the customer. */
function touchedBy(change: ChangeRecord): readonly Path[] | null {
  switch (change.kind) {
    case 'customer.created': case 'customer.deleted': case 'customer.restored': return null
    case 'event.recorded': return [{ field: 'events', part: String(change.after.event) }]
    case 'event.deleted': return [{ field: 'events', part: String(change.before.event) }]
    case 'tag.updated': return [{ field: 'tags', part: change.before.name }]
    case 'customer.updated': return customerKeys.filter((field) => field in change.before).flatMap((field) => pathsIn(field, change))
  }
}

function pathsIn(field: keyof Customer, { before, after }: RecordOf<'customer.updated'>): Path[] {
  const parts = partsOf(field, { before, after })
  // An order that changed is a change of the whole.
  return parts === null || parts.length === 0 ? [{ field, part: null }] : parts.map((part) => ({ field, part }))
}

/** Null: the field has no parts. */
function partsOf(field: keyof Customer, { before, after }: { before: RecordedFields; after: RecordedFields }): string[] | null {
  if (field === 'location') return changedKeys(entriesOf(before.location), entriesOf(after.location))
  if (field === 'customData') return changedKeys(before.customData ?? new Map(), after.customData ?? new Map())
  return field === 'tags' ? changedKeys(namesOf(before.tags), namesOf(after.tags)) : null
}

function entriesOf(fields: object | undefined): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(fields ?? {}))
}

function namesOf(tags: readonly string[] | undefined): ReadonlyMap<string, unknown> {
  return new Map((tags ?? []).map((name) => [name, true]))
}

function changedKeys(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key))
}

function refuseConflicts(changes: readonly ChangeRecord[], { later, colors }: UndoState): void {
  if (later === null) {
    throw new ApiError('conflict', `More than ${limits.undoLaterChangesMax} changes came since, too many to tell what they touched. Nothing was taken back; send "force": true to take it back all the same.`)
  }
  /** By id of the later change; null: everything. */
  const found = new Map<number, Set<string> | null>()
  const kinds = new Map(later.map(({ id, kind }) => [id, kind]))
  for (const change of changes) {
    for (const other of later) {
      const fields = other.id > change.id ? touchedByBoth(change, other) : []
      if (fields === null) found.set(other.id, null)
      else if (fields.length > 0 && found.get(other.id) !== null) found.set(other.id, new Set([...found.get(other.id) ?? [], ...fields]))
    }
  }
  if (found.size > 0) {
    const conflicts = [...found].toSorted(([one], [other]) => one - other).slice(0, limits.faultsMax).map(([changeId, fields]): ChangeConflict => {
      const message = `Change ${changeId} (${kinds.get(changeId) ?? 'unknown'}) touched ${fields === null ? 'all of it' : [...fields].join(', ')} since.`
      return { changeId, message, ...(fields === null ? {} : { fields: [...fields] }) }
    })
    throw new ApiError('conflict', 'Something touched the same since. Nothing was taken back; send "force": true to take it back all the same.', { conflicts })
  }
  refuseUnlistedRecoloring(changes, colors)
}

/** An engine may have read what came since before it had the last word on colors, so a recoloring in between is seen by the color alone. */
function refuseUnlistedRecoloring(changes: readonly ChangeRecord[], colors: ReadonlyMap<string, string>): void {
  const last = new Map(changes.flatMap((change) => (change.kind === 'tag.updated' ? [[change.after.name, change.after.color] as const] : [])))
  for (const [name, color] of last) {
    if (colors.get(name) === color) continue
    throw new ApiError('conflict', `The tag "${name}" was given another color since. Nothing was taken back; send "force": true to take it back regardless.`)
  }
}

/** What two changes both touched, as it is shown; null: everything of one customer. */
function touchedByBoth(one: ChangeRecord, other: ChangeRecord): string[] | null {
  if ((one.kind === 'tag.updated') !== (other.kind === 'tag.updated') || one.customerId !== other.customerId) return []
  const [ours, theirs] = [touchedBy(one), touchedBy(other)]
  if (ours === null) return theirs === null ? null : theirs.map(show)
  if (theirs === null) return ours.map(show)
  return ours.flatMap((path) => theirs.flatMap((their) => {
    if (path.field !== their.field || (path.part !== null && their.part !== null && path.part !== their.part)) return []
    return [show(path.part === null ? their : path)]
  }))
}

function show({ field, part }: Path): string {
  return part === null ? field : `${field}.${part}`
}
