import { OperatorError } from '../errors.ts'
import type { Distribution } from '../postgres/distribute.ts'
import { sqlitePath, withoutPassword } from './config.ts'
import { report } from './output.ts'

export async function distribute(options: { database: string; shards?: number; json?: true }): Promise<void> {
  const database = withoutPassword(options.database)
  const distribution = await distributeOver(options.database, { shards: options.shards })
  const { tables, shards, machines } = distribution
  const where = `customers are in ${shards} shards on ${machines} machine${machines === 1 ? '' : 's'}`
  report(options, {
    json: { database, ...distribution },
    text: tables.length === 0 ? `${database} is distributed: ${where}.` : `Distributed ${database}, ${where}: ${tables.join(', ')}`
  })
}

/** Brings the schema up to date first. */
export async function distributeOver(database: string, options: { shards?: number | undefined } = {}): Promise<Distribution> {
  if (sqlitePath(database) !== undefined) throw new OperatorError('A database in a file stays on its machine. Only one on PostgreSQL with Citus can be distributed.')
  const [{ distributeDatabase }, { cannotBeUsed }] = await Promise.all([import('../postgres/distribute.ts'), import('../postgres/connection.ts')])
  return await distributeDatabase(database, options).catch((error: unknown) => { throw cannotBeUsed(error, database) })
}
