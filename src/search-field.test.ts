import { describe, expect, test } from 'vitest'
import type { AttributeType } from './custom-data.ts'
import type { SearchField } from './search-field.ts'
import { findSearchField, isScalar, mayNameAttributes, shown, unknownField, unknownSort } from './search-field.ts'

const attributes = new Map<string, AttributeType>([
  ['plan', 'text'], ['seats', 'number'], ['is.paying', 'boolean'], ['customers.id', 'number']
])

/** Written out, so that a field cannot change its type, or come and go, by itself. */
const scalars: [name: string, type: string, isExact?: 'exact', fromInteger?: 'from integer'][] = [
  ['id', 'integer'],
  ['name', 'text'], ['email', 'text'], ['userId', 'text', 'exact', 'from integer'], ['company', 'text'], ['phone', 'text'],
  ['countryCode', 'text'], ['regionCode', 'text'], ['city', 'text'],
  ['firstSeen', 'date'], ['lastSeen', 'date'], ['createdAt', 'date'], ['updatedAt', 'date'],
  ['unsubscribed', 'boolean'], ['blocked', 'boolean'],
  ['source', 'text'], ['referer', 'text'], ['lastPage', 'text'], ['locale', 'text'], ['createdFrom', 'text'],
  ['integrationId', 'text', 'exact'], ['telegramId', 'text', 'exact'], ['facebookId', 'text', 'exact'],
  ['instagramId', 'text', 'exact'], ['viberId', 'text', 'exact'], ['whatsappId', 'text', 'exact'],
  ['notes', 'text'], ['device.platform', 'text'], ['device.timezone', 'text']
]

test.each(scalars)('%s is found with its prefix, in the singular, and without it', (name, type, isExact, fromInteger) => {
  const field = { type, name: `customers.${name}`, field: { name }, isExact: isExact !== undefined, fromInteger: fromInteger !== undefined }

  expect([`customers.${name}`, `customer.${name}`, name].map((given) => findSearchField(given, attributes))).toEqual([field, field, field])
})

const attributeField = (attribute: string, type: string): object =>
  ({ type, name: `customData.${attribute}`, field: { attribute }, isExact: false, fromInteger: false })

test.each<[given: string, field: object]>([
  ['tags', { type: 'tags', name: 'customers.tags' }],
  ['customers.tags', { type: 'tags', name: 'customers.tags' }],
  ['tagsData', { type: 'tags', name: 'customers.tagsData' }],
  ['customers.tagsData', { type: 'tags', name: 'customers.tagsData' }],
  ['text', { type: 'any text', name: 'text' }],
  ['customers.text', { type: 'any text', name: 'text' }],
  ['customData.plan', attributeField('plan', 'text')],
  ['customers.customData.seats', attributeField('seats', 'number')],
  ['customData.is.paying', attributeField('is.paying', 'boolean')],
  ['customData.customers.id', attributeField('customers.id', 'number')],
  ['events.Invoice paid', { type: 'events', name: 'events.Invoice paid', event: 'Invoice paid' }],
  ['customers.events.a.b', { type: 'events', name: 'events.a.b', event: 'a.b' }],
  ['events.events.', { type: 'events', name: 'events.events.', event: 'events.' }]
])('%s is found', (given, field) => {
  expect(findSearchField(given, attributes)).toEqual(field)
})

test.each([
  '', '.', 'customers', 'customers.', 'customers.customers.id', 'Customers.id', 'Name', 'ID', ' id', 'id ', 'constructor', '__proto__', 'customers.__proto__', 'toString',
  'customData', 'customData.', 'customData.Plan', 'customData.plan ', 'customData.customData.plan', 'customData.__proto__', 'plan',
  'events', 'events.', 'device', 'device.id', 'platform', 'location', 'location.city', 'data', 'TEXT'
])('"%s" is no field', (given) => {
  expect(findSearchField(given, attributes)).toBeUndefined()
})

test('pages are sorted by fields with one value', () => {
  const isSorting = (name: string): boolean => isScalar(findSearchField(name, attributes) as SearchField)

  expect(['id', 'notes', 'customData.plan', 'tags', 'text', 'events.a'].map(isSorting)).toEqual([true, true, true, false, false, false])
})

