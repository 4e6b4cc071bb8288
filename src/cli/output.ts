/** Where a command says what it did: JSON for programs, sentences for people. */
export function report(options: { readonly json?: true }, { json, text }: { json: unknown; text: string }): void {
  process.stdout.write(`${options.json === true ? JSON.stringify(json) : text}\n`)
}

export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [headings, ...rows].map((row) => row.map(String))
  const widths = headings.map((_heading, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n')
}

export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
