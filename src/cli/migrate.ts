import { sqlitePath, withoutPassword } from './config.ts'
import { report } from './output.ts'

export async function migrate(options: { database: string; json?: true }): Promise<void> {
  const migrations = await bringUpToDate(options.database)
  const database = withoutPassword(options.database)
  report(options, {
    json: { database, migrations },
    text: migrations.length === 0 ? `${database} is up to date.` : `Brought ${database} up to date: ${migrations.join(', ')}`
  })
}

async function bringUpToDate(database: string): Promise<string[]> {
  const path = sqlitePath(database)
  if (path === undefined) {
    const [{ migrateDatabase }, { cannotBeUsed }] = await Promise.all([import('../postgres/migrate.ts'), import('../postgres/connection.ts')])
    return await migrateDatabase(database).catch((error: unknown) => { throw cannotBeUsed(error, database) })
  }
  const { prepareDatabase } = await import('../sqlite/open.ts')
  return prepareDatabase(path)
}
