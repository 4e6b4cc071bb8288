import { expect, test } from 'vitest'
import {
  customer, customerNotFound, invalid, ok, page, refusal, routeNotFound, seen, startWire, tooLarge, unauthorized, unsupportedEncoding, wants
} from './expected.ts'

const ann = JSON.stringify({ name: 'Ann', ...seen })

// 200, 201

const contentTypes = ['application/json', 'application/json; charset=latin1', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', '*/*', '']

test('POST /v1/customers 201: reads the body as JSON under any content type', async () => {
  const { ask } = await startWire()
  for (const [index, contentType] of contentTypes.entries()) {
    const answer = await ask('POST', '/v1/customers', ann, { 'content-type': contentType })
    expect({ contentType, ...answer }).toEqual({ contentType, status: 201, body: customer(index + 1, { name: 'Ann' }) })
  }
})

test('POST /v1/customers 201: reads a body that begins with a byte order mark', async () => {
  const { ask } = await startWire()
  expect(await ask('POST', '/v1/customers', `\uFEFF${ann}`)).toEqual({ status: 201, body: customer(1, { name: 'Ann' }) })
})

test('POST /v1/customers 201: takes the content encoding identity in any letter case', async () => {
  const { ask } = await startWire()
  for (const [index, encoding] of ['identity', 'Identity', ' identity '].entries()) {
    const answer = await ask('POST', '/v1/customers', ann, { 'content-encoding': encoding })
    expect({ encoding, ...answer }).toEqual({ encoding, status: 201, body: customer(index + 1, { name: 'Ann' }) })
  }
})

test('GET /v1/customers/{id} 200: answers JSON in UTF-8, its keys in the documented order', async () => {
  const { call, create } = await startWire()
  const id = await create({ notes: 'Zoë 🐈', customData: { plan: 'pro' }, tags: ['Lead'] })
  const { headers, body } = await call('GET', `/v1/customers/${id}`)
  expect(headers['content-type']).toBe('application/json; charset=utf-8')
  expect(JSON.stringify(body)).toBe('{"id":1,"name":null,"email":null,"userId":null,"company":null,"phone":null,'
    + '"firstSeen":"1700000000","lastSeen":"1700000000","location":{"regionCode":null,"countryCode":null,"city":null},"device":null,'
    + '"unsubscribed":false,"blocked":false,"source":null,"referer":null,"lastPage":null,"locale":null,"createdFrom":null,'
    + '"integrationId":null,"notes":"Zoë 🐈","tags":[{"name":"Lead","color":"#c377e0"}],"customData":{"plan":"pro"}}')
})

test('GET and DELETE /v1/customers/{id} 200: a content type without a body is no fault', async () => {
  const { ask, create } = await startWire()
  for (const contentType of ['application/json', 'text/plain', 'nonsense']) {
    const id = await create()
    const headers = { 'content-type': contentType }
    expect({ contentType, ...await ask('GET', `/v1/customers/${id}`, undefined, headers) }).toEqual({ contentType, ...ok(customer(id)) })
    expect({ contentType, ...await ask('DELETE', `/v1/customers/${id}`, undefined, headers) }).toEqual({ contentType, ...ok('Ok') })
  }
})

test('DELETE /v1/customers/{id} 200: a body is not read', async () => {
  const { ask, create, everyone } = await startWire()
  for (const body of ['{"id":1}', 'no JSON', ' ']) {
    const id = await create()
    expect({ sent: body, ...await ask('DELETE', `/v1/customers/${id}`, body) }).toEqual({ sent: body, ...ok('Ok') })
  }
  expect(await everyone()).toEqual(page([]))
})

test('DELETE /v1/customers/{id}/tags 200: takes its tags from the body', async () => {
  const { ask, create } = await startWire()
  const id = await create({ tags: ['Lead', 'VIP'] })
  expect(await ask('DELETE', `/v1/customers/${id}/tags`, { tags: ['Lead'] }, { 'content-type': 'text/plain' }))
    .toEqual(ok(customer(id, { tags: [{ name: 'VIP', color: '#c377e0' }] })))
})

const authorizations = ['Bearer KEY', 'bearer KEY', 'BEARER KEY', 'bEaReR KEY', 'Bearer <KEY>', 'bearer  <KEY> ']

test('GET /v1/customers 200: takes the scheme in any letter case, and the key in angle brackets', async () => {
  const { ask, key } = await startWire()
  for (const authorization of authorizations) {
    const answer = await ask('GET', '/v1/customers', undefined, { authorization: authorization.replace('KEY', key) })
    expect({ authorization, ...answer }).toEqual({ authorization, ...page([]) })
  }
})

test('every operation 2xx: a slash may end its path', async () => {
  const { ask } = await startWire()
  const color = '#c377e0'
  expect(await ask('POST', '/v1/customers/', ann)).toEqual({ status: 201, body: customer(1, { name: 'Ann' }) })
  expect(await ask('GET', '/v1/customers/1/')).toEqual(ok(customer(1, { name: 'Ann' })))
  expect(await ask('GET', '/v1/customers/?limit=1')).toEqual(page([customer(1, { name: 'Ann' })], { limit: 1 }))
  expect(await ask('POST', '/v1/customers/search/', {})).toEqual(page([customer(1, { name: 'Ann' })]))
  expect(await ask('PUT', '/v1/customers/1/', { name: 'Bo' })).toEqual(ok(customer(1, { name: 'Bo' })))
  expect(await ask('PATCH', '/v1/customers/1/', { name: 'Cy' })).toEqual(ok(customer(1, { name: 'Cy' })))
  expect(await ask('PUT', '/v1/customers/batch/', [{ customer: 1, name: 'Di' }])).toEqual(ok([customer(1, { name: 'Di' })]))
  expect(await ask('PUT', '/v1/customers/1/tags/', { tags: ['A'] })).toEqual(ok(customer(1, { name: 'Di', tags: [{ name: 'A', color }] })))
  expect(await ask('DELETE', '/v1/customers/1/tags/', { tags: ['A'] })).toEqual(ok(customer(1, { name: 'Di' })))
  expect(await ask('POST', '/v1/events/', { name: 'e', customer: 1, createdAt: 5 }))
    .toEqual(ok({ id: 1, name: 'e', data: {}, createdAt: '5', customer: 1 }))
  expect(await ask('DELETE', '/v1/customers/1/')).toEqual(ok('Ok'))
})

// Request ids

test('every path: has an id of its own, made by the server', async () => {
  const { call } = await startWire()
  const paths = ['/v1/customers', '/v1/nothing', '/nothing', '/v1/%zz', '/%ff', '/health/live', '/openapi.json']
  const ids = await Promise.all(paths.map(async (path) => (await call('GET', path)).headers['x-request-id']))
  expect(ids.filter((id) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(String(id)))).toEqual(ids)
  expect(new Set(ids).size).toBe(paths.length)
})

test('GET /v1/customers 401: a refused request has an id too', async () => {
  const { call } = await startWire()
  const { headers } = await call('GET', '/v1/customers', undefined, { authorization: '' })
  expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
})

test('GET /v1/customers 200: gives back a client\'s X-Request-Id as X-Client-Request-Id, and logs it', async () => {
  const { call, logged } = await startWire()
  const answers: unknown[] = []
  for (const id of ['a', 'A-z_0.9', 'x'.repeat(128)]) {
    const { headers } = await call('GET', '/v1/customers', undefined, { 'x-request-id': id })
    expect(headers['x-client-request-id']).toBe(id)
    expect(headers['x-request-id']).not.toBe(id)
    answers.push({ requestId: headers['x-request-id'], clientRequestId: id })
  }
  expect(logged.map(({ requestId, clientRequestId }) => ({ requestId, clientRequestId }))).toEqual(answers)
})

test('GET /v1/customers 200: forgets an X-Request-Id that is none', async () => {
  const { call, logged } = await startWire()
  for (const id of ['x'.repeat(129), 'a b', 'é', 'a,b', '<script>']) {
    const { status, headers } = await call('GET', '/v1/customers', undefined, { 'x-request-id': id })
    expect({ id, status, given: headers['x-client-request-id'] }).toEqual({ id, status: 200, given: undefined })
  }
  expect(logged.map(({ clientRequestId }) => clientRequestId)).toEqual(Array.from({ length: 5 }, () => undefined))
})

// What is ignored, and named in Clientele-Ignored

const draft = { name: 'Ann', ...seen }
const ignored: { request: Parameters<Awaited<ReturnType<typeof startWire>>['call']>; names: string | undefined }[] = [
  { request: ['GET', '/v1/customers/1'], names: undefined },
  { request: ['GET', '/v1/customers/1?expand=all&x'], names: 'expand,x' },
  { request: ['GET', '/v1/customers?limit=1&page=2'], names: 'page' },
  { request: ['GET', '/v1/customers?a%20b=1&%C3%A9=2'], names: 'a%20b,%C3%A9' },
  { request: ['GET', '/v1/customers?__proto__=1&constructor=2'], names: '__proto__,constructor' },
  { request: ['POST', '/v1/customers', { ...draft, id: 7, vip: true }], names: 'id,vip' },
  { request: ['POST', '/v1/customers?notify=1', draft], names: 'notify' },
  { request: ['POST', '/v1/customers?=1', { ...draft, '': 1, vip: true, location: { '': 1 } }], names: '%22%22,%22%22,vip,location.' },
  { request: ['POST', '/v1/customers', `{"__proto__":{"name":"Eve"},"constructor":{"prototype":{}},${ann.slice(1)}`], names: '__proto__,constructor' },
  { request: ['POST', '/v1/customers', { ...draft, 'a,b': 1, 'new\r\nline': 2 }], names: 'a%2Cb,new%0D%0Aline' },
  { request: ['POST', '/v1/customers', { ...draft, '\uD800': 1 }], names: '%EF%BF%BD' },
  { request: ['POST', '/v1/customers', { ...draft, location: { zip: '1' }, device: { os: 'x' } }], names: 'location.zip,device.os' },
  { request: ['POST', '/v1/customers', { ...draft, city: 'Ulm', location: { city: 'Bonn' } }], names: 'city' },
  { request: ['PATCH', '/v1/customers/1', { city: 5, countryCode: 'DE', location: null }], names: 'countryCode,city' },
  { request: ['POST', '/v1/customers', { ...draft, tags: [{ name: 'a', id: 4 }] }], names: 'tags%5B0%5D.id' },
  { request: ['POST', '/v1/customers', { ...draft, customData: [{ property: 'p', value: 1, type: 'number' }] }], names: 'customData%5B0%5D.type' },
  { request: ['PATCH', '/v1/customers/1', { id: 2, createdAt: 5 }], names: 'id,createdAt' },
  { request: ['PUT', '/v1/customers/1', { id: 2 }], names: 'id' },
  { request: ['PUT', '/v1/customers/batch', [{ customer: 1 }, { customer: 1, id: 3 }]], names: '%5B1%5D.id' },
  { request: ['PUT', '/v1/customers/1/tags', { tags: [], customer: 1 }], names: 'customer' },
  { request: ['DELETE', '/v1/customers/1/tags?x=1', { tags: [{ name: 'a', id: 1 }] }], names: 'x,tags%5B0%5D.id' },
  { request: ['POST', '/v1/customers/search?x=1', { where: [], filter: [{ field: 'customers.id', operator: '=', value: 1, type: 'n' }] }], names: 'x,where,filter%5B0%5D.type' },
  { request: ['POST', '/v1/events?x=1', { name: 'e', customer: 1, id: 9 }], names: 'x,id' },
  { request: ['DELETE', '/v1/customers/1?force=1'], names: 'force' }
]

test('every operation 2xx: names what it ignored in Clientele-Ignored', async () => {
  const { call, create } = await startWire()
  await create()
  for (const { request, names } of ignored) {
    const { status, headers } = await call(...request)
    expect({ request, succeeded: status < 300, names: headers['clientele-ignored'] }).toEqual({ request, succeeded: true, names })
  }
})

test('POST /v1/customers 201: __proto__ and constructor at top level change nothing', async () => {
  const { ask } = await startWire()
  const body = `{"__proto__":{"name":"Eve","blocked":true},"constructor":{"prototype":{"name":"Eve"}},${JSON.stringify(seen).slice(1)}`
  expect(await ask('POST', '/v1/customers', body)).toEqual({ status: 201, body: customer(1) })
})

test('POST /v1/customers 201: names as many ignored paths as fit in 1,024 bytes', async () => {
  const { call } = await startWire()
  const fits = ['a'.repeat(511), 'b'.repeat(512)]
  const name = async (keys: readonly string[]): Promise<unknown> =>
    (await call('POST', '/v1/customers', Object.fromEntries(keys.map((key) => [key, 1])))).headers['clientele-ignored']
  expect(await name(fits)).toBe(fits.join())
  expect(await name([...fits, 'c'])).toBe(fits.join())
  expect(await name(['a'.repeat(511), 'b'.repeat(513)])).toBe('a'.repeat(511))
  // Percent-encoding counts: 341 of these are 1,023 bytes.
  expect(await name(['é'.repeat(170), 'x'])).toBe(`${'%C3%A9'.repeat(170)},x`)
  expect(await name(['x', 'é'.repeat(171)])).toBe('x')
})

test('POST /v1/customers 201: a path longer than 1,024 bytes leaves no empty header', async () => {
  const { call } = await startWire()
  const { status, headers } = await call('POST', '/v1/customers', { ['k'.repeat(1025)]: 1 })
  expect({ status, names: headers['clientele-ignored'] }).toEqual({ status: 201, names: undefined })
})

// 400

const badBodies: { what: string; body: string | Buffer | undefined; message: string }[] = [
  { what: 'no body', body: undefined, message: wants.something },
  { what: 'an empty body', body: '', message: wants.something },
  { what: 'white space', body: '  ', message: wants.json },
  { what: 'a body cut short', body: '{"name":"A"', message: wants.json },
  { what: 'two values', body: '{} {}', message: wants.json },
  { what: 'NaN', body: '{"firstSeen":NaN}', message: wants.json },
  { what: 'form fields', body: 'name=Ann&email=a@b', message: wants.json },
  { what: 'two byte order marks', body: '\uFEFF\uFEFF{}', message: wants.json },
  { what: 'bytes that are no UTF-8', body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), message: 'This value should be UTF-8.' },
  { what: 'UTF-16', body: Buffer.from('{}', 'utf16le'), message: wants.json },
  { what: 'an encoded surrogate', body: Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), message: 'This value should be UTF-8.' },
  { what: 'a nesting of 33 levels', body: `${'['.repeat(33)}${']'.repeat(33)}`, message: 'This value is nested deeper than 32 levels.' },
  { what: 'a nesting of 500,000 levels', body: `${'['.repeat(500_000)}${']'.repeat(500_000)}`, message: 'This value is nested deeper than 32 levels.' }
]
const bodyOperations = [
  ['POST', '/v1/customers'], ['POST', '/v1/customers/search'], ['PUT', '/v1/customers/1'], ['PATCH', '/v1/customers/1'],
  ['PUT', '/v1/customers/batch'], ['PUT', '/v1/customers/1/tags'], ['DELETE', '/v1/customers/1/tags'], ['POST', '/v1/events']
] as const

test.for(bodyOperations)('%s %s 400: refuses a body that is no JSON, and changes nothing', async ([method, path]) => {
  const { ask, create, everyone } = await startWire()
  await create({ name: 'Ann', tags: ['Lead'] })
  const before = await everyone()
  for (const { what, body, message } of badBodies) {
    expect({ what, ...await ask(method, path, body) }).toEqual({ what, ...invalid(['body', message]) })
  }
  expect(await ask(method, path, undefined, { 'content-type': 'text/plain' })).toEqual(invalid(['body', wants.something]))
  expect(await everyone()).toEqual(before)
})

test.for(bodyOperations.filter(([, path]) => path !== '/v1/customers/batch'))(
  '%s %s 400: refuses a body that is no object, and changes nothing', async ([method, path]) => {
    const { ask, create, everyone } = await startWire()
    await create({ name: 'Ann', tags: ['Lead'] })
    const before = await everyone()
    for (const body of ['[]', '[{}]', 'null', 'true', '1', '"{}"', `${'['.repeat(32)}${']'.repeat(32)}`]) {
      expect({ sent: body, ...await ask(method, path, body) }).toEqual({ sent: body, ...invalid(['body', wants.object]) })
    }
    expect(await everyone()).toEqual(before)
  })

test('PUT /v1/customers/batch 400: refuses a body that is no array', async () => {
  const { ask } = await startWire()
  for (const body of ['{}', 'null', 'true', '1', '"[]"']) {
    expect({ sent: body, ...await ask('PUT', '/v1/customers/batch', body) }).toEqual({ sent: body, ...invalid(['body', wants.array]) })
  }
})

test('POST /v1/events 200: a body of 32 levels is taken', async () => {
  const { ask, create } = await startWire()
  const customerId = await create()
  const body = `{"name":"deep","customer":${customerId},"createdAt":1,"data":{"a":${'['.repeat(30)}${']'.repeat(30)}}}`
  const answer = await ask('POST', '/v1/events', body)
  expect(answer).toEqual(ok({ id: 1, name: 'deep', data: (JSON.parse(body) as { data: unknown }).data, createdAt: '1', customer: customerId }))
})

// 401

const strangers = ['', 'KEY', 'Basic KEY', 'Bearer', 'Bearer ', 'BearerKEY', 'Bearer KEY KEY', 'Bearer KEYx', 'Bearer ck_wrong', 'Token KEY']

test('GET /v1/customers 401: lets nobody in without a valid key', async () => {
  const { call, key } = await startWire()
  for (const authorization of strangers) {
    const { status, body, headers } = await call('GET', '/v1/customers', undefined, { authorization: authorization.replaceAll('KEY', key) })
    expect({ authorization, status, body, challenge: headers['www-authenticate'] }).toEqual({ authorization, ...unauthorized, challenge: 'Bearer' })
  }
})

// 404, 405

const unknownPaths = ['/v1', '/v1/', '/v1/customer', '/v1/customers/1/tags/2', '/v1/customers/1/events', '/v1/event', '/V1/customers', '/customers', '/', '/v1/%zz', '/v1/%ff']

test('any path 404: there is no such route', async () => {
  const { ask } = await startWire()
  for (const path of unknownPaths) expect({ path, ...await ask('GET', path) }).toEqual({ path, ...routeNotFound })
})

test('GET /v1/customers/{id} 404: a path that cannot be decoded names no customer', async () => {
  const { ask } = await startWire()
  for (const id of ['%zz', '%ff', '%', '%00']) expect({ id, ...await ask('GET', `/v1/customers/${id}`) }).toEqual({ id, ...customerNotFound })
})

const wrongMethods = [
  ['POST', '/v1/customers/1', 'GET, HEAD, PUT, PATCH, DELETE'],
  ['PUT', '/v1/customers', 'GET, HEAD, POST'],
  ['DELETE', '/v1/customers/', 'GET, HEAD, POST'],
  ['PATCH', '/v1/customers/1/tags', 'PUT, DELETE'],
  ['GET', '/v1/events', 'POST'],
  ['OPTIONS', '/v1/events?x=1', 'POST']
] as const

test('any method 405: names the methods there are', async () => {
  const { call } = await startWire()
  for (const [method, path, allowed] of wrongMethods) {
    const { status, body, headers } = await call(method, path)
    expect({ path, status, body, allow: headers.allow })
      .toEqual({ path, ...refusal(405, 'method_not_allowed', `${method} is not allowed here. Allowed: ${allowed}`), allow: allowed })
  }
})

// 413, 415

test('POST /v1/events 413: a body may have 1,048,576 bytes and no more', async () => {
  const { ask, create } = await startWire()
  const customerId = await create()
  const bodyOf = (bytes: number): string => {
    const body = JSON.stringify({ name: 'e', customer: customerId, createdAt: 1 })
    return body + ' '.repeat(bytes - body.length)
  }
  expect(await ask('POST', '/v1/events', bodyOf(1_048_576))).toEqual(ok({ id: 1, name: 'e', data: {}, createdAt: '1', customer: customerId }))
  expect(await ask('POST', '/v1/events', bodyOf(1_048_577))).toEqual(tooLarge)
})

test.for(bodyOperations)('%s %s 413: an oversize body changes nothing', async ([method, path]) => {
  const { ask, create, everyone } = await startWire()
  await create({ name: 'Ann' })
  const before = await everyone()
  expect(await ask(method, path, ' '.repeat(1_048_577))).toEqual(tooLarge)
  expect(await everyone()).toEqual(before)
})

test('POST /v1/customers 415: does not take a compressed body', async () => {
  const { ask, everyone } = await startWire()
  for (const encoding of ['gzip', 'deflate', 'br', 'gzip, identity']) {
    expect({ encoding, ...await ask('POST', '/v1/customers', ann, { 'content-encoding': encoding }) }).toEqual({ encoding, ...unsupportedEncoding })
  }
  expect(await everyone()).toEqual(page([]))
})

// Which failure comes first: each of these requests deserves the one named and every later one.

const oversize = ' '.repeat(1_048_577)

test('POST /v1/nothing 401: a wrong key is answered before the rate limit, an unknown route and an oversize body', async () => {
  const { ask } = await startWire({ rateLimitPerMinute: 1 })
  await ask('GET', '/v1/customers')
  expect(await ask('POST', '/v1/nothing', oversize, { authorization: 'Bearer wrong' })).toEqual(unauthorized)
})

test('any path under /v1 401: without a key nothing is told', async () => {
  const { ask } = await startWire()
  for (const path of ['/v1/%zz', '/v1/customers/%ff', '/v1/nothing', '/v1/customers/1/tags']) {
    expect({ path, ...await ask('GET', path, undefined, { authorization: '' }) }).toEqual({ path, ...unauthorized })
  }
})

test('POST /v1/nothing 429: the rate limit is answered before an unknown route and an oversize body', async () => {
  const { ask } = await startWire({ rateLimitPerMinute: 1 })
  await ask('GET', '/v1/customers')
  const { status } = await ask('POST', '/v1/nothing', oversize)
  expect(status).toBe(429)
  expect((await ask('GET', '/v1/%zz')).status).toBe(429)
})

test.for(['/v1/nothing', '/nothing'])('POST %s 404: an unknown route is answered before an oversize body', async (path) => {
  const { ask } = await startWire()
  expect(await ask('POST', path, oversize)).toEqual(routeNotFound)
})

test('PATCH /v1/customers/{id} 413: an oversize body is answered before a bad body and an unknown customer', async () => {
  const { ask } = await startWire()
  expect(await ask('PATCH', '/v1/customers/404', oversize, { 'content-encoding': 'gzip' })).toEqual(tooLarge)
})

test.for([['PATCH', '/v1/customers/404'], ['PUT', '/v1/customers/404'], ['PATCH', '/v1/customers/no-id']] as const)(
  '%s %s 400: all faults are answered before an unknown customer and a taken userId', async ([method, path]) => {
    const { ask, create } = await startWire()
    await create({ userId: 'taken' })
    expect(await ask(method, path, { userId: 'taken', name: 1, email: 'none', blocked: 'no', tags: [{}], customData: { a: [] } })).toEqual(invalid(
      ['name', wants.text], ['email', wants.email], ['blocked', wants.boolean], ['tags[0].name', wants.something], ['customData.a', wants.attributeValue]))
  })

test.for([['PUT', '/v1/customers/404/tags'], ['DELETE', '/v1/customers/404/tags'], ['PUT', '/v1/customers/no-id/tags']] as const)(
  '%s %s 400: a fault is answered before an unknown customer', async ([method, path]) => {
    const { ask } = await startWire()
    expect(await ask(method, path, {})).toEqual(invalid(['tags', wants.something]))
  })

test('POST /v1/events 400: a fault is answered before an unknown customer', async () => {
  const { ask } = await startWire()
  expect(await ask('POST', '/v1/events', { customer: 404 })).toEqual(invalid(['name', wants.something]))
})

test.for(['PATCH', 'PUT'] as const)('%s /v1/customers/{id} 404: an unknown customer is answered before a taken userId', async (method) => {
  const { ask, create } = await startWire()
  await create({ userId: 'taken' })
  expect(await ask(method, '/v1/customers/404', { userId: 'taken' })).toEqual(customerNotFound)
})

test('PATCH /v1/customers/{id} 400: the wrong type of an attribute is answered before an unknown customer', async () => {
  const { ask, create } = await startWire()
  await create({ customData: { plan: 'pro' } })
  expect(await ask('PATCH', '/v1/customers/404', { customData: { plan: 1 } })).toEqual(invalid(['customData.plan', 'This value should be of type text.']))
})
