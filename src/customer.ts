import type { Customer, Device } from './contract/customer.ts'
import type { Tag } from './contract/tag.ts'

/** A customer as JSON text, byte for byte as it is answered. */
export type CustomerJson = string

/**
 * A customer as JSON text with an empty list of tags. Kept in this form, so that recoloring a tag
 * costs one row and not one for each customer that has it; `tagsMarker` is where the tags go.
 */
export type Rendering = string

/** Stands once in a rendering: inside text values its quotes would be escaped, and custom data has no lists. */
export const tagsMarker = ',"tags":[],"customData":'

/** How much of the marker comes before the tags. */
export const tagsMarkerLead = ',"tags":['.length

export function renderCustomer(customer: Customer): Rendering {
  return JSON.stringify({ ...customer, tags: [] })
}

export function spliceTags(rendering: Rendering, tagsJson: string): CustomerJson {
  if (tagsJson === '') return rendering
  const offset = rendering.indexOf(tagsMarker) + tagsMarkerLead
  return rendering.slice(0, offset) + tagsJson + rendering.slice(offset)
}

/** Tags as the elements of a JSON array. */
export function renderTags(tags: readonly Tag[]): string {
  return tags.map(({ name, color }) => JSON.stringify({ name, color })).join()
}

/** A customer of whom nothing is known yet. Key order is that of every answer. */
export function emptyCustomer(id: number): Customer {
  return {
    id,
    name: null,
    email: null,
    userId: null,
    company: null,
    phone: null,
    firstSeen: null,
    lastSeen: null,
    location: { regionCode: null, countryCode: null, city: null },
    device: null,
    unsubscribed: false,
    blocked: false,
    source: null,
    referer: null,
    lastPage: null,
    locale: null,
    createdFrom: null,
    integrationId: null,
    notes: null,
    tags: [],
    customData: {}
  }
}

/** A device as written: its id may be left to the server. */
export type DeviceDraft = Omit<Device, 'id'> & { readonly id: number | null }

export function keepDevice(draft: DeviceDraft, customerId: number): Device {
  const { ip, timezone, platform, userAgent } = draft
  return { id: draft.id ?? customerId, ip, timezone, platform, userAgent }
}
