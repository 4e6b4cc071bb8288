import { readFileSync } from 'node:fs'
import { Validator } from '@seriousme/openapi-schema-validator'
import { expect, test } from 'vitest'
import { openapiText } from '../src/cli/generate-openapi.ts'
import { startServer } from './start-server.ts'

interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: { readonly $ref: string } } } }
  readonly responses: Record<string, { readonly description: string; readonly content?: object }>
}

interface Description {
  readonly paths: Record<string, Record<string, Operation>>
  readonly components: { readonly schemas: Record<string, { readonly examples?: readonly unknown[] }> }
}

const committed = readFileSync(new URL('../openapi.json', import.meta.url), 'utf8')
const description = JSON.parse(committed) as Description
const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, ...operation })))

test('openapi.json is what `npm run generate` makes of the routes', async () => {
  expect(committed).toBe(await openapiText())
})

test('openapi.json is the description that the server serves', async () => {
  const { call } = await startServer()
  const { body } = await call('GET', '/openapi.json')
  const { info, ...rest } = body as Description & { info: object }
  expect({ ...rest, info: { ...info, version: '' } }).toEqual({ ...description, info: { ...info, version: '' } })
})

test('openapi.json is valid OpenAPI 3.1', async () => {
  const validator = new Validator()
  expect(await validator.validate(committed)).toEqual({ valid: true })
  expect(validator.version).toBe('3.1')
})

test('openapi.json describes each operation of the contract, our own, and the probes', () => {
  expect(operations.map(({ method, path, operationId }) => `${operationId}: ${method} ${path}`).toSorted()).toEqual([
    'createCustomer: POST /v1/customers',
    'createWebhook: POST /v1/webhooks',
    'deleteCustomer: DELETE /v1/customers/{id}',
    'deleteWebhook: DELETE /v1/webhooks/{id}',
    'getChange: GET /v1/changes/{id}',
    'getCustomer: GET /v1/customers/{id}',
    'getCustomerHistory: GET /v1/customers/{id}/history',
    'getDelivery: GET /v1/webhooks/{id}/deliveries/{deliveryId}',
    'getWebhook: GET /v1/webhooks/{id}',
    'isLive: GET /health/live',
    'isReady: GET /health/ready',
    'listChanges: GET /v1/changes',
    'listCustomers: GET /v1/customers',
    'listDeliveries: GET /v1/webhooks/{id}/deliveries',
    'listWebhooks: GET /v1/webhooks',
    'pauseWebhook: POST /v1/webhooks/{id}/pause',
    'replaceCustomer: PUT /v1/customers/{id}',
    'replayDelivery: POST /v1/webhooks/{id}/deliveries/{deliveryId}/replay',
    'replayFailedDeliveries: POST /v1/webhooks/{id}/replay',
    'resumeWebhook: POST /v1/webhooks/{id}/resume',
    'rotateWebhookSecret: POST /v1/webhooks/{id}/rotate-secret',
    'searchCustomers: POST /v1/customers/search',
    'streamChanges: GET /v1/changes/stream',
    'submitEvent: POST /v1/events',
    'tagCustomer: PUT /v1/customers/{id}/tags',
    'testWebhook: POST /v1/webhooks/{id}/test',
    'undoChange: POST /v1/changes/{id}/undo',
    'undoRequest: POST /v1/requests/{requestId}/undo',
    'untagCustomer: DELETE /v1/customers/{id}/tags',
    'updateCustomer: PATCH /v1/customers/{id}',
    'updateCustomers: PUT /v1/customers/batch',
    'updateWebhook: PATCH /v1/webhooks/{id}'
  ])
})

test('each operation has a summary, and each of its answers a description and a shape', () => {
  const poor = operations.filter(({ summary, responses }) =>
    summary === '' || Object.entries(responses).some(([status, { description: text, content }]) => text === 'Default Response' || (content === undefined) !== (status === '304')))
  expect(poor).toEqual([])
})

test('each reference in openapi.json leads to a schema, and each schema is referred to', () => {
  const references = [...committed.matchAll(/"\$ref": "#\/components\/schemas\/([^"]+)"/g)].flatMap(([, name]) => name ?? [])
  const anywhere = [...committed.matchAll(/"\$ref"/g)]
  expect(references.length).toBe(anywhere.length)
  expect([...new Set(references)].toSorted()).toEqual(Object.keys(description.components.schemas).toSorted())
})

const withBody = operations.filter(({ requestBody }) => requestBody !== undefined)

test.each(withBody)('$method $path takes the example of its description whole', async ({ method, path, requestBody, responses }) => {
  const { call } = await startServer()
  const { headers } = await call('POST', '/v1/customers', {})
  await call('POST', '/v1/customers', {})
  await call('POST', '/v1/webhooks', { url: 'https://example.com/' })
  const name = requestBody?.content['application/json'].schema.$ref.split('/').at(-1) ?? ''
  const [example] = description.components.schemas[name]?.examples ?? []
  expect(example).toBeDefined()
  const answer = await call(method as 'PUT', path.replace('{id}', '1').replace('{requestId}', String(headers['x-request-id'])), example)
  const [success] = Object.keys(responses)
  expect({ status: answer.status, ignored: answer.headers['clientele-ignored'] }).toEqual({ status: Number(success), ignored: undefined })
})

test('the reference at /docs takes nothing from other hosts, over http as over https', async () => {
  const { call } = await startServer()
  const { status, headers } = await call('GET', '/docs')
  expect({ status, policy: headers['content-security-policy'] }).toEqual({
    status: 200,
    policy: "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self' data:; form-action 'none'; " +
      "frame-ancestors 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'"
  })
})
