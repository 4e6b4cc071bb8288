import type { SearchExplanation } from '../store.ts'

/** How SQLite reads everyone of an organization, in its own words. */
const readingEveryone = /^(page|total): (?:SCAN customers|SEARCH customers USING (?:COVERING )?INDEX \w+ \(organization_id=\?\)|SEARCH customers USING INTEGER PRIMARY KEY \(rowid[<>]\?\))$/

/**
 * An explanation without what it would tell of other organizations: how everyone of an organization
 * is read best depends on how many customers the others have.
 */
export function shownExplanation({ plan, steps, entriesVisited }: SearchExplanation): SearchExplanation {
  const isOfEveryone = plan === 'by any index' || plan === 'walk id'
  const kept = isOfEveryone ? steps.filter((step) => !step.includes('TEMP B-TREE FOR ORDER BY')) : steps
  return {
    plan: plan === 'by any index' ? 'scan' : plan,
    steps: kept.map((step) => step.replace(readingEveryone, '$1: every customer of the organization')),
    entriesVisited
  }
}
