import type { ChangeRecord } from './change-record.ts'
import type { CustomerEvent } from './contract/event.ts'
import type { TagDraft } from './contract/tag.ts'
import type { AttributeEntry, AttributeType } from './custom-data.ts'
import { attributeFaults } from './custom-data.ts'
import type { CustomerPatch } from './customer-patch.ts'
import { readCustomerPatch, writableKeys } from './customer-patch.ts'
import { invalidRequest } from './errors.ts'
import { limits } from './limits.ts'
import { readTags } from './tag.ts'
import {
  blank, Findings, isObject, numberFault, readBodyObject, readCustomerId, readDate, readName, textFault
} from './untrusted.ts'

/** Everything that may be asked of a customer, as data. `decide` says what it does. */
export type Command =
  | { readonly type: 'create'; readonly draft: CustomerPatch; readonly strictAttributes: boolean }
  | UpdateCommand
  | { readonly type: 'batch'; readonly items: readonly BatchItem[]; readonly strictAttributes: boolean }
  | TagsCommand
  | { readonly type: 'delete'; readonly id: number } & Conditional
  | RecordEventCommand
  | UndoCommand

export interface Conditional {
  /** Versions of the customer for which this is meant; it is refused for any other. Absent: for whichever. */
  readonly ifVersion?: readonly number[]
}

/** `patch` changes the keys given; `replace` also clears what PUT clears by omission. */
export interface UpdateCommand extends Conditional {
  readonly type: 'patch' | 'replace'
  readonly id: number
  readonly patch: CustomerPatch
  readonly strictAttributes: boolean
}

export type TagsCommand = Conditional & (
  | { readonly type: 'tag'; readonly id: number; readonly tags: readonly TagDraft[] }
  | { readonly type: 'untag'; readonly id: number; readonly names: readonly string[] }
)

export interface BatchItem {
  readonly id: number
  readonly patch: CustomerPatch
  /** Where the item stands in the body, such as `[3]`. */
  readonly path: string
}

export interface RecordEventCommand {
  readonly type: 'recordEvent'
  readonly customerId: number
  readonly name: string
  readonly data: CustomerEvent['data']
  /** UNIX seconds; absent means now. */
  readonly createdAt?: number
}

/** Takes back what was done, by changes that do the opposite. */
export interface UndoCommand {
  readonly type: 'undo'
  /** Of one request, or a single one, oldest first. */
  readonly changes: readonly ChangeRecord[]
  /** Also where something changed the same since. */
  readonly force: boolean
  /** Stores nothing. */
  readonly dryRun: boolean
}

/** The customers that a command is about, whom an engine loads before it asks `decide`. */
export function commandCustomerIds(command: Command): number[] {
  switch (command.type) {
    case 'create': return []
    case 'batch': return [...new Set(command.items.map(({ id }) => id))]
    case 'recordEvent': return [command.customerId]
    case 'patch': case 'replace': case 'tag': case 'untag': case 'delete': return [command.id]
    case 'undo': return [...new Set(command.changes.flatMap(({ customerId }) => customerId ?? []))]
  }
}

/** The userIds that a command gives, whose holders `decide` must know. */
export function commandUserIds(command: Command): string[] {
  switch (command.type) {
    case 'create': return [command.draft.userId ?? []].flat()
    case 'patch': case 'replace': return [command.patch.userId ?? []].flat()
    case 'batch': return command.items.flatMap(({ patch }) => patch.userId ?? [])
    case 'tag': case 'untag': case 'delete': case 'recordEvent': return []
    case 'undo': return command.changes.flatMap(({ before }) => (before !== null && 'userId' in before ? before.userId ?? [] : []))
  }
}

/** A command, and the paths of the body that meant nothing. */
export interface Parsed<T> {
  readonly command: T
  readonly ignored: readonly string[]
}

export interface ParseOptions {
  /** The organization's attributes, so that every fault of a body is named at once. `decide` checks again. */
  readonly attributes: ReadonlyMap<string, AttributeType>
  readonly strictAttributes: boolean
}

export function parseCreate(body: unknown, options: ParseOptions): Parsed<Command> {
  const { patch, ignored } = parsePatch(body, { ...options, creates: true })
  return { command: { type: 'create', draft: patch, strictAttributes: options.strictAttributes }, ignored }
}

export function parseUpdate(
  body: unknown, { type, id, ...options }: ParseOptions & Pick<UpdateCommand, 'type' | 'id'>
): Parsed<UpdateCommand> {
  const { patch, ignored } = parsePatch(body, { ...options, creates: false })
  return { command: { type, id, patch, strictAttributes: options.strictAttributes }, ignored }
}

