import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { limits } from '../../src/limits.ts'
import type { Delivery } from '../../src/webhook.ts'
import { createDatabase } from '../engines.ts'
import type { WireServer } from './expected.ts'
import { invalid, ok, startWire } from './expected.ts'

const url = 'https://example.com/hook'
const someSecond = expect.any(Number) as number
const helpcrunchEvents = [
  'customer.new', 'customer.email_updated', 'customer.tags_changed', 'customer.unsubscribed', 'customer.subscribed', 'customer.blocked', 'customer.unblocked', 'customer.deleted'
]
const standardEvents = ['customer.created', 'customer.updated', 'customer.deleted', 'customer.restored', 'event.recorded', 'event.deleted', 'tag.updated']

function webhook(id: number, fields: object = {}): object {
  return {
    id, url, format: 'standard', events: standardEvents, filter: null, pausedReason: null, pausedAt: null, succeededAt: null, failingSince: null,
    failedDeliveries: 0, heldCustomers: 0, previousSecretUntil: null, createdAt: someSecond, updatedAt: someSecond, ...fields
  }
}

const notFound = (what: string): object => ({ status: 404, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, { code: 'not_found', message: `${what} not found` }] } })
const conflict = (message: string): object => ({ status: 409, body: { errors: [{ code: 'invalid_request', message: 'Invalid request' }, { code: 'conflict', message }] } })

const organizationId = 1

function delivery(changeId: number, fields: Partial<Delivery> = {}): Delivery {
  return {
    id: `00000000-0000-8000-8000-${String(changeId).padStart(12, '0')}`, changeId, part: 0, customerId: 7, event: 'customer.created', status: 'delivered', attempts: 1,
    firstAttemptAt: 1_000 + changeId, lastAttemptAt: 1_000 + changeId, nextAttemptAt: null, responseStatus: 200, responseText: 'Ok', error: null, durationMs: 12,
    isReplay: false, ...fields
  }
}

function shown({ part: _, ...fields }: Delivery): object {
  return fields
}

/** A server with a webhook, number 1, that has these deliveries. */
async function startWithDeliveries(...deliveries: Delivery[]): Promise<WireServer> {
  const server = await startWire()
  await server.ask('POST', '/v1/webhooks', { url })
  const [claim] = await server.store.claimWebhooks('test', 60)
  const kept = await server.store.keepProgress('test', 1, { position: claim?.position ?? '', deliveries, held: [], released: [], succeededAt: null, failingSince: null, pauseReason: null })
  expect(kept).toBe(true)
  return server
}