describe('a field that is not there is named, with the one that was probably meant', () => {
  test.each<[given: unknown, fault: string]>([
    ['customers.emial', '"customers.emial" is not a searchable field; did you mean "customers.email"?'],
    ['emial', '"emial" is not a searchable field; did you mean "customers.email"?'],
    ['customer.emial', '"customer.emial" is not a searchable field; did you mean "customers.email"?'],
    ['customers.EMAIL', '"customers.EMAIL" is not a searchable field; did you mean "customers.email"?'],
    ['CUSTOMERS.EMAIL', '"CUSTOMERS.EMAIL" is not a searchable field; did you mean "customers.email"?'],
    ['first_seen', '"first_seen" is not a searchable field; did you mean "customers.firstSeen"?'],
    ['user_id', '"user_id" is not a searchable field; did you mean "customers.userId"?'],
    ['referrer', '"referrer" is not a searchable field; did you mean "customers.referer"?'],
    ['customers.platform', '"customers.platform" is not a searchable field'],
    ['surname', '"surname" is not a searchable field'],
    ['comment', '"comment" is not a searchable field'],
    ['age', '"age" is not a searchable field'],
    ['tag', '"tag" is not a searchable field; did you mean "customers.tags"?'],
    ['txt', '"txt" is not a searchable field; did you mean "text"?'],
    ['customData.paln', '"customData.paln" is not a searchable field; did you mean "customData.plan"?'],
    ['customdata.plan', '"customdata.plan" is not a searchable field; did you mean "customData.plan"?'],
    ['Plan', '"Plan" is not a searchable field; did you mean "customData.plan"?'],
    ['custmers.email', '"custmers.email" is not a searchable field; did you mean "customers.email"?'],
    ['costumers.emial', '"costumers.emial" is not a searchable field; did you mean "customers.email"?'],
    ['customers_email', '"customers_email" is not a searchable field; did you mean "customers.email"?'],
    ['custom_data.plan', '"custom_data.plan" is not a searchable field; did you mean "customData.plan"?'],
    ['customerData.paln', '"customerData.paln" is not a searchable field; did you mean "customData.plan"?'],
    ['customers.customData.paln', '"customers.customData.paln" is not a searchable field; did you mean "customData.plan"?'],
    ['customData.name', '"customData.name" is not a searchable field; did you mean "customers.name"?'],
    ['customData.nope', '"customData.nope" is not a searchable field'],
    ['nmae', '"nmae" is not a searchable field; did you mean "customers.name"?'],
    ['nope', '"nope" is not a searchable field'],
    ['event.Invoice paid', '"event.Invoice paid" is not a searchable field; did you mean "events.Invoice paid"?'],
    ['Events.x', '"Events.x" is not a searchable field; did you mean "events.x"?'],
    ['events.', '"events." is not a searchable field'],
    ['customers.x', '"customers.x" is not a searchable field'],
    ['customers.', '"customers." is not a searchable field'],
    ['something else altogether', '"something else altogether" is not a searchable field'],
    ['$&', '"$&" is not a searchable field'],
    [5, '5 is not a searchable field'],
    [true, 'true is not a searchable field'],
    [['customers.id'], '["customers.id"] is not a searchable field'],
    [{ id: 1 }, '{"id":1} is not a searchable field'],
    ['x'.repeat(100_000), `"${'x'.repeat(99)} is not a searchable field`],
    ['customers.'.repeat(100_000), `"${'customers.'.repeat(10).slice(0, 99)} is not a searchable field`]
  ])('%#', (given, fault) => {
    expect(unknownField(given, attributes)).toBe(fault)
  })
})

test.each<[given: unknown, fault: string]>([
  ['customers.nmae', '"customers.nmae" is not a field to sort by; did you mean "customers.name"?'],
  ['customData.seat', '"customData.seat" is not a field to sort by; did you mean "customData.seats"?'],
  ['costumers.name', '"costumers.name" is not a field to sort by; did you mean "customers.name"?'],
  ['event.Invoice paid', '"event.Invoice paid" is not a field to sort by'],
  ['tags', '"tags" is not a field to sort by'],
  ['tagsData', '"tagsData" is not a field to sort by'],
  ['text', '"text" is not a field to sort by'],
  ['events.Invoice paid', '"events.Invoice paid" is not a field to sort by'],
  [7, '7 is not a field to sort by']
])('a sort that there is not is named: %j', (given, fault) => {
  expect(unknownSort(given, attributes)).toBe(fault)
})

test('what is shown of a value is well-formed wherever it is cut', () => {
  expect(shown(`${'x'.repeat(98)}\u{1f600}`)).toBe(`"${'x'.repeat(98)}\ufffd`)
})

test.each<[asked: unknown, may: boolean]>([
  [{ filter: [{ field: 'customData.plan', operator: '=', value: 'pro' }] }, true],
  [{ filter: [{ comparison: 'OR', filter: [{ field: 'customers.customData.plan', operator: 'empty' }] }] }, true],
  [{ sort: 'customData.plan' }, true],
  [{ filter: [{ field: 'customers.name', operator: '=', value: 'plan' }], sort: 'name' }, false],
  [{ sort: ['name', 'customData.plan'] }, true],
  [{}, false],
  [null, false],
  [undefined, false]
])('attributes may be named in %j: %s', (asked, may) => {
  expect(mayNameAttributes(asked)).toBe(may)
})
