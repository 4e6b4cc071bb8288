/** What a search did, for those who ask. */
export class SearchTally {
  readonly steps: string[] = []
  entriesVisited = 0

  visit(entries: number): void {
    this.entriesVisited += entries
  }

  note(step: string): void {
    this.steps.push(step)
  }
}