function parsePatch(
  body: unknown, { creates, attributes, strictAttributes }: ParseOptions & { creates: boolean }
): { patch: CustomerPatch; ignored: readonly string[] } {
  const findings = new Findings()
  const object = readBodyObject(body)
  findings.ignoreUnknown(object, writableKeys, '')
  const patch = readCustomerPatch(findings, object, { path: '', creates })
  findAttributeFaults(findings, patch.customData ?? [], { types: new Map(attributes), strictAttributes })
  findings.throwIfAny()
  return { patch, ignored: findings.ignored }
}

const batchKeys: ReadonlySet<string> = new Set([...writableKeys, 'customer'])

export function parseBatch(body: unknown, { attributes, strictAttributes }: ParseOptions): Parsed<Command> {
  if (!Array.isArray(body)) {
    throw invalidRequest([{ path: 'body', message: body === undefined ? blank : 'This value should be of type array.' }])
  }
  if (body.length < 1 || body.length > limits.batchCustomersMax) {
    throw invalidRequest([{ path: 'body', message: `This collection should contain 1 to ${limits.batchCustomersMax} elements.` }])
  }
  const findings = new Findings()
  const types = new Map(attributes)
  const items: BatchItem[] = []
  for (const [index, item] of body.entries()) {
    const path = `[${index}]`
    if (!isObject(item)) {
      findings.fault(path, 'This value should be of type object.')
      continue
    }
    findings.ignoreUnknown(item, batchKeys, path)
    const id = readCustomerId(findings, `${path}.customer`, item.customer)
    const patch = readCustomerPatch(findings, item, { path, creates: false })
    findAttributeFaults(findings, patch.customData ?? [], { types, strictAttributes })
    if (id !== undefined) items.push({ id, patch, path })
  }
  findings.throwIfAny()
  return { command: { type: 'batch', items, strictAttributes }, ignored: findings.ignored }
}

function findAttributeFaults(
  findings: Findings, entries: readonly AttributeEntry[],
  { types, strictAttributes }: { types: Map<string, AttributeType>; strictAttributes: boolean }
): void {
  findings.faults.push(...attributeFaults(entries, types, strictAttributes))
}

const tagsBodyKeys: ReadonlySet<string> = new Set(['tags'])

export function parseTags(body: unknown, { type, id }: { type: 'tag' | 'untag'; id: number }): Parsed<TagsCommand> {
  const findings = new Findings()
  const object = readBodyObject(body)
  findings.ignoreUnknown(object, tagsBodyKeys, '')
  const tags = object.tags === undefined || object.tags === null
    ? findings.fault('tags', blank)
    : readTags(findings, 'tags', object.tags)
  findings.throwIfAny()
  const command: TagsCommand = type === 'tag'
    ? { type, id, tags: tags ?? [] }
    : { type, id, names: (tags ?? []).map(({ name }) => name) }
  return { command, ignored: findings.ignored }
}

const eventKeys: ReadonlySet<string> = new Set(['name', 'data', 'customer', 'createdAt'])

export function parseEvent(body: unknown): Parsed<RecordEventCommand> {
  const findings = new Findings()
  const object = readBodyObject(body)
  findings.ignoreUnknown(object, eventKeys, '')
  const name = readName(findings, 'name', object.name)
  const customerId = readCustomerId(findings, 'customer', object.customer)
  const data = readEventData(findings, object.data)
  const createdAt = object.createdAt === undefined || object.createdAt === null
    ? undefined
    : readDate(findings, 'createdAt', object.createdAt)
  findings.throwIfAny()
  if (name === undefined || customerId === undefined || data === undefined) throw new Error('A fault was not reported')
  const command = { type: 'recordEvent', customerId, name, data, ...(createdAt === undefined ? {} : { createdAt }) } as const
  return { command, ignored: findings.ignored }
}

function readEventData(findings: Findings, value: unknown): CustomerEvent['data'] | undefined {
  if (value === undefined || value === null) return {}
  if (!isObject(value)) return findings.fault('data', 'This value should be of type object.')
  if (Buffer.byteLength(JSON.stringify(value)) > limits.eventDataBytesMax) {
    return findings.fault('data', `This value is too large. It should have ${limits.eventDataBytesMax} bytes of JSON or less.`)
  }
  findJsonFaults(findings, 'data', value)
  return value
}

/** Numbers and text anywhere in event data that could not be given back as they came. */
function findJsonFaults(findings: Findings, path: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const itsPath = Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`
      const keyFault = textFault(key, limits.bodyBytesMax)
      if (keyFault !== undefined) findings.fault(itsPath, keyFault)
      findJsonFaults(findings, itsPath, item)
    }
    return
  }
  const fault = typeof value === 'number' ? numberFault(value) : typeof value === 'string' ? textFault(value, limits.bodyBytesMax) : undefined
  if (fault !== undefined) findings.fault(path, fault)
}
