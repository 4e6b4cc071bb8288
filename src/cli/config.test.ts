import { Command, CommanderError } from 'commander'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { limits } from '../limits.ts'
import type { ServeConfig, ServeOptions } from './config.ts'
import { databaseOption, environmentFault, serveConfig, serveOptions, sqlitePath, withoutPassword } from './config.ts'

afterEach(() => { vi.unstubAllEnvs() })

const defaults: ServeConfig = {
  database: 'sqlite:./data/clientele.db', host: '127.0.0.1', port: 3000, changeDays: limits.changeDaysDefault, trashDays: limits.trashDaysDefault, searchMemoryMebibytes: 1_024, poolSize: limits.poolSizeDefault, distribute: false, allowsPrivateWebhooks: false,
  http: { errorStyle: 'current', putMode: 'replace', timestamps: 'string', strictAttributes: false, trustProxy: false, emptySearchStatus: 200 }
}

function parse(...flags: string[]): ServeConfig {
  const command = new Command('serve').exitOverride().configureOutput({ writeErr: () => undefined })
  for (const option of [databaseOption(), ...serveOptions()]) command.addOption(option)
  command.parse(flags, { from: 'user' })
  return serveConfig(command.opts<ServeOptions>())
}

function fault(...flags: string[]): string {
  try {
    parse(...flags)
  } catch (error) {
    if (error instanceof CommanderError) return error.message
    throw error
  }
  throw new Error('It was not refused')
}

test('without flags and settings everything has its default', () => {
  expect(parse()).toEqual(defaults)
})

const choices: [flag: string, variable: string, value: string, expected: Partial<Omit<ServeConfig, 'http'>> & { http?: Partial<ServeConfig['http']> }][] = [
  ['--database', 'CLIENTELE_DATABASE', 'sqlite:/var/lib/a b.db', { database: 'sqlite:/var/lib/a b.db' }],
  ['--database', 'CLIENTELE_DATABASE', 'postgres://u:p%40@db.internal:5433/clientele?sslmode=verify-full', { database: 'postgres://u:p%40@db.internal:5433/clientele?sslmode=verify-full' }],
  ['--database', 'CLIENTELE_DATABASE', 'postgresql://h/d', { database: 'postgresql://h/d' }],
  ['--host', 'CLIENTELE_HOST', '::1', { host: '::1' }],
  ['--port', 'CLIENTELE_PORT', '0', { port: 0 }],
  ['--port', 'CLIENTELE_PORT', '65535', { port: 65_535 }],
  ['--rate-limit', 'CLIENTELE_RATE_LIMIT', 'off', {}],
  ['--rate-limit', 'CLIENTELE_RATE_LIMIT', '120/min', { http: { rateLimitPerMinute: 120 } }],
  ['--error-style', 'CLIENTELE_ERROR_STYLE', 'legacy', { http: { errorStyle: 'legacy' } }],
  ['--put-mode', 'CLIENTELE_PUT_MODE', 'merge', { http: { putMode: 'merge' } }],
  ['--empty-search', 'CLIENTELE_EMPTY_SEARCH', '404', { http: { emptySearchStatus: 404 } }],
  ['--timestamps', 'CLIENTELE_TIMESTAMPS', 'integer', { http: { timestamps: 'integer' } }],
  ['--strict-attributes', 'CLIENTELE_STRICT_ATTRIBUTES', 'on', { http: { strictAttributes: true } }],
  ['--strict-attributes', 'CLIENTELE_STRICT_ATTRIBUTES', 'off', {}],
  ['--trust-proxy', 'CLIENTELE_TRUST_PROXY', 'on', { http: { trustProxy: true } }],
  ['--metrics-host', 'CLIENTELE_METRICS_HOST', '10.0.0.5,10.1.0.0/16,::1', { http: { metricsHost: '10.0.0.5,10.1.0.0/16,::1' } }],
  ['--change-days', 'CLIENTELE_CHANGE_DAYS', '1', { changeDays: 1 }],
  ['--trash-days', 'CLIENTELE_TRASH_DAYS', '0', { trashDays: 0 }],
  ['--search-memory', 'CLIENTELE_SEARCH_MEMORY', '0', { searchMemoryMebibytes: 0 }],
  ['--pool-size', 'CLIENTELE_POOL_SIZE', '1', { poolSize: 1 }],
  ['--distribute', 'CLIENTELE_DISTRIBUTE', 'on', { distribute: true }],
  ['--secret-key', 'CLIENTELE_SECRET_KEY', `${'A'.repeat(43)}=`, { secretKey: Buffer.alloc(32) }],
  ['--allow-private-webhooks', 'CLIENTELE_ALLOW_PRIVATE_WEBHOOKS', 'on', { allowsPrivateWebhooks: true }]
]

describe('a flag and its variable of the environment mean the same', () => {
  test.each(choices)('%s, %s: %s', (flag, variable, value, { http, ...expected }) => {
    const config = { ...defaults, ...expected, http: { ...defaults.http, ...http } }

    expect(parse(flag, value)).toEqual(config)
    expect(parse(`${flag}=${value}`)).toEqual(config)
    vi.stubEnv(variable, value)
    expect(parse()).toEqual(config)
  })
})

