/** Everything that the doctor looks for: what it calls it, whose ids it names, and what to do where it cannot mend it. */
export const findingKinds = {
  pages: { says: 'damaged parts of the file', ofWhat: 'place', remedy: 'Restore a backup.' },
  indexes: { says: 'indexes that are missing or do not agree with their table', ofWhat: 'index', remedy: null },
  references: { says: 'rows of an organization that does not exist', ofWhat: 'row', remedy: 'Restore a backup.' },
  sequences: { says: 'tables that would give an id again', ofWhat: 'table', remedy: null },
  unreadable: { says: 'renderings that cannot be read', ofWhat: 'customer', remedy: 'Restore these customers from a backup.' },
  renderings: { says: 'renderings that are not as they are written', ofWhat: 'customer', remedy: null },
  columns: { says: 'columns that differ from their rendering', ofWhat: 'customer', remedy: null },
  tagIds: { says: 'tag ids that differ from their rendering', ofWhat: 'customer', remedy: null },
  userIds: { says: 'userIds that another customer has', ofWhat: 'customer', remedy: 'Give these customers another userId, then run doctor again.' },
  tags: { says: 'tags of customers that the table of tags lacks', ofWhat: 'customer', remedy: null },
  attributes: { says: 'attributes of customers that the table of attributes lacks', ofWhat: 'customer', remedy: null },
  attributeTypes: { says: 'attributes of another type than their values', ofWhat: 'attribute', remedy: null },
  values: { says: 'values of another type than their attribute', ofWhat: 'customer', remedy: 'Write these values anew, or remove them.' },
  tagEntriesMissing: { says: 'entries that customer_tags lacks', ofWhat: 'customer', remedy: null },
  tagEntriesSurplus: { says: 'entries that customer_tags should not have', ofWhat: 'customer', remedy: null },
  attributeEntriesMissing: { says: 'entries that customer_attributes lacks', ofWhat: 'customer', remedy: null },
  attributeEntriesSurplus: { says: 'entries that customer_attributes should not have', ofWhat: 'customer', remedy: null },
  userIdEntriesMissing: { says: 'entries that user_ids lacks', ofWhat: 'customer', remedy: null },
  userIdEntriesSurplus: { says: 'entries that user_ids should not have', ofWhat: 'customer', remedy: null },
  feedEntriesMissing: { says: 'entries that feed lacks', ofWhat: 'change', remedy: null },
  feedEntriesSurplus: { says: 'entries that feed should not have', ofWhat: 'change', remedy: null },
  customerCounts: { says: 'wrong counts of customers', ofWhat: 'organization', remedy: null },
  orderBuckets: { says: 'wrong counts of the sorted lists', ofWhat: 'organization', remedy: null },
  events: { says: 'events of customers that neither exist nor can be brought back', ofWhat: 'customer', remedy: null }
} as const satisfies Record<string, { says: string; ofWhat: string; remedy: string | null }>

/** Kinds that doctor mends. */
export function isMendable(kind: FindingKind): boolean {
  return findingKinds[kind].remedy === null
}

export type FindingKind = keyof typeof findingKinds

/** One kind of fault: how many there are and where the first of them are, never what they hold. */
export interface Finding {
  readonly kind: FindingKind
  readonly count: number
  readonly ids: readonly (number | string)[]
}

const idsMax = 10

export class Diagnosis {
  readonly #findings = new Map<FindingKind, { count: number; readonly ids: (number | string)[] }>()

  add(kind: FindingKind, id: number | string, count = 1): void {
    const known = this.#findings.get(kind)
    const finding = known ?? { count: 0, ids: [] }
    if (known === undefined) this.#findings.set(kind, finding)
    finding.count += count
    if (finding.ids.length < idsMax && !finding.ids.includes(id)) finding.ids.push(id)
  }

  has(kind: FindingKind): boolean {
    return this.#findings.has(kind)
  }

  /** In the order in which kinds are listed above. */
  list(): Finding[] {
    return (Object.keys(findingKinds) as FindingKind[]).flatMap((kind) => {
      const finding = this.#findings.get(kind)
      return finding === undefined ? [] : [{ kind, count: finding.count, ids: finding.ids }]
    })
  }
}
