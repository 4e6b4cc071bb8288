import { hash } from 'node:crypto'
import type { UnixSeconds } from './clock.ts'
import type { Customer } from './customer.ts'
import { parseCustomer } from './customer.ts'
import { OperatorError } from './errors.ts'

/** What a row of each table says, whichever engine keeps it. What an engine derives from it for itself is not part of it. */
export interface CopiedRows {
  readonly organizations: { readonly id: number; readonly name: string; readonly createdAt: UnixSeconds }
  readonly tags: {
    readonly id: number; readonly organizationId: number; readonly name: string; readonly color: string
    readonly version: number; readonly isRecolored: 0 | 1
  }
  readonly attributes: { readonly id: number; readonly organizationId: number; readonly name: string; readonly type: string }
  readonly customers: {
    readonly id: number; readonly organizationId: number; readonly createdAt: UnixSeconds; readonly updatedAt: UnixSeconds
    /** Comma-separated, in order of attachment. */
    readonly tagIds: string
    readonly tagVersion: number; readonly rendering: string; readonly version: number
  }
  readonly events: {
    readonly id: number
    /** 0 for an event of a customer that nothing tells of any more. */
    readonly organizationId: number
    readonly customerId: number; readonly name: string; readonly data: string; readonly createdAt: UnixSeconds
  }
  readonly changes: {
    readonly id: number; readonly organizationId: number; readonly customerId: number | null; readonly kind: string; readonly at: UnixSeconds
    readonly keyId: number; readonly requestId: string; readonly before: string | null; readonly after: string | null
  }
  readonly webhooks: {
    readonly id: number; readonly organizationId: number; readonly url: string; readonly format: string
    readonly events: string; readonly filter: string | null
    readonly secret: string; readonly previousSecret: string | null; readonly previousUntil: UnixSeconds | null
    readonly pauseReason: string | null; readonly pausedAt: UnixSeconds | null
    readonly succeededAt: UnixSeconds | null; readonly failingSince: UnixSeconds | null
    readonly createdAt: UnixSeconds; readonly updatedAt: UnixSeconds
    /** No change of the organization up to this one is left to be told of. Above it some may have been already, if the source has another order. */
    readonly settledId: number
    /** Its held customers as JSON, an array of integers for each. */
    readonly held: string
  }
  readonly deliveries: {
    /** Their number, by which the rows are known. */
    readonly id: number
    readonly webhookId: number; readonly deliveryId: string; readonly changeId: number; readonly part: number; readonly customerId: number | null
    readonly event: string; readonly status: string; readonly attempts: number
    readonly firstAttemptAt: UnixSeconds; readonly lastAttemptAt: UnixSeconds; readonly nextAttemptAt: UnixSeconds | null
    readonly responseStatus: number | null; readonly responseText: string | null; readonly error: string | null
    readonly durationMs: number; readonly isReplay: number
  }
  readonly api_keys: {
    readonly id: number; readonly organizationId: number; readonly name: string; readonly secretHash: string
    readonly createdAt: UnixSeconds; readonly revokedAt: UnixSeconds | null
  }
}

export type CopiedTable = keyof CopiedRows

const columns: { readonly [Table in CopiedTable]: readonly (keyof CopiedRows[Table])[] } = {
  organizations: ['id', 'name', 'createdAt'],
  tags: ['id', 'organizationId', 'name', 'color', 'version', 'isRecolored'],
  attributes: ['id', 'organizationId', 'name', 'type'],
  customers: ['id', 'organizationId', 'createdAt', 'updatedAt', 'tagIds', 'tagVersion', 'rendering', 'version'],
  events: ['id', 'organizationId', 'customerId', 'name', 'data', 'createdAt'],
  changes: ['id', 'organizationId', 'customerId', 'kind', 'at', 'keyId', 'requestId', 'before', 'after'],
  // Behind the changes, among which they have their place.
  webhooks: [
    'id', 'organizationId', 'url', 'format', 'events', 'filter', 'secret', 'previousSecret', 'previousUntil', 'pauseReason', 'pausedAt', 'succeededAt', 'failingSince',
    'createdAt', 'updatedAt', 'settledId', 'held'
  ],
  deliveries: [
    'id', 'webhookId', 'deliveryId', 'changeId', 'part', 'customerId', 'event', 'status', 'attempts', 'firstAttemptAt', 'lastAttemptAt', 'nextAttemptAt',
    'responseStatus', 'responseText', 'error', 'durationMs', 'isReplay'
  ],
  // Last, so that a copy that is not finished lets nobody in.
  api_keys: ['id', 'organizationId', 'name', 'secretHash', 'createdAt', 'revokedAt']
}