describe('POST /v1/webhooks', () => {
  test('201: the webhook, with a secret that no other answer shows', async () => {
    const { ask } = await startWire()

    const made = await ask('POST', '/v1/webhooks', { url })

    expect(made).toEqual({ status: 201, body: webhook(1, { secret: expect.stringMatching(/^whsec_[\w+/]{43}=$/) as string }) })
    expect(await ask('GET', '/v1/webhooks/1')).toEqual(ok(webhook(1)))
    expect(await ask('GET', '/v1/webhooks')).toEqual(ok({ data: [webhook(1)] }))
  })

  test('201: everything as given', async () => {
    const { ask } = await startWire()
    const filter = { comparison: 'OR', filter: [{ field: 'tags', operator: 'any', value: ['VIP'] }, { field: 'customers.email', operator: '~', value: '@example.com' }] }
    const secret = `whsec_${Buffer.alloc(24, 7).toString('base64')}`

    expect(await ask('POST', '/v1/webhooks', { url, format: 'standard', events: ['tag.updated', 'customer.created'], filter, secret }))
      .toEqual({ status: 201, body: webhook(1, { events: ['customer.created', 'tag.updated'], filter, secret }) })
    expect(await ask('POST', '/v1/webhooks', { url, format: 'helpcrunch', filter: null, secret: 'our secret' })).toEqual({
      status: 201,
      body: webhook(2, {
        format: 'helpcrunch', secret: 'our secret',
        events: ['customer.new', 'customer.email_updated', 'customer.tags_changed', 'customer.unsubscribed', 'customer.subscribed', 'customer.blocked', 'customer.unblocked', 'customer.deleted']
      })
    })
    expect(await ask('POST', '/v1/webhooks', { url, format: 'helpcrunch', events: ['customer.new', 'customer.new'] }))
      .toEqual({ status: 201, body: webhook(3, { format: 'helpcrunch', events: ['customer.new'], secret: expect.stringMatching(/^[\w-]{43}$/) as string }) })
  })

  test.each<[string, unknown, [path: string, message: string][]]>([
    ['nothing', undefined, [['body', 'This value should not be blank.']]],
    ['a list', [], [['body', 'This value should be of type object.']]],
    ['no url', {}, [['url', 'This value should not be blank.']]],
    ['a url that is none', { url: 'example' }, [['url', 'This value should be a URL, such as "https://example.com/webhooks".']]],
    ['a url without TLS', { url: 'http://example.com/' }, [['url', 'This URL should begin with "https://".']]],
    ['a private address', { url: 'https://10.0.0.1/' }, [['url', 'This URL should lead to the public internet, not to a private or reserved address.']]],
    ['an unknown key', { url, event: ['customer.created'] }, [['event', 'This key is not known. Did you mean "events"?']]],
    ['an unknown format', { url, format: 'standart' }, [['format', '"standart" is none of standard, helpcrunch. Did you mean "standard"?']]],
    ['a format of another type', { url, format: 1 }, [['format', 'This value should be of type string.']]],
    ['an unknown event', { url, events: ['customer.create', 1] }, [
      ['events[0]', `"customer.create" is none of ${standardEvents.join(', ')}. Did you mean "customer.created"?`], ['events[1]', 'This value should be of type string.']
    ]],
    ['an event of the other format', { url, format: 'helpcrunch', events: ['tag.updated'] }, [
      ['events[0]', '"tag.updated" is none of customer.new, customer.email_updated, customer.tags_changed, customer.unsubscribed, customer.subscribed, customer.blocked, customer.unblocked, customer.deleted.']
    ]],
    ['no events', { url, events: [] }, [['events', 'This collection should contain 1 element or more. Leave it out for all events.']]],
    ['events of another type', { url, events: 'customer.created' }, [['events', 'This value should be of type array.']]],
    ['a filter of another type', { url, filter: [] }, [['filter', 'This value should be of type object, with "comparison" and "filter" as in a search.']]],
    ['a filter with faults', { url, filter: { filters: [], filter: [{ field: 'emial', operator: '=', value: 'a' }, { field: 'events.paid', operator: '>', value: 1 }] } }, [
      ['filter.filters', 'This key is not known. Did you mean "filter"?'], ['filter.filter[0].field', expect.stringContaining('email') as string],
      ['filter.filter[1].field', 'Events cannot be asked for here: only fields of the customer, its tags and its custom data.']
    ]],
    ['a filter with a key that means nothing', { url, filter: { filter: [{ field: 'email', operator: '=', value: 'a', comment: 'x' }] } }, [['filter.filter[0].comment', 'This key is not known.']]],
    ['keys inside the tags of a filter', { url, filter: { filter: [{ field: 'tags', operator: 'any', value: [{ name: 'a', nmae: 'b', x: 1 }] }] } }, [
      ['filter.filter[0].value[0].nmae', 'This key is not known. Did you mean "name"?'], ['filter.filter[0].value[0].x', 'This key is not known.']
    ]],
    ['a key of a filter two letters away', { url, filter: { filter: [{ field: 'email', operator: 'empty', oprtor: '=' }] } }, [
      ['filter.filter[0].oprtor', 'This key is not known. Did you mean "operator"?']
    ]],
    ['a value that is not asked for', { url, filter: { filter: [{ field: 'email', operator: 'empty', value: 'a' }] } }, [['filter.filter[0].value', 'This operator takes no value.']]],
    ['a secret that is too short', { url, format: 'helpcrunch', secret: 'short' }, [['secret', 'This value is too short. It should have 8 characters or more.']]],
    ['a secret of the other format', { url, secret: 'a secret of mine' }, [['secret', 'This value should be "whsec_" and 24 to 64 bytes in base64.']]],
    ['a secret of another type', { url, secret: 12_345_678 }, [['secret', 'This value should be of type string.']]]
  ])('400: %s', async (_what, body, faults) => {
    const { ask } = await startWire()
    expect(await ask('POST', '/v1/webhooks', body)).toEqual(invalid(...faults))
    expect(await ask('GET', '/v1/webhooks')).toEqual(ok({ data: [] }))
  })

  test('400: what is wrong with the query and with the body', async () => {
    const { ask } = await startWire()
    const [x, blank] = [['x', 'This parameter is not known.'], ['url', 'This value should not be blank.']] as const
    expect(await ask('POST', '/v1/webhooks?x=1', { urll: '' })).toEqual(invalid(x, ['urll', 'This key is not known. Did you mean "url"?'], blank))
    expect(await ask('POST', '/v1/webhooks?x=1', [])).toEqual(invalid(x, ['body', 'This value should be of type object.']))
    expect(await ask('POST', '/v1/webhooks?x=1', undefined)).toEqual(invalid(x, ['body', 'This value should not be blank.']))
  })

  test('409: one too many', async () => {
    const { ask } = await startWire()
    for (let made = 0; made < limits.webhooksMax; made += 1) expect(await ask('POST', '/v1/webhooks', { url })).toMatchObject({ status: 201 })
    expect(await ask('POST', '/v1/webhooks', { url })).toEqual(conflict('There are 100 webhooks already, which is the limit. Delete one first.'))
  })

  test('201: a repeat with its Idempotency-Key makes none, and shows the same secret, which is not kept as it is shown', async () => {
    const database = await createDatabase()
    const { call, ask } = await startWire({}, database)
    const post = async (path: string, body: object): ReturnType<typeof call> => await call('POST', path, body, { 'idempotency-key': `key of ${path}` })

    for (const [path, status] of [['/v1/webhooks', 201], ['/v1/webhooks/1/rotate-secret', 200]] as const) {
      const first = await post(path, path === '/v1/webhooks' ? { url } : {})
      const second = await post(path, path === '/v1/webhooks' ? { url } : {})
      expect([first.status, second.status, second.headers['idempotency-replayed']]).toEqual([status, status, 'true'])
      expect(second.body).toEqual(first.body)
    }
    expect(await ask('GET', '/v1/webhooks')).toEqual(ok({ data: [webhook(1, { previousSecretUntil: someSecond })] }))
    const kept = await database.sql('select outcome from idempotency_keys')
    expect(kept).toHaveLength(2)
    expect(kept.filter(({ outcome }) => /(?<!sealed:)whsec_/.test(Buffer.from(outcome as Uint8Array).toString('latin1')))).toEqual([])
  })
})

