import type { TSchema } from 'typebox'
import { Change, UndoOptions, Undone } from './change.ts'
import { ChangePage, FeedPage } from './change-page.ts'
import { Batch, BatchItem, Customer, CustomerDraft, CustomerPage, Customers, Device, Location, PickedCustomer, PickedCustomerPage } from './customer.ts'
import { ErrorBody, ErrorEntry } from './error.ts'
import { CustomerEvent, EventDraft } from './event.ts'
import { CustomerSearch, FieldFilter, Filter, FilterGroup } from './search.ts'
import { Tag, TagDraft, TagsDraft } from './tag.ts'
import {
  Delivery, DeliveryPage, DeliveryWithRequest, PingOutcome, Replayed, ReplayDraft, RotationDraft, Webhook, WebhookDraft, WebhookPatch, Webhooks, WebhookWithSecret
} from './webhook.ts'

/** The named schemas of the wire. */
export const schemas: readonly (TSchema & { readonly $id?: string })[] = [
  Batch, BatchItem, Change, ChangePage, Customer, CustomerDraft, CustomerEvent, CustomerPage, Customers, CustomerSearch, Device,
  ErrorBody, ErrorEntry, EventDraft, FeedPage, FieldFilter, Filter, FilterGroup, Location, PickedCustomer, PickedCustomerPage, Tag, TagDraft, TagsDraft,
  UndoOptions, Undone,
  Delivery, DeliveryPage, DeliveryWithRequest, PingOutcome, Replayed, ReplayDraft, RotationDraft, Webhook, WebhookDraft, WebhookPatch, Webhooks, WebhookWithSecret
]
