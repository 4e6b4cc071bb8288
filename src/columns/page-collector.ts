import type { CustomerSearch } from '../search.ts'

/** Takes matches as they come, passes over the first ones, and is full with one more than the page has. */
export class PageCollector {
  readonly rows: number[] = []
  hasMore = false
  #skip: number
  readonly #limit: number

  constructor({ limit }: Pick<CustomerSearch, 'limit'>, skip: number) {
    this.#limit = limit
    this.#skip = skip
  }

  /** Passes over as many of those that are still to be passed over. */
  skip(count: number): boolean {
    if (this.#skip < count) return false
    this.#skip -= count
    return true
  }

  /** Answers whether more are wanted. */
  readonly take = (row: number): boolean => {
    if (this.#skip > 0) {
      this.#skip -= 1
      return true
    }
    if (this.rows.length === this.#limit) {
      this.hasMore = true
      return false
    }
    this.rows.push(row)
    return true
  }
}
