import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { withOrderedCustomData } from '../attribute-order.ts'
import { ApiError, invalidRequest } from '../errors.ts'
import { limits } from '../limits.ts'

/**
 * HelpCrunch: clients send JSON under any content type or none, and bodies where none belongs. So a
 * body is kept as bytes whatever its header says, and read as JSON where a route wants one.
 */
export function takeAnyBody(server: FastifyInstance): void {
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => { done(null, bytes) })
  server.addHook('onRequest', (request, _reply, done) => {
    const { headers } = request.raw
    const mayHaveBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    // Fastify judges a content type even where no body follows.
    if (mayHaveBody || headers['content-type'] !== undefined) headers['content-type'] = 'application/json'
    done()
  })
}

/** The body as JSON; undefined when it is empty. A customData whose order an object would lose is a Map. */
export function jsonBody(request: FastifyRequest): unknown {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding.trim().toLowerCase() !== 'identity') {
    throw new ApiError('unsupported_media_type', 'A body with a Content-Encoding is not taken. Send plain JSON.')
  }
  const bytes = request.body
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) return undefined
  if (!isUtf8(bytes)) throw invalidRequest([{ path: 'body', message: 'This value should be UTF-8.' }])
  const text = withoutByteOrderMark(bytes.toString('utf8'))
  const value = parseJson(text)
  if (hasMoreLevelsThan(value, limits.bodyLevelsMax)) {
    throw invalidRequest([{ path: 'body', message: `This value is nested deeper than ${limits.bodyLevelsMax} levels.` }])
  }
  return withOrderedCustomData(value, text)
}

function withoutByteOrderMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ApiError('invalid_request', 'Invalid request', {
      faults: [{ path: 'body', message: 'This value should be valid JSON.' }], cause
    })
  }
}

function hasMoreLevelsThan(value: unknown, levelsMax: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levelsMax === 0) return true
  return Object.values(value).some((item) => hasMoreLevelsThan(item, levelsMax - 1))
}
