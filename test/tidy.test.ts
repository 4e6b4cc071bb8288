import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, extname, join, relative } from 'node:path/posix'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

type Files = ReadonlyMap<string, string>
type Room = {
  rooms: readonly string[]
  packages: readonly string[]
  node: 'all' | readonly string[]
}

// What a file may import besides its own room: our rooms, npm packages (`@fastify/*` is the whole
// scope), Node modules. Places that are not listed (src/cli, test, bench, bin) may import anything.
const importTable: Readonly<Record<string, Room>> = {
  contract: { rooms: [], packages: ['typebox'], node: [] },
  domain: {
    rooms: ['contract'],
    packages: ['color-name', 'fastest-levenshtein', 'ipaddr.js', 'jsonc-parser'],
    node: ['node:crypto', 'node:assert']
  },
  sql: { rooms: ['domain', 'contract'], packages: ['sql-template-tag'], node: ['node:fs', 'node:timers', 'node:v8'] },
  columns: { rooms: ['domain', 'contract'], packages: [], node: [] },
  indexing: { rooms: ['columns', 'domain', 'contract'], packages: [], node: 'all' },
  sqlite: {
    rooms: ['indexing', 'columns', 'sql', 'domain', 'contract'],
    packages: ['better-sqlite3', 'sql-template-tag'],
    node: 'all'
  },
  postgres: {
    rooms: ['indexing', 'columns', 'sql', 'domain', 'contract'],
    packages: ['pg', 'pg-connection-string', 'sql-template-tag'],
    node: 'all'
  },
  http: {
    rooms: ['domain', 'contract'],
    packages: ['fastify', '@fastify/*', 'prom-client', 'pino', 'typebox'],
    node: 'all'
  },
  webhooks: { rooms: ['domain', 'contract'], packages: ['undici', 'tinyqueue'], node: 'all' },
  transfer: { rooms: ['domain', 'contract'], packages: [], node: 'all' }
}
// The bounds import nothing themselves, and the contract shows them: written once, they cannot differ.
const leaves = ['src/limits.ts']
const unrestricted = ['cli', 'test', 'bench', 'bin']
const testPackages = ['vitest', 'fast-check', 'standardwebhooks']

// What starts by itself, so that nothing needs to import it.
const entries = ['src/cli/main.ts', 'src/cli/generate-openapi.ts']

const namelessNames = ['util', 'helper', 'common', 'misc', 'shared', 'lib', 'core', 'manager']
const silencers = [
  '@ts-ignore', '@ts-expect-error', '@ts-nocheck', 'oxlint-disable', 'eslint-disable'
]

const inSource = (path: string) => path.startsWith('src/')
const isTest = (path: string) => path.endsWith('.test.ts')
// Types for a package that brings none: the compiler finds it without an import.
const isDeclaration = (path: string) => path.endsWith('.d.ts')
const resolveFrom = (path: string, specifier: string) => join(dirname(path), specifier)

function roomOf(path: string): string {
  const [top = '', folder = '', ...deeper] = path.split('/')
  if (top !== 'src') return top
  return deeper.length === 0 ? 'domain' : folder
}

const comment = /\/\/.*|\/\*[\s\S]*?\*\//
const quoted = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/
const commentOrQuoted = new RegExp(`${comment.source}|${quoted.source}`, 'g')

const withoutComments = (text: string) =>
  text.replaceAll(commentOrQuoted, (piece) => piece.startsWith('/') ? ' ' : piece)
const withoutCommentsAndText = (text: string) => text.replaceAll(commentOrQuoted, "''")

const passingOn = /^export\s+(?:type\s+)?(?:\*[\w\s]*|\{[^}]*\})\s*from\s*['"]([^'"]*)['"]/gm

