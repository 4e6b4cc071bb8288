import type { Database } from 'better-sqlite3'

/** How many rows each table has. */
export function countRows(db: Database): Map<string, number> {
  const tables = db.prepare<[], string>("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'").pluck().all()
  return new Map(tables.map((table) => [table, db.prepare<[], number>(`select count(*) from "${table}"`).pluck().get() ?? 0]))
}

export function rowsAdded(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): Record<string, number> {
  const added = [...after].map(([table, rows]) => [table, rows - (before.get(table) ?? 0)] as const)
  return Object.fromEntries(added.filter(([, rows]) => rows !== 0).toSorted(([one], [other]) => (one < other ? -1 : 1)))
}
