import type pg from 'pg'
import type { Statement } from './insert-rows.ts'
import { isConnectionError, UnansweredCommit } from './storage-error.ts'

interface Transaction<Answer> {
  /** Goes ahead of the first statement of the task, without a wait. */
  readonly begin: string
  readonly task: (client: pg.PoolClient) => Promise<Answer>
  /** Statements that go together with the commit. */
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
    const answer = await task(client)
    isDone = true
    return answer
  } finally {
    client.off('error', onError)
    client.release(!isDone)
  }
}

async function commit(client: pg.PoolClient, statements: readonly Statement[]): Promise<void> {
  try {
    // After a statement that failed, PostgreSQL refuses those behind it and makes a rollback of the commit.
    await Promise.all([...statements.map(({ text, values }) => client.query(text, [...values])), client.query('commit')])
  } catch (error) {
    throw isConnectionError(error) ? new UnansweredCommit(error) : error
  }
}