function importsOf(text: string): string[] {
  const forms = [
    /^import\s+[\w$*{},\s]+?\sfrom\s*['"]([^'"]+)['"]/gm,
    /^import\s*['"]([^'"]+)['"]/gm,
    passingOn,
    /\bimport\(\s*['"]([^'"]+)['"]/g
  ]
  const code = withoutComments(text)
  return forms.flatMap((form) => [...code.matchAll(form)].map(([, specifier = '']) => specifier))
}

function misplacedImports(files: Files): string[] {
  return [...files].flatMap(([path, text]) => {
    const room = roomOf(path)
    if (unrestricted.includes(room)) return []
    const allowed = importTable[room]
    if (allowed === undefined) return `${path}: the import table has no room called ${room}`

    const packages = isTest(path) ? [...allowed.packages, ...testPackages] : allowed.packages
    return importsOf(text).flatMap((specifier) => {
      const complaint = (kind: string, list: readonly string[]) =>
        `${path} imports ${specifier}: the only ${kind} ${room} may import: ${list.join(', ') || 'none'}`

      if (specifier.startsWith('.')) {
        const file = resolveFrom(path, specifier)
        const target = roomOf(file)
        return target === room || leaves.includes(file) || allowed.rooms.includes(target) ? [] : complaint('rooms', allowed.rooms)
      }
      if (isBuiltin(specifier)) {
        const [module = ''] = specifier.split('/')
        return allowed.node === 'all' || allowed.node.includes(module) ? [] : complaint('Node modules', allowed.node)
      }
      const [scope = '', rest = ''] = specifier.split('/')
      const names = scope.startsWith('@') ? [`${scope}/*`, `${scope}/${rest}`] : [scope]
      return names.some((name) => packages.includes(name)) ? [] : complaint('packages', packages)
    })
  })
}

function circles(files: Files): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start >= 0) {
      found.push(`imports go in a circle: ${[...trail.slice(start), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return

    for (const specifier of importsOf(files.get(path) ?? '')) {
      const target = resolveFrom(path, specifier)
      if (specifier.startsWith('.') && files.has(target)) visit(target, [...trail, path])
    }
    done.add(path)
  }
  for (const path of files.keys()) visit(path, [])
  return found
}

function orphans(files: Files): string[] {
  const named = [...files].flatMap(([path, text]) => {
    // A file used only by the test beside it is not used.
    if (inSource(path) && isTest(path)) return []
    // Not import lines alone: a worker is named in new Worker(new URL('./x.ts', import.meta.url)).
    const names = [...withoutComments(text).matchAll(/['"](\.\.?\/[^'"\s]+\.[jt]s)['"]/g)]
    const targets = names.map(([, name = '']) => resolveFrom(path, name))
    return targets.filter((target) => target !== path)
  })
  const used = new Set([...entries, ...named])
  return [...files.keys()]
    .filter((path) => inSource(path) && !isTest(path) && !isDeclaration(path) && !used.has(path))
    .map((path) => `${path}: nothing imports this file and it is not an entry`)
}

function badNames(files: Files): string[] {
  return [...files.keys()].flatMap((path) => path.split('/').slice(1).flatMap((part) => {
    const name = part.replace(/\..*/, '')
    if (inSource(path) && name === 'index') return `${path}: an index hides where things are`
    const subject = name.split('-').at(-1)?.replace(/s$/, '') ?? ''
    return namelessNames.includes(subject) ? `${path}: ${name} does not say what it is about` : []
  }))
}

function defaultExports(files: Files): string[] {
  const byDefault = /^export\s+default\b|^export\s*\{[^}]*\bas\s+default\b/m
  return [...files].filter(([, text]) => byDefault.test(withoutCommentsAndText(text)))
    .map(([path]) => `${path}: exports a default; give it a name`)
}

function barrels(files: Files): string[] {
  return [...files]
    .filter(([path, text]) => inSource(path) && withoutComments(text).search(passingOn) >= 0)
    .map(([path]) => `${path}: passes on what another file defines; import it from there`)
}

// Lint finds the rest; what it cannot find is a comment that silences it.
const anyType = /(?:[:<|&]|=>|\b(?:as|extends|satisfies|keyof))\s*any\b(?!\s*[(.])|\bany(?:\[\]|\s*>)/

function uncheckedTypes(files: Files): string[] {
  return [...files].filter(([path]) => inSource(path)).flatMap(([path, text]) => {
    const found = silencers.filter((silencer) => text.includes(silencer))
    if (anyType.test(withoutCommentsAndText(text))) found.push('the type any')
    return found.map((what) => `${path}: ${what} hides mistakes from the compiler`)
  })
}

// Shapes are of the wire. Loading their package takes longer than all else that a thread loads.
const typeImport = /^import\s+type\b[^'"]*['"][^'"]+['"]/gm

function heavyThreads(files: Files): string[] {
  return [...files.keys()].filter((path) => inSource(path) && path.endsWith('-thread.ts')).flatMap((thread) => {
    const seen = new Set([thread])
    for (const path of seen) {
      for (const specifier of importsOf((files.get(path) ?? '').replaceAll(typeImport, ''))) {
        if (specifier === 'typebox') return `${thread}: loads typebox, by ${path}`
        if (specifier.startsWith('.')) seen.add(resolveFrom(path, specifier))
      }
    }
    return []
  })
}

// Where the one way to open a file for writing is, which waits for the disk at each commit.
const opensFiles = 'src/sqlite/open.ts'

function strayConnections(files: Files): string[] {
  return [...files].filter(([path]) => inSource(path) && !isTest(path) && path !== opensFiles).flatMap(([path, text]) => {
    const code = withoutComments(text)
    const name = /^import\s+(?!type\b)(\w+)[^'"]*['"]better-sqlite3['"]/m.exec(code)?.[1]
    const opened = name === undefined ? [] : [...code.matchAll(new RegExp(`\\bnew ${name}\\((?!':memory:'\\))`, 'g'))]
    return opened.length === 0 ? [] : `${path}: opens a database by itself; ask ${opensFiles} for it`
  })
}

function readFiles(): Files {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const paths = ['src', 'bin', 'test', 'bench'].flatMap((top) => {
    try {
      return readdirSync(join(root, top), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && ['.ts', '.js'].includes(extname(entry.name)))
        .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    } catch (error) {
      // A place that does not exist yet has nothing untidy in it.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
      throw error
    }
  })
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]))
}

const rules = {
  misplacedImports, circles, orphans, badNames, defaultExports, barrels, uncheckedTypes, heavyThreads, strayConnections
}

test.each(Object.entries(rules))('the house keeps its plan: no %s', (_name, breachesIn) => {
  const files = readFiles()
  expect([...files.keys()]).toContain('test/tidy.test.ts')
  const breaches = breachesIn(files)
  expect(breaches, `\n${breaches.join('\n')}\n`).toEqual([])
})

type Breach = { file: string, text?: string }

const breaches: Readonly<Record<keyof typeof rules, Readonly<Record<string, Breach>>>> = {
  misplacedImports: {
    'HTTP knows an engine': { file: 'src/http/a.ts', text: "import { b } from '../sqlite/b.ts'" },
    'an engine knows HTTP': { file: 'src/sqlite/a.ts', text: "import type { B } from '../http/b.ts'" },
    'an engine knows another': { file: 'src/sqlite/a.ts', text: "await import('../postgres/b.ts')" },
    'the domain does I/O': { file: 'src/tag.ts', text: "import { stat } from 'node:fs/promises'" },
    'the contract knows the domain': { file: 'src/contract/tag.ts', text: "import '../tag.ts'" },
    'a room takes a stray package': { file: 'src/http/a.ts', text: "import {\n b, // c\n} from 'pg'" },
    'a room imports a test': { file: 'src/http/a.ts', text: "import { b } from '../../test/b.ts'" },
    'a source file takes vitest': { file: 'src/tag.ts', text: "import { test } from 'vitest'" },
    'a room is not in the table': { file: 'src/redis/a.ts' }
  },
  circles: {
    'a file imports itself': { file: 'src/tag.ts', text: "import type { Tag } from './tag.ts'" }
  },
  orphans: {
    'a file is left over': { file: 'src/sqlite/a.ts', text: "// see './a.ts'" }
  },
  badNames: {
    'a file has no subject': { file: 'src/http/date-utils.ts' },
    'a folder has no subject': { file: 'test/helpers/a.ts' },
    'a room has an index': { file: 'src/http/index.ts' }
  },
  defaultExports: {
    'a default': { file: 'test/a.ts', text: 'export default 1' },
    'a default by name': { file: 'src/tag.ts', text: 'export { tag as default }' }
  },
  barrels: {
    'everything is passed on': { file: 'src/http/a.ts', text: "export * from './b.ts'" },
    'a type is passed on': { file: 'src/http/a.ts', text: "export type { B } from './b.ts'" }
  },
  uncheckedTypes: {
    'a value is any': { file: 'src/tag.ts', text: 'export const tag: any = 1' },
    'a generic holds any': { file: 'src/tag.ts', text: 'export type Tags = Map<string, any>' },
    'the compiler is silenced': { file: 'src/tag.ts', text: '// @ts-ignore\nexport {}' }
  },
  heavyThreads: {
    'a thread loads shapes': { file: 'src/sqlite/a-thread.ts', text: "import type { A } from './a.ts'\nimport { Type } from 'typebox'" }
  },
  strayConnections: {
    'a file is opened': { file: 'src/sqlite/a.ts', text: "import Sqlite, { SqliteError } from 'better-sqlite3'\nconst db = new Sqlite(path)" }
  }
}

for (const [name, breachesIn] of Object.entries(rules)) {
  const examples = Object.entries(breaches[name as keyof typeof rules])
  test.each(examples)(`${name} are seen: %s`, (_breach, { file, text = '' }) => {
    expect(breachesIn(new Map([[file, text]]))).toEqual([expect.stringContaining(file)])
  })
}

test('circles are seen: over three files, through types', () => {
  const files = new Map([
    ['src/customer.ts', "import type { Tag } from './tag.ts'"],
    ['src/tag.ts', "import { type Change } from './change.ts'"],
    ['src/change.ts', "import { customer } from './customer.ts'"]
  ])
  expect(circles(files)).toEqual([
    'imports go in a circle: src/customer.ts -> src/tag.ts -> src/change.ts -> src/customer.ts'
  ])
})

test('what the plan allows is left alone', () => {
  const files = new Map(Object.entries({
    'src/cli/main.ts': "import '../sqlite/open.ts'\nimport { serve } from '../http/serve.ts'",
    'src/http/serve.ts': "import cors from '@fastify/cors'\nimport { tag } from '../tag.ts'",
    'src/sqlite/open.ts': "new Worker(new URL('./worker.ts', import.meta.url)) // or: any other",
    'src/sqlite/worker.ts': "import { tag } from '../tag.ts'\nimport Database from 'better-sqlite3'\nnew Database(':memory:')",
    'src/tag.ts': "import { hash } from 'node:crypto'\nexport const tag = 'of type: any'",
    'src/tag.test.ts': "import { test } from 'vitest'\nimport { tag } from './tag.ts'"
  }))
  expect(Object.values(rules).flatMap((breachesIn) => breachesIn(files))).toEqual([])
})
