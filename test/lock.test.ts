import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

interface Entry {
  readonly version?: string
  readonly resolved?: string
  readonly gypfile?: boolean
  readonly optionalDependencies?: Record<string, string>
}

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as { packages: Record<string, Entry> }

test('the lock names every optional package, those of other platforms too, without which npm ci refuses it', () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) =>
      packages[`${path}/node_modules/${name}`] === undefined && packages[`node_modules/${name}`] === undefined))

  expect(missing).toEqual([])
})

test('the lock records no download addresses', () => {
  expect(Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([])
})

test('the lock says that better-sqlite3 needs no building, since it brings its binaries', () => {
  expect(packages['node_modules/better-sqlite3']?.gypfile).toBe(false)
})
