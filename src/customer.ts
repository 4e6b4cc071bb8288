import { orderedEntries } from './attribute-order.ts'
import type { Device, Customer as RenderedCustomer } from './contract/customer.ts'
import type { Tag } from './contract/tag.ts'
import type { CustomData } from './custom-data.ts'
import { renderCustomData } from './custom-data.ts'
import type { Revision } from './revision.ts'

/** A customer as the rules know it: that of the contract, with its custom data in order. */
export type Customer = Omit<RenderedCustomer, 'customData'> & { readonly customData: CustomData }

/** A customer as JSON text, byte for byte as it is answered. */
export type CustomerJson = string

/** A customer as it is answered, and of which revision that is. */
export interface RevisedCustomer extends Revision {
  readonly json: CustomerJson
}

/** Keys in the order that every customer is built in, which is that of the contract. */
export function renderCustomer(customer: Customer): CustomerJson {
  return renderFields(customer)
}

/** Fields of a customer as JSON, and of anything else. Custom data is the last of them. */
export function renderFields({ customData, ...others }: object & { readonly customData?: CustomData }): string {
  const json = JSON.stringify(others)
  if (customData === undefined) return json
  return `${json.slice(0, -1)}${json === '{}' ? '' : ','}"customData":${renderCustomData(customData)}}`
}

/** The customer of a rendering. */
export function parseCustomer(rendering: CustomerJson): Customer {
  const parsed = JSON.parse(rendering) as RenderedCustomer
  const customDataText = (): string => rendering.slice(rendering.indexOf(tagsEnd) + tagsEnd.length - 1, -1)
  return { ...parsed, customData: orderedEntries(parsed.customData, customDataText) }
}

// Both stand once in a rendering: quotes inside text are escaped, and custom data has no lists.
const tagsStart = ',"tags":['
const tagsEnd = '],"customData":{'

/** A rendering with the tags as they are now, since one of them was recolored after it was made. */
export function replaceRenderedTags(rendering: CustomerJson, tags: readonly Tag[]): CustomerJson {
  const from = rendering.indexOf(tagsStart) + tagsStart.length
  const to = rendering.indexOf(tagsEnd, from - 1)
  return rendering.slice(0, from) + tags.map(({ name, color }) => JSON.stringify({ name, color })).join() + rendering.slice(to)
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
    customData: new Map()
  }
}

/** The keys of a customer, in the order of every answer. */
export const customerKeys = Object.keys(emptyCustomer(0)) as (keyof Customer)[]

/** A device as written: its id may be left to the server. */
export type DeviceDraft = Omit<Device, 'id'> & { readonly id: number | null }

export function keepDevice(draft: DeviceDraft, customerId: number): Device {
  const { ip, timezone, platform, userAgent } = draft
  return { id: draft.id ?? customerId, ip, timezone, platform, userAgent }
}