describe('PATCH /v1/webhooks/{id}', () => {
  test('200: what is given is changed', async () => {
    const { ask } = await startWire()
    await ask('POST', '/v1/webhooks', { url, filter: { filter: [] } })

    expect(await ask('PATCH', '/v1/webhooks/1', { url: 'https://example.com/other', events: ['tag.updated'] }))
      .toEqual(ok(webhook(1, { url: 'https://example.com/other', events: ['tag.updated'], filter: { filter: [] } })))
    expect(await ask('PATCH', '/v1/webhooks/1', { filter: null, format: 'standard' })).toEqual(ok(webhook(1, { url: 'https://example.com/other', events: ['tag.updated'] })))
    expect(await ask('PATCH', '/v1/webhooks/1', {})).toEqual(ok(webhook(1, { url: 'https://example.com/other', events: ['tag.updated'] })))
  })

  test('400: what cannot be', async () => {
    const { ask } = await startWire()
    await ask('POST', '/v1/webhooks', { url, format: 'helpcrunch' })

    expect(await ask('PATCH', '/v1/webhooks/1', { url: '', events: ['tag.updated'], format: 'standard', secret: 'x', urll: '' })).toEqual(invalid(
      ['urll', 'This key is not known. Did you mean "url"?'],
      ['format', 'The format of a webhook cannot be changed. Make another webhook.'],
      ['secret', 'A secret is changed with POST …/rotate-secret, which sees to it that no delivery fails meanwhile.'],
      ['url', 'This value should not be blank.'],
      ['events[0]', expect.stringContaining('"tag.updated" is none of customer.new, ') as string]
    ))
  })
})

