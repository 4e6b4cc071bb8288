import type { Database, Statement } from 'better-sqlite3'
import type { CustomerJson, RevisedCustomer } from '../customer.ts'
import type { AttributeRow, OrganizationNames, TagRow } from '../sql/name-catalog.ts'
import { NameCatalog } from '../sql/name-catalog.ts'

/** The columns of a customer that its answer is made of. */
export interface RenderingRow {
  readonly rendering: string
  /** Comma-separated, in order of attachment. */
  readonly tag_ids: string
  /** The newest version of a tag when the rendering was made. */
  readonly tag_version: number
}

export interface VersionedRow extends RenderingRow {
  readonly version: number
}

/** Tags and attributes in memory, as one connection sees them. */
export class Catalog {
  readonly #dataVersion: Statement<[], number>
  readonly #newTags: Statement<[number], Omit<TagRow, 'isRecolored'> & { readonly isRecolored: 0 | 1 }>
  readonly #newAttributes: Statement<[number], AttributeRow>
  readonly #names = new NameCatalog()
  #seenDataVersion = -1

  constructor(db: Database) {
    this.#dataVersion = db.prepare<[], number>('pragma data_version').pluck()
    this.#newTags = db.prepare(`
      select id, organization_id as organizationId, name, color, version, is_recolored as isRecolored
      from tags where version > ? order by version`)
    this.#newAttributes = db.prepare('select id, organization_id as organizationId, name, type from attributes where id > ? order by id')
  }

  /** Catches up with what other connections, of this process or another, have committed; answers whether they have. */
  refresh(): boolean {
    const dataVersion = this.#dataVersion.get() ?? 0
    if (dataVersion === this.#seenDataVersion) return false
    this.#seenDataVersion = dataVersion
    this.load()
    return true
  }

  /** Takes in tags and attributes made since the last time, by this connection too. */
  load(): void {
    for (const tag of this.#newTags.iterate(this.#names.tagVersion)) this.#names.learnTag({ ...tag, isRecolored: tag.isRecolored === 1 })
    for (const attribute of this.#newAttributes.iterate(this.#names.attributeId)) this.#names.learnAttribute(attribute)
  }

  of(organizationId: number): OrganizationNames {
    return this.#names.of(organizationId)
  }

  /** The newest version of a tag. */
  get tagVersion(): number {
    return this.#names.tagVersion
  }

  /** Another one after each tag or attribute that was made, and each color that was changed. */
  get version(): string {
    return `${this.#names.tagVersion} ${this.#names.attributeId}`
  }

  /** Whether renderings, the oldest of which was made at a version, show every tag in its color of now. */
  isCurrent(organizationId: number, tagVersion: number): boolean {
    return this.#names.isCurrent(organizationId, tagVersion)
  }

  render(organizationId: number, { rendering, tag_ids, tag_version }: RenderingRow): CustomerJson {
    const tagIds = (): number[] => (tag_ids === '' ? [] : tag_ids.split(',').map(Number))
    return this.#names.render(organizationId, { rendering, tagVersion: tag_version, tagIds })
  }

  revised(organizationId: number, { version, ...row }: VersionedRow): RevisedCustomer {
    return { json: this.render(organizationId, row), version, tagsVersion: this.of(organizationId).recoloredVersion }
  }
}
