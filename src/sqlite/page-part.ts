import type { Catalog, RenderingRow } from './catalog.ts'

/** The customers of a page, or of one stretch of it, as the elements of a JSON array. */
export interface PagePart {
  readonly count: number
  readonly customers: Buffer
}

/** A part as one row: a row for each customer costs as much again as reading it. Follows the order of what it selects from. */
export const selectWhole = "select count(*) as count, min(tag_version) as tag_version, cast(group_concat(rendering, ',') as blob) as renderings"

export interface WholeRow {
  readonly count: number
  readonly tag_version: number | null
  readonly renderings: Buffer | null
}

export const selectRows = 'select rendering, tag_ids, tag_version'

/** Takes the part whole when its renderings are as they would be made now, else customer by customer. */
export function readPart(
  catalog: Catalog, organizationId: number,
  { whole, rows }: { whole: () => WholeRow | undefined; rows: () => readonly RenderingRow[] }
): PagePart {
  const part = whole()
  if (part === undefined || part.tag_version === null || part.renderings === null) return { count: 0, customers: Buffer.alloc(0) }
  if (catalog.isCurrent(organizationId, part.tag_version)) return { count: part.count, customers: part.renderings }
  return { count: part.count, customers: Buffer.from(rows().map((row) => catalog.render(organizationId, row)).join()) }
}

export function joinParts(parts: readonly PagePart[]): Buffer {
  const filled = parts.filter(({ count }) => count > 0).map(({ customers }) => customers)
  const [only] = filled
  if (only !== undefined && filled.length === 1) return only
  return Buffer.concat(filled.flatMap((part, index) => (index === 0 ? [part] : [comma, part])))
}

// Only a customer begins like this: quotes inside text are escaped, and the object of a device follows a colon.
const nextCustomer = ',{"id":'

/** The id of the last customer of a page, which costs less to read here than to select. */
export function lastId(customers: Buffer): number {
  const from = customers.lastIndexOf(nextCustomer) + nextCustomer.length
  return Number.parseInt(customers.toString('latin1', from, from + 20), 10)
}

/** A page without its last customer, who was read to see whether the page has a next one. */
export function withoutLast(customers: Buffer): Buffer {
  return customers.subarray(0, Math.max(0, customers.lastIndexOf(nextCustomer)))
}

const comma = Buffer.from(',')
