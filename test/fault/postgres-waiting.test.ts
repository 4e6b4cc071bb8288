import type pg from 'pg'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { limits } from '../../src/limits.ts'
import { withClient } from '../../src/postgres/connection.ts'
import type { CliAnswer } from '../e2e/start-cli.ts'
import { create, createDatabase, rows, startServer } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 90_000 })

const outcome = async (answer: Promise<CliAnswer>): Promise<object> => {
  const { status, body, headers } = await answer
  const { errors: [error] = [] } = body as { errors?: { message: string }[] }
  return status < 400 ? { status } : { status, message: error?.message, retryAfter: headers.get('retry-after') }
}
const refused = (message: string): object => ({ status: 503, message, retryAfter: '1' })

/** A session of another program on the database, as its superuser. */
async function openSession(url: string): Promise<pg.Client> {
  const superuser = new URL(inject('postgresUrl'))
  superuser.pathname = new URL(url).pathname
  return await new Promise((resolve, reject) => {
    const held = withClient(superuser.href, async (client) => await new Promise<void>((end) => {
      onTestFinished(async () => {
        end()
        await held
      })
      resolve(client)
    }))
    held.catch(reject)
  })
}

test('while a customer is locked its writes wait, then get 503; with --pool-size 2 reads go on; afterwards all is well', async () => {
  const { url } = await createDatabase()
  const server = await startServer(url, { args: ['--pool-size', '2'] })
  const id = await create(server, { name: 'before' })
  const holder = await openSession(url)
  await holder.query('begin')
  await holder.query('select from customers where id = $1 for update', [id])

  let isAnswered = false
  const patched = outcome(server.call('PATCH', `/v1/customers/${id}`, { name: 'during' })).finally(() => { isAnswered = true })
  await untilWaiting(url)
  const others = Promise.allSettled(Array.from({ length: 20 }, async (_, index) => await outcome(server.call('POST', '/v1/events', { name: `event ${index}`, customer: id }))))
  expect((await server.call('GET', `/v1/customers/${id}`)).body).toMatchObject({ name: 'before' })
  expect((await server.call('GET', '/v1/customers')).body).toMatchObject({ total: 1 })
  expect(isAnswered).toBe(false)
  expect(await patched).toEqual(refused('The database is locked. Nothing was changed; try again.'))
  await holder.query('rollback')

  // Those waited behind the patch, and had their turn when the customer was free again.
  expect(await others).toEqual(Array.from({ length: 20 }, () => ({ status: 'fulfilled', value: { status: 200 } })))
  expect(await outcome(server.call('PATCH', `/v1/customers/${id}`, { name: 'after' }))).toEqual({ status: 200 })
  expect((await server.call('GET', `/v1/customers/${id}`)).body).toMatchObject({ name: 'after' })
})

test('while two customers are locked and their writes wait, those of others go on', async () => {
  const { url } = await createDatabase()
  const server = await startServer(url)
  const locked = [await create(server, {}), await create(server, {})]
  const holder = await openSession(url)
  await holder.query('begin')
  await holder.query('select from customers where id = any($1) for update', [locked])

  const patched = []
  for (const [index, id] of locked.entries()) {
    patched.push(outcome(server.call('PATCH', `/v1/customers/${id}`, { name: 'during' })))
    await untilWaiting(url, index + 1)
  }
  const created = await outcome(server.call('POST', '/v1/customers', {}))
  await holder.query('rollback')
  expect([created, ...await Promise.all(patched)]).toEqual([{ status: 201 }, { status: 200 }, { status: 200 }])
})

test('with --pool-size 1 everything waits for a connection, is answered or gets 503, and goes on when there is one', async () => {
  const { url, ownerUrl } = await createDatabase()
  const server = await startServer(url, { args: ['--pool-size', '1'] })
  const id = await create(server, {})
  const holder = await openSession(url)
  await holder.query('begin')
  await holder.query('lock table events in access exclusive mode')

  const first = outcome(server.call('POST', '/v1/events', { name: 'first', customer: id }))
  await untilWaiting(url)
  const second = outcome(server.call('GET', `/v1/customers/${id}`))
  expect(await first).toEqual(refused('The database is locked. Nothing was changed; try again.'))
  expect([{ status: 200 }, refused('The database cannot be reached. Try again.')]).toContainEqual(await second)
  await holder.query('rollback')

  expect(await outcome(server.call('POST', '/v1/events', { name: 'after', customer: id }))).toEqual({ status: 200 })
  expect(await rows(ownerUrl, 'select name from events')).toEqual([{ name: 'after' }])
})

