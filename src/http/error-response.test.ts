import { describe, expect, test } from 'vitest'
import { ApiError, customerNotFound, invalidRequest, unavailable, userIdTaken } from '../errors.ts'
import { errorBody, toApiError } from './error-response.ts'

const invalid = { code: 'invalid_request', message: 'Invalid request' }

describe('the current style', () => {
  test.each<[string, ApiError, object[]]>([
    ['every fault of a request after the first entry', invalidRequest([{ path: 'customer', message: 'a' }, { path: 'tags[1].color', message: 'b' }]),
      [invalid, { code: 'customer', message: 'a' }, { code: 'tags[1].color', message: 'b' }]],
    ['a taken userId alone, with who has it', userIdTaken(7), [{ code: 'invalid_userId_value', message: 'userId value is invalid', existingId: 7 }]],
    ['in a batch also where it stands', userIdTaken(7, '[3].userId'),
      [{ code: 'invalid_userId_value', message: 'userId value is invalid', existingId: 7, path: '[3].userId' }]],
    ['a customer not found', customerNotFound(), [invalid, { code: 'not_found', message: 'Customer not found' }]],
    ['in a batch a third entry', customerNotFound('[3].customer'),
      [invalid, { code: 'not_found', message: 'Customer not found' }, { code: '[3].customer', message: 'Customer not found' }]],
    ['no key', new ApiError('unauthorized', 'Unauthorized'), [invalid, { code: 'unauthorized', message: 'Unauthorized' }]],
    ['too many requests', new ApiError('too_many_requests', 'Too many requests', { retryAfterSeconds: 3 }),
      [invalid, { code: 'too_many_requests', message: 'Too many requests' }]],
    ['an internal error alone, without its cause', new ApiError('internal', 'Internal error', { cause: new Error('select secret') }),
      [{ code: 'internal', message: 'Internal error' }]],
    ['an unavailable database alone', unavailable('Full', { cause: new Error('SQLITE_FULL') }), [{ code: 'unavailable', message: 'Full' }]]
  ])('%s', (_name, error, errors) => {
    expect(errorBody(error, 'current')).toEqual({ errors })
  })
})

describe('the legacy style has one entry', () => {
  test.each<[ApiError, object]>([
    [new ApiError('unauthorized', 'Unauthorized'), { code: 'invalid_token', message: 'Invalid token' }],
    [customerNotFound('[3].customer'), { code: 'entity_not_found', message: 'Customer not found' }],
    [new ApiError('too_many_requests', 'Too many requests'), { code: 'too_many_requests', message: 'You have exceeded your requests limit' }],
    [invalidRequest([{ path: 'customer', message: 'a' }]), invalid],
    [userIdTaken(7), { code: 'invalid_userId_value', message: 'userId value is invalid', existingId: 7 }],
    [new ApiError('internal', 'Internal error'), { code: 'internal', message: 'Internal error' }]
  ])('%s', (error, entry) => {
    expect(errorBody(error, 'legacy')).toEqual({ errors: [entry] })
  })
})

describe('what was not thrown on purpose is internal, with its cause for the log', () => {
  test.each([
    new Error('boom'), new TypeError('x is not a function'), 'a string', undefined, null, { code: 'FST_ERR_CTP_BODY_TOO_LARGE' },
    Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' }), Object.assign(new Error('reply sent'), { code: 'FST_ERR_REP_ALREADY_SENT' })
  ])('%s', (thrown) => {
    const { code, message, cause } = toApiError(thrown)

    expect({ code, message, cause }).toEqual({ code: 'internal', message: 'Internal error', cause: thrown })
  })
})

test('an error of ours stays itself', () => {
  const error = customerNotFound()

  expect(toApiError(error)).toBe(error)
})

test.each([
  ['FST_ERR_CTP_BODY_TOO_LARGE', 'too_large', 'The body is over 1048576 bytes'],
  ['FST_ERR_BAD_URL', 'not_found', 'Not found'],
  ['FST_ERR_CTP_INVALID_CONTENT_LENGTH', 'invalid_request', 'Invalid request']
])("Fastify's %s is the caller's: %s", (fastifyCode, code, message) => {
  const error = toApiError(Object.assign(new Error('said by Fastify'), { code: fastifyCode }))

  expect({ code: error.code, message: error.message }).toEqual({ code, message })
})
