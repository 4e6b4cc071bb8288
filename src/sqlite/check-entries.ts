import type { Database, Statement } from 'better-sqlite3'
import type { CustomerCheck } from './customer-check.ts'
import type { FindingKind } from '../sql/diagnosis.ts'

/** An entry of the index of tags, whose value is 0, or of attributes. */
interface Entry {
  readonly id: number
  readonly value: string | number | Buffer
  readonly customerId: number
}

interface EntryTable {
  readonly surplus: FindingKind
  readonly count: string
  /** Takes an entry and how many; answers those behind it, in the order of the table. */
  readonly behind: string
  readonly delete: string
  readonly isRight: (check: CustomerCheck, entry: Entry) => boolean
}

export const entryTables = {
  tags: {
    surplus: 'tagEntriesSurplus',
    count: 'select count(*) from customer_tags',
    behind: `
      select tag_id as id, 0 as value, customer_id as customerId from customer_tags
      where (tag_id, customer_id) > (:id, :customerId) order by tag_id, customer_id limit :max`,
    delete: 'delete from customer_tags where tag_id = :id and customer_id = :customerId',
    isRight: (check, { id, customerId }) => check.mayHaveTag(customerId, id)
  },
  attributes: {
    surplus: 'attributeEntriesSurplus',
    count: 'select count(*) from customer_attributes',
    behind: `
      select attribute_id as id, value, customer_id as customerId from customer_attributes
      where (attribute_id, value, customer_id) > (:id, :value, :customerId) order by attribute_id, value, customer_id limit :max`,
    delete: 'delete from customer_attributes where attribute_id = :id and value = :value and customer_id = :customerId',
    isRight: (check, { id, value, customerId }) => check.mayHaveAttribute(customerId, [id, value])
  }
} as const satisfies Record<string, EntryTable>

const batchEntries = 1_000

/** Walks an index from its beginning and hands over what it should not have, in batches, each read and dealt with in a transaction. */
export class SurplusWalk {
  readonly #db: Database
  readonly #table: EntryTable
  readonly #behind: Statement<[Entry & { max: number }], Entry>
  readonly #delete: Statement<[Entry]>

  constructor(db: Database, table: EntryTable) {
    this.#db = db
    this.#table = table
    this.#behind = db.prepare(table.behind)
    this.#delete = db.prepare(table.delete)
  }

  find(check: CustomerCheck, onSurplus: (entry: Entry) => void): void {
    let last: Entry | undefined = { id: Number.MIN_SAFE_INTEGER, value: '', customerId: 0 }
    while (last !== undefined) {
      const entries: Entry[] = this.#behind.all({ ...last, max: batchEntries })
      for (const entry of entries) if (!this.#table.isRight(check, entry)) onSurplus(entry)
      last = entries.at(-1)
    }
  }

  /** `begin` readies what knows of other commits, in each transaction. */
  remove(check: CustomerCheck, begin: () => void): void {
    let last: Entry | undefined = { id: Number.MIN_SAFE_INTEGER, value: '', customerId: 0 }
    while (last !== undefined) {
      const from: Entry = last
      const surplus = (): { end: Entry | undefined; entries: Entry[] } => {
        begin()
        const entries = this.#behind.all({ ...from, max: batchEntries })
        return { end: entries.at(-1), entries: entries.filter((entry) => !this.#table.isRight(check, entry)) }
      }
      const seen = this.#db.transaction(surplus)()
      last = seen.end
      if (seen.entries.length === 0) continue
      // Others may have written in between, so the batch may end earlier now, and the walk goes on from there.
      last = this.#db.transaction(() => {
        const { end, entries } = surplus()
        for (const entry of entries) this.#delete.run(entry)
        return end
      }).immediate()
    }
  }
}