test('DELETE /v1/webhooks/{id} 200: it is gone', async () => {
  const { ask } = await startWithDeliveries(delivery(1))
  await ask('POST', '/v1/webhooks', { url })
  expect(await ask('DELETE', '/v1/webhooks/2', {})).toEqual(ok('Ok'))
  expect(await ask('DELETE', '/v1/webhooks/1')).toEqual(ok('Ok'))
  expect(await ask('DELETE', '/v1/webhooks/1')).toEqual(notFound('Webhook'))
  expect(await ask('GET', '/v1/webhooks')).toEqual(ok({ data: [] }))
})

describe('POST /v1/webhooks/{id}/rotate-secret', () => {
  const secretOf = ({ body }: { body: unknown }): string => (body as { secret: string }).secret

  test('200: another secret, and the one before holds for a day', async () => {
    const { ask, store } = await startWire()
    const first = secretOf(await ask('POST', '/v1/webhooks', { url }))
    const before = systemClock()

    const rotated = await ask('POST', '/v1/webhooks/1/rotate-secret')

    const second = secretOf(rotated)
    expect(rotated).toEqual(ok(webhook(1, { secret: expect.stringMatching(/^whsec_/) as string, previousSecretUntil: someSecond })))
    expect(second).not.toBe(first)
    const { secrets } = await store.findWebhook(organizationId, 1) ?? {}
    expect(secrets).toEqual({ secret: `sealed:${second}`, previousSecret: `sealed:${first}`, previousUntil: someSecond })
    expect((secrets?.previousUntil ?? 0) - before).toBeGreaterThanOrEqual(86_400)
  })

  test.each(['standard', 'helpcrunch'])('409: while the one before the last still holds, unless that is to end: %s', async (format) => {
    const { ask, store } = await startWire()
    await ask('POST', '/v1/webhooks', { url, format })
    await ask('POST', '/v1/webhooks/1/rotate-secret')
    const { secrets } = await store.findWebhook(organizationId, 1) ?? {}

    const until = secrets?.previousUntil ?? 0
    expect(await ask('POST', '/v1/webhooks/1/rotate-secret', {})).toEqual(conflict(
      `The secret before the last rotation holds until ${until}, as previousSecretUntil says. Rotate again then, or with {"now": true}, which ends the secrets of now at once.`))
    expect((await store.findWebhook(organizationId, 1))?.secrets).toEqual(secrets)
    const third = secretOf(await ask('POST', '/v1/webhooks/1/rotate-secret', { now: true }))
    expect((await store.findWebhook(organizationId, 1))?.secrets).toEqual({ secret: `sealed:${third}`, previousSecret: null, previousUntil: null })
    const fourth = secretOf(await ask('POST', '/v1/webhooks/1/rotate-secret', {}))
    expect((await store.findWebhook(organizationId, 1))?.secrets).toEqual({ secret: `sealed:${fourth}`, previousSecret: `sealed:${third}`, previousUntil: someSecond })
  })

  test('200: a second one when the secret before holds no longer', async () => {
    const { ask, store } = await startWire()
    await ask('POST', '/v1/webhooks', { url })
    onTestFinished(() => { vi.useRealTimers() })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - limits.previousSecretSeconds * 1000 })
    const second = secretOf(await ask('POST', '/v1/webhooks/1/rotate-secret'))
    vi.useRealTimers()
    const third = secretOf(await ask('POST', '/v1/webhooks/1/rotate-secret'))
    expect((await store.findWebhook(organizationId, 1))?.secrets).toEqual({ secret: `sealed:${third}`, previousSecret: `sealed:${second}`, previousUntil: someSecond })
  })

  test('200: at once, and to one of your own', async () => {
    const { ask, store } = await startWire()
    await ask('POST', '/v1/webhooks', { url, format: 'helpcrunch' })

    expect(await ask('POST', '/v1/webhooks/1/rotate-secret', { now: true, secret: 'our secret' }))
      .toMatchObject(ok({ format: 'helpcrunch', secret: 'our secret', previousSecretUntil: null }))
    expect((await store.findWebhook(organizationId, 1))?.secrets).toEqual({ secret: 'sealed:our secret', previousSecret: null, previousUntil: null })
  })

  test('400: what cannot be', async () => {
    const { ask } = await startWire()
    await ask('POST', '/v1/webhooks', { url })
    expect(await ask('POST', '/v1/webhooks/1/rotate-secret', { now: 'true', secret: 'x', noww: true })).toEqual(invalid(
      ['noww', 'This key is not known. Did you mean "now"?'], ['now', 'This value should be of type bool.'], ['secret', 'This value should be "whsec_" and 24 to 64 bytes in base64.']
    ))
  })
})

