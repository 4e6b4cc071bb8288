import { setTimeout } from 'node:timers/promises'
import type pg from 'pg'
import { limits } from '../limits.ts'
import { Catalog } from './catalog.ts'
import { oneConnectionAMachine } from './citus.ts'
import { endQuietly } from './connection.ts'
import { isConflict, sqlState } from './storage-error.ts'

/** Whatever the database is set to: a slice is short, but some questions are of a whole table. */
const unlimited = 'set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0'
const beginReading = `begin isolation level repeatable read read only; ${unlimited}`
/** For writers, no longer than they wait for it. */
const waitShortly = `set local lock_timeout = '${limits.lockWaitSeconds}s'`
const beginWriting = `begin isolation level read committed; ${unlimited}; ${waitShortly}; ${oneConnectionAMachine}`
/**
 * Whoever changes customers writes to the feed, and keeps its lock until all machines have committed. A connection more would
 * begin to read later.
 */
const beginAlone = `${beginReading}; ${waitShortly}; ${oneConnectionAMachine}; savepoint alone; lock table feed in share mode`
/** Asks every machine, each of which reads this moment from now on, and lets writers go on. */
const endAlone = 'select id from customers limit 1; rollback to savepoint alone'

const lockNotAvailable = '55P03'
const attemptsMax = 10
const firstPauseMs = 50
/** By then what one machine of a cluster has committed the others have as well. */
const settledMs = 500

/** A statement and its values, arrays of any type among them. */
export interface RepairStatement {
  readonly text: string
  readonly values: readonly unknown[]
}

/** The connection of a doctor, outside a transaction. */
export class DoctorSession {
  readonly client: pg.ClientBase
  readonly catalog = new Catalog()
  /** Whether customers are spread over several machines. */
  readonly isDistributed: boolean

  constructor(client: pg.ClientBase, { isDistributed }: { isDistributed: boolean }) {
    this.client = client
    this.isDistributed = isDistributed
  }

  async rows<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.client.query<Row>(text, [...values])).rows
  }

  async run(statements: readonly RepairStatement[]): Promise<void> {
    for (const { text, values } of statements) await this.client.query(text, [...values])
  }

  /** Reads one moment, with the names of that moment. On several machines it is one moment of each, so what looks wrong is to be looked at again. */
  async atOneMoment<Answer>(read: () => Promise<Answer>): Promise<Answer> {
    return await this.#transact(beginReading, read)
  }

  /** Reads one moment, the same of all machines, until whose start writers wait. */
  async atOneMomentEverywhere<Answer>(read: () => Promise<Answer>): Promise<Answer> {
    if (!this.isDistributed) return await this.atOneMoment(read)
    return await this.#untilUnhindered(async () => await this.#transact(beginAlone, async () => {
      await this.client.query(endAlone)
      return await read()
    }))
  }

  /** Looks a second time where the first one could see what is committed on one machine and not yet on another. */
  async lookAgain<Answer>(first: Answer, isSuspicious: (answer: Answer) => boolean, look: (first: Answer) => Promise<Answer>): Promise<Answer> {
    if (!this.isDistributed || !isSuspicious(first)) return first
    await setTimeout(settledMs)
    return await look(first)
  }

  /** Each statement sees what was committed before it. Tries again when writers are in the way. */
  async change<Answer>(change: () => Promise<Answer>): Promise<Answer> {
    return await this.#untilUnhindered(async () => await this.#transact(beginWriting, change))
  }

  async #untilUnhindered<Answer>(task: () => Promise<Answer>): Promise<Answer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await task()
      } catch (error) {
        if (attempt === attemptsMax || !(isConflict(error) || sqlState(error) === lockNotAvailable)) throw error
        await setTimeout(firstPauseMs * attempt * Math.random())
      }
    }
  }

  async #transact<Answer>(begin: string, task: () => Promise<Answer>): Promise<Answer> {
    try {
      await this.client.query(begin)
      await this.catalog.refresh(this.client)
      const answer = await task()
      await this.client.query('commit')
      return answer
    } catch (error) {
      await endQuietly(this.client, 'rollback')
      throw error
    }
  }
}
