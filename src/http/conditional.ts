import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Conditional } from '../command.ts'
import type { Revision } from '../revision.ts'

/** Two parts: the version of the customer, by which writing is conditional, and that of the tags, which the answer shows too. */
export function entityTag({ version, tagsVersion }: Revision): string {
  return `"${version}-${tagsVersion}"`
}

/** Whether the client has the answer already, as If-None-Match says. */
export function isNotModified(request: FastifyRequest, revision: Revision): boolean {
  const header = request.headers['if-none-match']
  if (header === undefined) return false
  return header.trim() === '*' || entityTags(header).some((tag) => `"${tag}"` === entityTag(revision))
}

/** For which versions of a customer a request is meant, as If-Match says. A tag that is none of ours is of no version. */
export function versionCondition(request: FastifyRequest): Conditional {
  const header = request.headers['if-match']
  if (header === undefined || header.trim() === '*') return {}
  return { ifVersion: entityTags(header).flatMap((tag) => /^(\d+)-\d+$/.exec(tag)?.[1] ?? []).map(Number) }
}

export function sendNotModified(reply: FastifyReply): FastifyReply {
  return reply.code(304).send()
}

/** Proxies that compress an answer mark its tag as weak; what it says of versions stays true. */
function entityTags(header: string): string[] {
  return [...header.matchAll(/(?:W\/)?"([^"]*)"/g)].map(([, tag = '']) => tag)
}
