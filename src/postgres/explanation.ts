import type { FoundPage } from '../store.ts'

/** A node of a plan, as EXPLAIN tells it. */
interface Node {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly 'Index Name'?: string
  readonly 'Scan Direction'?: string
  readonly 'Actual Rows'?: number
  readonly 'Actual Loops'?: number
  readonly 'Rows Removed by Filter'?: number
  readonly 'Rows Removed by Index Recheck'?: number
}

/**
 * How PostgreSQL ran the statements of a search, with the nodes of its plans and nothing of their costs and rows:
 * those are of tables that other organizations are in, too.
 */
export class Explanation {
  readonly #steps: string[] = []
  #plan = ''
  #entries = 0
  #hasScanned = false

  /** `plan` is what EXPLAIN with ANALYZE answered as JSON. */
  add(of: ExplainedStep, plan: unknown): void {
    const nodes = [...nodesIn(plan, { level: 0, isRepeated: false })]
    for (const { node, level, isRepeated } of nodes) {
      if (isRepeated) continue
      const { 'Node Type': type, 'Index Name': index, 'Relation Name': relation } = node
      this.#steps.push(`${of}: ${'  '.repeat(level)}${type}${index === undefined ? '' : ` using ${wholeName(index)}`}${relation === undefined ? '' : ` on ${wholeName(relation)}`}`)
    }
    const scans = nodes.map(({ node }) => node).filter((node) => node['Relation Name'] !== undefined || node['Index Name'] !== undefined)
    if (this.#plan === '' && of === 'page') this.#plan = planName(nodes.map(({ node }) => node), scans)
    for (const scan of scans) {
      if (isOfAllCustomers(scan)) this.#hasScanned = true
      else this.#entries += visited(scan)
    }
  }

  /** `customers` is how many the organization has: no more of them were looked at. */
  tell(customers: number): NonNullable<FoundPage['explanation']> {
    return { plan: this.#plan, steps: this.#steps, entriesVisited: this.#entries + (this.#hasScanned ? customers : 0) }
  }
}

/** Few hits may be looked for before the page. */
export type ExplainedStep = 'few' | 'page' | 'total'

interface Place {
  readonly level: number
  /** What each shard of customers does is the same, and told once. */
  readonly isRepeated: boolean
}

function* nodesIn(plan: unknown, { level, isRepeated }: Place): Generator<Place & { node: Node }> {
  if (typeof plan !== 'object' || plan === null) return
  const isNode = 'Node Type' in plan
  // EXPLAIN says so of everything that has a type.
  if (isNode) yield { node: plan as Node, level, isRepeated }
  for (const [name, part] of Object.entries(plan)) {
    const parts: readonly unknown[] = name === 'Tasks' && Array.isArray(part) ? part : [part]
    const [first, ...others] = parts
    yield* nodesIn(first, { level: isNode ? level + 1 : level, isRepeated })
    yield* nodesIn(others, { level: isNode ? level + 1 : level, isRepeated: true })
  }
}

/** The name of what a shard is of. */
function wholeName(name: string): string {
  return name.replace(/_\d+$/, '')
}

function planName(nodes: readonly Node[], scans: readonly Node[]): string {
  const [first] = scans.filter((node) => node['Index Name'] !== undefined)
  const isSorted = nodes.some((node) => node['Node Type'] === 'Sort')
  if (scans.some(isOfAllCustomers)) return 'scan'
  if (first === undefined) return scans.length === 0 ? 'nothing' : 'scan'
  return `${isSorted ? 'by' : 'walk'} ${wholeName(first['Index Name'] ?? '')}`
}

function isOfAllCustomers(node: Node): boolean {
  return node['Node Type'] === 'Seq Scan' && wholeName(node['Relation Name'] ?? '') === 'customers'
}

/** The order of an index that begins with the organization, or with what only its customers have, is not shared with others. */
function isShared(node: Node): boolean {
  return !node['Node Type'].startsWith('Index') || wholeName(node['Index Name'] ?? '') === 'customers_pkey'
}

/** What was looked at and passed over counts as well, unless it might be another organization's. */
function visited(node: Node): number {
  const passed = isShared(node) ? 0 : (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  const rows = node['Node Type'] === 'Bitmap Index Scan' ? 0 : node['Actual Rows'] ?? 0
  return Math.round((rows + passed) * (node['Actual Loops'] ?? 1))
}
