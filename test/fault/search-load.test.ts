import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { generateSecret, hashSecret } from '../../src/api-key.ts'
import { limits } from '../../src/limits.ts'
import { SqliteStore } from '../../src/sqlite/store.ts'
import { speakTo } from '../conformance/open-organization.ts'
import { temporaryFolder } from '../engines.ts'
import type { TestServer } from '../start-server.ts'
import { startServer } from '../start-server.ts'

vi.setConfig({ testTimeout: 120_000 })

/** Reads and folds the notes of everybody for each of its filters. */
const slow = { comparison: 'OR', filter: Array.from({ length: limits.searchFiltersMax }, (_, index) => ({ field: 'notes', operator: '~', value: `absent ${index}` })) }
const quick = { filter: [{ field: 'id', operator: '=', value: 1 }] }

test('a key that asks for hundreds of slow searches at once is refused a part of them, and another is answered amid the rest', async () => {
  const { server } = await startSlowServer({ customers: 50 })
  const bob = generateSecret()
  await server.store.createKey({ organizationId: 1, name: 'Bob', secretHash: hashSecret(bob) })
  const answers: string[] = []
  const ask = async (who: string, secret: string): Promise<unknown> => {
    const { status, body, headers } = await server.call('POST', '/v1/customers/search', slow, { authorization: `Bearer ${secret}` })
    if (status === 200) answers.push(who)
    return { status, body, retryAfter: headers['retry-after'] }
  }
  const annAsks = Array.from({ length: 400 }, () => ask('Ann', server.key))
  const bobAsks = Array.from({ length: 8 }, () => ask('Bob', bob))

  const answered = { status: 200, body: { data: [], total: 0, meta: { total: 0, limit: 100, cursor: null } } }
  expect(await Promise.all(bobAsks)).toEqual(bobAsks.map(() => answered))
  // All of Ann's were sent before the first of Bob's; in turns he has to wait for about as many as he has himself.
  expect(answers.length).toBeLessThan(limits.readQueueKeyMax / 2)
  const message = 'Too many searches of this API key are waiting. Try again, with fewer at once.'
  const refused = { status: 503, body: { errors: [{ code: 'unavailable', message }] }, retryAfter: '1' }
  const annAnswers = await Promise.all(annAsks)
  const annAnswered = answers.filter((who) => who === 'Ann').length
  expect(annAnswered).toBeGreaterThanOrEqual(limits.readQueueKeyMax)
  expect(annAnswered).toBeLessThan(annAsks.length)
  expect(annAnswers.toSorted((one, other) => statusOf(one) - statusOf(other))).toEqual(annAnswers.map((_, index) => (index < annAnswered ? answered : refused)))
})

test('POST /v1/customers/search: a search over the time limit is stopped with 503, and others before and after it are answered', async () => {
  const { server, first } = await startSlowServer({ customers: 3_000, searchSecondsMax: 0.1 })
  const ask = async (search: object): Promise<unknown> => {
    const { status, body, headers } = await server.call('POST', '/v1/customers/search', search)
    return { status, body, retryAfter: headers['retry-after'] }
  }
  const message = 'This search took longer than 0.1 s and was stopped. Narrow it, or try again.'
  const stopped = { status: 503, body: { errors: [{ code: 'unavailable', message }] }, retryAfter: '1' }
  const answered = { status: 200, body: { data: [first], total: 1, meta: { total: 1, limit: 100, cursor: null } } }

  expect([await ask(quick), await ask(slow), await ask(quick)]).toEqual([answered, stopped, answered])
})

/** A server that answers all searches by SQL, on customers who have notes. */
async function startSlowServer(
  { customers, searchSecondsMax = 60 }: { customers: number; searchSecondsMax?: number }
): Promise<{ server: TestServer; first: unknown }> {
  const path = join(temporaryFolder(), 'clientele.db')
  const server = await startServer({}, {
    async openStore() {
      const store = SqliteStore.open({ path, indexBytesMax: 0, searchSecondsMax })
      onTestFinished(async () => { await store.close() })
      return store
    }
  })
  const { create } = speakTo(server.store, { organizationId: 1, keyId: 1, requestId: 'test' })
  const [first] = await Promise.all(Array.from({ length: customers }, () => create({ notes: 'note '.repeat(40) })))
  return { server, first }
}

function statusOf(answer: unknown): number {
  return (answer as { status: number }).status
}
