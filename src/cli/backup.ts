import { existsSync } from 'node:fs'
import { OperatorError } from '../errors.ts'
import { sqlitePath } from './config.ts'
import { withStore } from './open-store.ts'
import { report } from './output.ts'

export async function backup(options: { database: string; to: string; json?: true }): Promise<void> {
  // Opening makes a database where there is none, and a backup of that would be a false comfort.
  if (!existsSync(sqlitePath(options.database))) throw new OperatorError(`There is no database at ${sqlitePath(options.database)}`)
  const { customers, bytes } = await withStore(options.database, (store) => store.backup(options.to))
  report(options, {
    json: { database: options.database, to: options.to, customers, bytes },
    text: `Wrote ${options.to}: ${customers} customers, ${bytes} bytes. The copy was opened and checked.`
  })
}
