import type { Tag } from '../contract/tag.ts'
import type { AttributeType } from '../custom-data.ts'
import { attributeType } from '../custom-data.ts'
import type { Customer } from '../customer.ts'
import type { Diagnosis } from './diagnosis.ts'
import type { TagRow } from './name-catalog.ts'

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

/** What a customer says of tags and attributes. */
export interface TalliedCustomer {
  readonly organizationId: number
  /** The newest version of a tag when the rendering was made. */
  readonly tagVersion: number
  readonly customer: Customer
  /** Those that the table of tags lacks. */
  readonly unknownTags: readonly Tag[]
}

/** A row of the table of attributes, whose type may be damaged. */
export interface DeclaredAttribute {
  readonly id: number
  readonly organizationId: number
  readonly name: string
  readonly type: string
}

/** What is there when tags and attributes are mended. */
interface Names {
  readonly attributes: readonly DeclaredAttribute[]
  readonly organizationIds: ReadonlySet<number>
  readonly tagVersion: number
  readonly hasTag: (organizationId: number, name: string) => boolean
}

/** Rows to be made get ids and versions above all others, by which servers at work learn of them. */
interface NameRepairs {
  readonly tags: readonly Omit<TagRow, 'id'>[]
  /** Attributes of a wrong type, to be removed before they are made again. */
  readonly removedAttributeIds: readonly number[]
  readonly attributes: readonly Omit<DeclaredAttribute, 'id'>[]
}

const types: readonly string[] = ['text', 'number', 'boolean'] satisfies AttributeType[]

/** What the customers say of tags and attributes, gathered as they are walked. Its size is that of the catalog, not of the customers. */
export class CatalogTally {
  readonly #lackedTags = new Map<number, Map<string, LackedTag>>()
  readonly #attributes = new Map<number, Map<string, SeenTypes>>()
  #tagVersion = 0

  add({ organizationId, tagVersion, customer, unknownTags }: TalliedCustomer): void {
    const { id } = customer
    this.#tagVersion = Math.max(this.#tagVersion, tagVersion)
    for (const { name, color } of unknownTags) {
      const tags = within(this.#lackedTags, organizationId)
      const known = tags.get(name)
      const isRecolored = known !== undefined && (known.isRecolored || known.color !== color)
      const newest = known === undefined || tagVersion >= known.tagVersion ? { color, tagVersion } : known
      tags.set(name, { customerId: known?.customerId ?? id, color: newest.color, tagVersion: newest.tagVersion, isRecolored })
    }
    for (const [name, value] of customer.customData) {
      const seen = within(within(this.#attributes, organizationId), name)
      const type = attributeType(value)
      const ofType = seen.get(type) ?? { count: 0, ids: [] }
      seen.set(type, ofType)
      ofType.count += 1
      if (ofType.ids.length < 10) ofType.ids.push(id)
    }
  }

  report(declared: readonly DeclaredAttribute[], diagnosis: Diagnosis): void {
    for (const tags of this.#lackedTags.values()) for (const { customerId } of tags.values()) diagnosis.add('tags', customerId)
    for (const { organizationId, name, id, type } of declared) {
      if (type !== this.#rightType(organizationId, { name, type })) diagnosis.add('attributeTypes', id)
    }
    for (const { seen } of this.#lackedAttributes(declared)) diagnosis.add('attributes', Math.min(...[...seen.values()].flatMap(({ ids }) => ids)))
    const typesByName = new Map(declared.map(({ organizationId, name, type }) => [keyOf(organizationId, name), type]))
    for (const [organizationId, attributes] of this.#attributes) {
      for (const [name, seen] of attributes) {
        const right = this.#rightType(organizationId, { name, type: typesByName.get(keyOf(organizationId, name)) ?? '' })
        for (const [type, { count, ids }] of seen) if (type !== right) addAll(diagnosis, ids, count)
      }
    }
  }

  repairs({ attributes, organizationIds, tagVersion, hasTag }: Names): NameRepairs {
    let version = Math.max(tagVersion, this.#tagVersion)
    const tags = [...this.#lackedTags].flatMap(([organizationId, lacked]) => [...lacked].flatMap(([name, { color, isRecolored }]) => {
      if (!organizationIds.has(organizationId) || hasTag(organizationId, name)) return []
      version += 1
      return { organizationId, name, color, version, isRecolored }
    }))
    const wrong = attributes.flatMap(({ id, organizationId, name, type }) => {
      const right = this.#rightType(organizationId, { name, type })
      return type === right || !organizationIds.has(organizationId) ? [] : { id, attribute: { organizationId, name, type: right } }
    })
    const lacked = this.#lackedAttributes(attributes).filter(({ organizationId }) => organizationIds.has(organizationId))
    return {
      tags,
      removedAttributeIds: wrong.map(({ id }) => id),
      attributes: [
        ...wrong.map(({ attribute }) => attribute),
        ...lacked.map(({ organizationId, name }) => ({ organizationId, name, type: this.#rightType(organizationId, { name, type: '' }) }))
      ]
    }
  }

  #lackedAttributes(declared: readonly DeclaredAttribute[]): { organizationId: number; name: string; seen: SeenTypes }[] {
    const there = new Set(declared.map(({ organizationId, name }) => keyOf(organizationId, name)))
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
