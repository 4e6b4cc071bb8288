import { InvalidArgumentError, Option } from 'commander'
import { closest, distance } from 'fastest-levenshtein'
import type { HttpSettings } from '../http/settings.ts'
import { parseNetworks } from '../http/metrics.ts'
import { UsageError } from '../errors.ts'
import { limits } from '../limits.ts'
import { parseSecretKey } from '../webhooks/secret-key.ts'

/** Where the database is, when nobody says. */
const defaultDatabase = 'sqlite:./data/clientele.db'

export interface ServeConfig {
  readonly database: string
  readonly host: string
  readonly port: number
  readonly changeDays: number
  readonly trashDays: number
  readonly searchMemoryMebibytes: number
  readonly poolSize: number
  readonly distribute: boolean
  /** What secrets of webhooks are encrypted with; absent: the engine's own place is used, if it has one. */
  readonly secretKey?: Buffer
  readonly allowsPrivateWebhooks: boolean
  readonly http: HttpSettings
}

/** What commander hands over for `serve`: an entry for each option below, parsed. */
export interface ServeOptions {
  readonly database: string
  readonly json?: true
  readonly host: string
  readonly port: number
  readonly rateLimit: number | 'off'
  readonly errorStyle: HttpSettings['errorStyle']
  readonly putMode: HttpSettings['putMode']
  readonly emptySearch: HttpSettings['emptySearchStatus']
  readonly timestamps: HttpSettings['timestamps']
  readonly strictAttributes: boolean
  readonly trustProxy: boolean
  readonly metricsHost?: string
  readonly changeDays: number
  readonly trashDays: number
  readonly searchMemory: number
  readonly poolSize: number
  readonly distribute: boolean
  readonly secretKey?: Buffer
  readonly allowPrivateWebhooks: boolean
}

export function databaseOption(): Option {
  return option('--database <url>', 'CLIENTELE_DATABASE', 'the database, as sqlite:PATH or postgres://USER@HOST/NAME').argParser(parseDatabase).default(defaultDatabase)
}

/** One of the two databases of a copy, neither of which goes without saying. */
export function copiedDatabaseOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser(parseDatabase).makeOptionMandatory()
}

/** The options of `serve`, each also a variable of the environment. */
export function serveOptions(): Option[] {
  return [
    option('--host <address>', 'CLIENTELE_HOST', 'address to listen on').argParser(parseHost).default('127.0.0.1'),
    option('--port <number>', 'CLIENTELE_PORT', 'port to listen on; 0 picks a free one')
      .argParser((value) => parseWholeNumber(value, { min: 0, max: 65_535 })).default(3000),
    option('--rate-limit <limit>', 'CLIENTELE_RATE_LIMIT', 'requests a minute for each organization, as 120/min, or off')
      .argParser(parseRateLimit).default('off'),
    choice('--error-style <style>', 'CLIENTELE_ERROR_STYLE', 'shape and codes of errors', { current: 'current', legacy: 'legacy' }),
    choice('--put-mode <mode>', 'CLIENTELE_PUT_MODE', 'whether PUT replaces a customer or merges into it', { replace: 'replace', merge: 'merge' }),
    choice('--empty-search <status>', 'CLIENTELE_EMPTY_SEARCH', 'status of a search that finds nobody', { 200: 200, 404: 404 }),
    choice('--timestamps <type>', 'CLIENTELE_TIMESTAMPS', 'how answers give dates', { string: 'string', integer: 'integer' }),
    choice('--strict-attributes <switch>', 'CLIENTELE_STRICT_ATTRIBUTES', 'whether an unknown attribute is refused rather than created', { off: false, on: true }),
    choice('--trust-proxy [switch]', 'CLIENTELE_TRUST_PROXY', 'whether X-Forwarded-For says where a request comes from', { off: false, on: true }, 'on'),
    option('--metrics-host <addresses>', 'CLIENTELE_METRICS_HOST', 'addresses and networks that may read /metrics, comma-separated; default: this machine only')
      .argParser(parseMetricsHost),
    option('--change-days <days>', 'CLIENTELE_CHANGE_DAYS', 'how long changes are kept')
      .argParser((value) => parseWholeNumber(value, { min: 1, max: limits.changeDaysMax })).default(limits.changeDaysDefault),
    option('--trash-days <days>', 'CLIENTELE_TRASH_DAYS', 'how long a deletion can be undone, at most as long as changes are kept')
      .argParser((value) => parseWholeNumber(value, { min: 0, max: limits.changeDaysMax })).default(limits.trashDaysDefault),
    option('--search-memory <MiB>', 'CLIENTELE_SEARCH_MEMORY', 'what searches may keep in memory, about 300 a million customers; 0 for none')
      .argParser((value) => parseWholeNumber(value, { min: 0, max: limits.searchMemoryMebibytesMax })).default(limits.searchMemoryMebibytesDefault),
    option('--pool-size <connections>', 'CLIENTELE_POOL_SIZE', 'connections to PostgreSQL that this process opens at most')
      .argParser((value) => parseWholeNumber(value, { min: 1, max: limits.poolSizeMax })).default(limits.poolSizeDefault),
    choice('--distribute [switch]', 'CLIENTELE_DISTRIBUTE', 'whether a database on Citus is spread over its machines first, as by the command distribute', { off: false, on: true }, 'on'),
    option('--secret-key <key>', 'CLIENTELE_SECRET_KEY', 'what secrets of webhooks are encrypted with: 32 bytes in base64')
      .argParser(parseSecretKeyOption).default(undefined, secretKeyDefault),
    choice('--allow-private-webhooks [switch]', 'CLIENTELE_ALLOW_PRIVATE_WEBHOOKS', 'whether webhooks may lead to private addresses, and without TLS; for development', { off: false, on: true }, 'on')
  ]
}

