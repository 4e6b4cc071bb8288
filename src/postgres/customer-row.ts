import { hash } from 'node:crypto'
import { foldCase } from '../case-folding.ts'
import type { AttributeValue } from '../contract/customer.ts'
import type { Customer } from '../customer.ts'
import { digitsOf } from '../search.ts'
import { columnValues, indexedValue } from '../sql/customer-row.ts'
import type { KeptCustomer } from './working-set.ts'

export type ColumnValue = string | number | null | Buffer | readonly number[]

/** All columns of a customer as written. */
export function customerRow(id: number, kept: KeptCustomer, tagIds: readonly number[]): Record<string, ColumnValue> {
  const { organizationId, customer, rendering, tagVersion, version, createdAt, updatedAt } = kept
  return { id, organization_id: organizationId, ...columnValues(customer), ...foldedValues(customer), created_at: createdAt, updated_at: updatedAt, tag_ids: tagIds, tag_version: tagVersion, rendering, version }
}

/** What SQLite folds as it searches; here an index needs it stored. */
function foldedValues(customer: Customer): Record<string, string | number | null> {
  return {
    folded_user_id: folded(customer.userId),
    phone_digits: customer.phone === null ? null : digitsOf(customer.phone),
    folded_created_from: folded(customer.createdFrom),
    source: folded(customer.source),
    referer: folded(customer.referer),
    last_page: folded(customer.lastPage),
    locale: folded(customer.locale),
    notes: folded(customer.notes),
    device_platform: folded(customer.device?.platform ?? null),
    device_timezone: folded(customer.device?.timezone ?? null),
    unsubscribed: Number(customer.unsubscribed),
    blocked: Number(customer.blocked)
  }
}

function folded(text: string | null): string | null {
  return text === null ? null : foldCase(text)
}

/** The row of one attribute of a customer. */
export function attributeRow(customerId: number, attributeId: number, value: AttributeValue): Record<string, ColumnValue> {
  const indexed = indexedValue(value)
  return {
    customer_id: customerId, attribute_id: attributeId,
    number: typeof indexed === 'number' ? indexed : null, text: typeof indexed === 'string' ? indexed : null
  }
}

/** By which the holder of a userId is found. */
export function digestOf(userId: string): Buffer {
  return hash('sha256', userId, 'buffer')
}
