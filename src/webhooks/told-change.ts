import type { ChangeItem, ChangeStore } from '../change-store.ts'
import type { Delivery } from '../webhook.ts'

/** The change that a delivery tells of, with its customer; undefined when it is no longer kept. */
export async function changeOf(
  store: Pick<ChangeStore, 'changesBetween'>, organizationId: number, { customerId, changeId }: Pick<Delivery, 'customerId' | 'changeId'>
): Promise<ChangeItem | undefined> {
  const [item] = await store.changesBetween(organizationId, customerId ?? 0, { fromId: changeId, throughId: changeId, limit: 1 })
  return item
}
