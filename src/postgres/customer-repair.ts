import type { CheckedCustomer, CustomerRow } from './customer-check.ts'
import { checkCustomers, isWrong, selectedColumns } from './customer-check.ts'
import { digestOf } from './customer-row.ts'
import type { DoctorSession, RepairStatement } from './doctor-session.ts'
import { insertRows, setAsInserted } from './insert-rows.ts'

const mendedKinds: readonly string[] = ['renderings', 'columns', 'tagIds']

/** Holds customers, looks at them again, since writers may have changed them, and makes anew what is wrong. */
export async function repairCustomers(session: DoctorSession, ids: readonly number[]): Promise<void> {
  await session.change(async () => {
    const rows = await lockCustomers(session, ids)
    // Whatever these customers name was committed before they could be held.
    await session.catalog.refresh(session.client)
    const checked = await checkCustomers(session, rows)
    const wrong = checked.flatMap((one) => (one.customer !== undefined && isWrong(one) && isNamed(session, one) ? [one] : []))
    await session.run([...customerStatements(wrong), ...attributeStatements(wrong), ...userIdStatements(wrong)])
  })
}

/** Keeps customers from being written until the transaction ends. */
export async function lockCustomers(session: DoctorSession, ids: readonly number[]): Promise<CustomerRow[]> {
  // Citus locks rows for a SELECT on one machine only.
  return await session.rows<CustomerRow>(session.isDistributed && ids.length > 1
    ? `update customers set updated_at = updated_at where id = any($1) returning ${selectedColumns}`
    : `select ${selectedColumns} from customers where id = any($1) order by id for update`, [ids])
}

/** Without all names in the catalog it is not known which entries are right. */
function isNamed({ catalog }: DoctorSession, { row, customer, unknownTags }: CheckedCustomer): boolean {
  const { attributeIds } = catalog.of(row.organization_id)
  return unknownTags.length === 0 && [...customer.customData.keys()].every((name) => attributeIds.has(name))
}

function customerStatements(wrong: readonly CheckedCustomer[]): RepairStatement[] {
  const rows = wrong.flatMap(({ kinds, right }) => (kinds.some((kind) => mendedKinds.includes(kind)) ? [right] : []))
  const [first] = rows
  return first === undefined ? [] : insertRows('customers', rows, `on conflict (id) do update set ${setAsInserted(first, ['id', 'organization_id', 'created_at'])}`)
}

function attributeStatements(wrong: readonly CheckedCustomer[]): RepairStatement[] {
  const surplus = wrong.flatMap(({ row: { id }, surplusAttributeIds }) => surplusAttributeIds.map((attributeId) => ({ id, attributeId })))
  return [
    ...(surplus.length === 0 ? [] : [{
      // The first condition finds them by the index, the second is exact. Cast, or else Citus does not send it to its machines.
      text: "delete from customer_attributes where customer_id = any($1) and customer_id::text || ' ' || attribute_id::text = any($2)",
      values: [surplus.map(({ id }) => id), surplus.map(({ id, attributeId }) => `${id} ${attributeId}`)]
    }]),
    ...insertRows('customer_attributes', wrong.flatMap(({ missingAttributes }) => missingAttributes))
  ]
}

/** Where several lack the same userId the first gets it, and a creator who took it meanwhile keeps it. */
function userIdStatements(wrong: readonly CheckedCustomer[]): RepairStatement[] {
  const lacking = wrong.flatMap(({ row, customer: { userId }, lacksUserId, wrongHolderId }) =>
    (lacksUserId && userId !== null ? [{ organization_id: row.organization_id, digest: digestOf(userId), customer_id: row.id, wrongHolderId }] : []))
    .toSorted((one, other) => one.digest.compare(other.digest))
  const misplaced = lacking.flatMap(({ organization_id, digest, wrongHolderId }) => (wrongHolderId === undefined ? [] : [{ organization_id, digest, customer_id: wrongHolderId }]))
  return [
    ...deleteClaims(misplaced),
    ...insertRows('user_ids', lacking.map(({ organization_id, digest, customer_id }) => ({ organization_id, digest, customer_id })), 'on conflict do nothing')
  ]
}

/** Rows of user_ids, as long as they are of these customers. */
export function deleteClaims(claims: readonly { readonly organization_id: number; readonly digest: Buffer; readonly customer_id: number }[]): RepairStatement[] {
  if (claims.length === 0) return []
  return [{
    text: "delete from user_ids where organization_id = any($1) and digest = any($2) and organization_id::text || ' ' || encode(digest, 'hex') || ' ' || customer_id::text = any($3)",
    values: [
      [...new Set(claims.map(({ organization_id }) => organization_id))],
      claims.map(({ digest }) => digest),
      claims.map(({ organization_id, digest, customer_id }) => `${organization_id} ${digest.toString('hex')} ${customer_id}`)
    ]
  }]
}
