import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Command, Parsed, ParseOptions } from '../command.ts'
import { parseBatch, parseCreate, parseTags, parseUpdate } from '../command.ts'
import { systemClock } from '../clock.ts'
import { ListQuery, searchTables } from '../contract/search.ts'
import { issueCursor } from '../cursor.ts'
import type { RevisedCustomer } from '../customer.ts'
import { presentCustomer } from '../date-form.ts'
import { customerNotFound } from '../errors.ts'
import type { ParsedSearch, SearchContext } from '../parse-search.ts'
import { parseList, parseSearch } from '../parse-search.ts'
import { mayNameAttributes } from '../search-field.ts'
import type { CustomerSearch } from '../search.ts'
import type { FoundPage, Store } from '../store.ts'
import { callerOf } from './auth.ts'
import { entityTag, isNotModified, sendNotModified, versionCondition } from './conditional.ts'
import { freeBytes, presentPage, reportIgnored, sendJson } from './customer-answer.ts'
import { isDone } from './idempotency.ts'
import { jsonBody } from './json-body.ts'
import { freeWhenSent } from './pages-under-way.ts'
import { idInPath, idParams } from './path-id.ts'
import { bodyFailures, ifMatch, ifNoneMatch, pageResponses, ref, responses } from './schema.ts'
import type { HttpSettings } from './settings.ts'

const params = idParams('customer')
const tags = ['customers']

/** Operations 1 to 9 of the contract. */
export function customerRoutes(server: FastifyInstance, { store, settings }: { store: Store; settings: HttpSettings }): void {
  const present = ({ json }: RevisedCustomer): string => presentCustomer(json, settings.timestamps)

  server.get('/customers/:id', {
    schema: { operationId: 'getCustomer', summary: 'Get a customer', tags, params, headers: ifNoneMatch, response: responses(200, 'Customer', [304, 404]) }
  }, async (request, reply) => {
    ignoreQuery(request, reply)
    const { organizationId } = callerOf(request)
    const id = idInPath(request)
    const customer = id === undefined ? undefined : await store.find(organizationId, id)
    if (customer === undefined) throw customerNotFound()
    if (isNotModified(request, customer)) return sendNotModified(reply.header('ETag', entityTag(customer)))
    return sendCustomer(reply, customer)
  })

  server.get('/customers', {
    schema: {
      operationId: 'listCustomers', summary: 'List customers', tags,
      querystring: ListQuery, response: pageResponses([400])
    }
  }, async (request, reply) => {
    const parsed = parseList(request.query as Record<string, unknown>, await searchContext(request, request.query))
    reportIgnored(reply, parsed.ignored)
    return await sendPage(reply, parsed, await search(request, parsed.search))
  })

  server.post('/customers/search', {
    schema: {
      operationId: 'searchCustomers', summary: 'Search customers', tags,
      description: searchDescription(),
      body: ref('CustomerSearch'), response: pageResponses([...bodyFailures, 404])
    }
  }, async (request, reply) => {
    const body = jsonBody(request)
    const parsed = parseSearch(body, await searchContext(request, body))
    const page = await search(request, parsed.search)
    ignoreQuery(request, reply, parsed.ignored)
    // HelpCrunch: sources differ on whether nobody found is an empty page.
    if (settings.emptySearchStatus === 404 && await foundNobody(request, parsed, page)) throw customerNotFound()
    return await sendPage(reply, parsed, page)
  })

  server.post('/customers', {
    schema: {
      operationId: 'createCustomer', summary: 'Create a customer', tags,
      description: 'No field is required. Tags and attributes not seen before are created.',
      body: ref('CustomerDraft'), response: responses(201, 'Customer', bodyFailures)
    }
  }, async (request, reply) => {
    const [customer] = await write(request, reply, parseCreate(jsonBody(request), await parseOptions(request)))
    return sendCustomer(reply.code(201), customer)
  })

  server.put('/customers/:id', {
    schema: {
      operationId: 'replaceCustomer', summary: 'Replace a customer', tags, params, headers: ifMatch,
      description: 'Clears name, email, userId, company, phone, source, referer, lastPage, locale, notes, tags and customData where ' +
        'the body lacks them, and nothing else. With `--put-mode merge` it clears nothing.',
      body: ref('CustomerDraft'), response: responses(200, 'Customer', [...bodyFailures, 404, 412])
    }
  }, (request, reply) => update(request, reply, settings.putMode === 'replace' ? 'replace' : 'patch'))

  server.patch('/customers/:id', {
    schema: {
      operationId: 'updateCustomer', summary: 'Change a customer', tags, params, headers: ifMatch,
      description: 'Changes the keys given; null clears one. customData merges by attribute, tags are replaced.',
      body: ref('CustomerDraft'), response: responses(200, 'Customer', [...bodyFailures, 404, 412])
    }
  }, (request, reply) => update(request, reply, 'patch'))

  server.put('/customers/batch', {
    schema: {
      operationId: 'updateCustomers', summary: 'Change up to ten customers, all or none', tags,
      body: ref('Batch'), response: responses(200, 'Customers', [...bodyFailures, 404])
    }
  }, async (request, reply) => {
    const customers = await write(request, reply, parseBatch(jsonBody(request), await parseOptions(request)))
    return sendJson(reply, `[${customers.map(present).join()}]`)
  })

  for (const { method, type, operationId, summary } of [
    { method: 'PUT', type: 'tag', operationId: 'tagCustomer', summary: 'Put tags on a customer' },
    { method: 'DELETE', type: 'untag', operationId: 'untagCustomer', summary: 'Take tags off a customer' }
  ] as const) {
    server.route({
      method,
      url: '/customers/:id/tags',
      schema: { operationId, summary, tags, params, headers: ifMatch, body: ref('TagsDraft'), response: responses(200, 'Customer', [...bodyFailures, 404, 412]) },
      handler: async (request, reply) => {
        const parsed = parseTags(jsonBody(request), { type, id: idInPath(request) ?? noCustomer })
        const [customer] = await write(request, reply, { ...parsed, command: { ...parsed.command, ...versionCondition(request) } })
        return sendCustomer(reply, customer)
      }
    })
  }

  server.delete('/customers/:id', {
    schema: {
      operationId: 'deleteCustomer', summary: 'Delete a customer', tags, params, headers: ifMatch,
      response: responses(200, Type.Literal('Ok', { description: 'The customer is gone.' }), [404, 412, 413])
    }
  }, async (request, reply) => {
    ignoreQuery(request, reply)
    await store.write(callerOf(request), { type: 'delete', id: idInPath(request) ?? noCustomer, ...versionCondition(request) })
    return sendJson(reply, '"Ok"')
  })

  async function update(request: FastifyRequest, reply: FastifyReply, type: 'patch' | 'replace'): Promise<FastifyReply> {
    const options = { ...await parseOptions(request), type, id: idInPath(request) ?? noCustomer }
    const parsed = parseUpdate(jsonBody(request), options)
    const [customer] = await write(request, reply, { ...parsed, command: { ...parsed.command, ...versionCondition(request) } })
    return sendCustomer(reply, customer)
  }

  async function write(request: FastifyRequest, reply: FastifyReply, { command, ignored }: Parsed<Command>): Promise<readonly [RevisedCustomer, ...RevisedCustomer[]]> {
    const { customers: [first, ...rest] } = await store.write(callerOf(request), command)
    if (first === undefined) throw new Error(`A ${command.type} answered no customer`)
    ignoreQuery(request, reply, ignored)
    return [first, ...rest]
  }

  function sendCustomer(reply: FastifyReply, customer: RevisedCustomer): FastifyReply {
    return sendJson(reply.header('ETag', entityTag(customer)), present(customer))
  }

  async function parseOptions(request: FastifyRequest): Promise<ParseOptions> {
    // It was taken once; the attributes of now might refuse it.
    if (isDone(request)) return { attributes: new Map(), strictAttributes: false }
    const { organizationId } = callerOf(request)
    const { strictAttributes } = settings
    // What another process has just made is not refused as unknown.
    const attributes = strictAttributes ? (await store.searchContext(organizationId)).attributes : await store.attributes(organizationId)
    return { attributes, strictAttributes }
  }

  async function searchContext(request: FastifyRequest, asked: unknown): Promise<SearchContext> {
    return { ...await store.searchContext(callerOf(request).organizationId, { namesAttributes: mayNameAttributes(asked) }), now: systemClock() }
  }

  async function search(request: FastifyRequest, question: CustomerSearch): Promise<FoundPage> {
    return await store.search(callerOf(request), question)
  }

  /** Without a total, an empty page behind the first leaves it open whether there is anybody. */
  async function foundNobody(request: FastifyRequest, parsed: ParsedSearch, page: FoundPage): Promise<boolean> {
    if (page.count > 0) return false
    if (page.total !== null) return page.total === 0
    if (parsed.search.offset === 0 && parsed.search.after === null) return true
    const { total } = await search(request, { ...parsed.search, limit: 1, wantsTotal: true })
    return total === 0
  }

  async function sendPage(reply: FastifyReply, parsed: ParsedSearch, page: FoundPage): Promise<FastifyReply> {
    const counting = page.total === null ? '' : `, total;dur=${milliseconds(page.totalMs)}`
    void reply.header('Server-Timing', `page;dur=${milliseconds(page.pageMs)}${counting}`)
    const customers = await presentPage(page.customers, { fields: parsed.fields, timestamps: settings.timestamps })
    const body = Buffer.concat([pageHead, ...customers, Buffer.from(pageTail(parsed, page))])
    freeBytes(page.customers)
    freeWhenSent(reply, body)
    return sendJson(reply, body)
  }
}