/** In the order in which they are copied: what others refer to comes first. */
const copiedTables = Object.keys(columns) as CopiedTable[]

/** Those that are of the size of what operators and names make, so that they are read whole to know them again. */
const smallTables = ['organizations', 'tags', 'attributes', 'webhooks', 'api_keys'] as const

/** What is in no table of both engines. */
export interface Settings {
  readonly secrets: readonly Secret[]
  /** The highest id that was ever given, by table. */
  readonly highestIds: readonly HighestId[]
  /** Deletions made before are final. */
  readonly finalBefore: UnixSeconds
  /** Where what is left of the changes begins. For the cursors of SQLite alone: those of PostgreSQL are good on one database only. */
  readonly horizons: readonly Horizon[]
}

export interface Horizon {
  readonly organizationId: number
  /** The last change that was purged, and its request. */
  readonly changeId: number
  readonly requestId: string
}

export interface Secret {
  readonly name: string
  /** In hexadecimal. */
  readonly value: string
}

export interface HighestId {
  readonly table: CopiedTable
  readonly id: number
}

/** A database failed amid a copy. The same copy, begun again, goes on. */
export class CopyFailure extends OperatorError {
  override readonly name = 'CopyFailure'
}

/** A database as it was at one moment, whatever is written to it meanwhile. */
export interface CopySource {
  /** The same for the same database only, however it is named. */
  identity(): Promise<string>
  count(table: CopiedTable): Promise<number>
  /** Rows with a higher id, ascending, in batches that fit into memory. */
  batches<Table extends CopiedTable>(table: Table, afterId: number): AsyncIterable<readonly CopiedRows[Table][]>
  settings(): Promise<Settings>
  /** Another one after every commit that touched a customer or a delivery. */
  version(): Promise<string>
}

/** A database that a copy is written to. */
export interface CopyTarget {
  /** How it is called in messages. */
  readonly name: string
  identity(): Promise<string>
  isEmpty(): Promise<boolean>
  /** What was kept of a copy that is not finished. */
  progress(): Promise<string | undefined>
  /** Removes all that it holds and remembers, and keeps the progress. */
  clear(progress: string): Promise<void>
  /** Keeps rows and the progress in one transaction. Throws if the progress is not `from`, since another copy is under way then. */
  insert<Table extends CopiedTable>(table: Table, rows: readonly CopiedRows[Table][], progress: ProgressStep): Promise<void>
  /** Once all rows are there: what is derived from them, and the settings. Can be done twice. */
  complete(settings: Settings): Promise<void>
  /** Reads back what it holds. */
  read<Answer>(use: (source: CopySource) => Promise<Answer>): Promise<Answer>
  /** Forgets the progress. */
  end(): Promise<void>
}

export interface ProgressStep {
  readonly from: string
  readonly to: string
}

export interface CopyProgress {
  readonly doing: 'copying' | 'completing' | 'comparing'
  readonly table: CopiedTable | undefined
  /** Rows of all tables that were copied or compared by now. */
  readonly done: number
  readonly total: number
}

export interface CopyOptions {
  /** Whether a target that holds something is cleared first. */
  readonly overwrite: boolean
  /** Told after each batch, and waited for. */
  readonly onProgress: (progress: CopyProgress) => void | Promise<void>
}

interface TableSum {
  readonly rows: number
  /** In hexadecimal: the same for the same rows in whatever order. */
  readonly checksum: string
}

