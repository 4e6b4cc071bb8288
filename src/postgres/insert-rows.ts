import type { ColumnValue } from './customer-row.ts'

/** A statement and its values, as the driver takes them. */
export interface Statement {
  readonly text: string
  readonly values: readonly ColumnValue[]
}

/** The protocol counts the values of a statement in 16 bits. */
const valuesMax = 65_535

/**
 * Statements that insert rows, all of which have the same columns: one, or several when the values are too many for
 * one. As lists of VALUES, which Citus sends to the machines of the rows; it would bring any other source to one of them first.
 */
export function insertRows(table: string, rows: readonly Record<string, ColumnValue>[], suffix = '', override = ''): Statement[] {
  const [first] = rows
  if (first === undefined) return []
  const columns = Object.keys(first)
  const rowsMax = Math.floor(valuesMax / columns.length)
  const statements: Statement[] = []
  for (let from = 0; from < rows.length; from += rowsMax) {
    const some = rows.slice(from, from + rowsMax)
    statements.push({
      text: `insert into ${table} (${columns.join()}) ${override} values ${placeholders(columns.length, some.length)} ${suffix}`,
      values: some.flatMap((row) => columns.map((column) => row[column] ?? null))
    })
  }
  return statements
}

/** Lists of VALUES by their length, each made once: making them took as long as all else of a statement. */
const knownLists = new Map<number, string[]>()

function placeholders(columns: number, rows: number): string {
  const lists = knownLists.get(columns) ?? []
  knownLists.set(columns, lists)
  for (let row = lists.length; row < rows; row += 1) {
    lists.push(`(${Array.from({ length: columns }, (_, column) => `$${row * columns + column + 1}`).join()})`)
  }
  return lists.slice(0, rows).join()
}

/** For `on conflict (key) do update`: every other column as inserted. */
export function setAsInserted(row: Record<string, ColumnValue>, key: readonly string[]): string {
  return Object.keys(row).filter((column) => !key.includes(column)).map((column) => `${column} = excluded.${column}`).join()
}
