import { expect, test } from 'vitest'
import type { AttributeValue } from './contract/customer.ts'
import type { Customer } from './customer.ts'
import { emptyCustomer, parseCustomer, renderCustomer, renderFields, replaceRenderedTags } from './customer.ts'

// Text that looks like the parts of a rendering which are searched for.
const tricky = '],"customData":{"1":2,"tags":['

function withAttributes(...attributes: [string, AttributeValue][]): Customer {
  return { ...emptyCustomer(1), name: tricky, notes: tricky, tags: [{ name: tricky, color: 'red' }], customData: new Map(attributes) }
}

test.each<[string, [string, AttributeValue][], string]>([
  ['none', [], '{}'],
  ['words', [['b', 1], ['a', 'x'], ['c', false]], '{"b":1,"a":"x","c":false}'],
  ['array indices', [['b', 1], ['2024', 2], ['0', 3]], '{"b":1,"2024":2,"0":3}'],
  ['names of a rendering', [['customData', 1], ['9', tricky], [tricky, true], ['0', '']],
    `{"customData":1,"9":${JSON.stringify(tricky)},${JSON.stringify(tricky)}:true,"0":""}`]
])('custom data is rendered and read in its order: %s', (_what, attributes, rendered) => {
  const customer = withAttributes(...attributes)
  const rendering = renderCustomer(customer)

  expect(rendering.endsWith(`],"customData":${rendered}}`)).toBe(true)
  expect(JSON.parse(rendering)).toEqual({ ...customer, customData: Object.fromEntries(attributes) })
  expect(parseCustomer(rendering)).toEqual(customer)
  expect([...parseCustomer(rendering).customData]).toEqual(attributes)
  expect(parseCustomer(replaceRenderedTags(rendering, []))).toEqual({ ...customer, tags: [] })
})

test.each<[string, object]>([
  ['{}', {}],
  ['{"event":3}', { event: 3 }],
  ['{"customData":{}}', { customData: new Map() }],
  ['{"name":"A","customData":{"b":1,"0":2}}', { name: 'A', customData: new Map([['b', 1], ['0', 2]]) }]
])('fields alone are rendered as %s', (rendered, fields) => {
  expect(renderFields(fields)).toBe(rendered)
})
