import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { ChangeRecord } from '../change-record.ts'
import { ApiError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Store } from '../store.ts'
import { readQuery, readStrictBody } from '../strict-input.ts'
import { Findings } from '../untrusted.ts'
import { callerOf } from './auth.ts'
import { renderChange } from './change-answer.ts'
import { sendJson } from './customer-answer.ts'
import { isDone } from './idempotency.ts'
import { jsonBody } from './json-body.ts'
import { idInPath, idParams, uuidOf } from './path-id.ts'
import { bodyFailures, ref, responses } from './schema.ts'
import type { HttpSettings } from './settings.ts'

interface UndoOptions {
  readonly dryRun: boolean
  readonly force: boolean
}

const tags = ['changes']
const body = ref('UndoOptions')
const response = responses(200, 'Undone', [...bodyFailures, 404, 409, 410])

/** Taking back what was done: one change, or all that one request did. */
export function undoRoutes(server: FastifyInstance, { store, settings: { timestamps } }: { store: Store; settings: Pick<HttpSettings, 'timestamps'> }): void {
  server.post('/changes/:id/undo', {
    schema: {
      operationId: 'undoChange', summary: 'Take back a change', tags, body, response,
      description: 'As a new change, which can be taken back in turn. Refused when a later change touched the same, which the answer lists.',
      params: idParams('change')
    }
  }, async (request, reply) => {
    const options = readOptions(request)
    const id = idInPath(request)
    const found = id === undefined ? undefined : await store.findChange(callerOf(request).organizationId, id)
    if (found === undefined && !isDone(request)) throw new ApiError('not_found', 'There is no such change, or it is no longer kept.')
    return await undo(request, reply, { changes: found === undefined ? [] : [found.change], options })
  })

  server.post('/requests/:requestId/undo', {
    schema: {
      operationId: 'undoRequest', summary: 'Take back all that a request did', tags, body, response,
      description: `In reverse order, all or nothing, up to ${limits.requestUndoMax} changes.`,
      params: Type.Object({ requestId: Type.String({ description: 'The `X-Request-Id` of the answer to the request.' }) })
    }
  }, async (request, reply) => {
    const options = readOptions(request)
    const requestId = uuidOf((request.params as { requestId: string }).requestId)
    const found = requestId === undefined ? [] : await store.changesOfRequest(callerOf(request).organizationId, requestId, limits.requestUndoMax + 1)
    if (found.length === 0 && !isDone(request)) throw new ApiError('not_found', 'This request changed nothing, or its changes are no longer kept.')
    if (found.length > limits.requestUndoMax) {
      throw new ApiError('conflict', `This request made more than ${limits.requestUndoMax} changes, too many to take back together. Take them back one by one.`)
    }
    return await undo(request, reply, { changes: found.map(({ change }) => change), options })
  })

  async function undo(
    request: FastifyRequest, reply: FastifyReply, { changes, options }: { changes: readonly ChangeRecord[]; options: UndoOptions }
  ): Promise<FastifyReply> {
    const { changes: done } = await store.write(callerOf(request), { type: 'undo', changes, ...options })
    if (done === undefined) throw new Error('An undo did not answer what it did')
    return sendJson(reply, `{"dryRun":${options.dryRun},"changes":[${done.map((made) => renderChange(made, timestamps)).join()}]}`)
  }
}

/** The body may be absent. */
function readOptions(request: FastifyRequest): UndoOptions {
  const findings = new Findings()
  readQuery(findings, request.query, [])
  const { dryRun, force } = readStrictBody(findings, jsonBody(request), ['dryRun', 'force'], { mayBeEmpty: true })
  const options = { dryRun: readFlag(findings, 'dryRun', dryRun), force: readFlag(findings, 'force', force) }
  findings.throwIfAny()
  return options
}

function readFlag(findings: Findings, path: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true
  findings.fault(path, 'This value should be of type bool.')
  return false
}
