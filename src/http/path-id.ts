import type { FastifyRequest } from 'fastify'
import type { TObject } from 'typebox'
import { Type } from 'typebox'
import { limits } from '../limits.ts'

/** The parameters of a path that names one thing by its id. */
export function idParams(what: 'customer' | 'change' | 'webhook'): TObject {
  return Type.Object({ id: Type.Integer({ minimum: 1, maximum: limits.integerMax, description: `Id of the ${what}.` }) })
}

/** The id in the path of a request, if it is a number; undefined when it can be nobody's. */
export function idInPath(request: FastifyRequest): number | undefined {
  const { id } = request.params as { id: string }
  return /^[1-9]\d{0,15}$/.test(id) && Number(id) <= limits.integerMax ? Number(id) : undefined
}

/** Likewise, if it is a UUID, in the letters in which we write those. */
export function uuidOf(text: string): string | undefined {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? text.toLowerCase() : undefined
}
