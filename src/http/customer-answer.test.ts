import { setImmediate } from 'node:timers'
import { expect, test } from 'vitest'
import { emptyCustomer, renderCustomer } from '../customer.ts'
import { freeBytes, presentPage } from './customer-answer.ts'

const customers = Array.from({ length: 250 }, (_, index) => ({ ...emptyCustomer(index + 1), name: ',{"id":', firstSeen: '5' }))
const page = Buffer.from(customers.map((customer) => renderCustomer(customer)).join())

test('others are served while a long page is presented', async () => {
  const served: string[] = []
  const presented = presentPage(page, { fields: new Set(['id']), timestamps: 'string' }).then(() => served.push('page'))
  setImmediate(() => served.push('other'))
  await presented

  expect(served).toEqual(['other', 'page'])
})

test('the parts of a page make it whole', async () => {
  const whole = async (...wanted: Parameters<typeof presentPage>): Promise<unknown> => JSON.parse(`[${Buffer.concat(await presentPage(...wanted)).toString()}]`)
  const named = customers.map(({ id, name }) => ({ id, name }))

  expect(await whole(page, { fields: new Set(['id', 'name']), timestamps: 'integer' })).toEqual(named)
  expect(await whole(page, { fields: null, timestamps: 'integer' })).toEqual(customers.map((customer) => ({ ...customer, firstSeen: 5, customData: {} })))
  expect(await whole(Buffer.alloc(0), { fields: new Set(['id']), timestamps: 'integer' })).toEqual([])
  expect(await presentPage(page, { fields: null, timestamps: 'string' })).toEqual([page])
})

test('the memory of bytes is freed unless others share it', () => {
  const [whole, most, shared] = [new Uint8Array(9), new Uint8Array(9).subarray(1), new Uint8Array(9).subarray(5)]
  for (const bytes of [whole, most, shared]) freeBytes(bytes)
  expect([whole, most, shared].map(({ byteLength }) => byteLength)).toEqual([0, 0, 4])
})