test('POST /v1/webhooks/{id}/pause and /resume 200: nothing is sent in between', async () => {
  const { ask, store } = await startWire()
  await ask('POST', '/v1/webhooks', { url })
  expect(await ask('POST', '/v1/webhooks/1/pause')).toEqual(ok(webhook(1, { pausedReason: 'asked', pausedAt: someSecond })))
  expect(await store.claimWebhooks('test', 60)).toEqual([])
  expect(await ask('POST', '/v1/webhooks/1/pause', {})).toEqual(ok(webhook(1, { pausedReason: 'asked', pausedAt: someSecond })))
  expect(await ask('POST', '/v1/webhooks/1/resume')).toEqual(ok(webhook(1)))
  expect(await store.claimWebhooks('test', 60)).toHaveLength(1)
})

test('POST /v1/webhooks/{id}/test 200: what the receiver answered, also while it is paused', async () => {
  const { ask } = await startWire()
  await ask('POST', '/v1/webhooks', { url })
  await ask('POST', '/v1/webhooks/1/pause')
  expect(await ask('POST', '/v1/webhooks/1/test')).toEqual(ok({ responseStatus: 200, responseText: `ping of ${url}`, error: null, durationMs: 1 }))
})

describe('GET /v1/webhooks/{id}/deliveries', () => {
  const all = [
    delivery(1), delivery(2, { status: 'failed', attempts: 10, responseStatus: null, responseText: null, error: 'The receiver did not answer within 15 s' }),
    delivery(3, { customerId: null, event: 'tag.updated' }), delivery(4, { status: 'retrying', nextAttemptAt: 9_999, responseStatus: 500 }), delivery(5)
  ] as const
  const newest = all.toReversed().map(shown)
  const pageOf = (data: object[], limit: number, cursor: unknown = null): object => ok({ data, meta: { limit, cursor } })

  test('200: newest first, page by page', async () => {
    const { ask } = await startWithDeliveries(...all)

    expect(await ask('GET', '/v1/webhooks/1/deliveries')).toEqual(pageOf(newest, 100))
    const first = await ask('GET', '/v1/webhooks/1/deliveries?limit=2')
    expect(first).toEqual(pageOf(newest.slice(0, 2), 2, expect.any(String)))
    const { meta: { cursor } } = first.body as { meta: { cursor: string } }
    expect(await ask('GET', `/v1/webhooks/1/deliveries?limit=3&cursor=${cursor}`)).toEqual(pageOf(newest.slice(2), 3))
    expect(await ask('GET', '/v1/webhooks/1/deliveries?limit=5')).toEqual(pageOf(newest, 5))
    expect(await ask('GET', '/v1/webhooks/1/deliveries?status=failed')).toEqual(pageOf([newest[3] ?? {}], 100))
    expect(await ask('GET', `/v1/webhooks/1/deliveries?status=failed&cursor=${cursor}`))
      .toEqual(invalid(['cursor', 'This cursor belongs to another question or was altered. Take it from an answer to this one, or leave it out to begin.']))
    expect(await ask('GET', '/v1/webhooks/1')).toEqual(ok(webhook(1, { failedDeliveries: 1 })))
  })

  test('400: what cannot be', async () => {
    const { ask } = await startWithDeliveries()
    expect(await ask('GET', '/v1/webhooks/1/deliveries?status=faild&limit=0&cursor=x&offset=1')).toEqual(invalid(
      ['offset', 'This parameter is not known.'], ['status', '"faild" is none of delivered, retrying, failed. Did you mean "failed"?'],
      ['cursor', 'This cursor belongs to another question or was altered. Take it from an answer to this one, or leave it out to begin.'],
      ['limit', 'This value should be between 1 and 1000.']
    ))
  })

  test('200: one, with what is sent while its change is kept', async () => {
    const { ask } = await startWithDeliveries(...all)
    expect(await ask('GET', `/v1/webhooks/1/deliveries/${all[0].id}`)).toEqual(ok({
      ...shown(all[0]), request: { url, headers: { 'webhook-id': 'x' }, body: '{"event":"customer.created"}' }
    }))
    expect(await ask('GET', `/v1/webhooks/1/deliveries/${all[1].id}`)).toEqual(ok({ ...shown(all[1]), request: null }))
  })
})

