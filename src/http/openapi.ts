import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import { schemas } from '../contract/schemas.ts'

// The plugin's own policy lets pages of other hosts in, and turns requests into https, which no one
// answers where the server is reached by http under another name than localhost.
const referencePolicy = [
  "default-src 'none'", "base-uri 'none'", "connect-src 'self'", "font-src 'self' data:", "form-action 'none'",
  "frame-ancestors 'none'", "img-src 'self' data:", "script-src 'self'", "style-src 'self'"
].join('; ')

/** The description made from the routes, and a reference to read it in, its assets served from here. */
export async function describeApi(server: FastifyInstance, { version }: { version: string }): Promise<void> {
  for (const schema of schemas) server.addSchema(schema)
  await server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Clientele',
        version,
        description: [
          'The customers of a business and what they did. Answers the HelpCrunch Customers API, version 1.',
          'Shown are the strict shapes; docs/compatibility.md lists what else is taken. Text holds no U+0000 and no lone surrogate.',
          'Every answer has an `X-Request-Id`. `Clientele-Ignored` names the parts of a request that meant nothing.'
        ].join(' '),
        license: { name: 'MIT' }
      },
      tags: [{ name: 'customers' }, { name: 'events' }, { name: 'changes' }, { name: 'webhooks' }, { name: 'health' }],
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key, made by `clientele key create`.' } } },
      security: [{ key: [] }]
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, index) => (typeof json.$id === 'string' ? json.$id : `schema-${index}`) }
  })
  await server.register(swaggerUi, {
    routePrefix: '/docs',
    uiConfig: { validatorUrl: null },
    staticCSP: referencePolicy,
    // The bar at the top shows the plugin's logo, and an address that can lead nowhere under this policy.
    theme: { title: 'Clientele', css: [{ filename: 'clientele.css', content: '.swagger-ui .topbar { display: none }' }] }
  })
  server.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => reply.send(server.swagger()))
}
