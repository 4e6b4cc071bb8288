import fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { ApiError } from '../errors.ts'
import { limits } from '../limits.ts'
import { jsonBody, takeAnyBody } from './json-body.ts'

/** What a route reads of a body sent with these headers: its JSON, or the faults of the refusal. */
async function read(payload: string | Buffer | undefined, headers: Record<string, string> = {}): Promise<unknown> {
  const server = fastify()
  onTestFinished(async () => { await server.close() })
  takeAnyBody(server)
  let outcome: unknown
  server.post('/', async (request) => {
    try {
      outcome = { read: jsonBody(request) }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      outcome = { code: error.code, message: error.message, faults: error.faults }
    }
    return ''
  })
  await server.inject({ method: 'POST', url: '/', headers, ...(payload === undefined ? {} : { payload }) })
  return outcome
}

function refused(message: string): object {
  return { code: 'invalid_request', message: 'Invalid request', faults: [{ path: 'body', message }] }
}

function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}

test.each([
  undefined, 'application/json', 'application/json; charset=utf-8', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data',
  'application/xml', 'nonsense', ''
])('a body is read as JSON under the content type %s', async (contentType) => {
  expect(await read('{"name":"Zoë"}', contentType === undefined ? {} : { 'content-type': contentType })).toEqual({ read: { name: 'Zoë' } })
})

test.each<[string, string | Buffer | undefined, unknown]>([
  ['no body is undefined', undefined, undefined],
  ['an empty body is undefined', '', undefined],
  ['a byte order mark is passed over', '\uFEFF{"a":1}', { a: 1 }],
  ['white space around it is passed over', ' \r\n\t[1] ', [1]],
  ['any JSON value is read', 'null', null],
  ['the deepest nesting allowed is read', nested(limits.bodyLevelsMax), JSON.parse(nested(limits.bodyLevelsMax))]
])('%s', async (_name, payload, value) => {
  expect(await read(payload)).toEqual({ read: value })
})

test.each<[string, string | Buffer, string]>([
  ['what is not JSON', '{"a":', 'This value should be valid JSON.'],
  ['a form', 'name=Zoe&email=a%40b', 'This value should be valid JSON.'],
  ['white space alone', '  ', 'This value should be valid JSON.'],
  ['a number that JSON does not have', '{"a":NaN}', 'This value should be valid JSON.'],
  ['two byte order marks', '\uFEFF\uFEFF{}', 'This value should be valid JSON.'],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'This value should be UTF-8.'],
  ['a level too many', nested(limits.bodyLevelsMax + 1), 'This value is nested deeper than 32 levels.'],
  ['far too many levels', nested(400_000), 'This value is nested deeper than 32 levels.'],
  ['a level too many behind many values', `[${'{"a":1},'.repeat(1000)}${nested(limits.bodyLevelsMax)}]`, 'This value is nested deeper than 32 levels.']
])('%s is refused', async (_name, payload, message) => {
  expect(await read(payload)).toEqual(refused(message))
})

test('a customData whose order an object would lose is a Map, and nothing else is', async () => {
  expect(await read('{"customData":{"b":1,"0":[],"b":2},"data":{"b":1,"0":1}}')).toEqual({
    read: { customData: new Map<string, unknown>([['b', 2], ['0', []]]), data: { b: 1, 0: 1 } }
  })
  expect(await read('{"customData":{"b":1},"location":{"customData":{"b":1,"0":2}}}')).toEqual({
    read: { customData: { b: 1 }, location: { customData: { b: 1, 0: 2 } } }
  })
  expect(await read('\uFEFF[null,{"customData":[{"0":1}]},{"customData":{"0":1}}]')).toEqual({
    read: [null, { customData: [{ 0: 1 }] }, { customData: new Map([['0', 1]]) }]
  })
})

test('a compressed body is refused, and identity is no compression', async () => {
  expect(await read('{}', { 'content-encoding': 'gzip' })).toEqual({
    code: 'unsupported_media_type', message: 'A body with a Content-Encoding is not taken. Send plain JSON.', faults: []
  })
  expect(await read('{}', { 'content-encoding': 'identity' })).toEqual({ read: {} })
})

test('a __proto__ key is a key like any other and reaches no prototype', async () => {
  const { read: body } = await read('{"__proto__":{"polluted":true}}') as { read: object }

  expect(Object.keys(body)).toEqual(['__proto__'])
  expect(Object.getPrototypeOf(body)).toBe(Object.prototype)
  expect('polluted' in {}).toBe(false)
})
