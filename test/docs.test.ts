import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import manifest from '../package.json' with { type: 'json' }
import { databaseOption, serveOptions } from '../src/cli/config.ts'
import { searchTables } from '../src/contract/search.ts'
import type { ErrorCode } from '../src/errors.ts'
import { ApiError, errorCodes } from '../src/errors.ts'
import { errorBody, statusByCode } from '../src/http/error-response.ts'
import { limits } from '../src/limits.ts'
import { runCli, runProgram, startCli } from './e2e/start-cli.ts'
import { temporaryFolder } from './engines.ts'
import type { TestServer } from './start-server.ts'
import { startServer } from './start-server.ts'

// Some tests start processes.
vi.setConfig({ testTimeout: 60_000 })

const root = fileURLToPath(new URL('../', import.meta.url))
const decisions = readdirSync(join(root, 'docs/decisions')).map((name) => `docs/decisions/${name}`)
const documents = [
  'README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md',
  ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`), ...decisions
]

function read(document: string): string {
  return readFileSync(join(root, document), 'utf8')
}

/** The part of a document under a heading, up to the next heading of its level. */
function section(document: string, heading: string): string {
  const found = read(document).split(/^## /m).find((part) => part.startsWith(`${heading}\n`))
  if (found === undefined) throw new Error(`${document} has no section "${heading}"`)
  return found
}

/** The cells of every row of every table, but for headings and the line below them. */
function rows(markdown: string): string[][] {
  const lines = markdown.split('\n')
  return lines
    .filter((line, index) => line.startsWith('| ') && !line.startsWith('| ---') && lines[index + 1]?.startsWith('| ---') !== true)
    .map((line) => line.slice(2, -1).split(' |').map((cell) => cell.trim()))
}

/** What stands between backticks. */
function quoted(markdown = ''): string[] {
  return [...markdown.matchAll(/`([^`]+)`/g)].flatMap(([, text]) => text ?? [])
}

