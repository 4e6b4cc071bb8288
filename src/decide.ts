import { changeBetween, deletionOf, recordFields } from './change.ts'
import type { BatchItem, Command, RecordEventCommand } from './command.ts'
import type { TagDraft } from './contract/tag.ts'
import type { AttributeEntry } from './custom-data.ts'
import { attributeFaults, mergeCustomData, replaceCustomData } from './custom-data.ts'
import type { CustomerPatch } from './customer-patch.ts'
import type { Customer } from './customer.ts'
import { emptyCustomer, keepDevice } from './customer.ts'
import type { Decision, DecisionContext } from './decision.ts'
import type { Fault } from './errors.ts'
import { customerNotFound, invalidRequest, preconditionFailed, userIdTaken } from './errors.ts'
import { limits } from './limits.ts'
import { attachTags, colorTags, detachTags, replaceTags } from './tag.ts'
import { undo } from './undo.ts'
import { join } from './untrusted.ts'

/**
 * The rules: what a command does to the customers it names, given in `before` by id. Pure; throws an
 * ApiError, and then nothing of the command may be stored. An answer shows the customers of `after`
 * in order. A tag named in an `after` that the organization lacks is to be made, likewise an attribute.
 */
export function decide(command: Command, before: ReadonlyMap<number, Customer>, context: DecisionContext): Decision[] {
  const decisions = decideAnyVersion(command, before, context)
  if ('ifVersion' in command) refuseOtherVersion(command, context)
  return decisions
}

function decideAnyVersion(command: Command, before: ReadonlyMap<number, Customer>, context: DecisionContext): Decision[] {
  switch (command.type) {
    case 'create': return create(command.draft, { ...context, strictAttributes: command.strictAttributes })
    case 'patch': case 'replace': {
      const item = { id: command.id, patch: command.patch, path: '' }
      return update([item], before, { ...context, strictAttributes: command.strictAttributes, replaces: command.type === 'replace' })
    }
    case 'batch':
      return update(command.items, before, { ...context, strictAttributes: command.strictAttributes, replaces: false })
    case 'tag': return tag(existing(before, command.id), command.tags, context)
    case 'untag': return untag(existing(before, command.id), command.names)
    case 'delete': {
      const customer = existing(before, command.id)
      return [{ after: null, change: deletionOf(customer, context.stored.get(customer.id)?.createdAt) }]
    }
    case 'recordEvent': return recordEvent(command, existing(before, command.customerId), context)
    case 'undo': return undo(command, before, context)
  }
}

function create(draft: CustomerPatch, context: DecisionContext & { strictAttributes: boolean }): Decision[] {
  refuseUnfitAttributes([draft.customData ?? []], context)
  const now = String(context.now)
  const blankCustomer = { ...emptyCustomer(context.newId), firstSeen: now, lastSeen: now }
  const customer = applyPatch(blankCustomer, draft, { colors: context.tagColors, replaces: false })
  refuseOversize([{ customer, path: '' }])
  refuseTakenUserId(customer, { path: '', holders: context.userIdHolders })
  return [
    ...recolorings(draft.tags ?? [], context.tagColors),
    { after: customer, change: { kind: 'customer.created', customerId: customer.id, before: null, after: recordFields(customer) } }
  ]
}

function update(
  items: readonly BatchItem[], before: ReadonlyMap<number, Customer>,
  context: DecisionContext & { strictAttributes: boolean; replaces: boolean }
): Decision[] {
  refuseUnfitAttributes(items.map(({ patch }) => patch.customData ?? []), context)
  for (const { id, path } of items) existing(before, id, path)

  // One customer may stand in a batch twice, so each item is applied to what the ones before it left.
  const customers = new Map(before)
  const colors = new Map(context.tagColors)
  const applied = items.map(({ id, patch, path }) => {
    const was = recolor(existing(customers, id, path), colors)
    const tagDecisions = recolorings(patch.tags ?? [], colors)
    for (const { name, color } of colorTags(patch.tags ?? [], colors)) colors.set(name, color)
    const after = applyPatch(recolor(was, colors), patch, { colors, replaces: context.replaces })
    customers.set(id, after)
    return { was, after, path, tagDecisions }
  })
  refuseOversize(applied.map(({ after, path }) => ({ customer: after, path })))

  const holders = new Map(context.userIdHolders)
  for (const { was, after, path } of applied) {
    refuseTakenUserId(after, { path, holders })
    if (was.userId !== null) holders.delete(was.userId)
    if (after.userId !== null) holders.set(after.userId, after.id)
  }
  return applied.flatMap(({ was, after, tagDecisions }) => [...tagDecisions, { after, change: changeBetween(was, after) }])
}