describe('a replay', () => {
  test('200: of one delivery, once', async () => {
    const { ask } = await startWithDeliveries(delivery(1, { status: 'failed', attempts: 10 }))
    const path = `/v1/webhooks/1/deliveries/${delivery(1).id}`

    expect(await ask('POST', `${path}/replay`)).toEqual(ok({ replayed: 1 }))
    expect(await ask('GET', path)).toMatchObject(ok({ status: 'retrying', attempts: 10, isReplay: true, nextAttemptAt: someSecond }))
    expect(await ask('POST', `${path}/replay`)).toEqual(conflict('This delivery is being retried already. Its nextAttemptAt says when.'))
  })

  test('200: of all that failed since', async () => {
    const { ask } = await startWithDeliveries(delivery(1, { status: 'failed' }), delivery(2, { status: 'failed' }), delivery(3))
    expect(await ask('POST', '/v1/webhooks/1/replay', { since: 1_002 })).toEqual(ok({ replayed: 1 }))
    expect(await ask('POST', '/v1/webhooks/1/replay', { since: 0 })).toEqual(ok({ replayed: 1 }))
    expect(await ask('POST', '/v1/webhooks/1/replay', { since: 0 })).toEqual(ok({ replayed: 0 }))
  })

  test.each<[unknown, [path: string, message: string][]]>([
    [undefined, [['body', 'This value should not be blank.']]],
    [{}, [['since', 'This value should not be blank.']]],
    [{ since: '0', sinc: 0 }, [['sinc', 'This key is not known. Did you mean "since"?'], ['since', 'This value should be UNIX seconds, a whole number from 0 to 253402300799.']]],
    [{ since: -1 }, [['since', 'This value should be UNIX seconds, a whole number from 0 to 253402300799.']]]
  ])('400: %j', async (body, faults) => {
    const { ask } = await startWithDeliveries(delivery(1, { status: 'failed' }))
    expect(await ask('POST', '/v1/webhooks/1/replay', body)).toEqual(invalid(...faults))
    expect(await ask('GET', '/v1/webhooks/1')).toEqual(ok(webhook(1, { failedDeliveries: 1 })))
  })
})

const ofWebhook = [
  ['GET', '', undefined], ['PATCH', '', { url }], ['DELETE', '', undefined], ['POST', '/rotate-secret', {}], ['POST', '/pause', undefined], ['POST', '/resume', undefined],
  ['POST', '/test', undefined], ['GET', '/deliveries', undefined], ['POST', '/replay', { since: 0 }], ['GET', `/deliveries/${delivery(1).id}`, undefined],
  ['POST', `/deliveries/${delivery(1).id}/replay`, undefined]
] as const

