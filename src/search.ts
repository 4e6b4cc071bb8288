import type { ScalarFieldName } from './contract/search.ts'

/** A value of a customer that filters ask about and pages are sorted by: one of ours, or a custom attribute. */
export type ScalarField =
  | { readonly name: ScalarFieldName; readonly attribute?: never }
  | { readonly attribute: string; readonly name?: never }

/**
 * What a filter asks of a number: an integer, a decimal, UNIX seconds, or 0 and 1 for false and true.
 * A customer without the value passes none of them but `empty`.
 */
export type NumberTest =
  | { readonly operator: '=' | '>' | '<' | '>=' | '<='; readonly value: number }
  | { readonly operator: 'in'; readonly values: readonly number[] }
  /** Both ends included. */
  | { readonly operator: 'between'; readonly from: number; readonly to: number }
  | { readonly operator: 'empty' }

/** What a filter asks of a text, in the form in which the field compares: folded, unless it is exact. Only `empty` (null or "") is passed by null. */
export type TextTest =
  | { readonly operator: '=' | '~' | '^' | '$'; readonly value: string }
  | { readonly operator: 'in'; readonly values: readonly string[] }
  | { readonly operator: 'empty' }

/** Every filter is two-valued, so a negated one is passed by exactly those who do not pass it otherwise. */
interface Negatable {
  readonly isNegated: boolean
}

export interface NumberFilter extends Negatable {
  readonly type: 'number'
  readonly field: ScalarField
  readonly test: NumberTest
}

export interface TextFilter extends Negatable {
  readonly type: 'text'
  readonly field: ScalarField
  readonly test: TextTest
}

/** The customer has all the tags named, or any of them, or no tag at all (`empty`). */
export interface TagsFilter extends Negatable {
  readonly type: 'tags'
  readonly operator: 'all' | 'any' | 'empty'
  readonly names: readonly string[]
}

/** How many events of a name the customer has from `since` to `until`, both seconds included. */
export interface EventsFilter extends Negatable {
  readonly type: 'events'
  readonly name: string
  readonly since: number
  readonly until: number
  readonly test: Exclude<NumberTest, { operator: 'empty' }>
}

/** The needle is in name, email, company, phone or userId, whatever its letter case. */
export interface AnyTextFilter extends Negatable {
  readonly type: 'anyText'
  /** Folded. */
  readonly needle: string
  /** The needle's digits, when it is a part of a phone number: then the phone is compared by its digits. */
  readonly digits: string | null
}

/** Filters of which all or any must be passed. An empty group is passed by everyone. */
export interface Group extends Negatable {
  readonly type: 'group'
  readonly comparison: 'AND' | 'OR'
  readonly filters: readonly Filter[]
}

export type Filter = NumberFilter | TextFilter | TagsFilter | EventsFilter | AnyTextFilter | Group

/**
 * Customers without the value come last in both orders; ties are broken by id in the same order. Text
 * sorts by the code points of the form in which it compares. By rank: where the needle is the whole of
 * a field come first (0), then those where one begins with it (1), has it inside (2), all others (3).
 */
export type Sort =
  | { readonly by: 'number' | 'text'; readonly field: ScalarField }
  | { readonly by: 'rank'; readonly needle: string; readonly digits: string | null }

export type Order = 'asc' | 'desc'

/** Where a customer stands in a sorted list; a page can begin right behind it, whether it is still there or not. */
export interface Position {
  /** The value of the sort, or the rank; text in the form in which it compares. */
  readonly value: string | number | null
  readonly id: number
}

/** A search that can be run as it is. A group without filters matches everyone. */
export interface CustomerSearch {
  readonly filter: Group
  readonly sort: Sort
  readonly order: Order
  readonly limit: number
  /** 0 when there is an `after`. */
  readonly offset: number
  /** The page begins behind this position; null: at the start. */
  readonly after: Position | null
  /** Whether all matches are counted. */
  readonly wantsTotal: boolean
  /** Whether to answer how it was found. */
  readonly wantsExplanation: boolean
}

/** The digits of text, by which phone numbers compare. */
export function digitsOf(text: string): string {
  return text.replace(/\D/g, '')
}
