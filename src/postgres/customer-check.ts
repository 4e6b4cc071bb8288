import type { Tag } from '../contract/tag.ts'
import type { Customer } from '../customer.ts'
import { emptyCustomer } from '../customer.ts'
import type { Diagnosis, FindingKind } from '../sql/diagnosis.ts'
import { renderedTags } from '../sql/rendered-tags.ts'
import { readStoredCustomer } from '../sql/stored-customer.ts'
import type { ColumnValue } from './customer-row.ts'
import { attributeRow, customerRow, digestOf } from './customer-row.ts'
import type { DoctorSession } from './doctor-session.ts'

/** A row of customers, its columns under their own names. */
export interface CustomerRow {
  readonly [column: string]: ColumnValue
  readonly id: number
  readonly organization_id: number
  readonly created_at: number
  readonly updated_at: number
  readonly tag_ids: readonly number[]
  readonly tag_version: number
  readonly rendering: string
  readonly version: number
}

/** What a row says by its rendering, which everything else has to agree with. */
export interface CheckedCustomer {
  readonly row: CustomerRow
  readonly customer: Customer
  /** The row as it should be, where that is known: without all tags in the catalog, the ids of tags stay as they are. */
  readonly right: Record<string, ColumnValue>
  readonly kinds: readonly FindingKind[]
  readonly unknownTags: readonly Tag[]
  readonly missingAttributes: readonly Record<string, ColumnValue>[]
  /** Of entries that it should not have, or with another value. */
  readonly surplusAttributeIds: readonly number[]
  /** Whether user_ids does not name it as the holder of its userId, nor anybody else who has it. */
  readonly lacksUserId: boolean
  /** Whom it names instead. */
  readonly wrongHolderId: number | undefined
}

interface AttributeEntry {
  readonly customer_id: number
  readonly attribute_id: number
  readonly number: number | null
  readonly text: string | null
}

interface Claim {
  readonly organization_id: number
  readonly digest: Buffer
  readonly customer_id: number
}

interface ReadCustomer {
  readonly row: CustomerRow
  readonly customer: Customer
}

export type Checked = CheckedCustomer | UnreadableCustomer

interface UnreadableCustomer {
  readonly row: CustomerRow
  readonly customer: undefined
}

const ofTags = ['tag_ids', 'tag_version', 'rendering']
const columns = Object.keys(customerRow(0, {
  organizationId: 0, before: undefined, customer: emptyCustomer(0), rendering: '', tagVersion: 0, version: 0, createdAt: 0, updatedAt: 0
}, []))
const searchedColumns = columns.filter((column) => !ofTags.includes(column))
export const selectedColumns = columns.join()

/** Holds rows against their renderings, within a transaction of the session's. */
export async function checkCustomers(session: DoctorSession, rows: readonly CustomerRow[]): Promise<Checked[]> {
  if (rows.length === 0) return []
  const read = rows.map((row) => ({ row, customer: readStoredCustomer(row.rendering, row.id) }))
  const readable = read.filter((one): one is ReadCustomer => one.customer !== undefined)
  const entries = Map.groupBy(await session.rows<AttributeEntry>(
    'select customer_id, attribute_id, number, text from customer_attributes where customer_id = any($1)', [rows.map(({ id }) => id)]), ({ customer_id }) => customer_id)
  const holders = await readHolders(session, readable)
  return read.map(({ row, customer }) => (customer === undefined
    ? { row, customer }
    : checkCustomer(session, { row, customer }, { entries: entries.get(row.id) ?? [], holder: holders.get(row.id) })))
}

export function isWrong({ kinds, missingAttributes, surplusAttributeIds, lacksUserId }: CheckedCustomer): boolean {
  return kinds.length > 0 || missingAttributes.length > 0 || surplusAttributeIds.length > 0 || lacksUserId
}

export function reportCustomer({ row: { id }, kinds, missingAttributes, surplusAttributeIds, lacksUserId }: CheckedCustomer, diagnosis: Diagnosis): void {
  for (const kind of kinds) diagnosis.add(kind, id)
  if (missingAttributes.length > 0) diagnosis.add('attributeEntriesMissing', id, missingAttributes.length)
  if (surplusAttributeIds.length > 0) diagnosis.add('attributeEntriesSurplus', id, surplusAttributeIds.length)
  if (lacksUserId) diagnosis.add('userIdEntriesMissing', id)
}

/** Whom user_ids names as the holder of a customer's userId. */
interface Holder {
  readonly id: number | undefined
  readonly is: 'itself' | 'nobody' | 'another' | 'one who has not got it'
}

