import type { Database } from 'better-sqlite3'
import type { AttributeType } from '../custom-data.ts'
import { attributeType } from '../custom-data.ts'
import type { Catalog } from './catalog.ts'
import type { CheckedCustomer, CustomerRow } from './customer-check.ts'
import type { Diagnosis } from './diagnosis.ts'

interface LackedTag {
  readonly customerId: number
  /** That of the newest rendering. */
  readonly color: string
  readonly tagVersion: number
  /** Whether older renderings show another color. */
  readonly isRecolored: boolean
}

interface SeenType {
  count: number
  /** The first customers with a value of the type. */
  readonly ids: number[]
}

type SeenTypes = Map<AttributeType, SeenType>

interface AttributeRow {
  readonly id: number
  readonly organizationId: number
  readonly name: string
  readonly type: string
}

const types: readonly string[] = ['text', 'number', 'boolean'] satisfies AttributeType[]

/** What the customers say of tags and attributes, gathered as they are walked. Its size is that of the catalog, not of the customers. */
export class CatalogTally {
  readonly #lackedTags = new Map<number, Map<string, LackedTag>>()
  readonly #attributes = new Map<number, Map<string, SeenTypes>>()
  #tagVersion = 0

  add({ id, organization_id, tag_version }: CustomerRow, { customer, unknownTags }: CheckedCustomer): void {
    this.#tagVersion = Math.max(this.#tagVersion, tag_version)
    for (const { name, color } of unknownTags) {
      const tags = within(this.#lackedTags, organization_id)
      const known = tags.get(name)
      const isRecolored = known !== undefined && (known.isRecolored || known.color !== color)
      const newest = known === undefined || tag_version >= known.tagVersion ? { color, tagVersion: tag_version } : known
      tags.set(name, { customerId: known?.customerId ?? id, color: newest.color, tagVersion: newest.tagVersion, isRecolored })
    }
    for (const [name, value] of customer.customData) {
      const seen = within(within(this.#attributes, organization_id), name)
      const type = attributeType(value)
      const ofType = seen.get(type) ?? { count: 0, ids: [] }
      seen.set(type, ofType)
      ofType.count += 1
      if (ofType.ids.length < 10) ofType.ids.push(id)
    }
  }

  report(db: Database, diagnosis: Diagnosis): void {
    for (const tags of this.#lackedTags.values()) for (const { customerId } of tags.values()) diagnosis.add('tags', customerId)
    const rows = readAttributes(db)
    for (const { organizationId, name, id, type } of rows) {
      if (type !== this.#rightType(organizationId, { name, type })) diagnosis.add('attributeTypes', id)
    }
    for (const { seen } of this.#lackedAttributes(rows)) diagnosis.add('attributes', Math.min(...[...seen.values()].flatMap(({ ids }) => ids)))
    const declared = new Map(rows.map(({ organizationId, name, type }) => [keyOf(organizationId, name), type]))
    for (const [organizationId, attributes] of this.#attributes) {
      for (const [name, seen] of attributes) {
        const right = this.#rightType(organizationId, { name, type: declared.get(keyOf(organizationId, name)) ?? '' })
        for (const [type, { count, ids }] of seen) if (type !== right) addAll(diagnosis, ids, count)
      }
    }
  }

  /** Rows get ids and versions above all others, by which connections that are open learn of them. */
  repair(db: Database, catalog: Catalog): void {
    catalog.load()
    const organizations = new Set(db.prepare<[], number>('select id from organizations').pluck().all())
    const insertTag = db.prepare<[number, string, string, number, number]>(`
      insert into tags (organization_id, name, color, version, is_recolored) values (?, ?, ?, ?, ?)
      on conflict (organization_id, name) do update set version = excluded.version`)
    let version = Math.max(catalog.tagVersion, this.#tagVersion)
    for (const [organizationId, tags] of this.#lackedTags) {
      for (const [name, { color, isRecolored }] of tags) {
        if (!organizations.has(organizationId) || catalog.of(organizationId).tagIds.has(name)) continue
        version += 1
        insertTag.run(organizationId, name, color, version, Number(isRecolored))
      }
    }
    const insertAttribute = db.prepare<[number, string, string]>('insert into attributes (organization_id, name, type) values (?, ?, ?)')
    const deleteAttribute = db.prepare<[number]>('delete from attributes where id = ?')
    const rows = readAttributes(db)
    for (const { organizationId, name, id, type } of rows) {
      const right = this.#rightType(organizationId, { name, type })
      if (type === right || !organizations.has(organizationId)) continue
      deleteAttribute.run(id)
      insertAttribute.run(organizationId, name, right)
    }
    for (const { organizationId, name } of this.#lackedAttributes(rows)) {
      if (organizations.has(organizationId)) insertAttribute.run(organizationId, name, this.#rightType(organizationId, { name, type: '' }))
    }
    catalog.load()
  }

  #lackedAttributes(rows: readonly AttributeRow[]): { organizationId: number; name: string; seen: SeenTypes }[] {
    const there = new Set(rows.map(({ organizationId, name }) => keyOf(organizationId, name)))
    return [...this.#attributes].flatMap(([organizationId, attributes]) =>
      [...attributes].flatMap(([name, seen]) => (there.has(keyOf(organizationId, name)) ? [] : { organizationId, name, seen })))
  }

  /** The declared type, unless all values are of others: then that of most of them. */
  #rightType(organizationId: number, { name, type }: { name: string; type: string }): string {
    const seen = [...this.#attributes.get(organizationId)?.get(name) ?? []]
    const isSeen = seen.some(([itsType]) => itsType === type)
    if (isSeen || (seen.length === 0 && types.includes(type))) return type
    const [mostSeen] = seen.toSorted(([, one], [, other]) => other.count - one.count)
    return mostSeen?.[0] ?? 'text'
  }
}

function readAttributes(db: Database): AttributeRow[] {
  return db.prepare<[], AttributeRow>('select id, organization_id as organizationId, name, type from attributes order by id').all()
}

function addAll(diagnosis: Diagnosis, ids: readonly number[], count: number): void {
  const [first, ...others] = ids
  if (first === undefined) return
  diagnosis.add('values', first, count - others.length)
  for (const id of others) diagnosis.add('values', id)
}

function within<Key, InnerKey, Value>(maps: Map<Key, Map<InnerKey, Value>>, key: Key): Map<InnerKey, Value> {
  const known = maps.get(key)
  if (known !== undefined) return known
  const added = new Map<InnerKey, Value>()
  maps.set(key, added)
  return added
}

function keyOf(organizationId: number, name: string): string {
  return `${organizationId} ${name}`
}
