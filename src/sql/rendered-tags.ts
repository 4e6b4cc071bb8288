import type { Customer, CustomerJson } from '../customer.ts'
import { renderCustomer } from '../customer.ts'
import type { NameCatalog } from './name-catalog.ts'

/** What a row should hold of the tags of its customer. */
export interface RenderedTags {
  /** In order of attachment; undefined when one is not in the catalog, so that they are not known. */
  readonly tagIds: readonly number[] | undefined
  readonly tagVersion: number
  readonly rendering: CustomerJson
}

/** By what the rendering says, made when `tagVersion` was the newest version of a tag. */
export function renderedTags(
  catalog: Pick<NameCatalog, 'of' | 'isCurrent' | 'tagVersion'>,
  { organizationId, tagVersion, customer }: { organizationId: number; tagVersion: number; customer: Customer }
): RenderedTags {
  const { tagIds, tagColors } = catalog.of(organizationId)
  const ids = customer.tags.flatMap(({ name }) => tagIds.get(name) ?? [])
  if (ids.length < customer.tags.length) return { tagIds: undefined, tagVersion, rendering: renderCustomer(customer) }
  const isPossible = tagVersion <= catalog.tagVersion
  if (isPossible && !catalog.isCurrent(organizationId, tagVersion)) return { tagIds: ids, tagVersion, rendering: renderCustomer(customer) }
  const tags = customer.tags.map(({ name, color }) => ({ name, color: tagColors.get(name) ?? color }))
  return { tagIds: ids, tagVersion: isPossible ? tagVersion : catalog.tagVersion, rendering: renderCustomer({ ...customer, tags }) }
}
