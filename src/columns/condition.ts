import { Needle } from '../needle.ts'
import type { AnyTextFilter, EventsFilter, Filter, Group, NumberFilter, ScalarField, TagsFilter, TextFilter } from '../search.ts'
import { Bits } from './bits.ts'
import type { CustomerTable } from './customer-table.ts'
import type { Deadline } from './deadline.ts'
import type { EncodedText } from './encoded-text.ts'
import { encodeText, textSeparator } from './encoded-text.ts'
import { mergeValues } from './merge-values.ts'
import { acceptsNumber, numberProbe } from './number-probe.ts'
import type { RankedLying } from './phone-digits.ts'
import { PhoneDigits, rankedLyings } from './phone-digits.ts'
import type { Stretch } from './row-order.ts'
import type { FieldSort } from './row-orders.ts'
import type { SearchTally } from './search-tally.ts'
import type { TextSource } from './text-column.ts'
import { needleProbe, textProbe, type TextProbe } from './text-probe.ts'

interface Testable {
  /** By which what it selects is found again. */
  readonly key: string
  /** For people. */
  readonly label: string
  /** What it takes to select by it, in passes over a column of numbers. */
  readonly cost: number
  /** Within these is everyone who passes. */
  readonly ranges: readonly FieldRange[]
  /** Whether a row that is not removed passes. */
  test(row: number): boolean
}

/** A stretch of the order of a field; null: those without a value, who come behind all others. */
interface FieldRange {
  readonly sort: FieldSort
  readonly stretch: Stretch | null
}

/** A filter that reads its columns by itself. */
export interface Leaf extends Testable {
  readonly kind: 'leaf'
  /** How many pass, where that is known without finding them. */
  count(): number | undefined
  /** A new set of all rows that pass. */
  select(tally: SearchTally): Bits
}

/** All or any of the parts must be passed; those that cost little come first. */
interface Branch extends Testable {
  readonly kind: 'all' | 'any'
  readonly isNegated: boolean
  readonly parts: readonly Condition[]
}

/** A filter tied to the columns that it asks about, as they are now: it is no good after a write. */
export type Condition = Leaf | Branch

/**
 * Asks an index of the database for the ids of all who pass a filter, whether it is negated or not. Undefined when it has none for it, or
 * when that may take longer than a pass over so many rows.
 */
export type LookUp = (filter: NumberFilter | TextFilter, passedRows: number) => readonly number[] | undefined

/** What a filter asks, and until when. */
export interface SearchScope {
  readonly table: CustomerTable
  readonly deadline: Deadline
  /** Where the database is at hand. */
  readonly lookUp: LookUp | undefined
}

export function isEveryone(condition: Condition): boolean {
  return condition.kind === 'all' && condition.parts.length === 0 && !condition.isNegated
}

const cost = { number: 1, distinctTexts: 1, sparse: 0.1, events: 5, texts: 12 } as const

export function bindFilter(scope: SearchScope, filter: Filter): Condition {
  switch (filter.type) {
    case 'number': return bindNumber(scope, filter)
    case 'text': return bindText(scope, filter)
    case 'tags': return bindTags(scope, filter)
    case 'events': return bindEvents(scope, filter)
    case 'anyText': return bindAnyText(scope, filter, 'inside')
    case 'group': return bindGroup(scope, filter)
  }
}

function bindGroup(scope: SearchScope, group: Group): Condition {
  const filters = mergeValues(group.filters, group.comparison === 'AND')
  const [only] = filters
  // A group of one is what it holds, so that both find what the other left.
  if (only !== undefined && filters.length === 1) return bindFilter(scope, { ...only, isNegated: only.isNegated !== group.isNegated })
  const { isNegated } = group
  const isEmpty = filters.length === 0
  const parts = filters.map((filter) => bindFilter(scope, filter)).sort((one, other) => one.cost - other.cost)
  const isAll = isEmpty || group.comparison === 'AND'
  return {
    kind: isAll ? 'all' : 'any',
    isNegated,
    parts,
    get key() { return JSON.stringify(group) },
    label: `${isNegated ? 'not ' : ''}(${parts.map(({ label }) => label).join(isAll ? ' and ' : ' or ')})`,
    cost: parts.reduce((sum, part) => sum + part.cost, 0),
    ranges: isAll && !isNegated ? parts.flatMap((part) => part.ranges) : [],
    test: (row) => {
      for (const part of parts) if (part.test(row) !== isAll) return isAll === isNegated
      return isAll !== isNegated
    }
  }
}