describe('docs/errors.md', () => {
  const sections = read('docs/errors.md').split(/^## /m).slice(1)

  test('has a section for each error code and its status, and no other', () => {
    expect(sections.map((text) => text.split('\n', 1)[0])).toEqual(errorCodes.map((code) => `\`${code}\` (${statusByCode[code]})`))
  })

  /** How to get each error that a request alone can bring about. */
  const requests: Partial<Record<ErrorCode, (server: TestServer) => ReturnType<TestServer['call']>>> = {
    invalid_request: ({ call }) => call('POST', '/v1/customers', { email: 'none', tags: ['a', { name: 'b', color: 'none' }] }),
    invalid_userId_value: async ({ call }) => {
      await call('POST', '/v1/customers', { userId: 'u-1' })
      return await call('POST', '/v1/customers', { userId: 'u-1' })
    },
    unauthorized: ({ call }) => call('GET', '/v1/customers', undefined, { authorization: '' }),
    not_found: ({ call }) => call('GET', '/v1/customers/1'),
    method_not_allowed: ({ call }) => call('DELETE', '/v1/customers'),
    conflict: async ({ call }) => {
      await call('POST', '/v1/customers', { name: 'Ann' })
      for (const name of ['Bob', 'Cleo']) await call('PATCH', '/v1/customers/1', { name })
      return await call('POST', '/v1/changes/2/undo')
    },
    gone: async ({ call, store }) => {
      await call('POST', '/v1/customers', {})
      await call('DELETE', '/v1/customers/1')
      await store.emptyTrash(limits.dateSecondsMax)
      return await call('POST', '/v1/changes/2/undo')
    },
    too_large: ({ call }) => call('POST', '/v1/customers', ' '.repeat(limits.bodyBytesMax + 1)),
    precondition_failed: async ({ call }) => {
      await call('POST', '/v1/customers', {})
      return await call('PATCH', '/v1/customers/1', { name: 'Ann' }, { 'if-match': '"0-0"' })
    },
    unsupported_media_type: ({ call }) => call('POST', '/v1/customers', {}, { 'content-encoding': 'gzip' }),
    too_many_requests: async ({ call }) => {
      await call('GET', '/v1/customers')
      return await call('GET', '/v1/customers')
    }
  }
  const own: Partial<Record<ErrorCode, string>> = {
    forbidden: 'Forbidden',
    internal: 'Internal error',
    unavailable: 'The database has no room to write. Nothing was changed; try again.'
  }

  test.each(errorCodes.map((code, index) => ({ code, text: sections[index] ?? '' })))('shows $code as it is answered', async ({ code, text }) => {
    const example = JSON.parse(/```json\n(.*?)```/s.exec(text)?.[1] ?? 'null') as unknown
    const request = requests[code]
    if (request === undefined) {
      expect(example).toEqual(errorBody(new ApiError(code, own[code] ?? ''), 'current'))
      return
    }
    const server = await startServer(code === 'too_many_requests' ? { rateLimitPerMinute: 1 } : {})
    const { status, body } = await request(server)
    expect({ status, body }).toEqual({ status: statusByCode[code], body: example })
  })
})

test('docs/limits.md has a row with the value of each limit, and no other', () => {
  const documented = rows(read('docs/limits.md')).map(([name, value]) => [quoted(name)[0], Number(value)])
  expect(Object.fromEntries(documented)).toEqual(limits)
  expect(documented.length).toBe(Object.keys(limits).length)
})

describe('docs/operations.md', () => {
  test('has each command, and no other', async () => {
    const documented = rows(section('docs/operations.md', 'Commands')).map(([command = '']) => quoted(command)[0]?.replace(/ [<[].*/, ''))
    expect(documented).toEqual(await commands())
  })

  test('has each flag of each command, and no other', async () => {
    const documented = rows(section('docs/operations.md', 'Settings')).flatMap(([flag = '']) => quoted(flag))
    const helps = await Promise.all((await commands()).map((command) => runCli(['help', ...command.split(' ')])))
    const flags = helps.flatMap(({ stdout }) => [...stdout.matchAll(/^ {2}(--\w[\w-]*(?: [<[]\w+[>\]])?) /gm)].flatMap(([, flag]) => flag ?? []))
    expect(documented.toSorted()).toEqual([...new Set(flags)].toSorted())
  })

  test('has the variable and the default of each setting, and no other', () => {
    const documented = rows(section('docs/operations.md', 'Settings'))
      .filter(([, variable]) => variable !== '')
      .map(([flag, variable, byDefault = '']) => ({ flag: quoted(flag)[0], variable: quoted(variable)[0], byDefault: quoted(byDefault)[0] ?? byDefault }))
    const settings = [databaseOption(), ...serveOptions()].map(({ flags, envVar, defaultValue, defaultValueDescription }) => ({
      flag: flags, variable: envVar, byDefault: String(defaultValueDescription ?? defaultValue ?? 'this machine')
    }))
    expect(documented).toEqual(settings)
  })

  test('has each metric, and no other', async () => {
    const { call } = await startServer()
    const { body } = await call('GET', '/metrics')
    const metrics = [...String(body).matchAll(/^# HELP (\w+) /gm)].flatMap(([, name]) => name ?? [])
    const documented = rows(section('docs/operations.md', 'Metrics')).flatMap(([names]) => quoted(names))
    // Which figures of a process there are depends on the operating system.
    const isOwn = (name: string): boolean => name.startsWith('clientele_')
    expect(documented.filter(isOwn).toSorted()).toEqual(metrics.filter(isOwn).toSorted())
    expect(documented).toEqual(expect.arrayContaining(metrics))
  })

  test('has each field and message of the log', async () => {
    const { call, logged } = await startServer()
    await call('GET', '/v1/customers', undefined, { 'x-request-id': 'mine' })
    await call('GET', '/v1/customers/1')
    const server = await startCli({ database: join(temporaryFolder(), 'clientele.db') })
    const { stderr } = await server.end('SIGTERM')
    const lines = [...logged, ...stderr.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)]
    const documented = rows(section('docs/operations.md', 'Logs'))
    expect(documented.flatMap(([fields]) => quoted(fields))).toEqual(expect.arrayContaining(lines.flatMap((line) => Object.keys(line))))
    const [, messages] = documented.find(([fields]) => fields === '`msg`') ?? []
    const inSource = ['src/cli/serve.ts', 'src/cli/start-webhooks.ts', 'src/http/request-log.ts', 'src/http/server.ts'].flatMap((file) =>
      [...read(file).matchAll(/log\.(?:info|error)\((?:.*, )?'([^']+)'\)/g)].flatMap(([, message]) => message ?? []))
    expect(quoted(messages).toSorted()).toEqual([...new Set(inSource)].toSorted())
  })
})

describe('docs/search.md', () => {
  const { paths } = JSON.parse(read('openapi.json')) as { paths: Record<string, { post?: { description?: string } }> }
  const described = paths['/v1/customers/search']?.post?.description ?? ''

  test.each(Object.entries(searchTables()))('has the table of %s as the code and openapi.json have it', (_name, table) => {
    expect(read('docs/search.md')).toContain(`\n\n${table}\n\n`)
    expect(described).toContain(`\n\n${table}\n`)
  })
})

/** Where the operations of each tag of openapi.json are listed. */
const operationTables = {
  'docs/changes.md': { heading: 'Operations', tags: ['changes'] },
  'docs/compatibility.md': { heading: 'What matches', tags: ['customers', 'events'] },
  'docs/webhooks.md': { heading: 'Managing', tags: ['webhooks'] }
}

test.each(Object.entries(operationTables))('%s has each operation of openapi.json that is its own, and no other', (page, { heading, tags }) => {
  const documented = rows(section(page, heading)).flatMap(([, route = '']) =>
    route.replace(/ `.*/, '').split(', ').map((method) => `${method} ${quoted(route)[0]}`))
  const { paths } = JSON.parse(read('openapi.json')) as { paths: Record<string, Record<string, { tags: [string] }>> }
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => (tags.includes(operation.tags[0]) ? `${method.toUpperCase()} ${path}` : [])))
  expect(documented.toSorted()).toEqual(described.toSorted())
})

describe('docs/compatibility.md', () => {

  test('names every setting of the wire, and no other', () => {
    const documented = rows(section('docs/compatibility.md', 'Settings for older habits')).flatMap(([setting]) => quoted(setting)[0]?.split(' ')[0] ?? [])
    const elsewhere = new Set(['--host', '--port', '--trust-proxy', '--metrics-host', '--change-days', '--trash-days', '--search-memory', '--pool-size', '--distribute', '--secret-key', '--allow-private-webhooks'])
    const settings = serveOptions().flatMap(({ long }) => (long === undefined || long === null || elsewhere.has(long) ? [] : long))
    expect(documented.toSorted()).toEqual(settings.toSorted())
  })

  test('names as homes of quirks the files that say so in a comment, and no other', () => {
    const documented = rows(section('docs/compatibility.md', 'Quirks, and the one file that knows each')).map(([, home]) => home ?? '')
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).map((name) => `src/${name}`)
    const homes = files.filter((file) => file.endsWith('.ts') && read(file).includes('HelpCrunch: '))
    expect([...new Set(documented)].toSorted()).toEqual(homes.toSorted())
  })
})

describe('README.md', () => {
  const shell = [...read('README.md').matchAll(/```sh\n(.*?)```/gs)].flatMap(([, script]) => script?.trim() ?? [])

  test('gives the commands that start and test, and one request', () => {
    expect(shell).toEqual(['npm ci && npm start', 'npm ci && npm test', expect.stringMatching(/^curl /)])
  })

  test('shows the answer that its request gets from a new server', async () => {
    const { url, key = '' } = await startCli({ database: join(temporaryFolder(), 'clientele.db') })
    const script = (shell[2] ?? '').replace('curl http://127.0.0.1:3000', `curl --silent --show-error ${url}`)
    const { status, stdout, stderr } = await runProgram('sh', ['-c', script], { env: { KEY: key } })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual(JSON.parse(/```json\n(.*?)```/s.exec(read('README.md'))?.[1] ?? 'null'))
  })
})

test('ARCHITECTURE.md is a map: at most 150 lines', () => {
  expect(read('ARCHITECTURE.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150)
})

describe.each(documents)('%s', (document) => {
  const text = read(document)

  test('names files that exist', () => {
    const named = [...text.matchAll(/(?<![\w/.…-])(?:src|test|docs|bench|examples)\/[\w./-]*[\w/]/g)].map(([path]) => path)
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  test('links to what exists', () => {
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].flatMap(([, target]) => target ?? [])
    const missing = links.filter((target) => !/^https?:/.test(target)).filter((target) => {
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? document : join(dirname(document), path)
      return !existsSync(join(root, file)) || (anchor !== undefined && !anchors(file).includes(anchor))
    })
    expect(missing).toEqual([])
  })

  test('names npm scripts that exist', () => {
    const scripts = [...text.matchAll(/npm (?:run )?(start|test|(?<=run )[\w:-]+)/g)].flatMap(([, script]) => script ?? [])
    expect(scripts.filter((script) => !Object.hasOwn(manifest.scripts, script))).toEqual([])
  })
})

function anchors(file: string): string[] {
  if (statSync(join(root, file)).isDirectory()) return []
  return [...read(file).matchAll(/^#+ (.*)$/gm)].flatMap(([, heading]) => heading?.toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-') ?? [])
}

test('the decision records are numbered without a gap', () => {
  expect(decisions.toSorted().map((name) => Number.parseInt(name.replace('docs/decisions/', ''), 10))).toEqual(decisions.map((_name, index) => index + 1))
})

test('docs/decisions/0007-dependencies.md has each dependency, and no other', () => {
  const documented = rows(read('docs/decisions/0007-dependencies.md')).flatMap(([name]) => quoted(name))
  expect(documented.toSorted()).toEqual([...Object.keys(manifest.dependencies), ...Object.keys(manifest.devDependencies)].toSorted())
})

/** Every command, as `help` has them: groups with the names of what is in them. */
async function commands(): Promise<string[]> {
  const names = async (...group: string[]): Promise<string[]> => {
    const { stdout } = await runCli(['help', ...group])
    const list = stdout.split('Commands:\n')[1] ?? ''
    return [...list.matchAll(/^ {2}(\w+)/gm)].flatMap(([, name]) => name ?? [])
  }
  const lists = (await names()).map(async (name) => {
    const inside = await names(name)
    return inside.length === 0 ? [name] : inside.map((inner) => `${name} ${inner}`)
  })
  return (await Promise.all(lists)).flat()
}
