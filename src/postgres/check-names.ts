import type { CatalogTally, DeclaredAttribute } from '../sql/catalog-tally.ts'
import type { DoctorSession } from './doctor-session.ts'
import { insertRows } from './insert-rows.ts'
import { namesLockKey } from './lock-keys.ts'

export async function readAttributes(session: DoctorSession): Promise<DeclaredAttribute[]> {
  return await session.rows<DeclaredAttribute>('select id, organization_id as "organizationId", name, type from attributes order by id')
}

/** Makes tags and attributes anew that customers speak of, while nobody else makes any. */
export async function repairNames(session: DoctorSession, tally: CatalogTally): Promise<void> {
  await session.change(async () => {
    await session.rows('select pg_advisory_xact_lock($1)', [namesLockKey])
    await session.catalog.refresh(session.client)
    const { tags, removedAttributeIds, attributes } = tally.repairs({
      attributes: await readAttributes(session),
      organizationIds: new Set((await session.rows<{ id: number }>('select id from organizations')).map(({ id }) => id)),
      tagVersion: session.catalog.tagVersion,
      hasTag: (organizationId, name) => session.catalog.of(organizationId).tagIds.has(name)
    })
    await session.run([
      ...insertRows('tags', tags.map(({ organizationId, name, color, version, isRecolored }) =>
        ({ organization_id: organizationId, name, color, version, is_recolored: String(isRecolored) }))),
      ...(removedAttributeIds.length === 0 ? [] : [{ text: 'delete from attributes where id = any($1)', values: [removedAttributeIds] }]),
      ...insertRows('attributes', attributes.map(({ organizationId, name, type }) => ({ organization_id: organizationId, name, type })))
    ])
  })
}
