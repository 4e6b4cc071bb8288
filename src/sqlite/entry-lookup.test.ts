import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Position, ScalarField } from '../search.ts'
import { EntryLookup } from './entry-lookup.ts'
import { openReader, prepareDatabase } from './open.ts'

const names = { tagIds: new Map(), attributeIds: new Map([['seats', 1]]) }

/** How SQLite reads an order on from a position. */
function stepsOf(field: ScalarField, after: Position | null): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'clientele-test-'))
  const path = join(folder, 'clientele.db')
  prepareDatabase(path)
  const db = openReader(path)
  onTestFinished(() => {
    db.close()
    rmSync(folder, { recursive: true })
  })
  const texts: string[] = []
  const prepare = db.prepare.bind(db)
  Object.assign(db, {
    prepare: (text: string) => {
      texts.push(text)
      return prepare(text)
    }
  })
  const readOn = new EntryLookup(db).readerOf(1, { by: 'number', field }, names)
  for (const order of ['asc', 'desc'] as const) readOn?.({ order, after, max: 10 })
  return texts.flatMap((text) => prepare<unknown[], { detail: string }>(`explain query plan ${text}`)
    .all(...Array.from(text.matchAll(/\?/g), () => 1)).map(({ detail }) => detail))
}

const both = (...steps: string[]): string[] => [...steps, ...steps.map((step) => step.replaceAll('>?', '<?'))]
const behind: Position = { value: 5, id: 7 }
const byAttribute = 'SEARCH customer_attributes USING PRIMARY KEY'

test.each<[string, ScalarField, Position | null, string[]]>([
  ['a custom attribute', { attribute: 'seats' }, null, [`${byAttribute} (attribute_id=?)`, `${byAttribute} (attribute_id=?)`]],
  ['a custom attribute behind a position', { attribute: 'seats' }, behind,
    both(`${byAttribute} (attribute_id=? AND value=? AND customer_id>?)`, `${byAttribute} (attribute_id=? AND value>?)`)],
  ...(['userId', 'email', 'firstSeen', 'lastSeen'] as const).map((name): [string, ScalarField, Position, string[]] => {
    const column = name.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`)
    const index = `SEARCH customers USING COVERING INDEX customers_by_${column}`
    // These hold the id once more, behind the date.
    const id = name.endsWith('Seen') ? 'id' : 'rowid'
    return [`${name} behind a position`, { name }, behind, both(`${index} (organization_id=? AND ${column}=? AND ${id}>?)`, `${index} (organization_id=? AND ${column}>?)`)]
  }),
  ['a field without an index', { name: 'city' }, null, []]
])('the order of %s is read from an index alone, and nothing is sorted', (_what, field, after, steps) => {
  expect(stepsOf(field, after)).toEqual(steps)
})