function searchDescription(): string {
  const { fields, operators, faults } = searchTables()
  return `${[
    'Sees every write already answered. Nobody found is 200 and an empty page, or 404 with `--empty-search 404`.',
    'The prefix `customers.` may be left out. Text compares without regard to letter case, except in the fields named first. ' +
    'A search by `text` without a sort begins with those of whom it is the whole of a field, then its beginning, then a part.',
    fields, operators, 'What is wrong is answered with 400 and where it stands:', faults
  ].join('\n\n')}\n`
}

const pageHead = Buffer.from('{"data":[')

function pageTail({ search, seal, now }: ParsedSearch, { total, next, explanation, pageMs, totalMs }: FoundPage): string {
  const cursor = next === null ? null : issueCursor({ position: next, now }, seal)
  // HelpCrunch: sources differ on where the total stands.
  const totals = total === null ? '' : `"total":${total},`
  const explain = explanation && { ...explanation, pageMs: milliseconds(pageMs), totalMs: milliseconds(totalMs) }
  return `],${totals}"meta":{${totals}"limit":${search.limit},"cursor":${JSON.stringify(cursor)}}${explain === null ? '' : `,"explain":${JSON.stringify(explain)}`}}`
}

function milliseconds(exactly: number): number {
  return Math.round(exactly * 100) / 100
}

/** Stands for an id that cannot be one, so that faults of the body are named before the 404. */
const noCustomer = 0

/**
 * Reports the paths of the body that meant nothing, and every query parameter, since only the list has any.
 * HelpCrunch: clients send parameters that mean nothing, and expect no refusal.
 */
function ignoreQuery(request: FastifyRequest, reply: FastifyReply, ignored: readonly string[] = []): void {
  reportIgnored(reply, [...Object.keys(request.query as Record<string, unknown>), ...ignored])
}