export interface ComparedTable {
  readonly table: CopiedTable | 'secrets' | 'highest ids'
  readonly source: TableSum
  readonly target: TableSum
  readonly isEqual: boolean
}

export interface CopyReport {
  readonly tables: readonly ComparedTable[]
  /** Rows that a run before this one had copied. */
  readonly resumedAfter: number
}

interface CopiedPart extends TableSum {
  readonly lastId: number
}

interface CopyState {
  /** By which the source is known again; null when the copy came out wrong. */
  readonly origin: string | null
  readonly parts: { readonly [Table in CopiedTable]?: CopiedPart }
}

const nothing: CopiedPart = { rows: 0, checksum: '0', lastId: 0 }

/**
 * Copies everything, a batch in a transaction, and holds what arrived against what was read. What an interrupted
 * copy brought over is not copied again, unless the source has changed since then.
 */
export async function copyDatabase(source: CopySource, target: CopyTarget, options: CopyOptions): Promise<CopyReport> {
  if (await source.identity() === await target.identity()) throw new OperatorError('The source and the target are the same database. Name another one with --to.')
  const origin = await describeOrigin(source)
  let state = await begin(target, origin, options)
  const total = await countAll(source)
  const resumedAfter = rowsOf(state)
  for (const table of copiedTables) {
    state = await copyTable(table, {
      source, target, state,
      onBatch: async (reached) => { await options.onProgress({ doing: 'copying', table, done: rowsOf(reached), total }) }
    })
  }
  await options.onProgress({ doing: 'completing', table: undefined, done: total, total })
  const settings = withIdsCopied(await source.settings(), state)
  await target.complete(settings)
  const tables = await target.read((copy) => compare(copy, { state, settings, total, onProgress: options.onProgress }))
  if (tables.every(({ isEqual }) => isEqual)) await target.end()
  else await target.insert('api_keys', [], { from: JSON.stringify(state), to: JSON.stringify({ ...state, origin: null }) })
  return { tables, resumedAfter }
}

/** What all rows of a batch say, added up: in whatever order they come, and however many times it is interrupted. */
function add<Table extends CopiedTable>(table: Table, to: TableSum, rows: readonly CopiedRows[Table][]): TableSum {
  return addTexts(to, rows.map((row) => JSON.stringify(columns[table].map((column) => row[column]))))
}

const checksumBits = 128

function addTexts({ rows, checksum }: TableSum, texts: readonly string[]): TableSum {
  let sum = BigInt(`0x${checksum}`)
  for (const text of texts) sum += BigInt(`0x${hash('sha256', text).slice(0, checksumBits / 4)}`)
  return { rows: rows + texts.length, checksum: BigInt.asUintN(checksumBits, sum).toString(16) }
}

/** Whatever is written to the source makes it another one. */
async function describeOrigin(source: CopySource): Promise<string> {
  const sums: string[] = [await source.version()]
  for (const table of smallTables) {
    let sum: TableSum = nothing
    for await (const rows of source.batches(table, 0)) sum = add(table, sum, rows)
    sums.push(sum.checksum)
  }
  const { secrets } = await source.settings()
  return hash('sha256', JSON.stringify([...sums, secrets]))
}

async function begin(target: CopyTarget, origin: string, { overwrite }: CopyOptions): Promise<CopyState> {
  const kept = await target.progress()
  if (kept !== undefined) {
    // Only this function has written it.
    const state = JSON.parse(kept) as CopyState
    if (state.origin === origin) return state
    if (!overwrite) throw new OperatorError(refusals[state.origin === null ? 'wrong' : 'changed'](target.name))
  } else if (!overwrite && !await target.isEmpty()) {
    throw new OperatorError(refusals.filled(target.name))
  }
  const state: CopyState = { origin, parts: {} }
  await target.clear(JSON.stringify(state))
  return state
}

const anew = 'Copy anew with --overwrite, which removes what is there.'

const refusals = {
  filled: (name: string) => `${name} is not empty. Name an empty database, or give --overwrite, which removes all that it holds first.`,
  changed: (name: string) =>
    `The source is another one, or was written to, since the copy to ${name} was interrupted, so what is there may be out of date. ${anew} ` +
    'With the servers of the source stopped an interrupted copy can go on.',
  wrong: (name: string) => `A copy to ${name} came out wrong. ${anew}`
}

