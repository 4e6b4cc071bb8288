import type { Tag } from '../contract/tag.ts'
import type { AttributeType } from '../custom-data.ts'
import type { CustomerJson } from '../customer.ts'
import { replaceRenderedTags } from '../customer.ts'

export interface TagRow {
  readonly id: number
  readonly organizationId: number
  readonly name: string
  readonly color: string
  readonly version: number
  readonly isRecolored: boolean
}

export interface AttributeRow {
  readonly id: number
  readonly organizationId: number
  readonly name: string
  readonly type: AttributeType
}

/** What of an organization is small and named in nearly every request. */
export interface OrganizationNames {
  readonly tagIds: ReadonlyMap<string, number>
  readonly tagColors: ReadonlyMap<string, string>
  readonly attributeIds: ReadonlyMap<string, number>
  readonly attributeTypes: ReadonlyMap<string, AttributeType>
  /** The version of the tag that was recolored last; renderings made since then show every color as it is. */
  readonly recoloredVersion: number
}

interface KnownNames extends OrganizationNames {
  readonly tagIds: Map<string, number>
  readonly tagColors: Map<string, string>
  readonly attributeIds: Map<string, number>
  readonly attributeTypes: Map<string, AttributeType>
  recoloredVersion: number
}

/** Tags and attributes in memory, as told so far: tags in the order of their versions, attributes in that of their ids. */
export class NameCatalog {
  readonly #organizations = new Map<number, KnownNames>()
  readonly #tags = new Map<number, Tag>()
  #tagVersion = 0
  #attributeId = 0

  /** The newest version of a tag that is known. */
  get tagVersion(): number {
    return this.#tagVersion
  }

  /** The highest id of an attribute that is known. */
  get attributeId(): number {
    return this.#attributeId
  }

  learnTag({ id, organizationId, name, color, version, isRecolored }: TagRow): void {
    const known = this.#of(organizationId)
    known.tagIds.set(name, id)
    known.tagColors.set(name, color)
    if (isRecolored) known.recoloredVersion = version
    this.#tags.set(id, { name, color })
    this.#tagVersion = version
  }

  learnAttribute({ id, organizationId, name, type }: AttributeRow): void {
    const { attributeIds, attributeTypes } = this.#of(organizationId)
    attributeIds.set(name, id)
    attributeTypes.set(name, type)
    this.#attributeId = id
  }

  of(organizationId: number): OrganizationNames {
    return this.#of(organizationId)
  }

  /** Whether renderings, the oldest of which was made at a version, show every tag in its color of now. */
  isCurrent(organizationId: number, tagVersion: number): boolean {
    return tagVersion >= this.#of(organizationId).recoloredVersion
  }

  /** A rendering with the colors that its tags have now. */
  render(organizationId: number, { rendering, tagVersion, tagIds }: { rendering: CustomerJson; tagVersion: number; tagIds: () => readonly number[] }): CustomerJson {
    if (this.isCurrent(organizationId, tagVersion)) return rendering
    const tags = tagIds().map((id) => this.#tag(id))
    return tags.length === 0 ? rendering : replaceRenderedTags(rendering, tags)
  }

  #of(organizationId: number): KnownNames {
    const known = this.#organizations.get(organizationId)
    if (known !== undefined) return known
    const added: KnownNames = { tagIds: new Map(), tagColors: new Map(), attributeIds: new Map(), attributeTypes: new Map(), recoloredVersion: 0 }
    this.#organizations.set(organizationId, added)
    return added
  }

  #tag(id: number): Tag {
    const tag = this.#tags.get(id)
    if (tag === undefined) throw new Error(`Tag ${id} is on a customer but not in the catalog`)
    return tag
  }
}
