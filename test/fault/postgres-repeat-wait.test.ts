import { expect, inject, onTestFinished, test } from 'vitest'
import type { RepeatableRequest } from '../../src/idempotency.ts'
import { withClient } from '../../src/postgres/connection.ts'
import { outcomeLockClass } from '../../src/postgres/lock-keys.ts'
import { PostgresStore } from '../../src/postgres/store.ts'
import type { WebhookDraft } from '../../src/webhook.ts'
import { openOrganization, speakTo } from '../conformance/open-organization.ts'
import { createPostgresDatabase } from '../postgres-server.ts'

const draft: WebhookDraft = { url: 'https://example.com/', format: 'standard', events: [], filter: null, secret: 's', previousSecret: null, previousUntil: null }

test('what another process is at work on for too long is refused and kept of neither, and can be asked for again', async () => {
  const { url, drop } = await createPostgresDatabase(inject('postgresUrl'))
  onTestFinished(drop)
  const store = await PostgresStore.open({ url, repeatWaitMs: 60 })
  onTestFinished(async () => { await store.close() })
  const { caller } = await openOrganization(store)
  const request = (): RepeatableRequest => ({ key: 'k', fingerprint: 'f', state: 'new' })
  const waits = 'The first request with this Idempotency-Key is still under way. Try again later, with the same key.'

  await withClient(url, async (other) => {
    await other.query('begin')
    await other.query(`select pg_advisory_xact_lock(${outcomeLockClass}, hashtext($1))`, [`${caller.organizationId} k`])
    const [create, hook] = [request(), request()]
    await expect(speakTo(store, { ...caller, repeatable: create }).create()).rejects.toMatchObject({ code: 'conflict', message: waits })
    await expect(store.createWebhook({ ...caller, repeatable: hook }, draft)).rejects.toMatchObject({ code: 'conflict', message: waits })
    // Nothing more is to be kept of them.
    expect([create.state, hook.state]).toEqual(['kept', 'kept'])
    expect(await store.recallAnswer(caller.organizationId, request())).toBeUndefined()
    await other.query('rollback')
  })

  expect([(await store.status()).customers, await store.webhooks(caller.organizationId)]).toEqual([0, []])
  const again = request()
  await speakTo(store, { ...caller, repeatable: again }).create()
  expect(again.state).toBe('kept')
})