const secretKeyDefault = 'a file'

export function serveConfig(options: ServeOptions): ServeConfig {
  const { database, host, port, changeDays, trashDays, searchMemory, poolSize, distribute, secretKey, allowPrivateWebhooks, rateLimit, metricsHost, emptySearch, ...http } = options
  return {
    database, host, port, changeDays, trashDays, poolSize, distribute, searchMemoryMebibytes: searchMemory, allowsPrivateWebhooks: allowPrivateWebhooks,
    ...(secretKey === undefined ? {} : { secretKey }),
    http: {
      errorStyle: http.errorStyle,
      putMode: http.putMode,
      timestamps: http.timestamps,
      strictAttributes: http.strictAttributes,
      trustProxy: http.trustProxy,
      emptySearchStatus: emptySearch,
      ...(rateLimit === 'off' ? {} : { rateLimitPerMinute: rateLimit }),
      ...(metricsHost === undefined ? {} : { metricsHost })
    }
  }
}

/** A misspelt variable would be ignored by everyone; says what it should have been. Those of the tests are not ours to judge. */
export function environmentFault(environment: NodeJS.ProcessEnv): string | undefined {
  const known = [databaseOption(), ...serveOptions()].flatMap(({ envVar }) => envVar ?? [])
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('CLIENTELE_') || name.startsWith('CLIENTELE_TEST_') || known.includes(name)) continue
    return `unknown setting ${name} in the environment. Did you mean ${closest(name, known)}?`
  }
  return undefined
}

/** The path in a `sqlite:` URL; undefined for a database that is no file. */
export function sqlitePath(database: string): string | undefined {
  return database.startsWith('sqlite:') ? database.slice('sqlite:'.length) : undefined
}

/** A URL, or a text that ends with one or goes on without an @, as it may be shown. Rather too little is left of a strange one than a password. */
export function withoutPassword(text: string): string {
  return text.replaceAll(/(:\/\/[^:]*:).*@/gs, '$1***@').replaceAll(/([?&]\w*password=)[^&'\s]*/gi, '$1***')
}

function option(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(variable)
}

/** The first choice is the default; `preset` is what the flag means without a value. */
function choice(flags: string, variable: string, description: string, values: Record<string, string | number | boolean>, preset?: string): Option {
  const names = Object.keys(values)
  const parse = (value: string): string | number | boolean => {
    const found = Object.hasOwn(values, value) ? values[value] : undefined
    if (found === undefined) throw new InvalidArgumentError(`Allowed are ${names.join(' and ')}. Did you mean ${nearest(value, names)}?`)
    return found
  }
  const [first = ''] = names
  const described = option(flags, variable, `${description}: ${names.join(' or ')}`).argParser(parse).default(values[first], first)
  return preset === undefined ? described : described.preset(preset)
}

function nearest(value: string, names: readonly string[]): string {
  // By their letters "true" and "yes" are nearer to off than to on.
  const meant = /^(?:true|yes|1|enabled?)$/i.test(value) ? 'on' : value.toLowerCase()
  return closest(meant, names)
}

function parseDatabase(value: string): string {
  if (/^(?:sqlite:|postgres(?:ql)?:\/\/)./.test(value)) return value
  // Messages show no more of a value than its scheme, since it may hold a password.
  throw new InvalidArgumentError(`A database is given as sqlite:PATH or as postgres://…, such as ${defaultDatabase}.${databaseHint(value)}`)
}

function databaseHint(value: string): string {
  if (/^postgres(?:ql)?:\/{0,2}$/.test(value)) return ' This one names no host, no user and no database.'
  const [scheme = '', rest = ''] = value.includes(':') ? value.split(/:(.*)/s) : ['sqlite', value]
  if (/^(?:pg|psql|pgsql)$/i.test(scheme) || distance(scheme.toLowerCase(), 'postgres') <= 3) return ' Did you mean postgres://…?'
  return rest !== '' && distance(scheme.toLowerCase(), 'sqlite') <= 2 ? ` Did you mean sqlite:${rest}?` : ''
}

/** Node takes a blank one for every address of the machine. */
function parseHost(value: string): string {
  if (value.trim() !== '') return value
  throw new InvalidArgumentError('It should be an address or a name of this machine, such as 127.0.0.1, or 0.0.0.0 for all of its addresses.')
}

export function parseWholeNumber(value: string, { min, max }: { min: number; max: number }): number {
  const number = /^\d{1,9}$/.test(value) ? Number(value) : undefined
  if (number !== undefined && number >= min && number <= max) return number
  const hint = number !== undefined ? ` The nearest is ${Math.min(max, Math.max(min, number))}.` : ''
  throw new InvalidArgumentError(`It should be a whole number from ${min} to ${max}.${hint}`)
}

/** `off` stays a word: commander turns a parsed undefined into empty text. */
function parseRateLimit(value: string): number | 'off' {
  if (value === 'off') return value
  const perMinute = /^(\d{1,9})\/min$/.exec(value)?.[1]
  if (perMinute !== undefined) return parseWholeNumber(perMinute, { min: 1, max: limits.rateLimitPerMinuteMax })
  const number = /\d+/.exec(value)?.[0]
  throw new InvalidArgumentError(`It should be off, or a number with /min. Did you mean ${number === undefined ? 'off' : `${number}/min`}?`)
}

/** Commander would show the value of an argument that it refuses. */
function parseSecretKeyOption(value: string): Buffer {
  const key = parseSecretKey(value)
  if (key === undefined) throw new UsageError('CLIENTELE_SECRET_KEY, or --secret-key, should be 32 bytes in base64. Make one with: openssl rand -base64 32')
  return key
}

function parseMetricsHost(value: string): string {
  try {
    parseNetworks(value)
    return value
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
  }
}
