import { expect, test, vi } from 'vitest'
import { runCli } from '../e2e/start-cli.ts'
import { create, createDatabase, inTurn, rows, startServers } from './postgres-servers.ts'

vi.setConfig({ testTimeout: 60_000 })

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const color = '#c377e0'

interface AnsweredCustomer {
  readonly id: number
  readonly tags: { readonly name: string; readonly color: string }[]
  readonly customData: Record<string, unknown>
}

test('concurrent patches of different fields of one customer through two processes all survive, and a hundred tags all arrive', async () => {
  const { url } = await createDatabase()
  const servers = await startServers(url, 2)
  const id = await create(servers[0], {})
  const fields = ['name', 'company', 'phone', 'source', 'referer', 'lastPage', 'locale', 'notes']
  for (const round of numbers(10)) {
    const patch = Object.fromEntries(fields.map((field) => [field, `${field} ${round}`]))
    const answers = await Promise.all(fields.map(async (field, index) => (await inTurn(servers, index).call('PATCH', `/v1/customers/${id}`, { [field]: patch[field] })).status))
    expect(answers).toEqual(fields.map(() => 200))
    const { body } = await inTurn(servers, round).call('GET', `/v1/customers/${id}`)
    expect(Object.fromEntries(fields.map((field) => [field, (body as Record<string, unknown>)[field]]))).toEqual(patch)
  }

  const names = numbers(100).map((number) => `tag ${number}`)
  // The tags are new to the first, and known to the second.
  for (const tagged of [await create(servers[0], {}), await create(servers[1], {})]) {
    const answers = await Promise.all(names.map(async (name, index) => await inTurn(servers, index).call('PUT', `/v1/customers/${tagged}/tags`, { tags: [name] })))
    expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200))
    for (const server of servers) {
      const { tags } = (await server.call('GET', `/v1/customers/${tagged}`)).body as AnsweredCustomer
      expect(tags.toSorted((one, other) => one.name < other.name ? -1 : 1)).toEqual(names.toSorted().map((name) => ({ name, color })))
    }
  }
})

test('a userId taken concurrently through two processes is held by one customer, and all others are told by whom', async () => {
  const { url } = await createDatabase()
  const servers = await startServers(url, 2)
  for (const round of numbers(10)) {
    const userId = `user ${round}`
    const answers = await Promise.all(numbers(6).map(async (index) => await inTurn(servers, index).call('POST', '/v1/customers', { userId })))
    const created = answers.filter(({ status }) => status === 201).map(({ body }) => (body as AnsweredCustomer).id)
    expect(created).toHaveLength(1)
    const refusal = { status: 400, body: { errors: [{ code: 'invalid_userId_value', message: 'userId value is invalid', existingId: created[0] }] } }
    expect(answers.filter(({ status }) => status !== 201).map(({ status, body }) => ({ status, body }))).toEqual(numbers(5).map(() => refusal))
  }
  // One customer is made for each round, and no refused attempt leaves one.
  const { body } = await servers[1].call('GET', '/v1/customers')
  expect(body).toMatchObject({ total: 10, data: numbers(10).map((round) => ({ userId: `user ${round}` })) })

  const ids = (body as { data: AnsweredCustomer[] }).data.map(({ id }) => id)
  for (const userId of ['first', 'second', 'third']) {
    const answers = await Promise.all(ids.map(async (id, index) => await inTurn(servers, index).call('PATCH', `/v1/customers/${id}`, { userId })))
    const holders = ids.filter((_, index) => answers[index]?.status === 200)
    expect(holders).toHaveLength(1)
    const found = await servers[0].call('POST', '/v1/customers/search', { filter: [{ field: 'customers.userId', operator: '=', value: userId }] })
    expect((found.body as { data: AnsweredCustomer[] }).data.map(({ id }) => id)).toEqual(holders)
  }
})

