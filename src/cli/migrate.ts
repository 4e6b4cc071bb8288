import { prepareDatabase } from '../sqlite/open.ts'
import { sqlitePath } from './config.ts'
import { report } from './output.ts'

export function migrate(options: { database: string; json?: true }): void {
  const migrations = prepareDatabase(sqlitePath(options.database))
  report(options, {
    json: { database: options.database, migrations },
    text: migrations.length === 0 ? `${options.database} is up to date.` : `Brought ${options.database} up to date: ${migrations.join(', ')}`
  })
}
