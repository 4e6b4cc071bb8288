import type { Database, Statement } from 'better-sqlite3'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import { renderTag } from '../customer.ts'

/** The columns of a customer that its answer is made of. */
export interface RenderingRow {
  readonly rendering: string
  readonly tags_offset: number
  readonly tag_ids: string
}

interface TagRow {
  readonly id: number
  readonly organization_id: number
  readonly name: string
  readonly color: string
  readonly version: number
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
}

/** Tags and attributes in memory, as one connection sees them. */
export class Catalog {
  readonly #dataVersion: Statement<[], number>
  readonly #newTags: Statement<[number], TagRow>
  readonly #newAttributes: Statement<[number], AttributeRow>
  readonly #organizations = new Map<number, OrganizationCatalog>()
  readonly #tagJson = new Map<string, string>()
  #seenDataVersion = -1
  #seenTagVersion = 0
  #seenAttributeId = 0

  constructor(db: Database) {
    this.#dataVersion = db.prepare<[], number>('pragma data_version').pluck()
    this.#newTags = db.prepare('select id, organization_id, name, color, version from tags where version > ? order by version')
    this.#newAttributes = db.prepare('select id, organization_id, name, type from attributes where id > ? order by id')
  }

  /** Catches up with what other connections, of this process or another, have committed. */
  refresh(): void {
    const dataVersion = this.#dataVersion.get() ?? 0
    if (dataVersion === this.#seenDataVersion) return
    this.#seenDataVersion = dataVersion
    this.load()
  }

  /** Takes in tags and attributes made since the last time, by this connection too. */
  load(): void {
    for (const { id, organization_id, name, color, version } of this.#newTags.iterate(this.#seenTagVersion)) {
      const { tagIds, tagColors } = this.of(organization_id)
      tagIds.set(name, id)
      tagColors.set(name, color)
      this.#tagJson.set(String(id), renderTag({ name, color }))
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
    const added = { tagIds: new Map(), tagColors: new Map(), attributeIds: new Map(), attributeTypes: new Map() }
    this.#organizations.set(organizationId, added)
    return added
  }

  /** The version that the next tag made or recolored has. */
  get nextTagVersion(): number {
    return this.#seenTagVersion + 1
  }

  render({ rendering, tags_offset, tag_ids }: RenderingRow): CustomerJson {
    if (tag_ids === '') return rendering
    const tags = tag_ids.split(',').map((id) => this.#tagJson.get(id) ?? this.#renderNewTag(id))
    return rendering.slice(0, tags_offset) + tags.join() + rendering.slice(tags_offset)
  }

  /** A tag that was made after the last refresh and before the customer was read. */
  #renderNewTag(id: string): string {
    this.load()
    const json = this.#tagJson.get(id)
    if (json === undefined) throw new Error(`Tag ${id} is on a customer but not in the catalog`)
    return json
  }
}