function tag(customer: Customer, drafts: readonly TagDraft[], { tagColors }: DecisionContext): Decision[] {
  const after = { ...customer, tags: attachTags(customer.tags, colorTags(drafts, tagColors)) }
  refuseOversize([{ customer: after, path: '' }])
  return [...recolorings(drafts, tagColors), { after, change: changeBetween(customer, after) }]
}

function untag(customer: Customer, names: readonly string[]): Decision[] {
  const after = { ...customer, tags: detachTags(customer.tags, new Set(names)) }
  return [{ after, change: changeBetween(customer, after) }]
}

function recordEvent(command: RecordEventCommand, customer: Customer, { newId, now }: DecisionContext): Decision[] {
  const { name, data, createdAt } = command
  const event = { id: newId, name, data, createdAt: String(createdAt ?? now), customer: customer.id }
  return [{ after: null, change: { kind: 'event.recorded', customerId: customer.id, before: null, after: { event: newId } }, event }]
}

/** Only now: what would be refused anyway is refused for what it is. */
function refuseOtherVersion({ id, ifVersion }: { id: number; ifVersion?: readonly number[] }, { stored, tagsVersion }: DecisionContext): void {
  const version = stored.get(id)?.version ?? 0
  if (ifVersion !== undefined && !ifVersion.includes(version)) throw preconditionFailed({ version, tagsVersion })
}

function existing(customers: ReadonlyMap<number, Customer>, id: number, path = ''): Customer {
  const customer = customers.get(id)
  if (customer === undefined) throw customerNotFound(path === '' ? undefined : join(path, 'customer'))
  return customer
}

// HelpCrunch: PUT clears these when the body lacks them, and resets nothing else by omission.
const replacedFields = ['name', 'email', 'userId', 'company', 'phone', 'source', 'referer', 'lastPage', 'locale', 'notes'] as const

function applyPatch(
  was: Customer, patch: CustomerPatch, { colors, replaces }: { colors: ReadonlyMap<string, string>; replaces: boolean }
): Customer {
  const { location, device, tags, customData, ...plain } = patch
  const cleared = replaces ? Object.fromEntries(replacedFields.map((field) => [field, null])) : {}
  const entries = customData ?? []
  const clearsCustomData = customData === null || replaces
  return {
    ...was,
    ...cleared,
    ...plain,
    location: { ...was.location, ...location },
    device: device === undefined ? was.device : device && keepDevice(device, was.id),
    tags: tags !== undefined ? replaceTags(was.tags, colorTags(tags, colors)) : replaces ? [] : was.tags,
    customData: clearsCustomData ? replaceCustomData(was.customData, entries) : mergeCustomData(was.customData, entries)
  }
}

/** A tag that an earlier item of the batch recolored has its new color on this customer too. */
function recolor(customer: Customer, colors: ReadonlyMap<string, string>): Customer {
  return { ...customer, tags: customer.tags.map(({ name, color }) => ({ name, color: colors.get(name) ?? color })) }
}

/** A color given for a known tag changes the tag for everyone. */
function recolorings(drafts: readonly TagDraft[], colors: ReadonlyMap<string, string>): Decision[] {
  return drafts.flatMap(({ name, color }) => {
    const known = colors.get(name)
    if (color === undefined || known === undefined || known === color) return []
    return [{ after: null, change: { kind: 'tag.updated', customerId: null, before: { name, color: known }, after: { name, color } } }]
  })
}

function refuseUnfitAttributes(
  entryLists: readonly (readonly AttributeEntry[])[],
  { attributeTypes, strictAttributes }: DecisionContext & { strictAttributes: boolean }
): void {
  const types = new Map(attributeTypes)
  const faults = entryLists.flatMap((entries) => attributeFaults(entries, types, strictAttributes))
  if (faults.length > 0) throw invalidRequest(faults)
}

function refuseOversize(customers: readonly { readonly customer: Customer; readonly path: string }[]): void {
  const faults: Fault[] = []
  for (const { customer: { tags, customData }, path } of customers) {
    if (tags.length > limits.customerTagsMax) {
      faults.push({ path: join(path, 'tags'), message: `A customer can have ${limits.customerTagsMax} tags or less.` })
    }
    if (customData.size > limits.customerAttributesMax) {
      faults.push({ path: join(path, 'customData'), message: `A customer can have ${limits.customerAttributesMax} attributes or less.` })
    }
  }
  if (faults.length > 0) throw invalidRequest(faults)
}

function refuseTakenUserId(customer: Customer, { path, holders }: { path: string; holders: ReadonlyMap<string, number> }): void {
  if (customer.userId === null) return
  const holder = holders.get(customer.userId)
  if (holder !== undefined && holder !== customer.id) throw userIdTaken(holder, path === '' ? undefined : join(path, 'userId'))
}