test('a statement that takes too long is answered 503, and neighbors and later requests are none the worse', async () => {
  const { url, ownerUrl } = await createDatabase()
  const server = await startServer(url)
  const id = await create(server, { customData: { plan: 'pro' } })
  const holder = await openSession(url)
  await holder.query(`
    create function wait_long() returns trigger language plpgsql as $$ begin perform pg_sleep(60); return new; end $$;
    create trigger wait_long before insert on events for each row when (new.name = 'slow') execute function wait_long()`)
  await holder.query('begin; lock table customer_attributes in access exclusive mode')
  const search = { filter: [{ field: 'customers.customData.plan', operator: '=', value: 'pro' }] }
  const slow = [
    outcome(server.call('POST', '/v1/events', { name: 'slow', customer: id })),
    outcome(server.call('POST', '/v1/customers/search', search))
  ]
  await untilWaiting(url)
  expect((await server.call('GET', `/v1/customers/${id}`)).status).toBe(200)
  const { id: other } = (await server.call('POST', '/v1/customers', {})).body as { id: number }
  expect(await outcome(server.call('POST', '/v1/events', { name: 'quick', customer: other }))).toEqual({ status: 200 })
  expect(await Promise.all(slow)).toEqual([
    refused('The database took too long. Nothing was changed; try again.'),
    refused('This search took longer than 10 s and was stopped. Narrow it, or try again.')
  ])
  await holder.query('rollback; drop trigger wait_long on events')

  expect(await outcome(server.call('POST', '/v1/customers/search', search))).toEqual({ status: 200 })
  expect(await outcome(server.call('POST', '/v1/events', { name: 'slow', customer: id }))).toEqual({ status: 200 })
  expect(await rows(ownerUrl, 'select name from events order by id')).toEqual([{ name: 'quick' }, { name: 'slow' }])
})

test('a deadlock with another transaction is survived: the write is tried again, and both are done once', async () => {
  const { url, ownerUrl } = await createDatabase()
  const server = await startServer(url)
  const ids = [await create(server, {}), await create(server, {})]
  const other = await openSession(url)
  // The server is the first to notice, and so the one that is refused.
  await other.query("set deadlock_timeout = '60s'")
  await other.query('begin')
  await other.query('update customers set notes = null where id = $1', [ids[1]])
  const batch = server.call('PUT', '/v1/customers/batch', ids.map((customer) => ({ customer, name: 'after' })))
  await untilWaiting(url)
  await other.query('update customers set notes = null where id = $1', [ids[0]])
  await other.query('commit')

  expect(await batch).toMatchObject({ status: 200, body: ids.map((id) => ({ id, name: 'after' })) })
  expect(await rows(ownerUrl, "select kind, count(*) from changes group by kind order by kind")).toEqual([{ kind: 'customer.created', count: 2 }, { kind: 'customer.updated', count: 2 }])
  await server.end('SIGTERM')
  expect(await rows(ownerUrl, 'select deadlocks from pg_stat_database where datname = current_database()')).toEqual([{ deadlocks: 1 }])
})

test('a serialization failure is tried again a bounded number of times, and then answered 503', async () => {
  const { url, ownerUrl } = await createDatabase()
  const server = await startServer(url)
  const id = await create(server, {})
  const other = await openSession(url)
  // As the database would refuse it; a sequence counts whatever is undone.
  await other.query(`
    create sequence attempts;
    create function refuse() returns trigger language plpgsql security definer as $$ begin
      if nextval('attempts') <= (new.data::json->>'refusals')::int then raise exception 'not now' using errcode = 'serialization_failure'; end if;
      return new;
    end $$;
    create trigger refuse before insert on events for each row execute function refuse()`)
  const refusedFor = async (refusals: number): Promise<object> => {
    await other.query('alter sequence attempts restart')
    const answer = await outcome(server.call('POST', '/v1/events', { name: `refused ${refusals} times`, data: { refusals }, customer: id }))
    const { rows: [made] } = await other.query<{ attempts: number }>('select last_value as attempts from attempts')
    return { answer, attempts: made?.attempts }
  }
  const attemptsMax = limits.writeAttemptsMax
  expect(await refusedFor(1)).toEqual({ answer: { status: 200 }, attempts: 2 })
  expect(await refusedFor(attemptsMax - 1)).toEqual({ answer: { status: 200 }, attempts: attemptsMax })
  expect(await refusedFor(1_000)).toEqual({ answer: refused('Other writers were in the way. Nothing was changed; try again.'), attempts: attemptsMax })
  expect(await rows(ownerUrl, 'select name from events order by id')).toEqual([{ name: 'refused 1 times' }, { name: `refused ${attemptsMax - 1} times` }])
})

/** Resolves when so many statements of servers wait for locks. */
async function untilWaiting(url: string, count = 1): Promise<void> {
  // Not in the session that holds the lock, which sees others as they were when its transaction first looked.
  await withClient(inject('postgresUrl'), async (client) => {
    await vi.waitUntil(async () => {
      const { rows: waiting } = await client.query(
        "select from pg_stat_activity where datname = $1 and application_name = 'clientele' and wait_event_type = 'Lock'", [new URL(url).pathname.slice(1)])
      return waiting.length >= count
    }, { timeout: 20_000, interval: 10 })
  })
}
