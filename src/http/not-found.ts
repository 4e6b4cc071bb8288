import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError } from '../errors.ts'

interface KnownRoute {
  readonly method: string
  readonly pattern: RegExp
}

/** Remembers each route registered after this, so that a wrong method is told apart from a wrong path. */
export function watchRoutes(server: FastifyInstance): KnownRoute[] {
  const routes: KnownRoute[] = []
  server.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return
    const pattern = new RegExp(`^${url.replace(/:[^/]+/g, '[^/]+').replace(/\/$/, '')}/?$`)
    for (const itsMethod of [method].flat()) routes.push({ method: itsMethod, pattern })
  })
  return routes
}

/** A path with a stray % as one whose every % stands for itself, so that it is refused like any other unknown path. */
export function decodableUrl(url: string): string {
  if (!url.includes('%')) return url
  const [path = '', ...query] = url.split('?')
  try {
    decodeURIComponent(path)
    return url
  } catch {
    return [path.replaceAll('%', '%25'), ...query].join('?')
  }
}

export function refuseUnknownRoute(routes: readonly KnownRoute[]) {
  return (request: FastifyRequest, reply: FastifyReply): never => {
    const [path = ''] = request.url.split('?')
    const methods = [...new Set(routes.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))]
    if (methods.length === 0) throw new ApiError('not_found', 'Not found')
    void reply.header('Allow', methods.join(', '))
    throw new ApiError('method_not_allowed', `${request.method} is not allowed here. Allowed: ${methods.join(', ')}`)
  }
}