/** What a leaf is before it may be negated: tests that only rows with a value pass. */
interface Positive {
  readonly label: string
  readonly cost: number
  readonly entriesVisited: number
  readonly range?: FieldRange
  readonly test: (row: number) => boolean
  /** How many customers pass, where that is known without a pass. */
  readonly count?: () => number | undefined
  /** Answers how many entries it took, where those are not all. */
  readonly select: (found: Bits) => number | undefined
  /** What the database has of those who pass, where they are few, in place of a pass. */
  readonly lookUp?: () => readonly number[] | undefined
}

function leaf(scope: SearchScope, { isNegated, keyed }: { isNegated: boolean; keyed: object }, positive: Positive): Leaf {
  const { table, deadline } = scope
  const { test, range } = positive
  const label = isNegated ? `not ${positive.label}` : positive.label
  return {
    kind: 'leaf',
    get key() { return JSON.stringify(keyed) },
    label,
    cost: positive.cost,
    ranges: range === undefined ? [] : isNegated ? rangesOutside(range) : [range],
    count: () => {
      const count = positive.count?.()
      return count !== undefined && isNegated ? table.customers - count : count
    },
    test: (row) => {
      deadline.count(1)
      return test(row) !== isNegated
    },
    select: (tally) => {
      deadline.look()
      const found = new Bits(table.rows)
      const ids = positive.lookUp?.()
      if (ids !== undefined) table.addKnown(ids, found)
      const visited = ids?.length ?? positive.select(found) ?? positive.entriesVisited
      tally.visit(visited)
      tally.note(`${label}: read ${visited} entries${ids === undefined ? '' : ' of an index of the database'}`)
      if (!isNegated) {
        // Ids and events of removed customers are still there.
        found.and(table.live)
        return found
      }
      const others = table.live.clone()
      others.andNot(found)
      return others
    }
  }
}

/** Passed by nobody: nothing of that name was ever stored. */
function nobody(label: string): Positive {
  return { label, cost: 0, entriesVisited: 0, test: () => false, count: () => 0, select: () => undefined }
}

function nameOf({ name, attribute }: ScalarField): string {
  return name ?? `customData.${attribute}`
}

/** Whoever has any value lies outside those without one. */
function rangesOutside({ sort, stretch }: FieldRange): FieldRange[] {
  return stretch?.from === -Infinity && stretch.to === Infinity ? [{ sort, stretch: null }] : []
}

/** The database is asked first for those who pass: it may find few at once. */
function byLookUp({ lookUp }: SearchScope, filter: NumberFilter | TextFilter, passed: Positive): Positive {
  return lookUp === undefined ? passed : { ...passed, lookUp: () => lookUp(filter, passed.entriesVisited) }
}

/** To add a row that an order has takes about as long as to pass over so many of a column of numbers. */
const rowsPerOrdered = 4

/** As a pass over a column, or by its order if it has one, unless the stretch has many. */
function byOrder({ table, deadline }: SearchScope, { sort, stretch }: { sort: FieldSort; stretch: Stretch }, { lookUp, ...passed }: Positive): Positive {
  const ordered = table.orders.between(sort, stretch)
  const ranged = { ...passed, range: { sort, stretch }, ...(ordered && { count: () => ordered.count }) }
  if (ordered !== undefined && ordered.count * rowsPerOrdered < passed.entriesVisited) {
    return { ...ranged, cost: cost.number * passes(table, ordered.count), entriesVisited: ordered.count, select: (found) => { ordered.addTo(found) } }
  }
  return {
    ...ranged,
    // Where there is an order, it has told that they are many.
    ...(ordered === undefined && lookUp && { lookUp }),
    select: (found) => {
      const visited = passed.select(found)
      table.orders.notePass(sort, table.live, deadline)
      return visited
    }
  }
}

