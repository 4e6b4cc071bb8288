import type pg from 'pg'
import type { CustomerJson, RevisedCustomer } from '../customer.ts'
import type { AttributeRow, OrganizationNames, TagRow } from '../sql/name-catalog.ts'
import { NameCatalog } from '../sql/name-catalog.ts'

/** The columns of a customer that its answer is made of. */
export interface RenderingRow {
  readonly rendering: string
  readonly tag_ids: readonly number[]
  /** The newest version of a tag when the rendering was made. */
  readonly tag_version: number
}

export interface VersionedRow extends RenderingRow {
  readonly version: number
}

/** The newest of the names that a statement saw, read in the same statement as what the names are needed for. */
export interface NamesSeen {
  readonly tagVersion: number
  readonly attributeId: number
}

/** A column list for NamesSeen. */
export const selectNamesSeen = `
  (select coalesce(max(version), 0) from tags) as "tagVersion",
  (select coalesce(max(id), 0) from attributes) as "attributeId"`

/** Tags and attributes in memory, of committed transactions only, for the whole process. */
export class Catalog {
  readonly #names = new NameCatalog()

  /** Learns what is new, unless all that was seen is known. Tags and attributes are committed in the order of versions and ids. */
  async refresh(client: pg.Pool | pg.ClientBase, seen?: NamesSeen): Promise<void> {
    const { tagVersion, attributeId } = this.#names
    if (seen === undefined || seen.tagVersion > tagVersion) {
      const { rows } = await client.query<TagRow>(`
        select id, organization_id as "organizationId", name, color, version, is_recolored as "isRecolored"
        from tags where version > $1 order by version`, [tagVersion])
      // Another read may have learned some of them meanwhile.
      for (const row of rows) if (row.version > this.#names.tagVersion) this.#names.learnTag(row)
    }
    if (seen === undefined || seen.attributeId > attributeId) {
      const { rows } = await client.query<AttributeRow>(`
        select id, organization_id as "organizationId", name, type from attributes where id > $1 order by id`, [attributeId])
      for (const row of rows) if (row.id > this.#names.attributeId) this.#names.learnAttribute(row)
    }
  }

  of(organizationId: number): OrganizationNames {
    return this.#names.of(organizationId)
  }

  /** The newest version of a tag. */
  get tagVersion(): number {
    return this.#names.tagVersion
  }

  get attributeId(): number {
    return this.#names.attributeId
  }

  isCurrent(organizationId: number, tagVersion: number): boolean {
    return this.#names.isCurrent(organizationId, tagVersion)
  }

  render(organizationId: number, { rendering, tag_ids, tag_version }: RenderingRow): CustomerJson {
    return this.#names.render(organizationId, { rendering, tagVersion: tag_version, tagIds: () => tag_ids })
  }

  revised(organizationId: number, { version, ...row }: VersionedRow): RevisedCustomer {
    return { json: this.render(organizationId, row), version, tagsVersion: this.of(organizationId).recoloredVersion }
  }
}
