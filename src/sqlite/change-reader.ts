import type { Database, Statement } from 'better-sqlite3'
import type { KeptChangeRow, LaterChange } from '../change-record.ts'
import { replacingKinds } from '../change-record.ts'
import { parseCustomer } from '../customer.ts'
import type { KeptEventRow, PresentCustomer } from '../sql/change-items.ts'
import type { Catalog, VersionedRow } from './catalog.ts'

/** A change as far as the feed needs it to go by. */
export interface ScannedChange {
  readonly id: number
  readonly kind: string
  readonly requestId: string
}

/** The newest change of an organization that was purged. */
export interface ChangeHorizon {
  readonly changeId: number
  readonly requestId: string
}

/** A part of the changes of a customer, before one of them or after. */
interface Part {
  readonly organizationId: number
  readonly customerId: number
  readonly beforeId: number
  readonly afterId: number
  readonly max: number
}

const selectRows = `
  select changes.id, customer_id as customerId, kind, at, key_id as keyId, ifnull(api_keys.name, '') as keyName,
    request_id as requestId, before, after
  from changes left join api_keys on api_keys.id = key_id where changes.id`

/** Without statistics SQLite would take an index of the organization, and go through everyone in it, for a handful of ids. */
export const fromCustomers = 'from customers not indexed where id in (select value from json_each(?)) and organization_id = ?'

/** Reads changes on one reading connection, each call of a few milliseconds at most. */
export class ChangeReader {
  readonly #catalog: Catalog
  readonly #scan: Statement<[number, number, number], ScannedChange>
  readonly #rows: Statement<[string], KeptChangeRow>
  readonly #find: Statement<[number, number], ScannedChange>
  readonly #newest: Statement<[number], ScannedChange>
  readonly #horizon: Statement<[number], ChangeHorizon>
  readonly #before: Statement<[Part], number>
  readonly #between: Statement<[Part], number>
  /** Of what is of no single customer. */
  readonly #betweenOfNone: Statement<[Part], number>
  readonly #ofRequest: Statement<[string, number, number], number>
  readonly #customers: Statement<[string, number], VersionedRow & { readonly id: number }>
  readonly #sizes: Statement<[string, number], { readonly id: number; readonly bytes: number }>
  readonly #later: Statement<[Part], LaterChange>
  readonly #events: Statement<[string], KeptEventRow>
  readonly #lastId: Statement<[], number>
  readonly #organizationsSince: Statement<[number], number>

  constructor(db: Database, catalog: Catalog) {
    this.#catalog = catalog
    const ofOrganization = 'select id, kind, request_id as requestId from changes indexed by changes_by_organization where organization_id = ?'
    this.#scan = db.prepare(`${ofOrganization} and id > ? order by id limit ?`)
    this.#newest = db.prepare(`${ofOrganization} order by id desc limit 1`)
    this.#find = db.prepare('select id, kind, request_id as requestId from changes where id = ? and organization_id = ?')
    this.#rows = db.prepare(`${selectRows} in (select value from json_each(?)) order by changes.id`)
    this.#horizon = db.prepare('select change_id as changeId, request_id as requestId from change_horizons where organization_id = ?')
    const ofCustomer = 'from changes indexed by changes_by_customer where customer_id = :customerId and organization_id = :organizationId'
    this.#before = db.prepare<[Part], number>(`select id ${ofCustomer} and id < :beforeId order by id desc limit :max`).pluck()
    this.#betweenOfNone = db.prepare<[Part], number>(`
      select id from changes indexed by changes_of_no_customer
      where organization_id = :organizationId and customer_id is null and id > :afterId and id < :beforeId order by id limit :max`).pluck()
    this.#between = db.prepare<[Part], number>(`select id ${ofCustomer} and id > :afterId and id < :beforeId order by id limit :max`).pluck()
    this.#ofRequest = db.prepare<[string, number, number], number>(
      'select id from changes indexed by changes_by_request where request_id = ? and organization_id = ? order by id limit ?').pluck()
    this.#customers = db.prepare(`select id, rendering, tag_ids, tag_version, version ${fromCustomers}`)
    this.#sizes = db.prepare(`select id, octet_length(rendering) as bytes ${fromCustomers}`)
    const replacing = replacingKinds.map((kind) => `'${kind}'`).join()
    this.#later = db.prepare(`
      select id, kind, before ${ofCustomer} and kind in (${replacing}) and id > :afterId and id < :beforeId order by id desc limit :max`)
    this.#events = db.prepare(
      'select id, customer_id as customerId, name, data, created_at as createdAt from events where id in (select value from json_each(?))')
    this.#lastId = db.prepare<[], number>("select seq from sqlite_sequence where name = 'changes'").pluck()
    // By an index of organizations it would go through all changes, after each commit.
    this.#organizationsSince = db.prepare<[number], number>('select distinct organization_id from changes not indexed where id > ?').pluck()
  }

  /** Of an organization, oldest first. */
  scan(organizationId: number, afterId: number, max: number): ScannedChange[] {
    return this.#scan.all(organizationId, afterId, max)
  }

  newest(organizationId: number): ScannedChange | undefined {
    return this.#newest.get(organizationId)
  }

  find(organizationId: number, id: number): ScannedChange | undefined {
    return this.#find.get(id, organizationId)
  }

  horizon(organizationId: number): ChangeHorizon | undefined {
    return this.#horizon.get(organizationId)
  }

  /** Oldest first. */
  rows(ids: readonly number[]): KeptChangeRow[] {
    return this.#rows.all(JSON.stringify(ids))
  }

  /** Ids, newest first. */
  idsBefore(part: Omit<Part, 'afterId'>): number[] {
    return this.#before.all({ ...part, afterId: 0 })
  }

  /** Ids, oldest first. */
  idsBetween(part: Part): number[] {
    return part.customerId === 0 ? this.#betweenOfNone.all(part) : this.#between.all(part)
  }

  idsOfRequest(organizationId: number, requestId: string, max: number): number[] {
    return this.#ofRequest.all(requestId, organizationId, max)
  }

  /** As they are. */
  customers(organizationId: number, ids: readonly number[]): Map<number, PresentCustomer> {
    return new Map(this.#customers.all(JSON.stringify(ids), organizationId).map(({ id, version, ...row }) =>
      [id, { version, customer: parseCustomer(this.#catalog.render(organizationId, row)) }]))
  }

  /** Of customers as they are, without their tags. */
  sizes(organizationId: number, ids: readonly number[]): Map<number, number> {
    return new Map(this.#sizes.all(JSON.stringify(ids), organizationId).map(({ id, bytes }) => [id, bytes]))
  }

  /** Of the kinds that tell what was before, newest first. */
  later(part: Part): LaterChange[] {
    return this.#later.all(part)
  }

  events(ids: readonly number[]): KeptEventRow[] {
    return this.#events.all(JSON.stringify(ids))
  }

  tagColors(organizationId: number): ReadonlyMap<string, string> {
    return this.#catalog.of(organizationId).tagColors
  }

  /** The highest id of a change ever used. */
  lastId(): number {
    return this.#lastId.get() ?? 0
  }

  organizationsSince(id: number): number[] {
    return this.#organizationsSince.all(id)
  }
}
