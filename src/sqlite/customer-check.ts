import type { Database, Statement } from 'better-sqlite3'
import type { Tag } from '../contract/tag.ts'
import type { Customer } from '../customer.ts'
import { emptyCustomer } from '../customer.ts'
import { columnValues, indexedValue } from '../sql/customer-row.ts'
import type { FindingKind } from '../sql/diagnosis.ts'
import { renderedTags } from '../sql/rendered-tags.ts'
import { readStoredCustomer } from '../sql/stored-customer.ts'
import type { Catalog } from './catalog.ts'

/** A row of customers, its columns under their own names. */
export interface CustomerRow {
  readonly [column: string]: string | number | null
  readonly id: number
  readonly organization_id: number
  readonly updated_at: number
  readonly tag_ids: string
  readonly tag_version: number
  readonly rendering: string
}

export type AttributeEntry = readonly [attributeId: number, value: string | number]

/** What a row says by its rendering, which everything else has to agree with. */
export interface CheckedCustomer {
  readonly customer: Customer
  /** The row as it should be, where that is known: without all tags in the catalog, the ids of tags stay as they are. */
  readonly right: CustomerRow
  readonly kinds: readonly FindingKind[]
  readonly unknownTags: readonly Tag[]
  /** What the indexes of tags and attributes should have of it and lack. */
  readonly missingTagIds: readonly number[]
  readonly missingAttributes: readonly AttributeEntry[]
  /** How many they should have, of what is in the catalog. */
  readonly tagEntries: number
  readonly attributeEntries: number
}

const searchedColumns = Object.keys(columnValues(emptyCustomer(0)))
const selectRow = `select id, organization_id, updated_at, tag_ids, tag_version, rendering, version, ${searchedColumns.join(', ')} from customers not indexed`

/** Holds rows against their renderings, in the transaction of its connection, with its catalog. */
export class CustomerCheck {
  readonly #catalog: Catalog
  readonly #rows: Statement<[number, number], CustomerRow>
  readonly #row: Statement<[number], CustomerRow>
  readonly #holder: Statement<[number, string], number>
  readonly #hasTag: Statement<[number, number], number>
  readonly #hasAttribute: Statement<[number, string | number, number], number>

  constructor(db: Database, catalog: Catalog) {
    this.#catalog = catalog
    this.#rows = db.prepare(`${selectRow} where id > ? order by id limit ?`)
    this.#row = db.prepare(`${selectRow} where id = ?`)
    this.#holder = db.prepare<[number, string], number>('select id from customers where organization_id = ? and user_id = ?').pluck()
    this.#hasTag = db.prepare<[number, number], number>('select 1 from customer_tags where tag_id = ? and customer_id = ?').pluck()
    this.#hasAttribute = db.prepare<[number, string | number, number], number>(
      'select 1 from customer_attributes where attribute_id = ? and value = ? and customer_id = ?').pluck()
  }

  rowsAfter(id: number, max: number): CustomerRow[] {
    return this.#rows.all(id, max)
  }

  find(id: number): CustomerRow | undefined {
    return this.#row.get(id)
  }

  /** Undefined when the rendering cannot be read. */
  check(row: CustomerRow): CheckedCustomer | undefined {
    const customer = readStoredCustomer(row.rendering, row.id)
    if (customer === undefined) return undefined
    const { tagIds } = this.#catalog.of(row.organization_id)
    const isTaken = this.#isTaken(row, customer.userId)
    const right: CustomerRow = { ...row, ...columnValues(customer), ...(isTaken ? { user_id: null } : {}), ...this.#tagColumns(row, customer) }
    const kinds: FindingKind[] = []
    if (row.rendering !== right.rendering) kinds.push('renderings')
    if (row.tag_ids !== right.tag_ids || row.tag_version !== right.tag_version) kinds.push('tagIds')
    if (searchedColumns.some((column) => row[column] !== right[column])) kinds.push('columns')
    if (isTaken) kinds.push('userIds')
    const knownTagIds = customer.tags.flatMap(({ name }) => tagIds.get(name) ?? [])
    const attributes = this.#attributeEntries(row, customer)
    return {
      customer, right, kinds,
      unknownTags: customer.tags.filter(({ name }) => !tagIds.has(name)),
      missingTagIds: knownTagIds.filter((tagId) => this.#hasTag.get(tagId, row.id) === undefined),
      missingAttributes: attributes.filter(([attributeId, value]) => this.#hasAttribute.get(attributeId, value, row.id) === undefined),
      tagEntries: knownTagIds.length,
      attributeEntries: attributes.length
    }
  }

  /** Whether a customer has an entry in the index of tags; of a customer that cannot be read it is not known, so what is there may stay. */
  mayHaveTag(customerId: number, tagId: number): boolean {
    const row = this.find(customerId)
    if (row === undefined) return false
    const customer = readStoredCustomer(row.rendering, row.id)
    const { tagIds } = this.#catalog.of(row.organization_id)
    return customer === undefined || customer.tags.some(({ name }) => tagIds.get(name) === tagId)
  }

  /** The same for the index of attributes. */
  mayHaveAttribute(customerId: number, [attributeId, value]: readonly [attributeId: number, value: unknown]): boolean {
    const row = this.find(customerId)
    if (row === undefined) return false
    const customer = readStoredCustomer(row.rendering, row.id)
    return customer === undefined ||
      this.#attributeEntries(row, customer).some(([itsId, itsValue]) => itsId === attributeId && itsValue === value)
  }

  /** The customer that has a userId in its column. */
  holderOf(organizationId: number, userId: string): number | undefined {
    return this.#holder.get(organizationId, userId)
  }

  /** Whether the rendering of another customer has the userId too, which then holds it. */
  #isTaken(row: CustomerRow, userId: string | null): boolean {
    if (userId === null || userId === row.user_id) return false
    const holder = this.holderOf(row.organization_id, userId)
    const other = holder === undefined || holder === row.id ? undefined : this.find(holder)
    if (other === undefined) return false
    const customer = readStoredCustomer(other.rendering, other.id)
    return customer === undefined || customer.userId === userId
  }

  #tagColumns(row: CustomerRow, customer: Customer): Pick<CustomerRow, 'tag_ids' | 'tag_version' | 'rendering'> {
    const { tagIds, tagVersion, rendering } = renderedTags(this.#catalog, { organizationId: row.organization_id, tagVersion: row.tag_version, customer })
    return { tag_ids: tagIds?.join() ?? row.tag_ids, tag_version: tagVersion, rendering }
  }

  #attributeEntries(row: CustomerRow, customer: Customer): AttributeEntry[] {
    const { attributeIds } = this.#catalog.of(row.organization_id)
    return [...customer.customData].flatMap(([name, value]) => {
      const attributeId = attributeIds.get(name)
      return attributeId === undefined ? [] : [[attributeId, indexedValue(value)] as const]
    })
  }
}
