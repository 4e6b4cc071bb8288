import { expect, test } from 'vitest'
import { readMigrations } from '../sql/migrations.ts'

test('an index of a table that may hold rows is built beside its writers', () => {
  const waitedFor = readMigrations(new URL('migrations/', import.meta.url)).flatMap(({ name, sql }) => {
    const made = new Set([...sql.matchAll(/^create table (\w+)/gm)].map(([, table]) => table))
    return [...sql.matchAll(/^create (?:unique )?index (\w+) on (\w+)/gm)].flatMap(([, index, table]) => (made.has(table) ? [] : `${name}: ${index}`))
  })
  expect(waitedFor).toEqual([])
})