test('a flag goes before the environment', () => {
  vi.stubEnv('CLIENTELE_PORT', '4000')

  expect(parse('--port', '5000').port).toBe(5000)
})

test('--trust-proxy alone is on', () => {
  expect(parse('--trust-proxy')).toEqual({ ...defaults, http: { ...defaults.http, trustProxy: true } })
})

describe('a wrong value is refused with the nearest right one', () => {
  test.each([
    ['--port', '65536', 'It should be a whole number from 0 to 65535. The nearest is 65535.'],
    ['--port', 'http', 'It should be a whole number from 0 to 65535.'],
    ['--port', '80.5', 'It should be a whole number from 0 to 65535.'],
    ['--port', '-1', 'It should be a whole number from 0 to 65535.'],
    ['--port', '', 'It should be a whole number from 0 to 65535.'],
    ['--change-days', '0', 'It should be a whole number from 1 to 36500. The nearest is 1.'],
    ['--rate-limit', '120', 'It should be off, or a number with /min. Did you mean 120/min?'],
    ['--rate-limit', '120/s', 'It should be off, or a number with /min. Did you mean 120/min?'],
    ['--rate-limit', 'none', 'It should be off, or a number with /min. Did you mean off?'],
    ['--rate-limit', '0/min', 'It should be a whole number from 1 to 1000000. The nearest is 1.'],
    ['--error-style', 'Legacy', 'Allowed are current and legacy. Did you mean legacy?'],
    ['--error-style', 'toString', 'Allowed are current and legacy. Did you mean current?'],
    ['--put-mode', 'merg', 'Allowed are replace and merge. Did you mean merge?'],
    ['--empty-search', '403', 'Allowed are 200 and 404. Did you mean 404?'],
    ['--timestamps', 'int', 'Allowed are string and integer. Did you mean string?'],
    ['--strict-attributes', 'true', 'Allowed are off and on. Did you mean on?'],
    ['--strict-attributes', 'false', 'Allowed are off and on. Did you mean off?'],
    ['--trust-proxy', 'yes', 'Allowed are off and on. Did you mean on?'],
    ['--database', './clientele.db', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. Did you mean sqlite:./clientele.db?'],
    ['--database', 'sqlit:x.db', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. Did you mean sqlite:x.db?'],
    ['--database', 'postgress://u:p@h/d', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. Did you mean postgres://…?'],
    ['--database', 'pg://h/d', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. Did you mean postgres://…?'],
    ['--database', 'postgres:h/d', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. Did you mean postgres://…?'],
    ['--database', 'mysql://h/d', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db.'],
    ['--pool-size', '0', 'It should be a whole number from 1 to 1000. The nearest is 1.'],
    ['--database', 'postgres://', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db. This one names no host, no user and no database.'],
    ['--database', 'sqlite:', 'A database is given as sqlite:PATH or as postgres://…, such as sqlite:./data/clientele.db.'],
    ['--metrics-host', 'prometheus', '"prometheus" is not an address or a network such as 10.0.0.5 or 10.1.0.0/16'],
    ['--metrics-host', '10.0.0.0/33', '"10.0.0.0/33" is not an address or a network such as 10.0.0.5 or 10.1.0.0/16']
  ])('%s %s', (flag, value, hint) => {
    const said = fault(`${flag}=${value}`)

    expect(said.slice(said.indexOf('is invalid. ') + 'is invalid. '.length)).toBe(hint)
    expect(said).toContain(flag)
  })
})

test('a misspelt variable is named with the one that was meant', () => {
  expect(environmentFault({ CLIENTELE_PROT: '1' })).toBe('unknown setting CLIENTELE_PROT in the environment. Did you mean CLIENTELE_PORT?')
  expect(environmentFault({ clientele_port: '1', CLIENTELE: '1', CLIENTELE_PORT: '1', PATH: '/bin' })).toBeUndefined()
})

test('the path of a database is what follows its scheme', () => {
  expect(sqlitePath('sqlite:./a:b/c.db')).toBe('./a:b/c.db')
  expect(sqlitePath('postgres://h/d')).toBeUndefined()
})

test.each([
  ['postgres://u:secret@h/d', 'postgres://u:***@h/d'],
  ['postgresql://u:se@cr/et:@h:5432/d?sslmode=require', 'postgresql://u:***@h:5432/d?sslmode=require'],
  ['postgres://:secret@h/d', 'postgres://:***@h/d'],
  ['postgres://u@v:secret\n@h/d', 'postgres://u@v:***@h/d'],
  ['postgres://h/d?user=u&password=secret&sslmode=require', 'postgres://h/d?user=u&password=***&sslmode=require'],
  ["error: option '--database <url>' argument 'postgress://u:se cret@h/d' is invalid. Did you mean postgres://…?", "error: option '--database <url>' argument 'postgress://u:***@h/d' is invalid. Did you mean postgres://…?"],
  ['postgres://u@h:5432/d', 'postgres://u@h:5432/d'],
  ['sqlite:./data/a@b.db', 'sqlite:./data/a@b.db']
])('of %j %j is shown', (text, shown) => {
  expect(withoutPassword(text)).toBe(shown)
})
