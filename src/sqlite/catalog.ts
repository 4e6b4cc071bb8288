import type { Database, Statement } from 'better-sqlite3'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import { renderTags, spliceTags, tagsMarker, tagsMarkerLead } from '../customer.ts'

const markerBytes = Buffer.from(tagsMarker)

/** Combinations of tags whose bytes are kept. */
const tagListsKept = 10_000

/** The columns of a customer that its answer is made of. */
export interface RenderingRow {
  readonly rendering: string
  /** Comma-separated, in order of attachment. */
  readonly tag_ids: string
}

/** The same of several customers: their renderings comma-separated in UTF-8, their tag ids by semicolons. */
export interface RenderingRows {
  readonly count: number
  readonly renderings: Buffer | null
  readonly tag_ids: string | null
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
  readonly #tagListBytes = new Map<string, Buffer>()
  #seenDataVersion = -1
  #seenTagVersion = 0
  #seenAttributeId = 0

  constructor(db: Database) {
    this.#dataVersion = db.prepare<[], number>('pragma data_version').pluck()
    this.#newTags = db.prepare('select id, organization_id, name, color, version from tags where version > ? order by version')
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
    for (const { id, organization_id, name, color, version } of this.#newTags.iterate(this.#seenTagVersion)) {
      const { tagIds, tagColors } = this.of(organization_id)
      tagIds.set(name, id)
      tagColors.set(name, color)
      this.#tagJson.set(String(id), renderTags([{ name, color }]))
      this.#tagListBytes.clear()
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

  render({ rendering, tag_ids }: RenderingRow): CustomerJson {
    return spliceTags(rendering, this.#tagList(tag_ids))
  }

  /**
   * Several customers as the elements of a JSON array. Works on bytes, since making a string of each
   * customer and bytes of the whole again costs twice as much as reading them.
   */
  renderAll({ renderings, tag_ids }: RenderingRows): Buffer {
    if (renderings === null || tag_ids === null) return Buffer.alloc(0)
    const lists = tag_ids.split(';').map((ids) => this.#tagListOfBytes(ids))
    const bytes = Buffer.allocUnsafe(renderings.length + lists.reduce((sum, list) => sum + list.length, 0))
    let read = 0
    let written = 0
    for (const list of lists) {
      const tagsAt = renderings.indexOf(markerBytes, read) + tagsMarkerLead
      written += renderings.copy(bytes, written, read, tagsAt)
      written += list.copy(bytes, written)
      read = tagsAt
    }
    renderings.copy(bytes, written, read)
    return bytes
  }

  #tagList(tagIds: string): string {
    if (tagIds === '') return ''
    return tagIds.split(',').map((id) => this.#tagJson.get(id) ?? this.#renderNewTag(id)).join()
  }

  #tagListOfBytes(tagIds: string): Buffer {
    const known = this.#tagListBytes.get(tagIds)
    if (known !== undefined) return known
    const bytes = Buffer.from(this.#tagList(tagIds))
    if (this.#tagListBytes.size >= tagListsKept) this.#tagListBytes.clear()
    this.#tagListBytes.set(tagIds, bytes)
    return bytes
  }

  /** A tag that was made after the last refresh and before the customer was read. */
  #renderNewTag(id: string): string {
    this.load()
    const json = this.#tagJson.get(id)
    if (json === undefined) throw new Error(`Tag ${id} is on a customer but not in the catalog`)
    return json
  }
}
