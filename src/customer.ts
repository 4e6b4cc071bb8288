import type { Customer, Device } from './contract/customer.ts'
import type { Tag } from './contract/tag.ts'

/** A customer as JSON text, byte for byte as it is answered. */
export type CustomerJson = string

/**
 * A customer as JSON text with an empty list of tags, and where in it (in UTF-16 units) the tags go.
 * Kept so that recoloring a tag costs one row, not one for each customer that has it.
 */
export interface Rendering {
  readonly text: string
  readonly tagsOffset: number
}

const emptyTail = '],"customData":{}}'

export function renderCustomer(customer: Customer): Rendering {
  // Tags and customData come last, so the text up to them is that of a customer who has neither.
  const bare = JSON.stringify({ ...customer, tags: [], customData: {} })
  const tagsOffset = bare.length - emptyTail.length
  return { text: `${bare.slice(0, tagsOffset)}],"customData":${JSON.stringify(customer.customData)}}`, tagsOffset }
}

export function spliceTags({ text, tagsOffset }: Rendering, tags: readonly Tag[]): CustomerJson {
  if (tags.length === 0) return text
  return text.slice(0, tagsOffset) + tags.map(renderTag).join() + text.slice(tagsOffset)
}

export function renderTag({ name, color }: Tag): string {
  return JSON.stringify({ name, color })
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
