import type { Database } from 'better-sqlite3'
import type { CatalogTally, DeclaredAttribute } from '../sql/catalog-tally.ts'
import type { Catalog } from './catalog.ts'

export function readAttributes(db: Database): DeclaredAttribute[] {
  return db.prepare<[], DeclaredAttribute>('select id, organization_id as organizationId, name, type from attributes order by id').all()
}

/** Makes tags and attributes anew that customers speak of, in a transaction of the caller's. */
export function repairNames(db: Database, tally: CatalogTally, catalog: Catalog): void {
  catalog.load()
  const { tags, removedAttributeIds, attributes } = tally.repairs({
    attributes: readAttributes(db),
    organizationIds: new Set(db.prepare<[], number>('select id from organizations').pluck().all()),
    tagVersion: catalog.tagVersion,
    hasTag: (organizationId, name) => catalog.of(organizationId).tagIds.has(name)
  })
  const insertTag = db.prepare<[number, string, string, number, number]>(`
    insert into tags (organization_id, name, color, version, is_recolored) values (?, ?, ?, ?, ?)
    on conflict (organization_id, name) do update set version = excluded.version`)
  for (const { organizationId, name, color, version, isRecolored } of tags) insertTag.run(organizationId, name, color, version, Number(isRecolored))
  const deleteAttribute = db.prepare<[number]>('delete from attributes where id = ?')
  for (const id of removedAttributeIds) deleteAttribute.run(id)
  const insertAttribute = db.prepare<[number, string, string]>('insert into attributes (organization_id, name, type) values (?, ?, ?)')
  for (const { organizationId, name, type } of attributes) insertAttribute.run(organizationId, name, type)
  catalog.load()
}
