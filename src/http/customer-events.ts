import type { FastifyInstance } from 'fastify'
import { parseEvent } from '../command.ts'
import { withDates } from '../date-form.ts'
import type { Store } from '../store.ts'
import { callerOf } from './auth.ts'
import { reportIgnored, sendJson } from './customer-answer.ts'
import { jsonBody } from './json-body.ts'
import { bodyFailures, ref, responses } from './schema.ts'
import type { HttpSettings } from './settings.ts'

/** Operation 10 of the contract. */
export function customerEventRoutes(server: FastifyInstance, { store, settings }: { store: Store; settings: HttpSettings }): void {
  server.post('/events', {
    schema: {
      operationId: 'submitEvent', summary: 'Record what a customer did', tags: ['events'],
      body: ref('EventDraft'), response: responses(200, 'CustomerEvent', [...bodyFailures, 404])
    }
  }, async (request, reply) => {
    const { command, ignored } = parseEvent(jsonBody(request))
    const { events: [event] } = await store.write(callerOf(request), command)
    if (event === undefined) throw new Error('Recording an event answered none')
    reportIgnored(reply, [...Object.keys(request.query as Record<string, unknown>), ...ignored])
    // HelpCrunch: sources differ on the type of the date, and on whether the customer is named.
    return sendJson(reply, JSON.stringify(withDates(event, settings.timestamps)))
  })
}
