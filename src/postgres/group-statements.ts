import { isWhole } from '../change-record.ts'
import { renderFields } from '../customer.ts'
import type { ColumnValue } from './customer-row.ts'
import { attributeRow, customerRow, digestOf } from './customer-row.ts'
import type { Statement } from './insert-rows.ts'
import { insertRows, setAsInserted } from './insert-rows.ts'
import type { WorkingSet } from './working-set.ts'
import { requireId } from './working-set.ts'

/** The id of a tag, or of an attribute, of an organization. */
export type NameIds = (organizationId: number, name: string) => number | undefined

/** Of a pointer, in place of the id of an event: those who hold the customer's events in memory are to read all of them again. */
export const allEvents = 0

/** Whether a change has other events of its customer there than before, but for one that it recorded. */
export function touchesEvents(kind: string): boolean {
  return kind === 'customer.restored' || kind === 'event.deleted'
}

/** Rows of counts an organization has; a transaction takes that of its connection, so that few wait for one another. */
const countSlots = 64

interface Context {
  readonly tagIds: NameIds
  readonly attributeIds: NameIds
  readonly changeIds: readonly number[]
  /** Whether customers are spread over several machines. */
  readonly isDistributed: boolean
}

/** What is stored together with the commit, in one exchange. */
export function statementsOf(set: WorkingSet, { tagIds, attributeIds, changeIds, isDistributed }: Context): Statement[] {
  return [
    ...userIdStatements(set, { isDistributed }),
    ...customerStatements(set, tagIds),
    ...attributeStatements(set, attributeIds),
    ...eventStatements(set),
    ...changeStatements(set, changeIds),
    ...countStatements(set)
  ]
}

/** Sorted, so that two transactions that take the same userIds wait for each other in one order. */
function userIdStatements({ kept, deleted }: WorkingSet, { isDistributed }: Pick<Context, 'isDistributed'>): Statement[] {
  const released: { organization_id: number; digest: Buffer; customer_id: number }[] = []
  const taken: typeof released = []
  for (const [id, { organizationId, before, customer }] of kept) {
    if (before?.userId === customer.userId) continue
    if (before !== undefined && before.userId !== null) released.push({ organization_id: organizationId, digest: digestOf(before.userId), customer_id: id })
    if (customer.userId !== null) taken.push({ organization_id: organizationId, digest: digestOf(customer.userId), customer_id: id })
  }
  for (const [customerId, { organizationId, customer }] of deleted) {
    if (customer.userId !== null) released.push({ organization_id: organizationId, digest: digestOf(customer.userId), customer_id: customerId })
  }
  released.sort((one, other) => one.digest.compare(other.digest))
  taken.sort((one, other) => one.digest.compare(other.digest))
  return [
    // The machine of a userId may have yet to commit what that of the customer has committed. Its row is not seen then, but waited for by who inserts the same.
    ...insertRows('user_ids', isDistributed ? released : [], 'on conflict do nothing'),
    // In a damaged database another customer may hold it.
    ...released.map(({ organization_id, digest, customer_id }) => (
      { text: 'delete from user_ids where organization_id = $1 and digest = $2 and customer_id = $3', values: [organization_id, digest, customer_id] })),
    ...insertRows('user_ids', taken)
  ]
}

function customerStatements({ kept, deleted }: WorkingSet, tagIds: NameIds): Statement[] {
  const rows = [...kept].toSorted(([one], [other]) => one - other).map(([id, customer]) =>
    customerRow(id, customer, customer.customer.tags.map(({ name }) => requireId(tagIds(customer.organizationId, name)))))
  const [first] = rows
  return [
    ...(first === undefined ? [] : insertRows('customers', rows, `on conflict (id) do update set ${setAsInserted(first, ['id', 'organization_id', 'created_at'])}`)),
    ...(deleted.size === 0 ? [] : [{ text: 'delete from customers where id = any($1)', values: [[...deleted.keys()]] }])
  ]
}

function attributeStatements({ kept, deleted }: WorkingSet, attributeIds: NameIds): Statement[] {
  const statements: Statement[] = []
  const rows: Record<string, ColumnValue>[] = []
  for (const [customerId, { organizationId, before, customer }] of kept) {
    const idOf = (name: string): number => requireId(attributeIds(organizationId, name))
    const gone = [...before?.customData.keys() ?? []].filter((name) => !customer.customData.has(name))
    if (gone.length > 0) {
      statements.push({ text: 'delete from customer_attributes where customer_id = $1 and attribute_id = any($2)', values: [customerId, gone.map(idOf)] })
    }
    for (const [name, value] of customer.customData) {
      if (before?.customData.get(name) === value) continue
      rows.push(attributeRow(customerId, idOf(name), value))
    }
  }
  if (deleted.size > 0) statements.push({ text: 'delete from customer_attributes where customer_id = any($1)', values: [[...deleted.keys()]] })
  return [...statements, ...insertRows('customer_attributes', rows, 'on conflict (customer_id, attribute_id) do update set number = excluded.number, text = excluded.text')]
}

function eventStatements({ events, deletedEvents }: WorkingSet): Statement[] {
  const deletion = { text: 'delete from events where customer_id = any($1) and id = any($2)',
    values: [deletedEvents.map(({ customerId }) => customerId), deletedEvents.map(({ id }) => id)] }
  return [...(deletedEvents.length === 0 ? [] : [deletion]), ...insertRows('events', events.map(({ id, organizationId, customer, name, data, createdAt }) =>
    ({ id, organization_id: organizationId, customer_id: customer, name, data: JSON.stringify(data), created_at: Number(createdAt) })))]
}

function changeStatements({ changes }: WorkingSet, ids: readonly number[]): Statement[] {
  const rows = changes.map(({ caller: { organizationId, keyId, requestId }, at, change: { kind, customerId, before, after } }, index) => ({
    id: requireId(ids[index]), organization_id: organizationId, customer_id: customerId ?? 0, kind, at, key_id: keyId, request_id: requestId,
    before: before && renderFields(before),
    // These fields are in the customer's row, which halves what a customer takes on disk.
    after: isWhole(kind) || after === null ? null : renderFields(after)
  }))
  const pointers = changes.map(({ caller: { organizationId }, change }, index) => ({
    position: requireId(ids[index]), organization_id: organizationId, customer_id: change.customerId ?? 0,
    event_id: change.kind === 'event.recorded' ? change.after.event : touchesEvents(change.kind) ? allEvents : null
  }))
  return [...insertRows('changes', rows), ...insertRows('feed', pointers)]
}

/** Last, since its rows are those for which others may wait. */
function countStatements({ countChanges }: WorkingSet): Statement[] {
  return [...countChanges].filter(([, change]) => change !== 0).toSorted(([one], [other]) => one - other).map(([organizationId, change]) => ({
    text: `insert into customer_counts as counts (organization_id, slot, customers) values ($1, pg_backend_pid() % ${countSlots}, $2)
      on conflict (organization_id, slot) do update set customers = counts.customers + excluded.customers`,
    values: [organizationId, change]
  }))
}
