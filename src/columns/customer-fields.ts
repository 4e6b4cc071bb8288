import { foldCase } from '../case-folding.ts'
import { channels } from '../channel.ts'
import type { UnixSeconds } from '../clock.ts'
import type { AttributeValue, Customer } from '../contract/customer.ts'
import type { ScalarFieldName } from '../contract/search.ts'
import type { ScalarField } from '../search.ts'
import { AttributeColumns } from './attribute-columns.ts'
import { channelCode, ChannelTexts } from './channel-texts.ts'
import { encodeText } from './encoded-text.ts'
import { IdColumn } from './id-column.ts'
import { NumberColumn, type NumberSource } from './number-column.ts'
import type { RowMapping } from './row-mapping.ts'
import { TagRows } from './tag-rows.ts'
import { TextColumn, type TextSource } from './text-column.ts'

/** What is indexed of a customer besides events. */
export interface IndexedCustomer {
  readonly customer: Omit<Customer, 'customData'>
  readonly attributes: Iterable<readonly [name: string, value: AttributeValue]>
  readonly createdAt: UnixSeconds
  readonly updatedAt: UnixSeconds
}

type Read<Value> = (indexed: IndexedCustomer) => Value | null

const folded = (read: Read<string>): Read<string> => (indexed) => {
  const text = read(indexed)
  return text === null ? null : foldCase(text)
}
const seconds = (text: string | null): number | null => (text === null ? null : Number(text))

/** Texts in the form in which they compare. */
const readText = {
  name: folded(({ customer }) => customer.name),
  email: folded(({ customer }) => customer.email),
  userId: ({ customer }) => customer.userId,
  company: folded(({ customer }) => customer.company),
  phone: folded(({ customer }) => customer.phone),
  countryCode: folded(({ customer }) => customer.location.countryCode),
  regionCode: folded(({ customer }) => customer.location.regionCode),
  city: folded(({ customer }) => customer.location.city),
  source: folded(({ customer }) => customer.source),
  referer: folded(({ customer }) => customer.referer),
  lastPage: folded(({ customer }) => customer.lastPage),
  locale: folded(({ customer }) => customer.locale),
  createdFrom: folded(({ customer }) => customer.createdFrom),
  integrationId: ({ customer }) => customer.integrationId,
  notes: folded(({ customer }) => customer.notes),
  'device.platform': folded(({ customer }) => customer.device?.platform ?? null),
  'device.timezone': folded(({ customer }) => customer.device?.timezone ?? null)
} as const satisfies Partial<Record<ScalarFieldName, Read<string>>>
type TextName = keyof typeof readText

const readNumber = {
  firstSeen: ({ customer }) => seconds(customer.firstSeen),
  lastSeen: ({ customer }) => seconds(customer.lastSeen),
  createdAt: ({ createdAt }) => createdAt,
  updatedAt: ({ updatedAt }) => updatedAt,
  unsubscribed: ({ customer }) => Number(customer.unsubscribed),
  blocked: ({ customer }) => Number(customer.blocked)
} as const satisfies Partial<Record<ScalarFieldName, Read<number>>>
type NumberName = keyof typeof readNumber

const textNames = Object.keys(readText) as TextName[]
const numberNames = Object.keys(readNumber) as NumberName[]

/** A column for each thing that can be asked of a customer besides events. Rows are told by their numbers only. */
export class CustomerFields {
  /** Those of removed rows stay, so that they are in order. */
  readonly ids = new IdColumn()
  readonly tags = new TagRows()
  readonly attributes = new AttributeColumns()
  /** The folded userId where folding changes it. */
  readonly #foldedUserIds = new TextColumn()
  readonly #texts: Record<TextName, TextColumn>
  readonly #numbers: Record<NumberName, NumberColumn>
  readonly #channelCodes = new NumberColumn()
  readonly #channelTexts: ReadonlyMap<string, ChannelTexts>