/** For an engine that is to work on the target of a copy that has begun and not ended. */
export function unfinishedCopy(name: string): OperatorError {
  return new OperatorError(`A copy into ${name} has not finished, so it lacks some of what it should hold. Run the same npx clientele copy again to finish it, or copy anew with --overwrite.`)
}

/** The held customers of a webhook, as arrays of the columns that `heldColumns` names behind the webhook. */
export function copiedHeld({ held }: CopiedRows['webhooks']): number[][] {
  // Only a source has written it.
  return JSON.parse(held) as number[][]
}

/** The customer of a row, from which an engine derives what it keeps besides. */
export function copiedCustomer({ id, rendering }: CopiedRows['customers']): Customer {
  try {
    return parseCustomer(rendering)
  } catch (error) {
    throw unsound(id, error)
  }
}

/** For an engine that misses something in the source that a customer refers to. */
export function unsound(customerId: number, cause?: unknown): OperatorError {
  return new OperatorError(`Customer ${customerId} of the source is damaged, so it cannot be copied. See what is wrong with: npx clientele doctor`, { cause })
}

function rowsOf({ parts }: CopyState): number {
  return Object.values(parts).reduce((sum, { rows }) => sum + rows, 0)
}

async function countAll(source: CopySource): Promise<number> {
  let total = 0
  for (const table of copiedTables) total += await source.count(table)
  return total
}

async function copyTable<Table extends CopiedTable>(table: Table, { source, target, state, onBatch }: {
  source: CopySource; target: CopyTarget; state: CopyState; onBatch: (reached: CopyState) => Promise<void>
}): Promise<CopyState> {
  let reached = state
  for await (const rows of source.batches(table, partOf(state, table).lastId)) {
    const part = partOf(reached, table)
    const next = { ...reached, parts: { ...reached.parts, [table]: { ...add(table, part, rows), lastId: rows.at(-1)?.id ?? part.lastId } } }
    await target.insert(table, rows, { from: JSON.stringify(reached), to: JSON.stringify(next) })
    reached = next
    await onBatch(reached)
  }
  return reached
}

function partOf({ parts }: CopyState, table: CopiedTable): CopiedPart {
  return parts[table] ?? nothing
}

/** No id that was copied is given again, whatever the source thinks it has given. */
function withIdsCopied({ highestIds, ...settings }: Settings, state: CopyState): Settings {
  return { ...settings, highestIds: highestIds.map(({ table, id }) => ({ table, id: Math.max(id, partOf(state, table).lastId) })) }
}

async function compare(copy: CopySource, { state, settings, total, onProgress }: {
  state: CopyState; settings: Settings; total: number; onProgress: CopyOptions['onProgress']
}): Promise<ComparedTable[]> {
  const compared: ComparedTable[] = []
  let done = 0
  for (const table of copiedTables) {
    let there: TableSum = nothing
    for await (const rows of copy.batches(table, 0)) {
      there = add(table, there, rows)
      await onProgress({ doing: 'comparing', table, done: done + there.rows, total })
    }
    done += there.rows
    compared.push(comparison(table, partOf(state, table), there))
  }
  const { secrets, highestIds } = await copy.settings()
  const sumOf = (values: readonly object[]): TableSum => addTexts(nothing, values.map((value) => JSON.stringify(value)))
  return [
    ...compared,
    comparison('secrets', sumOf(settings.secrets), sumOf(secrets)),
    comparison('highest ids', sumOf(settings.highestIds), sumOf(highestIds))
  ]
}

function comparison(table: ComparedTable['table'], source: TableSum, target: TableSum): ComparedTable {
  const sum = ({ rows, checksum }: TableSum): TableSum => ({ rows, checksum: checksum.padStart(checksumBits / 4, '0') })
  return { table, source: sum(source), target: sum(target), isEqual: source.rows === target.rows && source.checksum === target.checksum }
}