function bindNumber(scope: SearchScope, filter: NumberFilter): Leaf {
  const { field, test } = filter
  const { table } = scope
  const source = table.fields.number(field)
  const probe = numberProbe(test)
  const label = `${nameOf(field)} ${test.operator}`
  // A number is missing where the test of any number fails.
  const isNegated = filter.isNegated !== (test.operator === 'empty')
  if (source === undefined) return leaf(scope, { isNegated, keyed: filter }, nobody(label))
  const passed = byLookUp(scope, filter, {
    label,
    cost: cost.number * passes(table, source.entriesVisited),
    entriesVisited: source.entriesVisited,
    test: (row) => {
      const value = source.get(row)
      return value !== null && acceptsNumber(probe, value)
    },
    count: () => source.count(probe),
    select: (found) => { source.select(probe, found) }
  })
  return leaf(scope, { isNegated, keyed: filter }, probe.kind === 'range' ? byOrder(scope, { sort: { by: 'number', field }, stretch: probe }, passed) : passed)
}

function bindText(scope: SearchScope, filter: TextFilter): Leaf {
  const { field, test } = filter
  const source = scope.table.fields.text(field)
  const isNegated = filter.isNegated !== (test.operator === 'empty')
  const label = `${nameOf(field)} ${test.operator}`
  if (source === undefined) return leaf(scope, { isNegated, keyed: filter }, nobody(label))
  const probe = textProbe(test)
  const passed = byLookUp(scope, filter, textPositive(scope, label, [{ source, probe }]))
  if (probe.kind !== 'start') return leaf(scope, { isNegated, keyed: filter }, passed)
  return leaf(scope, { isNegated, keyed: filter }, byOrder(scope, { sort: { by: 'text', field }, stretch: beginningWith(probe.needle) }, passed))
}

function beginningWith(needle: EncodedText): Stretch {
  return { from: needle, to: `${needle}${textSeparator}` }
}

type SoughtText = Pick<AnyTextFilter, 'needle' | 'digits'>

/** The five fields of the field `text`; a phone number is compared by its digits where the needle may be a part of one. */
function bindAnyText(scope: SearchScope, { needle, digits, isNegated }: Omit<AnyTextFilter, 'type'>, how: RankedLying): Leaf {
  const probe = needleProbe(needle, how)
  const phoneProbe: TextProbe = digits === null ? probe : { kind: 'digits', how, digits: new PhoneDigits(digits) }
  const asked = scope.table.fields.anyTexts.map(({ source, isPhone }) => ({ source, probe: isPhone ? phoneProbe : probe }))
  const keyed = { type: 'anyText', needle, digits, isNegated, how }
  return leaf(scope, { isNegated, keyed }, textPositive(scope, anyTextLabels[how], asked))
}

const anyTextLabels = { whole: 'text =', start: 'text ^', inside: 'text ~' } as const

/** Everyone in whose texts the needle lies in each of the ranked ways; the last is what a search for any text finds. */
export function bindRanks(scope: SearchScope, sought: SoughtText): Leaf[] {
  return rankedLyings.map((how) => bindAnyText(scope, { ...sought, isNegated: false }, how))
}

/** What the ranks select, all in one pass, of so many entries. The needle is not empty. */
export function selectRanks({ table, deadline }: SearchScope, { needle, digits }: SoughtText): { readonly found: readonly Bits[]; readonly visited: number } {
  const sought = new Needle(encodeText(needle))
  const soughtDigits = digits === null ? sought : new PhoneDigits(digits)
  const found = rankedLyings.map(() => new Bits(table.rows))
  // Apart, since what a column says of a row may not unsay what another did.
  const its = rankedLyings.map(() => new Bits(table.rows))
  let visited = 0
  for (const { source, isPhone } of table.fields.anyTexts) {
    for (const rows of its) rows.clear()
    visited += source.rank(isPhone ? soughtDigits : sought, its, deadline)
    its.forEach((rows, rank) => found.slice(rank).forEach((reached) => { reached.or(rows) }))
  }
  return { found, visited }
}