/** Who has the userIds of customers, by their ids. */
async function readHolders(session: DoctorSession, readable: readonly ReadCustomer[]): Promise<Map<number, Holder>> {
  const wanted = readable.flatMap(({ row: { id, organization_id }, customer: { userId } }) =>
    (userId === null ? [] : { id, organizationId: organization_id, userId, digest: digestOf(userId) }))
  if (wanted.length === 0) return new Map()
  const claims = await session.rows<Claim>('select organization_id, digest, customer_id from user_ids where organization_id = any($1) and digest = any($2)',
    [[...new Set(wanted.map(({ organizationId }) => organizationId))], wanted.map(({ digest }) => digest)])
  const ids = new Map(claims.map(({ organization_id, digest, customer_id }) => [claimKey(organization_id, digest), customer_id]))
  const held = wanted.map((one) => ({ ...one, holderId: ids.get(claimKey(one.organizationId, one.digest)) }))
  const others = await readUserIds(session, held.flatMap(({ id, holderId }) => (holderId === undefined || holderId === id ? [] : holderId)))
  return new Map(held.map(({ id, organizationId, userId, holderId }): [number, Holder] => {
    if (holderId === undefined) return [id, { id: holderId, is: 'nobody' }]
    if (holderId === id) return [id, { id: holderId, is: 'itself' }]
    const other = others.get(holderId)
    return [id, { id: holderId, is: other?.organizationId === organizationId && other.mayHave(userId) ? 'another' : 'one who has not got it' }]
  }))
}

interface HeldUserId {
  readonly organizationId: number
  /** Of a customer that cannot be read it is not known. */
  readonly mayHave: (userId: string) => boolean
}

async function readUserIds(session: DoctorSession, ids: readonly number[]): Promise<Map<number, HeldUserId>> {
  if (ids.length === 0) return new Map()
  const rows = await session.rows<{ id: number; organization_id: number; rendering: string }>('select id, organization_id, rendering from customers where id = any($1)', [ids])
  return new Map(rows.map(({ id, organization_id, rendering }) => {
    const customer = readStoredCustomer(rendering, id)
    return [id, { organizationId: organization_id, mayHave: (userId) => customer === undefined || customer.userId === userId }]
  }))
}

function claimKey(organizationId: number, digest: Buffer): string {
  return `${organizationId} ${digest.toString('hex')}`
}

function checkCustomer(
  { catalog }: DoctorSession, { row, customer }: ReadCustomer, { entries, holder }: { entries: readonly AttributeEntry[]; holder: Holder | undefined }
): CheckedCustomer {
  const { id, organization_id: organizationId, created_at: createdAt, updated_at: updatedAt, version } = row
  const { tagIds, tagVersion, rendering } = renderedTags(catalog, { organizationId, tagVersion: row.tag_version, customer })
  const right = customerRow(id, { organizationId, before: undefined, customer, rendering, tagVersion, version, createdAt, updatedAt }, tagIds ?? row.tag_ids)
  const kinds: FindingKind[] = []
  if (row.rendering !== rendering) kinds.push('renderings')
  if (String(row.tag_ids) !== String(right.tag_ids) || row.tag_version !== tagVersion) kinds.push('tagIds')
  if (searchedColumns.some((column) => row[column] !== right[column])) kinds.push('columns')
  if (holder?.is === 'another') kinds.push('userIds')
  const names = catalog.of(organizationId)
  const rightEntries = new Map([...customer.customData].flatMap(([name, value]) => {
    const attributeId = names.attributeIds.get(name)
    return attributeId === undefined ? [] : [[attributeId, attributeRow(id, attributeId, value)] as const]
  }))
  const isRight = (entry: AttributeEntry): boolean => {
    const expected = rightEntries.get(entry.attribute_id)
    return expected !== undefined && expected.number === entry.number && expected.text === entry.text
  }
  const rightIds = new Set(entries.filter(isRight).map(({ attribute_id }) => attribute_id))
  return {
    row, customer, right, kinds,
    unknownTags: customer.tags.filter(({ name }) => !names.tagIds.has(name)),
    missingAttributes: [...rightEntries].flatMap(([attributeId, expected]) => (rightIds.has(attributeId) ? [] : [expected])),
    surplusAttributeIds: entries.filter((entry) => !isRight(entry)).map(({ attribute_id }) => attribute_id),
    lacksUserId: holder?.is === 'nobody' || holder?.is === 'one who has not got it',
    wrongHolderId: holder?.is === 'one who has not got it' ? holder.id : undefined
  }
}
