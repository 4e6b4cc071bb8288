import type { Database, Statement } from 'better-sqlite3'
import type { Tag } from '../contract/tag.ts'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import { replaceRenderedTags } from '../customer.ts'

/** The columns of a customer that its answer is made of. */
export interface RenderingRow {
  readonly rendering: string
  /** Comma-separated, in order of attachment. */
  readonly tag_ids: string
  /** The newest version of a tag when the rendering was made. */
  readonly tag_version: number
}

interface TagRow {
  readonly id: number
  readonly organization_id: number
  readonly name: string
  readonly color: string
  readonly version: number
  readonly is_recolored: 0 | 1
}

interface AttributeRow {
  readonly id: number
  readonly organization_id: number
  readonly name: string
  readonly type: AttributeType
}

/** What of an organization is small and named in nearly every request. */
export interface OrganizationCatalog {
  readonly tagIds: Map<string, number>
  readonly tagColors: Map<string, string>
  readonly attributeIds: Map<string, number>
  readonly attributeTypes: Map<string, AttributeType>
  /** The version of a tag that was recolored last; renderings made since then show every color as it is. */
  recoloredVersion: number
}

/** Tags and attributes in memory, as one connection sees them. */
export class Catalog {
  readonly #dataVersion: Statement<[], number>
  readonly #newTags: Statement<[number], TagRow>
  readonly #newAttributes: Statement<[number], AttributeRow>
  readonly #organizations = new Map<number, OrganizationCatalog>()
  readonly #tags = new Map<string, Tag>()
  #seenDataVersion = -1
  #seenTagVersion = 0
  #seenAttributeId = 0

  constructor(db: Database) {
    this.#dataVersion = db.prepare<[], number>('pragma data_version').pluck()
    this.#newTags = db.prepare(
      'select id, organization_id, name, color, version, is_recolored from tags where version > ? order by version')
    this.#newAttributes = db.prepare('select id, organization_id, name, type from attributes where id > ? order by id')
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
    for (const { id, organization_id, name, color, version, is_recolored } of this.#newTags.iterate(this.#seenTagVersion)) {
      const organization = this.of(organization_id)
      organization.tagIds.set(name, id)
      organization.tagColors.set(name, color)
      if (is_recolored === 1) organization.recoloredVersion = version
      this.#tags.set(String(id), { name, color })
      this.#seenTagVersion = version
    }
    for (const { id, organization_id, name, type } of this.#newAttributes.iterate(this.#seenAttributeId)) {
      const { attributeIds, attributeTypes } = this.of(organization_id)
      attributeIds.set(name, id)
      attributeTypes.set(name, type)
      this.#seenAttributeId = id
    }
  }

  of(organizationId: number): OrganizationCatalog {
    const known = this.#organizations.get(organizationId)
    if (known !== undefined) return known
    const added: OrganizationCatalog = { tagIds: new Map(), tagColors: new Map(), attributeIds: new Map(), attributeTypes: new Map(), recoloredVersion: 0 }
    this.#organizations.set(organizationId, added)
    return added
  }

  /** The newest version of a tag. */
  get tagVersion(): number {
    return this.#seenTagVersion
  }

  /** Whether renderings, the oldest of which was made at a version, show every tag in its color of now. */
  isCurrent(organizationId: number, tagVersion: number): boolean {
    return tagVersion >= this.of(organizationId).recoloredVersion
  }

  render(organizationId: number, { rendering, tag_ids, tag_version }: RenderingRow): CustomerJson {
    if (tag_ids === '' || this.isCurrent(organizationId, tag_version)) return rendering
    return replaceRenderedTags(rendering, tag_ids.split(',').map((id) => this.#tag(id)))
  }

  #tag(id: string): Tag {
    const tag = this.#tags.get(id)
    if (tag === undefined) throw new Error(`Tag ${id} is on a customer but not in the catalog`)
    return tag
  }
}