test.each(ofWebhook)('%s /v1/webhooks/{id}%s 404: no such webhook, or one of another organization', async (method, rest, body) => {
  const server = await startWithDeliveries(delivery(1, { status: 'failed' }))
  const authorization = `Bearer ${await server.createForeignKey()}`

  for (const id of ['2', '0', '-1', 'x', '9007199254740992', '1.0']) expect(await server.ask(method, `/v1/webhooks/${id}${rest}`, body)).toEqual(notFound('Webhook'))
  expect(await server.ask(method, `/v1/webhooks/1${rest}`, body, { authorization })).toEqual(notFound('Webhook'))
  expect(await server.ask('GET', '/v1/webhooks', undefined, { authorization })).toEqual(ok({ data: [] }))
  expect(await server.ask('GET', '/v1/webhooks/1')).toEqual(ok(webhook(1, { failedDeliveries: 1 })))
})

test('a delivery that is not there is 404', async () => {
  const { ask } = await startWithDeliveries(delivery(1))
  for (const id of [delivery(2).id, 'x', `${delivery(1).id}0`]) {
    expect(await ask('GET', `/v1/webhooks/1/deliveries/${id}`)).toEqual(notFound('Delivery'))
    expect(await ask('POST', `/v1/webhooks/1/deliveries/${id}/replay`)).toEqual(notFound('Delivery'))
  }
})

test.each([['POST', '/v1/webhooks', { url }], ['GET', '/v1/webhooks', undefined], ...ofWebhook.filter(([, rest]) => rest !== '/deliveries').map(([method, rest, body]) => [method, `/v1/webhooks/1${rest}`, body] as const)] as const)(
  '%s %s 400: a parameter that is not known', async (method, path, body) => {
    const { ask } = await startWithDeliveries(delivery(1, { status: 'failed' }))
    expect(await ask(method, `${path}?x=1`, body)).toEqual(invalid(['x', 'This parameter is not known.']))
    expect(await ask('GET', '/v1/webhooks')).toEqual(ok({ data: [webhook(1, { failedDeliveries: 1 })] }))
  })

test.each(ofWebhook.filter(([method]) => method !== 'GET'))('%s /v1/webhooks/{id}%s 400: keys and parameters that are not known, also where there is no such webhook', async (method, rest, body) => {
  const { ask } = await startWithDeliveries(delivery(1, { status: 'failed' }))
  const faults = invalid(['y', 'This parameter is not known.'], ['x', 'This key is not known.'])
  for (const id of [1, 99]) expect(await ask(method, `/v1/webhooks/${id}${rest}?y=1`, { ...body, x: 1 })).toEqual(faults)
  expect(await ask('GET', '/v1/webhooks')).toEqual(ok({ data: [webhook(1, { failedDeliveries: 1 })] }))
})

test('what is wrong whatever the format is named before it is said that there is no such webhook', async () => {
  const { ask } = await startWire()
  expect(await ask('PATCH', '/v1/webhooks/99', { url: 'x', events: ['customer.created', 'customer.new', 'x'], format: 'helpcrunch' })).toEqual(invalid(
    ['url', 'This value should be a URL, such as "https://example.com/webhooks".'],
    ['events[2]', `"x" is none of ${[...helpcrunchEvents, ...standardEvents].filter((event, index, all) => all.indexOf(event) === index).join(', ')}.`]
  ))
  expect(await ask('PATCH', '/v1/webhooks/99', { events: ['customer.created', 'customer.new'], format: 'helpcrunch' })).toEqual(notFound('Webhook'))
  expect(await ask('POST', '/v1/webhooks/99/rotate-secret', { now: 1, secret: 2 })).toEqual(invalid(
    ['now', 'This value should be of type bool.'], ['secret', 'This value should be of type string.']
  ))
  expect(await ask('POST', '/v1/webhooks/99/rotate-secret', { secret: 'short' })).toEqual(notFound('Webhook'))
  expect(await ask('GET', '/v1/webhooks/99/deliveries?limit=0')).toEqual(invalid(['limit', 'This value should be between 1 and 1000.']))
})
