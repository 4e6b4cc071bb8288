import { expect, test } from 'vitest'
import { pickFields, pickPageFields, sliceCustomers } from './picked-fields.ts'

const tricky = '{"id":7,"name":"],\\"customData\\":{,{\\"id\\":8,","email":null,"userId":"u","company":null,"phone":null,"firstSeen":"5","lastSeen":null,' +
  '"location":{"regionCode":null,"countryCode":"UA","city":"Київ"},"device":{"id":7,"ip":null,"timezone":null,"platform":null,"userAgent":null},' +
  '"unsubscribed":false,"blocked":true,"source":null,"referer":null,"lastPage":null,"locale":null,"createdFrom":null,"integrationId":null,"notes":"\\u0001",' +
  '"tags":[{"name":"],\\"customData\\":{","color":"red"}],"customData":{"b":1.5,"2024":"x","1":",{\\"id\\":9,"}}'
const bare = tricky.replace(/"tags":.*$/s, '"tags":[],"customData":{}}')

test('only the fields wanted are kept, in the order of a customer, as they were', () => {
  expect(pickFields(tricky, new Set(['customData', 'id', 'location']))).toBe(
    '{"id":7,"location":{"regionCode":null,"countryCode":"UA","city":"Київ"},"customData":{"b":1.5,"2024":"x","1":",{\\"id\\":9,"}}')
  expect(pickFields(tricky, new Set(['tags', 'notes', 'blocked']))).toBe('{"blocked":true,"notes":"\\u0001","tags":[{"name":"],\\"customData\\":{","color":"red"}]}')
  expect(pickFields(bare, new Set(['tags', 'customData']))).toBe('{"tags":[],"customData":{}}')
  expect(pickFields(bare, new Set())).toBe('{}')
})

test('all fields are the whole customer', () => {
  const all = new Set(Object.keys(JSON.parse(tricky) as object)) as Parameters<typeof pickFields>[1]

  expect([pickFields(tricky, all), pickFields(bare, all)]).toEqual([tricky, bare])
})

test('a page is picked from customer by customer', () => {
  const page = [tricky, bare, tricky].join()

  expect(pickPageFields(page, new Set(['id', 'device']))).toBe(
    Array.from({ length: 3 }, () => '{"id":7,"device":{"id":7,"ip":null,"timezone":null,"platform":null,"userAgent":null}}').join())
  expect(pickPageFields(bare, new Set(['tags']))).toBe('{"tags":[]}')
})

test('a page is cut between customers, a hundred or a megabyte at a time', () => {
  const slices = (customers: string[]): string[] => Array.from(sliceCustomers(Buffer.from(customers.join())), String)
  const large = tricky.replace('Київ', 'Київ'.repeat(200_000))
  const many = Array.from({ length: 250 }, (_, index) => (index % 2 === 0 ? tricky : bare))

  expect(slices([])).toEqual([])
  expect(slices([tricky])).toEqual([tricky])
  expect(slices(many.slice(0, 100))).toEqual([many.slice(0, 100).join()])
  expect(slices(many)).toEqual([many.slice(0, 100).join(), many.slice(100, 200).join(), many.slice(200).join()])
  expect(slices([large, large])).toEqual([large, large])
  expect(slices([bare, large, bare, tricky])).toEqual([[bare, large].join(), [bare, tricky].join()])
})
