import { expect, test } from 'vitest'
import { seen, startWire } from './expected.ts'

const dates = JSON.stringify(seen).slice(1, -1)

/** A body of which only the custom data matters, as text, since an object would lose the order under test. */
function withCustomData(customData: string): string {
  return `{${dates},"customData":${customData}}`
}

/** The custom data of every customer in an answer, as text. */
function customDataIn(text: string): string[] {
  return [...text.matchAll(/"customData":(\{[^}]*\})/g)].map(([, customData = '']) => customData)
}

const forms: [form: string, customData: string][] = [
  ['an object', '{"plan":"pro","2024":1,"b":true,"0":"x"}'],
  ['an object that names one twice', '{"plan":"free","2024":1,"b":true,"0":"x","plan":"pro","2024":1}'],
  ['an object whose names are escaped', '{ "pl\\u0061n" : "pro", "20\\u00324": 1 ,"b":true, "\\u0030":"x"}'],
  ['a list of property and value',
    '[{"property":"plan","value":"pro"},{"property":"2024","value":1},{"property":"b","value":true},{"property":"0","value":"x"}]'],
  ['a list of name and value', '[{"name":"plan","value":"pro"},{"name":"2024","value":1},{"name":"b","value":true},{"name":"0","value":"x"}]']
]
const ordered = '{"plan":"pro","2024":1,"b":true,"0":"x"}'

test.each(forms)('attributes named by numbers keep their place in every answer: %s', async (_form, customData) => {
  const { call } = await startWire()
  const created = await call('POST', '/v1/customers', withCustomData(customData))
  const patched = await call('PATCH', '/v1/customers/1', withCustomData(customData))
  const replaced = await call('PUT', '/v1/customers/1', withCustomData(customData))
  const batched = await call('PUT', '/v1/customers/batch', `[{"customer":1,"customData":${customData}}]`)
  const tagged = await call('PUT', '/v1/customers/1/tags', { tags: ['Lead'] })
  const recolored = await call('PUT', '/v1/customers/1/tags', { tags: [{ name: 'Lead', color: 'red' }] })
  const found = await call('GET', '/v1/customers/1')
  const listed = await call('GET', '/v1/customers')
  const searched = await call('POST', '/v1/customers/search', {})

  expect([created, patched, replaced, batched, tagged, recolored, found, listed, searched].map(({ text }) => customDataIn(text)))
    .toEqual(Array.from({ length: 9 }, () => [ordered]))
})

test('PATCH /v1/customers/{id} 200: an attribute named by a number keeps its place, and goes last when it was removed', async () => {
  const { call } = await startWire()
  await call('POST', '/v1/customers', withCustomData('{"b":1,"2":2,"1":3}'))

  const changed = await call('PATCH', '/v1/customers/1', withCustomData('{"3":4,"1":5,"0":6}'))
  const removed = await call('PATCH', '/v1/customers/1', withCustomData('{"2":null,"a":7}'))
  const again = await call('PATCH', '/v1/customers/1', withCustomData('{"2":8}'))

  expect([changed, removed, again].flatMap(({ text }) => customDataIn(text))).toEqual([
    '{"b":1,"2":2,"1":5,"3":4,"0":6}', '{"b":1,"1":5,"3":4,"0":6,"a":7}', '{"b":1,"1":5,"3":4,"0":6,"a":7,"2":8}'
  ])
})

test('PUT /v1/customers/{id} 200: attributes named by numbers that stay keep their place', async () => {
  const { call } = await startWire()
  await call('POST', '/v1/customers', withCustomData('{"b":1,"2":2,"1":3}'))

  const { text } = await call('PUT', '/v1/customers/1', withCustomData('{"a":4,"0":5,"1":6,"b":7}'))

  expect(customDataIn(text)).toEqual(['{"b":7,"1":6,"a":4,"0":5}'])
})

test('PUT /v1/customers/batch 200: each item has its own order', async () => {
  const { call, create } = await startWire()
  await Promise.all([create(), create(), create()])

  const { text } = await call('PUT', '/v1/customers/batch',
    '[{"customer":1,"customData":{"b":1,"0":2}},{"customer":2,"name":"A"},{"customer":3,"customData":{"1":1,"a":2,"0":3}},{"customData":{"c":1,"1":2},"customer":1}]')

  expect(customDataIn(text)).toEqual(['{"b":1,"0":2}', '{}', '{"1":1,"a":2,"0":3}', '{"b":1,"0":2,"c":1,"1":2}'])
})

test('POST /v1/customers 201: of custom data given twice, the last holds, in its own order', async () => {
  const { call } = await startWire()

  const { text } = await call('POST', '/v1/customers', '{"customData":{"2":1,"z":1},"name":"A","customData":{"b":1,"1":2,"a":3}}')

  expect(customDataIn(text)).toEqual(['{"b":1,"1":2,"a":3}'])
})

test('POST /v1/customers 400: faults of attributes are in the order of the body, under their names', async () => {
  const { call } = await startWire()

  const { body } = await call('POST', '/v1/customers', withCustomData('{"b":[],"1":{},"__proto__":1,"0":[]}'))

  expect(body).toEqual({
    errors: [
      { code: 'invalid_request', message: 'Invalid request' },
      { code: 'customData.b', message: 'This value should be text, a number, a boolean or null.' },
      { code: 'customData.1', message: 'This value should be text, a number, a boolean or null.' },
      { code: 'customData.__proto__', message: 'This name is reserved.' },
      { code: 'customData.0', message: 'This value should be text, a number, a boolean or null.' }
    ]
  })
})
