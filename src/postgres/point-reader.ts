import { performance } from 'node:perf_hooks'
import type pg from 'pg'
import type { RevisedCustomer } from '../customer.ts'
import { limits } from '../limits.ts'
import type { Catalog, NamesSeen, VersionedRow } from './catalog.ts'
import { selectNamesSeen } from './catalog.ts'
import { isConnectionError, toStorageError, UnansweredCommit } from './storage-error.ts'
import { withConnection } from './transaction.ts'

interface Pending {
  readonly organizationId: number
  readonly id: number
  readonly resolve: (customer: RevisedCustomer | undefined) => void
  readonly reject: (error: unknown) => void
}

interface FoundRow extends VersionedRow {
  readonly id: number
  readonly organization_id: number
}

interface Found {
  readonly rows: FoundRow[]
  readonly seen: NamesSeen | undefined
}

const customerColumns = 'id, organization_id, rendering, tag_ids, tag_version, version'
const fromCustomers = 'from customers where id = any($1) and organization_id = any($2)'

/** Statements under way at a time; what is asked meanwhile goes together with the next. */
const statementsMax = 2
const idsMax = 500

/** Reads customers by id: all that are asked for in one turn of the event loop in one statement, which costs little more than one. */
export class PointReader {
  readonly #pool: pg.Pool
  readonly #catalog: Catalog
  readonly #isDistributed: boolean
  #waiting: Pending[] = []
  #underWay = 0
  #isScheduled = false

  /** `isDistributed`: customers are spread over several machines. */
  constructor(pool: pg.Pool, { catalog, isDistributed }: { catalog: Catalog; isDistributed: boolean }) {
    this.#pool = pool
    this.#catalog = catalog
    this.#isDistributed = isDistributed
  }

  find(organizationId: number, id: number): Promise<RevisedCustomer | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ organizationId, id, resolve, reject })
      if (this.#isScheduled) return
      this.#isScheduled = true
      setImmediate(() => {
        this.#isScheduled = false
        this.#start()
      })
    })
  }

  #start(): void {
    if (this.#underWay >= statementsMax || this.#waiting.length === 0) return
    const asked = this.#waiting.splice(0, idsMax)
    this.#underWay += 1
    void this.#run(asked).finally(() => {
      this.#underWay -= 1
      this.#start()
    })
    if (this.#waiting.length > 0) this.#start()
  }

  async #run(asked: readonly Pending[]): Promise<void> {
    try {
      const rows = await this.#read(asked)
      const byId = new Map(rows.map((row) => [row.id, row]))
      for (const { organizationId, id, resolve } of asked) {
        const row = byId.get(id)
        resolve(row?.organization_id === organizationId ? this.#catalog.revised(organizationId, row) : undefined)
      }
    } catch (error) {
      const answered = toStorageError(error, 'Try again.') ?? error
      for (const { reject } of asked) reject(answered)
    }
  }

  async #read(asked: readonly Pending[]): Promise<FoundRow[]> {
    const values = [[...new Set(asked.map(({ id }) => id))], [...new Set(asked.map(({ organizationId }) => organizationId))]]
    const { rows, seen } = await readAgain(() => (this.#isDistributed ? this.#readSpread(values) : this.#readWithNames(values)))
    if (seen !== undefined) await this.#catalog.refresh(this.#pool, seen)
    return rows
  }

  async #readWithNames(values: unknown[]): Promise<Found> {
    const { rows } = await this.#pool.query<FoundRow & NamesSeen>(`select ${customerColumns}, ${selectNamesSeen} ${fromCustomers}`, values)
    return { rows, seen: rows[0] }
  }

  /** What is the newest of the names comes behind, from one machine: as part of the same statement it would be sent to all of them. */
  async #readSpread(values: unknown[]): Promise<Found> {
    return await withConnection(this.#pool, async (client) => {
      const [{ rows }, { rows: [seen] }] = await Promise.all([
        client.query<FoundRow>(`select ${customerColumns} ${fromCustomers}`, values),
        client.query<NamesSeen>(`select ${selectNamesSeen}`)
      ])
      return { rows, seen }
    })
  }
}

/** Runs a read once more when its connection broke, as those do that were idle while the database restarted. One that has waited long is not kept waiting. */
export async function readAgain<Answer>(read: () => Promise<Answer>): Promise<Answer> {
  const until = performance.now() + limits.connectionWaitSeconds * 1000 / 2
  try {
    return await read()
  } catch (error) {
    if ((!isConnectionError(error) && !(error instanceof UnansweredCommit)) || performance.now() > until) throw error
    return await read()
  }
}
