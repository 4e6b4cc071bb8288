import { expect, test } from 'vitest'
import { parseCustomer } from '../customer.ts'
import { pastsReplaced } from './change-items.ts'

const customer = parseCustomer('{"id":1,"tags":[],"customData":{}}')

test('customers who were changed after what is told of them are walked back, and those of whom that is not known', () => {
  const now = new Map([[1, { customer, version: 10 }], [2, { customer, version: 10 }], [3, { customer, version: 10 }], [4, { customer, version: 0 }]])
  const pasts = new Map([
    [1, [10]],
    // An event leaves the row as it is.
    [2, [10, 11]],
    [3, [10, 9]],
    [4, [10]],
    [5, [10]]
  ])
  expect([...pastsReplaced(pasts, now).keys()]).toEqual([3, 4, 5])
})
