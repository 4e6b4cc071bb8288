import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { parseCreate } from '../../src/command.ts'
import type { HttpSettings } from '../../src/http/settings.ts'
import { parseSearch } from '../../src/parse-search.ts'
import { createDatabase } from '../engines.ts'
import { ok, routeNotFound, startWire } from './expected.ts'

// Who may read them

const here = ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1']
const elsewhere = ['203.0.113.7', '10.0.0.5', '128.0.0.1', '::2', '::ffff:203.0.113.7']
const forwarded = { 'x-forwarded-for': '203.0.113.7' }

const readers: { settings: Partial<HttpSettings>; asked: [headers: Record<string, string>, allowed: string[], refused: string[]][] }[] = [
  {
    settings: {},
    asked: [
      [{}, here, elsewhere],
      // A proxy on this machine speaks for somebody elsewhere, and nothing is believed of what it says.
      [forwarded, [], [...here, ...elsewhere]],
      [{ 'x-forwarded-for': '127.0.0.1' }, [], [...here, ...elsewhere]],
      [{ forwarded: 'for=127.0.0.1' }, [], [...here, ...elsewhere]]
    ]
  },
  { settings: { trustProxy: true }, asked: [[{}, here, elsewhere], [forwarded, [], here], [{ 'x-forwarded-for': '127.0.0.1' }, [...here, ...elsewhere], []]] },
  {
    settings: { metricsHost: '203.0.113.7,10.0.0.0/8' },
    asked: [[{}, ['203.0.113.7', '10.0.0.5', '::ffff:203.0.113.7'], [...here, '128.0.0.1', '::2']], [forwarded, ['203.0.113.7'], here]]
  },
  { settings: { metricsHost: '203.0.113.7', trustProxy: true }, asked: [[{}, ['203.0.113.7'], here], [forwarded, [...here, ...elsewhere], []]] }
]

test.for(readers)('GET /metrics 200 or 404: $settings says who may read', async ({ settings, asked }) => {
  const { http } = await startWire(settings)
  const answers: object[] = []
  const wanted: object[] = []
  for (const [headers, allowed, refused] of asked) {
    for (const remoteAddress of [...allowed, ...refused]) {
      const { statusCode, body } = await http.inject({ url: '/metrics', headers, remoteAddress })
      answers.push({ headers, remoteAddress, status: statusCode, body: statusCode === 200 ? body.slice(0, 7) : JSON.parse(body) as unknown })
      wanted.push({ headers, remoteAddress, ...(allowed.includes(remoteAddress) ? ok('# HELP ') : routeNotFound) })
    }
  }
  expect(answers).toEqual(wanted)
})

// What they say

/** Every figure of ours by its name and labels, but for the buckets of histograms. */
function figures(text: string): Record<string, number> {
  const lines = [...text.matchAll(/^(clientele_\S+) (\S+)$/gm)]
  return Object.fromEntries(lines.flatMap(([, name = '', value]) => name.includes('_bucket{') ? [] : [[name, Number(value)]]))
}

test('GET /metrics 200: counts requests by method, route and status, with their seconds', async () => {
  const { call, ask, create, metrics } = await startWire()
  await create()
  await create()
  await ask('GET', '/v1/customers/99')
  await ask('GET', '/v1/nothing')
  await ask('GET', '/v1/customers?limit=1', undefined, { authorization: '' })
  await call('GET', '/metrics')
  const requests = Object.entries(figures(await metrics())).filter(([name]) => name.startsWith('clientele_http_'))

  const seconds = 'clientele_http_request_duration_seconds'
  expect(Object.fromEntries(requests.filter(([name]) => name.startsWith(`${seconds}_count`)))).toEqual({
    [`${seconds}_count{method="POST",route="/v1/customers",status="201"}`]: 2,
    [`${seconds}_count{method="GET",route="/v1/customers/:id",status="404"}`]: 1,
    [`${seconds}_count{method="GET",route="unknown",status="404"}`]: 1,
    [`${seconds}_count{method="GET",route="/v1/customers",status="401"}`]: 1,
    [`${seconds}_count{method="GET",route="/metrics",status="200"}`]: 1
  })
  const sums = requests.filter(([name]) => name.startsWith(`${seconds}_sum`))
  expect(sums.filter(([, value]) => value > 0 && value < 60).length).toBe(5)
})

test('GET /metrics 200: counts commits, what shared them, and their seconds', async () => {
  const { store, metrics } = await startWire()
  const [key] = await store.keys()
  const caller = { organizationId: key?.organizationId ?? 0, keyId: key?.id ?? 0, requestId: 'test' }
  const { command } = parseCreate({}, { attributes: new Map(), strictAttributes: false })
  const commits = async (): Promise<Record<string, number>> =>
    Object.fromEntries(Object.entries(figures(await metrics())).filter(([name]) => name.startsWith('clientele_commit_')))
  const before = await commits()
  await Promise.all(Array.from({ length: 20 }, () => store.write(caller, command)))
  await store.write(caller, command)
  const after = await commits()
  const grown = (name: string): number => (after[name] ?? NaN) - (before[name] ?? NaN)

  expect(grown('clientele_commit_commands_sum')).toBe(21)
  const count = grown('clientele_commit_commands_count')
  expect({ isShared: count < 21, isSeveral: count > 1 }).toEqual({ isShared: true, isSeveral: true })
  expect(grown('clientele_commit_duration_seconds_count')).toBe(count)
  const seconds = grown('clientele_commit_duration_seconds_sum')
  expect({ seconds, isTime: seconds > 0 && seconds < 60 }).toEqual({ seconds, isTime: true })
})

test('GET /metrics 200: shows the figures of the store as it is scraped', async () => {
  const database = await createDatabase()
  const { store, create, ask, metrics } = await startWire({}, database)
  const [key] = await store.keys()
  const caller = { organizationId: key?.organizationId ?? 0, keyId: key?.id ?? 0, requestId: 'test' }
  for (const name of ['Ann', 'Bo', 'Cy']) await create({ name })
  await ask('DELETE', '/v1/customers/2')
  await database.untilIndexed(store, caller)
  const shown = async (): Promise<Record<string, number | undefined>> => {
    const text = figures(await metrics())
    return {
      customers: text['clientele_customers'],
      databaseBytes: text['clientele_database_bytes'],
      writesWaiting: text['clientele_writes_waiting'],
      readsWaiting: text['clientele_reads_waiting'],
      searchIndexBytes: text['clientele_search_index_bytes']
    }
  }
  const { databaseBytes, searchIndexBytes } = await store.status()
  expect(await shown()).toEqual({ customers: 2, databaseBytes, writesWaiting: 0, readsWaiting: 0, searchIndexBytes })

  const { command } = parseCreate({}, { attributes: new Map(), strictAttributes: false })
  const { search } = parseSearch({ filter: [{ field: 'customers.name', operator: '=', value: 'Ann' }] }, { ...await store.searchContext(caller.organizationId), now: systemClock() })
  const underWay = [...Array.from({ length: 7 }, () => store.write(caller, command)), ...Array.from({ length: 5 }, () => store.search(caller, search))]
  const waiting = shown()
  await Promise.all(underWay)
  expect(await waiting).toMatchObject({ writesWaiting: 7, readsWaiting: 5 })
  expect(await shown()).toMatchObject({ customers: 9, writesWaiting: 0, readsWaiting: 0 })
})