function textPositive({ table, deadline }: SearchScope, label: string, asked: readonly { source: TextSource; probe: TextProbe }[]): Positive {
  const [only] = asked
  let testers: ((row: number) => boolean)[] | undefined
  return {
    label,
    cost: asked.reduce((sum, { source }) => sum + (source.isSlow ? cost.texts : cost.distinctTexts) * passes(table, source.entriesVisited), 0),
    entriesVisited: asked.reduce((sum, { source }) => sum + source.entriesVisited, 0),
    test: (row) => {
      testers ??= asked.map(({ source, probe }) => source.tester(probe, deadline))
      for (const test of testers) if (test(row)) return true
      return false
    },
    count: () => (only !== undefined && asked.length === 1 ? only.source.count(only.probe, deadline) : undefined),
    select: (found) => {
      // Apart, since what a column says of a row may not unsay what another did.
      const its = asked.length === 1 ? found : new Bits(table.rows)
      let visited = 0
      for (const { source, probe } of asked) {
        visited += source.select(probe, its, deadline)
        if (its === found) continue
        found.or(its)
        its.clear()
      }
      return visited
    }
  }
}

function bindTags(scope: SearchScope, filter: TagsFilter): Leaf {
  const { operator, names } = filter
  const label = `tags ${operator}`
  const { table, deadline } = scope
  const { tags } = table.fields
  if (operator === 'empty') {
    return leaf(scope, { isNegated: !filter.isNegated, keyed: filter }, {
      label,
      cost: cost.distinctTexts,
      entriesVisited: table.rows,
      test: (row) => tags.hasAny(row),
      select: (found) => { tags.selectAny(found, deadline) }
    })
  }
  const sets = names.map((name) => tags.members(name))
  const known = sets.filter((set) => set !== undefined).sort((one, other) => one.size - other.size)
  const [only] = known
  const isAll = operator === 'all'
  return leaf(scope, { isNegated: filter.isNegated, keyed: filter }, isAll && known.length < sets.length ? nobody(label) : {
    label,
    cost: known.length * cost.sparse,
    entriesVisited: known.reduce((sum, set) => sum + (set.isSparse ? set.size : table.rows >>> 5), 0),
    count: () => (only !== undefined && known.length === 1 ? only.size : undefined),
    test: (row) => {
      deadline.count(known.length)
      return isAll ? known.every((set) => set.has(row)) : known.some((set) => set.has(row))
    },
    select: (found) => {
      if (!isAll) {
        for (const set of known) set.addTo(found)
        return
      }
      const [first, ...others] = known
      if (first === undefined) {
        found.or(table.live)
        return
      }
      first.addTo(found)
      for (const set of others) {
        const its = new Bits(table.rows)
        set.addTo(its)
        found.and(its)
      }
    }
  })
}

function bindEvents(scope: SearchScope, filter: EventsFilter): Leaf {
  const { table, deadline } = scope
  const { name, test } = filter
  const events = table.events(name)
  const probe = numberProbe(test)
  return leaf(scope, { isNegated: filter.isNegated, keyed: filter }, {
    label: `events.${name} ${test.operator}`,
    cost: cost.events,
    entriesVisited: (events?.length ?? 0) + table.rows,
    test: (row) => acceptsNumber(probe, events?.count(filter, row, deadline) ?? 0),
    select: (found) => {
      if (events === undefined) {
        if (acceptsNumber(probe, 0)) found.or(table.live)
        return
      }
      const counts = events.counts(filter, table.rows, deadline)
      for (let row = 0; row < counts.length; row += 1) if (acceptsNumber(probe, counts[row] ?? 0)) found.add(row)
    }
  })
}

/** What part of all rows has to be looked at. */
function passes(table: CustomerTable, entries: number): number {
  return Math.min(1, entries / Math.max(1, table.rows)) + 0.01
}
