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
  #own = 0
  #shared = 0

  /** `plan` is what EXPLAIN with ANALYZE answered as JSON. */
  add(of: 'page' | 'total', plan: unknown): void {
    const nodes = [...nodesIn(plan, { level: 0, isRepeated: false })]
    for (const { node, level, isRepeated } of nodes) {
      if (isRepeated) continue
      const { 'Node Type': type, 'Index Name': index, 'Relation Name': relation } = node
      this.#steps.push(`${of}: ${'  '.repeat(level)}${type}${index === undefined ? '' : ` using ${wholeName(index)}`}${relation === undefined ? '' : ` on ${wholeName(relation)}`}`)
    }
    const scans = nodes.map(({ node }) => node).filter((node) => node['Relation Name'] !== undefined || node['Index Name'] !== undefined)
    if (this.#plan === '') this.#plan = planName(nodes.map(({ node }) => node), scans)
    for (const scan of scans) {
      if (scan['Node Type'] === 'Seq Scan') this.#shared += visited(scan)
      else this.#own += visited(scan)
    }
  }

  /** `customers` is how many the organization has: of what is read in passing, no more is told. */
  tell(customers: number): NonNullable<FoundPage['explanation']> {
    return { plan: this.#plan, steps: this.#steps, entriesVisited: this.#own + Math.min(this.#shared, customers) }
  }
}

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
    const [first, ...others]: unknown[] = name === 'Tasks' && Array.isArray(part) ? part : [part]
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
  if (scans.some((node) => node['Node Type'] === 'Seq Scan' && wholeName(node['Relation Name'] ?? '') === 'customers')) return 'scan'
  if (first === undefined) return scans.length === 0 ? 'nothing' : 'scan'
  return `${isSorted ? 'by' : 'walk'} ${wholeName(first['Index Name'] ?? '')}`
}

function visited(node: Node): number {
  const rows = (node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)
  return Math.round(rows * (node['Actual Loops'] ?? 1))
}