test('names of tags and attributes that two processes make at once are each made once, with one type, and known to both with their colors', async () => {
  const { url, ownerUrl } = await createDatabase()
  const servers = await startServers(url, 2)
  for (const round of numbers(5)) {
    const answers = await Promise.all(numbers(16).map(async (index) => await inTurn(servers, index).call('POST', '/v1/customers', {
      tags: [`shared ${round}`, `own ${round} ${index}`], customData: { [`shared_${round}`]: index, [`own_${round}_${index}`]: 'x' }
    })))
    expect(answers.map(({ status }) => status)).toEqual(numbers(16).map(() => 201))
    for (const [index, { body }] of answers.entries()) {
      const { id } = body as AnsweredCustomer
      const read = await inTurn(servers, index + 1).call('GET', `/v1/customers/${id}`)
      expect(read.body).toEqual(body)
      expect(read.body).toMatchObject({
        tags: [{ name: `shared ${round}`, color }, { name: `own ${round} ${index}`, color }], customData: { [`shared_${round}`]: index, [`own_${round}_${index}`]: 'x' }
      })
    }
  }
  for (const round of numbers(10)) {
    const values = ['text', 1, 'text', 1]
    const answers = await Promise.all(values.map(async (value, index) => await inTurn(servers, index >> 1).call('POST', '/v1/customers', { customData: { [`typed_${round}`]: value } })))
    expect([[201, 400, 201, 400], [400, 201, 400, 201]]).toContainEqual(answers.map(({ status }) => status))
  }
  const names = await rows(ownerUrl, 'select (select count(*) from tags) as tags, (select count(*) from attributes) as attributes, (select count(distinct version) from tags) as versions')
  expect(names).toEqual([{ tags: 85, attributes: 95, versions: 85 }])

  // A new color is seen through the other process, too.
  const id = await create(servers[0], { tags: [{ name: 'Lead', color: 'red' }] })
  expect(((await servers[1].call('GET', `/v1/customers/${id}`)).body as AnsweredCustomer).tags).toEqual([{ name: 'Lead', color: 'red' }])
  for (const [from, to, shade] of [[0, 1, 'blue'], [1, 0, 'green'], [0, 1, 'red']] as const) {
    const tags = [{ name: 'Lead', color: shade }]
    await create(servers[from], { tags })
    expect(((await servers[to].call('GET', `/v1/customers/${id}`)).body as AnsweredCustomer).tags).toEqual(tags)
    const found = await servers[to].call('POST', '/v1/customers/search', { filter: [{ field: 'customers.id', operator: '=', value: id }] })
    expect((found.body as { data: AnsweredCustomer[] }).data.map((customer) => customer.tags)).toEqual([tags])
  }
})

test('a write answered by one process is found by the next search through the other', async () => {
  const { url } = await createDatabase()
  const servers = await startServers(url, 2)
  const search = async (index: number, name: string, value: unknown): Promise<number[]> => {
    const filter = [{ field: `customers.customData.${name}`, operator: '=', value }]
    const { status, body } = await inTurn(servers, index).call('POST', '/v1/customers/search', { filter })
    expect({ status, body }).toMatchObject({ status: 200 })
    return (body as { data: AnsweredCustomer[] }).data.map(({ id }) => id)
  }
  await Promise.all(numbers(8).map(async (client) => {
    for (const count of numbers(10)) {
      // Of an attribute that the other process has never heard of.
      const name = `a_${client}_${count}`
      const id = await create(inTurn(servers, client + count), { customData: { [name]: 'before' } })
      expect(await search(client + count + 1, name, 'before')).toEqual([id])
      await inTurn(servers, client + count + 1).call('PATCH', `/v1/customers/${id}`, { customData: { [name]: 'after' } })
      expect(await search(client + count, name, 'before')).toEqual([])
      expect(await search(client + count, name, 'after')).toEqual([id])
    }
  }))
})

test('a key that is revoked on the command line stops within a second', async () => {
  const { url } = await createDatabase()
  const servers = await startServers(url, 2)
  const made = await runCli(['key', 'create', '--json', '--database', url])
  const { id, key } = JSON.parse(made.stdout) as { id: number; key: string }
  const asked = servers.map((server) => server.withKey(key))
  const ask = async (): Promise<number[]> => await Promise.all(asked.map(async (server) => (await server.call('GET', '/v1/customers')).status))
  expect(await ask()).toEqual([200, 200])
  expect(await runCli(['key', 'revoke', String(id), '--database', url])).toMatchObject({ status: 0 })
  const revoked = performance.now()
  // Asked all the time, so that what is kept of it is kept fresh if anything does.
  await vi.waitUntil(async () => (await ask()).every((status) => status === 401), { timeout: 10_000, interval: 20 })
  expect(performance.now() - revoked).toBeLessThan(1_000)
})