  constructor() {
    this.#texts = Object.fromEntries(textNames.map((name) => [name, new TextColumn(name === 'phone' ? 'digits' : 'characters')])) as Record<TextName, TextColumn>
    this.#numbers = Object.fromEntries(numberNames.map((name) => [name, new NumberColumn()])) as Record<NumberName, NumberColumn>
    this.#channelTexts = new Map(channels.map((channel, code) =>
      [`${channel}Id`, new ChannelTexts(code, this.#channelCodes, this.#texts.integrationId)]))
  }

  get bytes(): number {
    return this.#columns().reduce((sum, column) => sum + column.bytes, 0)
  }

  /** What a search of any text looks in. Those of a phone number are also found by digits. */
  get anyTexts(): readonly { readonly source: TextColumn; readonly isPhone: boolean }[] {
    const { email, name, company, phone, userId } = this.#texts
    // Folding keeps letters in their places, so a folded needle that lies in the exact userId lies in the folded one.
    const others = [email, name, company, userId, this.#foldedUserIds]
    return [...others.map((source) => ({ source, isPhone: false })), { source: phone, isPhone: true }]
  }

  /** Undefined for an attribute that no customer has as text. */
  text(field: ScalarField): TextSource | undefined {
    if (field.attribute !== undefined) return this.attributes.text(field.attribute)
    if (isKeyOf(this.#texts, field.name)) return this.#texts[field.name]
    return this.#channelTexts.get(field.name)
  }

  /** Undefined for an attribute that no customer has as a number. */
  number(field: ScalarField): NumberSource | undefined {
    if (field.attribute !== undefined) return this.attributes.number(field.attribute)
    if (field.name === 'id') return this.ids
    return isKeyOf(this.#numbers, field.name) ? this.#numbers[field.name] : undefined
  }

  /** Of so many rows in all. */
  set(row: number, indexed: IndexedCustomer, rowsInAll: number): void {
    for (const name of textNames) {
      const text = readText[name](indexed)
      this.#texts[name].set(row, text === null ? null : encodeText(text))
    }
    for (const name of numberNames) this.#numbers[name].set(row, readNumber[name](indexed))
    const { userId, createdFrom, tags } = indexed.customer
    const foldedUserId = userId === null ? null : foldCase(userId)
    this.#foldedUserIds.set(row, foldedUserId === null || foldedUserId === userId ? null : encodeText(foldedUserId))
    this.#channelCodes.set(row, channelCode(createdFrom))
    this.tags.set(row, tags.map(({ name }) => name), rowsInAll)
    this.attributes.set(row, indexed.attributes)
  }

  clear(row: number): void {
    for (const name of textNames) this.#texts[name].set(row, null)
    for (const name of numberNames) this.#numbers[name].set(row, null)
    this.#foldedUserIds.set(row, null)
    this.#channelCodes.set(row, null)
    this.tags.set(row, [], row + 1)
    this.attributes.set(row, [])
  }

  /** Gives one row what another has, of so many in all. */
  copy(from: number, to: number, rowsInAll: number): void {
    for (const column of this.#plainColumns()) column.copy(from, to)
    this.tags.copy(from, to, rowsInAll)
    this.attributes.copy(from, to)
  }

  remap(mapping: RowMapping): void {
    for (const column of this.#columns()) column.remap(mapping)
  }

  #columns(): (TextColumn | NumberColumn | TagRows | AttributeColumns)[] {
    return [this.ids, this.tags, this.attributes, ...this.#plainColumns()]
  }

  #plainColumns(): (TextColumn | NumberColumn)[] {
    return [this.#foldedUserIds, this.#channelCodes, ...Object.values(this.#texts), ...Object.values(this.#numbers)]
  }
}

function isKeyOf<Columns extends object>(columns: Columns, name: PropertyKey): name is keyof Columns {
  return Object.hasOwn(columns, name)
}
