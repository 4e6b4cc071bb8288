import { readdirSync, readFileSync } from 'node:fs'

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
}

/** The migrations of a folder, in order. Their numbers run from 1 without a gap. */
export function readMigrations(folder: URL): Migration[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.sql')).toSorted()
  return names.map((name, index) => {
    const version = Number.parseInt(name, 10)
    if (version !== index + 1) throw new Error(`Migration ${name} should be number ${index + 1}`)
    return { version, name, sql: readFileSync(new URL(name, folder), 'utf8') }
  })
}
