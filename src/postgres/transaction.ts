import pg from 'pg'
import type { ColumnValue } from './customer-row.ts'
import type { Statement } from './insert-rows.ts'
import { isConnectionError, UnansweredCommit } from './storage-error.ts'

interface Transaction<Answer> {
  /** Goes ahead of the first statement of the task, without a wait. */
  readonly begin: string
  readonly task: (client: pg.PoolClient) => Promise<Answer>
  /** Statements that go together with the commit; their rows are not read. */
  readonly last?: (answer: Answer) => readonly Statement[]
}

/**
 * Runs a task inside a transaction and commits. A connection that broke, or did not come out of the
 * transaction, is not used again. Throws UnansweredCommit when the commit may have happened.
 */
export async function inTransaction<Answer>(pool: pg.Pool, { begin, task, last = () => [] }: Transaction<Answer>): Promise<Answer> {
  const client = await pool.connect()
  // Without a listener an error of the connection would end the process; the statements under way fail with it too.
  const onError = (): undefined => undefined
  client.on('error', onError)
  let isReset = false
  try {
    sendTogether(client)
    const [, answer] = await Promise.all([client.query(begin), task(client)])
    await commit(client, last(answer))
    isReset = true
    return answer
  } catch (error) {
    const isBroken = isConnectionError(error) || error instanceof UnansweredCommit
    isReset = !isBroken && await client.query('rollback').then(() => true, () => false)
    throw error
  } finally {
    client.off('error', onError)
    client.release(!isReset)
  }
}

/** Runs statements that belong together and need no transaction. */
export async function withConnection<Answer>(pool: pg.Pool, task: (client: pg.PoolClient) => Promise<Answer>): Promise<Answer> {
  const client = await pool.connect()
  const onError = (): undefined => undefined
  client.on('error', onError)
  let isDone = false
  try {
    sendTogether(client)
    const answer = await task(client)
    isDone = true
    return answer
  } finally {
    client.off('error', onError)
    client.release(!isDone)
  }
}

/** What is asked from here on, up to the next wait, leaves in one write to the socket: a write costs as much as many a statement. */
function sendTogether(client: pg.PoolClient): void {
  // The driver's types do not tell that a client has its connection.
  const { stream } = (client as pg.PoolClient & { readonly connection: pg.Connection }).connection
  stream.cork()
  process.nextTick(() => { stream.uncork() })
}

async function commit(client: pg.PoolClient, statements: readonly Statement[]): Promise<void> {
  try {
    sendTogether(client)
    // After a statement that failed, PostgreSQL leaves out those behind it and makes a rollback of the commit.
    await Promise.all([runTogether(client, statements), client.query('commit')])
  } catch (error) {
    throw isConnectionError(error) ? new UnansweredCommit(error) : error
  }
}

/** Statements with one answer for all of them. The driver asks for one for each, which is written and read by itself. */
class Batch extends pg.Query {
  constructor(statements: readonly Statement[], done: (error: Error | undefined) => void) {
    super('', done)
    this.submit = (connection) => {
      for (const { text, values } of statements) {
        connection.parse({ name: '', text, types: [] }, true)
        connection.bind({ values: values.map(asSent) }, true)
        connection.execute(null, true)
      }
      connection.sync()
    }
  }
}

async function runTogether(client: pg.PoolClient, statements: readonly Statement[]): Promise<void> {
  if (statements.length === 0) return
  await new Promise<void>((resolve, reject) => {
    client.query(new Batch(statements, (error) => {
      if (error instanceof Error) reject(error)
      else resolve()
    }))
  })
}

function asSent(value: ColumnValue): string | Buffer | null {
  if (value === null || Buffer.isBuffer(value)) return value
  return typeof value === 'object' ? `{${value.join()}}` : String(value)
}
